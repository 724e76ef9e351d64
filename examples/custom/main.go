// Command custom trains a model of its own on images of its own: an autoencoder
// on coloured blobs. It shows imori as a library: two interfaces and no recipe.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

const side = 16

// blobs is a Dataset: n coloured discs, each a function of its index.
type blobs struct{ n int }

func (b blobs) Info() datasets.Info {
	return datasets.Info{Name: "blobs", Channels: 3, Height: side, Width: side}
}

func (b blobs) Len() int { return b.n }

// Read draws blob i: called from many goroutines at once, so it shares nothing.
func (b blobs) Read(i int, s *datasets.Sample) error {
	rng := rand.New(rand.NewPCG(7, uint64(i)))
	x, y, radius := 4+8*rng.Float64(), 4+8*rng.Float64(), 2+2*rng.Float64()
	for c := range 3 {
		colour := rng.Float64()
		for p := range side * side {
			distance := math.Hypot(float64(p%side)-x, float64(p/side)-y)
			inside := min(max(radius-distance, 0), 1) // the edge is a pixel wide
			s.Image[c*side*side+p] = float32(2*inside*colour - 1)
		}
	}
	return nil
}

// autoencoder is a Model: one network that squeezes an image into 16 numbers
// and draws it again.
type autoencoder struct{ network *torchx.Sequential }

func newAutoencoder() (trainer.Model, error) {
	halve := torchx.Conv2dOptions{Stride: 2, Padding: 1}
	double := torchx.ConvTranspose2dOptions{Stride: 2, Padding: 1}
	return &autoencoder{torchx.NewSequential(
		torchx.NewConv2d(3, 16, 4, halve), torchx.NewReLU(),
		torchx.NewConv2d(16, 32, 4, halve), torchx.NewReLU(),
		torchx.NewFlatten(), torchx.NewLinear(32*4*4, 16, torchx.LinearOptions{}),
		torchx.NewLinear(16, 32*4*4, torchx.LinearOptions{}), torchx.NewReLU(), torchx.NewUnflatten(32, 4, 4),
		torchx.NewConvTranspose2d(32, 16, 4, double), torchx.NewReLU(),
		torchx.NewConvTranspose2d(16, 3, 4, double), torchx.NewTanh(),
	)}, nil
}

func (a *autoencoder) Networks() []trainer.Network {
	return []trainer.Network{{Name: "autoencoder", Module: a.network}}
}

// Phases: an iteration is one step of the network along its one loss.
func (a *autoencoder) Phases() []trainer.Phase {
	return []trainer.Phase{{
		Name:    "reconstruction",
		Updates: []string{"autoencoder"},
		Loss: func(s *trainer.Step) torch.Tensor {
			x := s.Batch().Images
			return torchx.MSE(a.network.Forward(x), x)
		},
	}}
}
