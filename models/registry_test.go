package models

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/imori-ml/imori/datasets"
)

func TestRegistry(t *testing.T) {
	names := Names()
	for _, name := range []string{"dcgan", "wgan"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not registered; there are %v", name, names)
		}
	}
	if !slices.IsSorted(names) {
		t.Errorf("Names() = %v, not sorted", names)
	}
	if _, ok := Lookup("nothing"); ok {
		t.Error(`Lookup("nothing") found something`)
	}
	for _, name := range names {
		p, _ := Lookup(name)
		for _, channels := range []int{0, 2} {
			bad := allKinds(3, 64, 64)
			bad.Channels = channels
			err := p.Options().Check(bad)
			if _, buildErr := p.Options().Build(bad); err == nil || buildErr == nil || buildErr.Error() != err.Error() {
				t.Errorf("%s: images of %d channels: Check says %v, Build %v, expected the same error", name, channels, err, buildErr)
			}
		}
		for what, f := range fieldsOf(reflect.TypeOf(p.Options()).Elem()) {
			if f.Tag.Get("doc") == "" {
				t.Errorf("%s: %s has no doc tag", name, what)
			}
		}
		if one, other := p.Options(), p.Options(); one == other {
			t.Errorf("%s: Options gives the same struct twice", name)
		}
		first, second := p.Optimizers(), p.Optimizers()
		for i := range first {
			if first[i].Options == second[i].Options {
				t.Errorf("%s: Optimizers gives the same options of %s twice", name, first[i].Network)
			}
		}
	}

	defer func() {
		if recover() == nil {
			t.Error("registering a name twice did not panic")
		}
	}()
	wgan, _ := Lookup("wgan")
	Register(wgan)
}

// fieldsOf lists the keys of options, those of embedded structs included.
func fieldsOf(s reflect.Type) map[string]reflect.StructField {
	fields := map[string]reflect.StructField{}
	for i := range s.NumField() {
		f := s.Field(i)
		if f.Anonymous {
			maps.Copy(fields, fieldsOf(f.Type))
			continue
		}
		fields[f.Name] = f
	}
	return fields
}

func images(channels, height, width int) datasets.Info {
	return datasets.Info{Name: "test", Channels: channels, Height: height, Width: width}
}

func TestCheck(t *testing.T) {
	defaults := func(name string) Options {
		p, _ := Lookup(name)
		return p.Options()
	}
	wgan := func(change func(*WGANOptions)) Options {
		o := defaults("wgan").(*WGANOptions)
		change(o)
		return o
	}
	dcgan := func(change func(*DCGANOptions)) Options {
		o := defaults("dcgan").(*DCGANOptions)
		change(o)
		return o
	}
	with := func(name string, change func(Options)) Options {
		o := defaults(name)
		change(o)
		return o
	}
	classes, pairs := images(3, 32, 32), images(3, 64, 64)
	classes.Classes, pairs.Target = []string{"a", "b"}, &datasets.Target{Channels: 1}
	badPairs := images(3, 48, 64)
	badPairs.Target = pairs.Target
	wide := make([]int64, 70) // 2^70 is 0 in an int
	for _, c := range []struct {
		name    string
		options Options
		in      datasets.Info
		want    []string // parts of the error; none: fits
	}{
		{"wgan 32x32", defaults("wgan"), images(3, 32, 32), nil},
		{"wgan 16x48", defaults("wgan"), images(1, 16, 48), nil},
		{"wgan 28x28", defaults("wgan"), images(1, 28, 28), []string{"wgan", "28x28", "16 must divide", "16x16 and 32x32"}},
		{"wgan 8x33", defaults("wgan"), images(1, 8, 33), []string{"8x33", "16x32 and 16x48"}},
		{"wgan 8x8", defaults("wgan"), images(1, 8, 8), []string{"8x8", "the nearest sizes that fit: 16x16"}},
		{"wgan narrower", wgan(func(o *WGANOptions) { o.GeneratorChannels, o.CriticChannels = []int64{8, 4}, []int64{4, 8} }), images(1, 28, 28), nil},
		{"wgan empty", wgan(func(o *WGANOptions) { o.CriticChannels = nil }), images(3, 32, 32), []string{"critic_channels", "empty"}},
		{"wgan too deep", wgan(func(o *WGANOptions) { o.CriticChannels = wide }), images(3, 32, 32), []string{"70 widths", "at most"}},
		{"wgan no pixels", defaults("wgan"), images(3, 0, 32), []string{"height 0"}},
		{"dcgan 32x32", defaults("dcgan"), images(3, 32, 32), nil},
		{"dcgan 28x28", defaults("dcgan"), images(1, 28, 28), nil},
		{"dcgan 30x30", defaults("dcgan"), images(1, 30, 30), []string{"dcgan", "30x30", "4 must divide", "28x28 and 32x32"}},
		{"dcgan own widths", dcgan(func(o *DCGANOptions) { o.GeneratorChannels, o.DiscriminatorChannels = []int64{8, 8, 8}, []int64{8} }), images(1, 28, 28),
			[]string{"28x28", "8 must divide", "24x24 and 32x32"}},
		{"dcgan smooth hinge", dcgan(func(o *DCGANOptions) { o.Loss, o.LabelSmoothing = "hinge", 0.1 }), images(3, 32, 32), []string{"dcgan", "no labels"}},
		{"ae 7x9", defaults("ae"), images(1, 7, 9), nil},
		{"ae two channels", defaults("ae"), images(2, 7, 9), []string{"ae", "2 channels", "expected 1 channel or 3"}},
		{"gan 7x9", defaults("gan"), images(3, 7, 9), nil},
		{"gan loss", with("gan", func(o Options) { o.(*GANOptions).Loss = "" }), images(3, 8, 8), []string{"gan", `loss is ""`}},
		{"convae 28x28", defaults("convae"), images(1, 28, 28), nil},
		{"convae 30x28", defaults("convae"), images(1, 30, 28), []string{"convae", "30x28", "4 must divide"}},
		{"convae empty", with("convae", func(o Options) { o.(*ConvAEOptions).Channels = nil }), images(1, 28, 28), []string{"channels is empty"}},
		{"vae mlp 7x9", defaults("vae"), images(1, 7, 9), nil},
		{"vae conv 28x28", with("vae", func(o Options) { o.(*VAEOptions).Network = "conv" }), images(1, 28, 28), []string{"vae", "8 must divide", "24x24 and 32x32"}},
		{"vae network", with("vae", func(o Options) { o.(*VAEOptions).Network = "rnn" }), images(1, 28, 28), []string{`network is "rnn"`, "mlp or conv"}},
		{"vae reconstruction", with("vae", func(o Options) { o.(*VAEOptions).Reconstruction = "l1" }), images(1, 28, 28), []string{`reconstruction is "l1"`, "bce or mse"}},
		{"cgan", defaults("cgan"), classes, nil},
		{"cgan without classes", defaults("cgan"), images(3, 32, 32), []string{"cgan", "no classes", "mnist"}},
		{"pix2pix", defaults("pix2pix"), pairs, nil},
		{"pix2pix without pairs", defaults("pix2pix"), images(3, 64, 64), []string{"pix2pix", "no targets", "pairs: true"}},
		{"pix2pix 48x64", defaults("pix2pix"), badPairs, []string{"pix2pix", "48x64", "32 must divide", "32x64 and 64x64"}},
		{"pix2pix direction", with("pix2pix", func(o Options) { o.(*Pix2PixOptions).Direction = "up" }), pairs, []string{`direction is "up"`}},
		{"wgangp 24x24", defaults("wgangp"), images(3, 24, 24), nil},
		{"wgangp 28x28", defaults("wgangp"), images(1, 28, 28), []string{"wgangp", "8 must divide", "24x24 and 32x32"}},
		{"alphagan 28x28", defaults("alphagan"), images(1, 28, 28), nil},
		{"alphagan 30x28", defaults("alphagan"), images(1, 30, 28), []string{"alphagan", "4 must divide"}},
		{"dcgan loss", dcgan(func(o *DCGANOptions) { o.Loss = "mse" }), images(3, 32, 32), []string{`loss is "mse"`, "hinge"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.options.Check(c.in)
			if len(c.want) == 0 {
				if err != nil {
					t.Errorf("Check: %v, want none", err)
				}
				return
			}
			if err == nil {
				t.Fatal("Check found nothing wrong")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("Check: %q does not say %q", err, part)
				}
			}
			if _, buildErr := c.options.Build(c.in); buildErr == nil || buildErr.Error() != err.Error() {
				t.Errorf("Build: %v, want the same as Check: %v", buildErr, err)
			}
		})
	}
}
