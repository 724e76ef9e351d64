package models

import (
	"math"
	"strings"
	"testing"

	"github.com/imori-ml/imori/torchx"
)

// moments are the mean and the standard deviation of values.
func moments(values []float64) (mean, std float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		std += (v - mean) * (v - mean) / float64(len(values))
	}
	return mean, math.Sqrt(std)
}

// TestDCGANInitialisation: weights from N(0, std), scales of batch norms from
// N(1, std), biases 0.
func TestDCGANInitialisation(t *testing.T) {
	for _, std := range []float64{0.02, 0.1} {
		p, _ := Lookup("dcgan")
		options := p.Options().(*DCGANOptions)
		options.InitStd, options.DiscriminatorNorm = std, "batch"
		model, err := options.Build(images(3, 32, 32))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range model.Networks() {
			for _, p := range torchx.NamedParameters(n.Module) {
				wantMean, wantStd := 0.0, std
				switch {
				case strings.HasSuffix(p.Name, ".bias"):
					wantStd = 0
				case len(torchx.Shape(p.Tensor)) == 1:
					wantMean = 1
				}
				values := torchx.Float64s(p.Tensor)
				gotMean, gotStd := moments(values)
				// Five standard errors, of the mean and of the deviation.
				within := 5 * wantStd / math.Sqrt(float64(len(values)))
				if math.Abs(gotMean-wantMean) > within+1e-6 || math.Abs(gotStd-wantStd) > within+1e-6 {
					t.Errorf("%s.%s has mean %g and deviation %g, want %g and %g", n.Name, p.Name, gotMean, gotStd, wantMean, wantStd)
				}
			}
		}
	}
}

// TestDiscriminatorNorm: with batch, there is a batch norm after all but the first convolution, and the names are those
// of the same layers in a torch.nn.Sequential.
func TestDiscriminatorNorm(t *testing.T) {
	p, _ := Lookup("dcgan")
	options := p.Options().(*DCGANOptions)
	names := func() (all string) {
		model, err := options.Build(images(3, 16, 16))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range model.Networks()[1].Module.State() {
			if name, ok := strings.CutSuffix(e.Name, ".weight"); ok {
				all += name + " "
			}
		}
		return all
	}
	if got, want := names(), "0 2 4 6 9 "; got != want {
		t.Errorf("none: weights of %s, want %s", got, want)
	}
	options.DiscriminatorNorm = "batch"
	if got, want := names(), "0 2 3 5 6 8 9 12 "; got != want {
		t.Errorf("batch: weights of %s, want %s", got, want)
	}
	options.DiscriminatorNorm = "layer"
	if _, err := options.Build(images(3, 16, 16)); err == nil || !strings.Contains(err.Error(), `discriminator_norm is "layer", expected none or batch`) {
		t.Errorf("layer: %v", err)
	}
}
