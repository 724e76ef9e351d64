package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/recipes"
	"github.com/imori-ml/imori/trainer"
)

const size = 16

func TestJudge(t *testing.T) {
	matcher, err := datasets.NewDigitMatcher(size)
	if err != nil {
		t.Fatal(err)
	}
	data, err := (&datasets.DigitsOptions{Size: size, Channels: 1, Count: 1000, Split: "test"}).Open(context.Background(), datasets.Env{})
	if err != nil {
		t.Fatal(err)
	}
	// every takes samples from the dataset, a share of them replaced by noise.
	every := func(index func(i int) int, noise int) []float32 {
		images := make([]float32, samples*size*size)
		rng := rand.New(rand.NewPCG(1, 1))
		for i := range samples {
			s := datasets.Sample{Image: images[i*size*size : (i+1)*size*size]}
			if err := data.Read(index(i), &s); err != nil {
				t.Fatal(err)
			}
			for k := range s.Image {
				if i < noise {
					s.Image[k] = 2*rng.Float32() - 1
				}
			}
		}
		return images
	}
	all := func(i int) int { return i }
	noOnes := func(i int) int { // image i shows the digit i mod 10
		if i%10 == 1 {
			return i + 1
		}
		return i
	}
	tests := []struct {
		name   string
		images []float32
		ok     bool
		want   string
	}{
		{"digits", every(all, 0), true, "digits seen: 0 1 2 3 4 5 6 7 8 9\n"},
		{"a third is noise", every(all, 33), false, "too few, expected at least 80: train longer\n"},
		{"no ones", every(noOnes, 0), false, "missing: 1; train longer"},
	}
	for _, test := range tests {
		var out bytes.Buffer
		if ok := judge(sampled{images: test.images}, size, matcher, &out); ok != test.ok || !strings.Contains(out.String(), test.want) {
			t.Errorf("%s: %v, want %v and %q:\n%s", test.name, ok, test.ok, test.want, out.String())
		}
	}
}

func TestCheck(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	const text = `name: tiny
model: {type: dcgan, z_dim: 4, generator_channels: [4, 4], discriminator_channels: [4, 4]}
dataset: {type: digits, size: 16, count: 40}
train: {iterations: 1, batch_size: 4, threads: 1, device: cpu}
`
	recipe, err := recipes.Parse("tiny.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	options, err := recipe.TrainerOptions(context.Background(), datasets.Env{})
	if err != nil {
		t.Fatal(err)
	}
	options.Dir, options.Recipe = run, recipe.YAML()
	trained, err := trainer.New(options)
	if err != nil {
		t.Fatal(err)
	}
	defer trained.Close()
	if err := trained.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	if ok, err := check(run, &first); ok || err != nil {
		t.Errorf("a run of one iteration: %v, %v\n%s", ok, err, first.String())
	}
	if _, err := os.Stat(filepath.Join(run, "samples", "digitcheck.png")); err != nil {
		t.Error(err)
	}
	if _, err := check(run, &second); err != nil || first.String() != second.String() {
		t.Errorf("judged again: %v\n%s%s", err, first.String(), second.String())
	}
	if _, err := check(t.TempDir(), &first); err == nil || !strings.Contains(err.Error(), "is not the folder of a run") {
		t.Errorf("a folder that is no run: %v", err)
	}
}
