package main

import (
	"strings"
	"testing"

	"github.com/imori-ml/imori/trainer"
)

// networksOf builds a contest's model with its trainer.
func networksOf(t *testing.T, c contest) []trainer.NetworkInfo {
	t.Helper()
	c.samples = c.batch
	options, err := c.options("fp32")
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trainer.New(options)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	return tr.Info().Networks
}

// The multiplications of an image, by hand.
//
// wgan's critic: 3*64*16 weights at 16x16 pixels, 64*128*16 at 8x8, 128*256*16 at 4x4, 256*16 once.
// Its generator: 100*2048, then 512*256*16 at 2x2, 256*128*16 at 4x4, 128*64*16 at 8x8, 64*3*16 at 16x16.
// A critic's step: a pass of the generator; two batches through the critic forward, for the weights' gradients and, but for
// the first layer, the inputs'. The generator's: the same of the generator; the critic forward and back to the pixels.
//
// vae: each of 784*512 + 512*256 + 256*128 + 128*64 + 2*64*2 + 2*64 + 64*128 + 128*256 + 256*512 + 512*784 weights once, three
// times but for the first layer.
func TestFlopsByHand(t *testing.T) {
	const (
		first     = 786_432
		critic    = first + 8_388_608 + 8_388_608 + 4_096
		noise     = 204_800
		generator = noise + 3*8_388_608 + 786_432
		wgan      = 5*(generator+2*(3*critic-first)) + 3*generator - noise + 2*critic

		pixels = 401_408
		vae    = 3*(2*(pixels+131_072+32_768+8_192)+256+128) - pixels
	)
	for model, want := range map[string]float64{"wgan": 2 * 64 * wgan, "vae": 2 * 64 * vae} {
		c := lookUp(model)
		got, err := c.flops(networksOf(t, c))
		if err != nil || got != want {
			t.Errorf("%s: got %.0f, %v, want %.0f", model, got, err, want)
		}
	}
}

// With uses of 1 and one weight a layer: g has 2 layers, c 4.
func TestWork(t *testing.T) {
	ones := func(n int) network {
		layers := []layer{onData(1)}
		for len(layers) < n {
			layers = append(layers, dense)
		}
		macs := make([]float64, n)
		for i := range macs {
			macs[i] = 1
		}
		return network{layers, macs}
	}
	g, c := ones(2), ones(4)
	if c.forward() != 4 || c.train() != 4+4+3 || c.through() != 4+4 {
		t.Errorf("got %v, %v, %v", c.forward(), c.train(), c.through())
	}
	if got := gameWork(map[string]network{"generator": g, "discriminator": c}); got != 2*11+8+5 {
		t.Errorf("a game: got %v", got)
	}
	// Back to the pixels 8; its gradient 3 and weights 4; two layers below the last norm: weights 2, inputs 1.
	if got := penaltyWork(c); got != 8+3+4+3 {
		t.Errorf("a penalty: got %v", got)
	}
	if l := resampled(4); l.uses*9 != 16*4*4 {
		t.Errorf("a resampled convolution: got %v", l.uses)
	}
}

// Each model has the layers that the table says.
func TestContestsFitModels(t *testing.T) {
	for _, c := range contests {
		infos := networksOf(t, c)
		if got, err := c.flops(infos); err != nil || got < 1e8 || got > 1e12 {
			t.Errorf("%s: got %g, %v", c.model, got, err)
		}
		infos[0].Tensors = append(infos[0].Tensors, trainer.TensorInfo{Name: "another", Shape: []int64{2, 2}})
		if _, err := c.flops(infos); err == nil || !strings.Contains(err.Error(), "layers with weights") {
			t.Errorf("%s with another layer: got %v", c.model, err)
		}
	}
}
