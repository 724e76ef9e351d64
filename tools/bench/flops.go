package main

import (
	"fmt"

	"github.com/imori-ml/imori/trainer"
)

// The floor of an iteration: the multiplications that its convolutions and linear layers need, forward, for the gradients
// of inputs and for those of weights, at the speed of this machine's matrix products. What the mathematics does not need
// is not counted, though a script may compute it: gradients of networks that do not step, and of images.

// layer says how often the weights of a convolution or linear layer are used for an image: at each pixel of the result of
// a convolution, at each pixel of the input of a transposed one, once in a linear layer. The number of its weights is
// asked of the network itself.
type layer struct {
	uses   float64
	onData bool // its input is images or noise, which need no gradient when the network trains
}

// pixels is a convolution to maps of such height and width, or a transposed one from them.
func pixels(side float64) layer { return layer{uses: side * side} }

// dense is a linear layer, or a convolution to a single pixel.
var dense = layer{uses: 1}

// onData is a first layer.
func onData(uses float64) layer { return layer{uses, true} }

// resampled is a 3x3 convolution to maps of twice such height and width with average-pool 2 behind it, or with nearest x2
// before it: exactly a convolution of 4x4 with stride 2, or a transposed one, which has 16 weights for 9 at the pixels of
// the smaller map.
func resampled(side float64) layer { return layer{uses: side * side * 16 / 9} }

// network is a network's layers: the multiplications of each for an image.
type network struct {
	layers []layer
	macs   []float64
}

// newNetwork takes the numbers of weights from the tensors of the real network: all with two dimensions or more.
func newNetwork(info trainer.NetworkInfo, layers []layer) (network, error) {
	n := network{layers: layers}
	for _, t := range info.Tensors {
		if t.Buffer || len(t.Shape) < 2 {
			continue
		}
		weights := 1.0
		for _, size := range t.Shape {
			weights *= float64(size)
		}
		if i := len(n.macs); i < len(layers) {
			weights *= layers[i].uses
		}
		n.macs = append(n.macs, weights)
	}
	if len(n.macs) != len(layers) {
		return network{}, fmt.Errorf("the network %s has %d layers with weights, but %d are in the table of the floor: keep contests.go up to date",
			info.Name, len(n.macs), len(layers))
	}
	return n, nil
}

func (n network) sum(count func(layer) bool) float64 {
	total := 0.0
	for i, m := range n.macs {
		if count(n.layers[i]) {
			total += m
		}
	}
	return total
}

// forward is the multiplications of a pass. The gradients of all weights, and those of all inputs, cost as much again.
func (n network) forward() float64 { return n.sum(func(layer) bool { return true }) }

// train is a pass and the gradients of the weights.
func (n network) train() float64 {
	return 2*n.forward() + n.sum(func(l layer) bool { return !l.onData })
}

// through is a pass and the gradient of the input: a critic's in the step of its generator.
func (n network) through() float64 { return 2 * n.forward() }

// gameWork is one step of a discriminator on a real and a generated batch, and one of the generator that made it.
func gameWork(n map[string]network) float64 {
	g, d := n["generator"], n["discriminator"]
	return 2*d.train() + d.through() + g.train()
}

// penaltyWork is WGAN-GP's penalty for a critic whose last norm is before its second last layer.
func penaltyWork(c network) float64 {
	last := len(c.macs) - 1
	gradient := c.through()                              // of the pixels
	above := (c.forward() - c.macs[last])                // its own gradient, from the pixels up to the last layer, which sees a constant
	weights := c.forward()                               // and those of the weights in it
	below := network{c.layers[:last-1], c.macs[:last-1]} // the norms' second derivatives reach the pass itself
	return gradient + above + weights + below.train() - below.forward()
}

// flops counts an iteration's floating-point operations: a multiplication and an addition each.
func (c contest) flops(infos []trainer.NetworkInfo) (float64, error) {
	networks := map[string]network{}
	for _, info := range infos {
		n, err := newNetwork(info, c.layers[info.Name])
		if err != nil {
			return 0, fmt.Errorf("%s: %w", c.model, err)
		}
		networks[info.Name] = n
	}
	return 2 * float64(c.batch) * c.work(networks), nil
}
