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
	_ "github.com/imori-ml/imori/torchx/arena" // iterations must not pay for their memory anew
	_ "github.com/imori-ml/imori/torchx/spin"  // a busy neighbour must not slow training several times
	"github.com/imori-ml/imori/trainer"
)

const side = 16

// blobs is a Dataset: n coloured discs on grey, each a function of its index.
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
		colour := 2*rng.Float64() - 1
		for p := range side * side {
			distance := math.Hypot(float64(p%side)-x, float64(p/side)-y)
			inside := min(max(radius-distance, 0), 1) // the edge is a pixel wide
			s.Image[c*side*side+p] = float32(inside * colour)
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

// Preview draws images of the dataset above what the network makes of them.
func (a *autoencoder) Preview(p *trainer.Preview) error {
	x := p.Batch(8).Images
	p.Images("images", x, 8)
	p.Images("reconstructions", a.network.Forward(x), 8)
	return nil
}

// train runs the given number of iterations and keeps the run in dir.
func train(ctx context.Context, dir string, iterations int, observer trainer.Observer) error {
	config := trainer.DefaultConfig()
	config.Iterations = iterations
	adam, _ := torchx.NewOptimizerOptions("adam") // with PyTorch's defaults
	t, err := trainer.New(trainer.Options{
		Config:     config,
		Build:      newAutoencoder,
		Dataset:    blobs{n: 2000},
		Optimizers: map[string]torchx.OptimizerOptions{"autoencoder": adam},
		Dir:        dir,
		Observer:   observer,
	})
	if err != nil {
		return err
	}
	defer t.Close()
	return t.Run(ctx)
}

// printer is an Observer that prints what is logged and saved.
type printer struct{ trainer.Silent }

func (printer) Progress(p trainer.Progress) {
	if len(p.Metrics) > 0 {
		fmt.Printf("%5d of %d, %.0f images/s: loss %.4f\n", p.Iteration, p.Total, p.ImagesPerSecond, p.Metrics[0].Value)
	}
}

func (printer) Saved(kind trainer.SavedKind, path string) { fmt.Printf("%s: %s\n", kind, path) }

func main() {
	out := flag.String("out", "runs/blobs", "folder of the run, a new one")
	iterations := flag.Int("iterations", 1000, "iterations to train")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C saves a checkpoint and ends
	defer stop()
	if err := train(ctx, *out, *iterations, printer{}); err != nil {
		fmt.Fprintln(os.Stderr, "custom:", err)
		os.Exit(1)
	}
}
