package main

import (
	"slices"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/models"
)

// contest is a model that both sides train, with its default widths and optimisers.
type contest struct {
	model       string
	data        datasets.Info
	samples     int // of the dataset, in memory on both sides
	batch       int
	minibatches int                  // of real images that an iteration sees
	iterations  int                  // timed, by default
	adapt       func(models.Options) // what is not the default; nil: nothing
	layers      map[string][]layer
	work        func(n map[string]network) float64 // multiplications that an iteration needs, for each image of a batch
}

var (
	colour = datasets.Info{Name: "noise", Channels: 3, Height: 32, Width: 32}
	grey   = datasets.Info{Name: "noise", Channels: 1, Height: 28, Width: 28}
	pairs  = datasets.Info{Name: "noise", Channels: 3, Height: 64, Width: 64, Target: &datasets.Target{Channels: 3}}
)

// contests have the shapes of images that the models' recipes train on: CIFAR-10's, MNIST's, imori's pairs.
var contests = []contest{
	{
		model: "wgan", data: colour, samples: 10_000, batch: 64, minibatches: 5, iterations: 9,
		layers: map[string][]layer{
			"generator": {onData(1), pixels(2), pixels(4), pixels(8), pixels(16)},
			"critic":    {onData(16 * 16), pixels(8), pixels(4), dense},
		},
		work: func(n map[string]network) float64 {
			g, c := n["generator"], n["critic"]
			return 5*(g.forward()+2*c.train()) + g.train() + c.through()
		},
	},
	{
		model: "dcgan", data: colour, samples: 10_000, batch: 64, minibatches: 1, iterations: 13,
		layers: map[string][]layer{
			"generator":     {onData(1), pixels(2), pixels(4), pixels(8), pixels(16)},
			"discriminator": {onData(16 * 16), pixels(8), pixels(4), pixels(2), dense},
		},
		work: gameWork,
	},
	{
		model: "gan", data: colour, samples: 10_000, batch: 64, minibatches: 1, iterations: 250,
		layers: map[string][]layer{
			"generator":     {onData(1), dense, dense, dense},
			"discriminator": {onData(1), dense, dense},
		},
		work: gameWork,
	},
	{
		model: "wgangp", data: colour, samples: 10_000, batch: 64, minibatches: 5, iterations: 6,
		adapt: func(o models.Options) { o.(*models.WGANGPOptions).Dim = 32 },
		layers: map[string][]layer{
			"generator": {
				onData(1),
				resampled(4), pixels(8), pixels(4),
				resampled(8), pixels(16), pixels(8),
				resampled(16), pixels(32), pixels(16),
				pixels(32),
			},
			"critic": {
				onData(32 * 32), resampled(16), onData(16 * 16),
				pixels(16), resampled(8), pixels(8),
				pixels(8), pixels(8),
				pixels(8), pixels(8),
				dense,
			},
		},
		work: func(n map[string]network) float64 {
			g, c := n["generator"], n["critic"]
			return 5*(g.forward()+2*c.train()+penaltyWork(c)) + g.train() + c.through()
		},
	},
	{
		model: "vae", data: grey, samples: 10_000, batch: 64, minibatches: 1, iterations: 800,
		layers: map[string][]layer{
			"vae": {onData(1), dense, dense, dense, dense, dense, dense, dense, dense, dense, dense},
		},
		work: func(n map[string]network) float64 { return n["vae"].train() },
	},
	{
		model: "convae", data: colour, samples: 10_000, batch: 64, minibatches: 1, iterations: 250,
		layers: map[string][]layer{"autoencoder": {onData(32 * 32), pixels(16), pixels(8), pixels(16)}},
		work:   func(n map[string]network) float64 { return n["autoencoder"].train() },
	},
	{
		model: "pix2pix", data: pairs, samples: 1_000, batch: 8, minibatches: 1, iterations: 25,
		layers: map[string][]layer{
			"generator": {
				onData(64 * 64), pixels(64), pixels(32), pixels(32), pixels(16), pixels(16), pixels(8), pixels(8), pixels(4), pixels(4), pixels(2), pixels(2),
				pixels(4), pixels(4), pixels(8), pixels(8), pixels(16), pixels(16), pixels(32), pixels(32), pixels(64), pixels(64),
				pixels(64),
			},
			"discriminator": {onData(32 * 32), pixels(16), pixels(8), pixels(4), pixels(4)},
		},
		work: gameWork,
	},
}

func contestNames() []string {
	var names []string
	for _, c := range contests {
		names = append(names, c.model)
	}
	return names
}

func lookUp(model string) contest {
	return contests[slices.IndexFunc(contests, func(c contest) bool { return c.model == model })]
}
