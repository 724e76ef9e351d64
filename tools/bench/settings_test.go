package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	s, err := parse([]string{"-model", "gan,wgan", "-precision", "fp32,bf16", "-pairs", "1", "-busy", "2"}, nil)
	if err != nil || !slices.Equal(s.models, []string{"gan", "wgan"}) || !slices.Equal(s.precisions, []string{"fp32", "bf16"}) || s.pairs != 1 || s.busy != 2 {
		t.Errorf("got %+v, %v", s, err)
	}
	if s, err = parse(nil, nil); err != nil || len(s.models) != 7 || strings.Join(s.precisions, ",") != defaultPrecisions() {
		t.Errorf("by default: got %+v, %v", s, err)
	}
	if s, err = parse([]string{"-loader"}, nil); err != nil || !slices.Equal(s.models, []string{"convae", "dcgan"}) {
		t.Errorf("of the loader: got %+v, %v", s, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"-model cats":            `-model has "cats", expected some of wgan,dcgan`,
		"-model gan,gan":         `-model has "gan" twice`,
		"-loader -model wgangp":  "",
		"-loader -model pix2pix": `-model has "pix2pix"`,
		"-precision fp16":        `-precision has "fp16", expected some of fp32,bf16`,
		"-pairs 0":               "-pairs is 0, expected at least 1",
		"-iterations -1":         "-iterations is -1",
		"-busy -1":               "-busy is -1",
		"-loader -start":         "-loader and -start",
		"-start -busy 1":         "-busy with -start",
		"-nothing":               "not defined: -nothing",
		"wgan":                   `found ["wgan"] behind the flags`,
	} {
		var stderr bytes.Buffer
		_, err := parse(strings.Fields(args), &stderr)
		if (err == nil) != (want == "") || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: got %v and %q, want %q", args, err, stderr.String(), want)
		}
	}
}
