package main

import (
	"math/rand/v2"

	"github.com/imori-ml/imori/datasets"
)

// noise is a dataset of random images, and pairs, held in memory as the Python scripts hold theirs.
type noise struct {
	info            datasets.Info
	images, targets []float32
}

func newNoise(info datasets.Info, samples int) *noise {
	rng := rand.New(rand.NewPCG(1, 2))
	fill := func(channels int) []float32 {
		values := make([]float32, samples*channels*info.Height*info.Width)
		for i := range values {
			values[i] = float32(rng.Uint32()>>24)/127.5 - 1
		}
		return values
	}
	d := &noise{info: info, images: fill(info.Channels)}
	if info.Target != nil {
		d.targets = fill(info.Target.Channels)
	}
	return d
}

func (d *noise) Info() datasets.Info { return d.info }

func (d *noise) Len() int { return len(d.images) / (d.info.Channels * d.info.Height * d.info.Width) }

func (d *noise) Read(i int, s *datasets.Sample) error {
	copy(s.Image, d.images[i*len(s.Image):])
	copy(s.Target, d.targets[i*len(s.Target):])
	return nil
}
