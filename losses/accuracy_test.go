package losses

import (
	"math"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

func TestAccuracy(t *testing.T) {
	for _, c := range []struct {
		loss            string
		smoothing       float64
		logits          []float64
		real, generated float64
	}{
		{"bce", 0, []float64{-3, -1e-9, 0, 1e-9, 2}, 0.4, 0.4}, // 0 says nothing, and is right about nothing
		{"hinge", 0, []float64{-0.5, 0.5, 0.7, 1e30}, 0.75, 0.25},
		{"least_squares", 0, []float64{-7, 0, 0.4, 0.6}, 0.25, 0.75},
		{"least_squares", 0.4, []float64{0.2, 0.29, 0.31, 1}, 0.5, 0.5},
		{"bce", 0.4, []float64{-1, math.Log(0.29 / 0.71), math.Log(0.31 / 0.69), 0}, 0.5, 0.5},
	} {
		a := lookUp(c.loss, c.smoothing)
		torchx.Scoped(func() {
			logits := torchx.FromFloat64(c.logits, int64(len(c.logits)), 1)
			real, generated := torchx.Item(a.AccuracyReal(logits, logits)), torchx.Item(a.AccuracyGenerated(logits, logits))
			if math.Abs(real-c.real) > 1e-12 || math.Abs(generated-c.generated) > 1e-12 {
				t.Errorf("%s with smoothing %g: accuracies on %g are %g and %g, want %g and %g",
					c.loss, c.smoothing, c.logits, real, generated, c.real, c.generated)
			}
			// A map of logits is a mean over all of it, of any type.
			maps := torchx.To(torchx.Expand(torchx.Reshape(logits, -1, 1, 1, 1), -1, 1, 2, 3), "cpu", torch.Float)
			if got := torchx.Item(a.AccuracyReal(maps, maps)); math.Abs(got-c.real) > 1e-6 {
				t.Errorf("%s with smoothing %g: the accuracy of maps is %g, want %g", c.loss, c.smoothing, got, c.real)
			}
		})
	}
}

// TestThreshold: at its threshold a discriminator is indifferent: the loss of an image that is as likely real as generated
// is at its least there.
func TestThreshold(t *testing.T) {
	for _, c := range []struct {
		loss                 string
		smoothing, generated float64
	}{{"bce", 0, 1}, {"bce", 0.1, 1}, {"bce", 0.1, 2}, {"least_squares", 0, 1}, {"least_squares", 0.3, 2}} {
		a := lookUp(c.loss, c.smoothing)
		at := func(x float64) (loss float64) {
			torchx.Scoped(func() {
				output := torchx.Full(x, torch.Double, "cpu", 1)
				loss = torchx.Item(a.Real(output)) + c.generated*torchx.Item(a.Generated(output))
			})
			return loss
		}
		x := a.threshold(c.generated)
		if least := at(x); at(x-0.01) <= least || at(x+0.01) <= least {
			t.Errorf("%v: the loss at the threshold %g is not the least", c, x)
		}
	}
	torchx.Scoped(func() {
		logits := func(values ...float64) torch.Tensor { return torchx.FromFloat64(values, int64(len(values)), 1) }
		real, generated := logits(-0.6, -0.7), logits(-0.6, -0.7, -0.8, 5)
		a := lookUp("bce", 0)
		onReal, onGenerated := torchx.Item(a.AccuracyReal(real, generated)), torchx.Item(a.AccuracyGenerated(real, generated))
		if onReal != 0.5 || onGenerated != 0.5 {
			t.Errorf("with two generated images to a real one: accuracies %g and %g, want 0.5 of both at log(1/2)", onReal, onGenerated)
		}
	})
}
