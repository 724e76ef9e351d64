package models

import (
	"slices"
	"testing"

	"github.com/imori-ml/imori/torchx"
)

// TestWGANClip: after a run every parameter of the critic is within the clip,
// the scales of batch norms, which begin at 1, included.
func TestWGANClip(t *testing.T) {
	p, _ := Lookup("wgan")
	model := newTrial(2).run(t, p)
	for _, e := range torchx.NamedParameters(network(t, model, "critic").Module) {
		values := torchx.Float32s(e.Tensor)
		const clip = float32(0.01)
		if low, high := slices.Min(values), slices.Max(values); low < -clip || high > clip {
			t.Errorf("%s lies in [%g, %g], want it clipped to [-0.01, 0.01]", e.Name, low, high)
		}
	}
}
