package losses

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/losses/formula"
	"github.com/imori-ml/imori/torchx"
)

// cases are all losses, as functions of one input or two.
var cases = []struct {
	name string
	two  bool
	loss func(a, b torch.Tensor) torch.Tensor
	// plain is the same loss of one element of each, in plain Go.
	plain func(a, b float64) float64
}{
	{"BCE against 1", false, one(func(a torch.Tensor) torch.Tensor { return BCE(a, 1) }), func(a, _ float64) float64 { return softplus(-a) }},
	{"BCE against 0", false, one(func(a torch.Tensor) torch.Tensor { return BCE(a, 0) }), func(a, _ float64) float64 { return softplus(a) }},
	{"BCE against 0.9", false, one(func(a torch.Tensor) torch.Tensor { return BCE(a, 0.9) }), func(a, _ float64) float64 { return 0.9*softplus(-a) + 0.1*softplus(a) }},
	{"BCEDiscriminator", true, BCEDiscriminator, func(a, b float64) float64 { return softplus(-a) + softplus(b) }},
	{"BCEGenerator", false, one(BCEGenerator), func(a, _ float64) float64 { return softplus(-a) }},
	{"HingeDiscriminator", true, HingeDiscriminator, func(a, b float64) float64 { return max(0, 1-a) + max(0, 1+b) }},
	{"HingeGenerator", false, one(HingeGenerator), func(a, _ float64) float64 { return -a }},
	{"WassersteinCritic", true, WassersteinCritic, func(a, b float64) float64 { return b - a }},
	{"WassersteinGenerator", false, one(WassersteinGenerator), func(a, _ float64) float64 { return -a }},
	{"LeastSquaresDiscriminator", true, LeastSquaresDiscriminator, func(a, b float64) float64 { return (a-1)*(a-1)/2 + b*b/2 }},
	{"smoothed bce", true, smoothed("bce", 0.1), func(a, b float64) float64 { return 0.9*softplus(-a) + 0.1*softplus(a) + softplus(b) }},
	{"smoothed least_squares", true, smoothed("least_squares", 0.25), func(a, b float64) float64 { return (a-0.75)*(a-0.75)/2 + b*b/2 }},
	{"LeastSquaresGenerator", false, one(LeastSquaresGenerator), func(a, _ float64) float64 { return (a - 1) * (a - 1) / 2 }},
}

func one(loss func(torch.Tensor) torch.Tensor) func(a, b torch.Tensor) torch.Tensor {
	return func(a, _ torch.Tensor) torch.Tensor { return loss(a) }
}

// smoothed is the discriminator's loss of a pair.
func smoothed(name string, smoothing float64) func(a, b torch.Tensor) torch.Tensor {
	pair, err := LookupAdversarial(name, smoothing)
	if err != nil {
		panic(err)
	}
	return pair.Discriminator
}

func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

// scores are n float64 values of [-3, 3], none within 0.001 of the hinges' corners.
func scores(tag string, n int) []float64 {
	values := make([]float64, n)
	for i, v := range formula.Values(tag, n, 3, 0) {
		values[i] = float64(v)
		for _, corner := range []float64{-1, 1} {
			if math.Abs(values[i]-corner) < 1e-3 {
				values[i] += 0.01
			}
		}
	}
	return values
}

func TestValues(t *testing.T) {
	const n = 12
	a, b := scores("a", n), scores("b", n)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			want := 0.0
			for i := range n {
				want += c.plain(a[i], b[i]) / n
			}
			torchx.Scoped(func() {
				loss := c.loss(torchx.FromFloat64(a, n, 1), torchx.FromFloat64(b, n, 1))
				if len(torchx.Shape(loss)) != 0 {
					t.Errorf("the loss has shape %v, want a scalar", torchx.Shape(loss))
				}
				if got := torchx.Item(loss); math.Abs(got-want) > 1e-13 {
					t.Errorf("loss = %v, want %v", got, want)
				}
			})
		})
	}
}

func TestGradients(t *testing.T) {
	const n, step = 12, 1e-5
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inputs := [][]float64{scores("a", n), scores("b", n)}
			if !c.two {
				inputs = inputs[:1]
			}
			value := func() (loss float64) {
				torchx.Scoped(func() {
					loss = torchx.Item(c.loss(torchx.FromFloat64(inputs[0], 3, 4), torchx.FromFloat64(inputs[len(inputs)-1], 3, 4)))
				})
				return loss
			}
			gradients := make([][]float64, len(inputs))
			torchx.Scoped(func() {
				var leaves []torch.Tensor
				for _, input := range inputs {
					leaf := torchx.FromFloat64(input, 3, 4)
					torchx.SetRequiresGrad(leaf, true)
					leaves = append(leaves, leaf)
				}
				for i, g := range torchx.Gradients(c.loss(leaves[0], leaves[len(leaves)-1]), leaves, false) {
					gradients[i] = torchx.Float64s(g)
				}
			})
			for k, input := range inputs {
				for i, at := range input {
					input[i] = at + step
					up := value()
					input[i] = at - step
					down := value()
					input[i] = at
					if want := (up - down) / (2 * step); math.Abs(gradients[k][i]-want) > 1e-9 {
						t.Errorf("gradient by input %d at %d is %v, want %v", k, i, gradients[k][i], want)
					}
				}
			}
		})
	}
	if n := torchx.LiveTensors(); n != 0 {
		t.Errorf("%d live tensors left", n)
	}
}

// TestExtremes: logits at which exp overflows give the right loss and gradient.
func TestExtremes(t *testing.T) {
	for _, c := range []struct{ logit, target, want, gradient float64 }{
		{1000, 1, 0, 0}, {1000, 0, 1000, 1}, {-1000, 1, 1000, -1}, {-1000, 0, 0, 0}, {1e5, 0, 1e5, 1},
	} {
		torchx.Scoped(func() {
			x := torchx.FromFloat32([]float32{float32(c.logit)}, 1)
			torchx.SetRequiresGrad(x, true)
			loss := BCE(x, c.target)
			gradient := torchx.Item(torchx.Gradients(loss, []torch.Tensor{x}, false)[0])
			if got := torchx.Item(loss); got != c.want || gradient != c.gradient {
				t.Errorf("BCE(%g, %g) = %g with gradient %g, want %g with %g", c.logit, c.target, got, gradient, c.want, c.gradient)
			}
		})
	}
}

// TestGolden compares with PyTorch's values in float32.
func TestGolden(t *testing.T) {
	type filled struct {
		Tag          string
		Shape        []int64
		Scale, Shift float64
	}
	var golden struct {
		Losses []struct {
			Name          string
			Input, Target filled
			Output        float64
			InputGradient struct{ Values []float64 } `json:"input_gradient"`
		}
	}
	text, err := os.ReadFile("../torchx/testdata/golden/layers.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	ours := map[string]func(x torch.Tensor) torch.Tensor{
		"bce_with_logits_ones":   func(x torch.Tensor) torch.Tensor { return BCE(x, 1) },
		"bce_with_logits_zeros":  func(x torch.Tensor) torch.Tensor { return BCE(x, 0) },
		"bce_with_logits_smooth": func(x torch.Tensor) torch.Tensor { return BCE(x, 0.9) },
		"hinge_real":             func(x torch.Tensor) torch.Tensor { return hinge(torchx.Neg(x)) },
		"hinge_generated":        hinge,
	}
	compared := 0
	for _, g := range golden.Losses {
		loss, ok := ours[g.Name]
		if !ok {
			continue // of operations, which torchx tests
		}
		compared++
		t.Run(g.Name, func(t *testing.T) {
			torchx.Scoped(func() {
				n := len(g.InputGradient.Values)
				x := torchx.FromFloat32(formula.Values(g.Input.Tag, n, g.Input.Scale, g.Input.Shift), g.Input.Shape...)
				torchx.SetRequiresGrad(x, true)
				l := loss(x)
				if got := torchx.Item(l); math.Abs(got-g.Output) > 1e-6*math.Abs(g.Output) {
					t.Errorf("loss = %.9g, want %.9g", got, g.Output)
				}
				gradient := torchx.Float64s(torchx.Gradients(l, []torch.Tensor{x}, false)[0])
				for i, want := range g.InputGradient.Values {
					if math.Abs(gradient[i]-want) > 1e-8+1e-6*math.Abs(want) {
						t.Errorf("gradient[%d] = %.9g, want %.9g", i, gradient[i], want)
					}
				}
			})
		})
	}
	if compared != len(ours) {
		t.Errorf("compared %d of %d losses: the others are not in the file", compared, len(ours))
	}
}

func TestLookupAdversarial(t *testing.T) {
	plain := map[string]func(real, generated torch.Tensor) torch.Tensor{
		"bce": BCEDiscriminator, "hinge": HingeDiscriminator, "least_squares": LeastSquaresDiscriminator,
	}
	for name, discriminator := range plain {
		pair, err := LookupAdversarial(name, 0)
		if err != nil {
			t.Fatal(err)
		}
		torchx.Scoped(func() {
			good, bad := torchx.FromFloat64([]float64{2, 3}, 2), torchx.FromFloat64([]float64{-3, -2}, 2)
			if right, wrong := torchx.Item(pair.Discriminator(good, bad)), torchx.Item(pair.Discriminator(bad, good)); !(right < wrong) {
				t.Errorf("%s: the discriminator's loss is %g where it is right and %g where it is wrong", name, right, wrong)
			}
			if got, want := torchx.Item(pair.Discriminator(good, bad)), torchx.Item(discriminator(good, bad)); got != want {
				t.Errorf("%s: the discriminator's loss without smoothing is %g, want %g", name, got, want)
			}
			if fooled, caught := torchx.Item(pair.Generator(good)), torchx.Item(pair.Generator(bad)); !(fooled < caught) {
				t.Errorf("%s: the generator's loss is %g on images taken for real and %g on others", name, fooled, caught)
			}
		})
	}
	for _, c := range []struct {
		name      string
		smoothing float64
		want      string
	}{
		{"mse", 0, `loss is "mse", expected bce, hinge or least_squares`},
		{"bce", 1, "label smoothing is 1, expected at least 0 and below 1"},
		{"bce", -0.1, "label smoothing is -0.1, expected"},
		{"bce", math.NaN(), "label smoothing is NaN, expected"},
		{"hinge", 0.1, "label smoothing is 0.1, expected 0: the hinge"},
	} {
		if _, err := LookupAdversarial(c.name, c.smoothing); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s with %g: error is %v, want %s", c.name, c.smoothing, err, c.want)
		}
	}
}
