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
		options.InitStd = std
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
