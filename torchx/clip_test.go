package torchx

import (
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

func TestGoldenClipping(t *testing.T) {
	var golden struct {
		Gradients []described
		Cases     []struct {
			Name  string
			Limit float64
			Norm  *float64 // nil: clipping by value
			After []recorded
		}
	}
	readGolden(t, "gradients.json", &golden)
	if len(golden.Cases) < 5 {
		t.Fatalf("there are %d cases", len(golden.Cases))
	}
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			scoped(t, func() {
				grads := []torch.Tensor{{}} // of a parameter that the loss does not depend on
				for _, g := range golden.Gradients {
					grads = append(grads, g.tensor())
				}
				if c.Norm != nil {
					norm := GradNorm(grads)
					near(t, "norm", []float64{Item(norm)}, []float64{*c.Norm}, 1e-6)
					ClipGradNorm(grads, norm, c.Limit)
				} else {
					ClipGradValue(grads, c.Limit)
				}
				if grads[0].T != nil {
					t.Error("an absent gradient has become one")
				}
				for i, want := range c.After {
					got := Float64s(grads[i+1])
					for j := range got { // limits as small as 1e-6 are to be compared too
						got[j], want.Values[j] = got[j]/c.Limit, want.Values[j]/c.Limit
					}
					near(t, golden.Gradients[i].Tag, got, want.Values, 1e-6)
				}
			})
		})
	}
	noTensors(t)
}

func TestClippingOddGradients(t *testing.T) {
	scoped(t, func() {
		none := []torch.Tensor{{}, {}}
		if norm := GradNorm(none); norm.T != nil {
			t.Error("no gradients have a norm")
		}
		ClipGradNorm(none, GradNorm(none), 1)
		ClipGradValue(none, 1)
		// The gradient of a sum is one value in memory for all elements.
		w := leaf(3, 4)
		for _, clip := range []func(grads []torch.Tensor){
			func(grads []torch.Tensor) { ClipGradValue(grads, 0.5) },
			func(grads []torch.Tensor) { ClipGradNorm(grads, GradNorm(grads), 0.5*3.4641016151377544) },
		} {
			grads := Gradients(Sum(w), []torch.Tensor{w}, false)
			clip(grads)
			near(t, "gradient", Float64s(grads[0]), Float64s(Full(0.5, torch.Double, "cpu", 12)), 1e-6)
		}
	})
}
