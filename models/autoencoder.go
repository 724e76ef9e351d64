package models

import (
	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// autoencoder is what ae and convae have in common: an encoder and a decoder
// that learn together to return their input.
type autoencoder struct {
	encoder, decoder *torchx.Sequential
	code             []int64 // shape of an image's code
	network          codec
}

// codec is the encoder and the decoder as one network.
type codec struct {
	torchx.Children
	m *autoencoder
}

// Forward returns the images that are left of x.
func (c codec) Forward(x torch.Tensor) torch.Tensor { return c.m.Reconstruct(x) }

func newAutoencoder(encoder, decoder *torchx.Sequential, code ...int64) *autoencoder {
	m := &autoencoder{encoder: encoder, decoder: decoder, code: code}
	m.network = codec{torchx.Children{{Name: "encoder", Module: encoder}, {Name: "decoder", Module: decoder}}, m}
	return m
}

// Reconstruct is decoder(encoder(x)).
func (m *autoencoder) Reconstruct(x torch.Tensor) torch.Tensor {
	return m.decoder.Forward(m.encoder.Forward(x))
}

// Codes are what the encoder makes of images, as vectors.
func (m *autoencoder) Codes(x torch.Tensor) torch.Tensor {
	return torchx.Flatten(m.encoder.Forward(x), 1, -1)
}

// Decode is decoder(code).
func (m *autoencoder) Decode(codes torch.Tensor) torch.Tensor {
	n := torchx.Shape(codes)[0]
	return m.decoder.Forward(torchx.Reshape(codes, append([]int64{n}, m.code...)...))
}

func (m *autoencoder) Networks() []trainer.Network {
	return []trainer.Network{{Name: "autoencoder", Module: m.network, Averaged: true}}
}

// loss is the mean squared error against the input.
func (m *autoencoder) loss(s *trainer.Step) torch.Tensor {
	x := s.Batch().Images
	return torchx.MSE(m.Reconstruct(x), x)
}

func (m *autoencoder) Phases() []trainer.Phase {
	return []trainer.Phase{{Name: "autoencoder", Updates: []string{"autoencoder"}, Loss: m.loss}}
}

// Preview shows reconstructions of test images, and the spread of their codes.
func (m *autoencoder) Preview(p *trainer.Preview) error {
	showReconstructions(p, m)
	p.Histogram("codes", testCodes(p, m))
	return nil
}
