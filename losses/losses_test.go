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
	{"Hinge", false, one(Hinge), func(a, _ float64) float64 { return max(0, 1+a) }},
	{"LeastSquares", false, one(func(a torch.Tensor) torch.Tensor { return LeastSquares(a, 0.9) }), func(a, _ float64) float64 { return (a - 0.9) * (a - 0.9) / 2 }},
	{"bce", true, discriminator("bce", 0), func(a, b float64) float64 { return softplus(-a) + softplus(b) }},
	{"bce, smooth", true, discriminator("bce", 0.1), func(a, b float64) float64 { return 0.9*softplus(-a) + 0.1*softplus(a) + softplus(b) }},
	{"hinge", true, discriminator("hinge", 0), func(a, b float64) float64 { return max(0, 1-a) + max(0, 1+b) }},
	{"least_squares", true, discriminator("least_squares", 0), func(a, b float64) float64 { return (a-1)*(a-1)/2 + b*b/2 }},
	{"least_squares, smooth", true, discriminator("least_squares", 0.2), func(a, b float64) float64 { return (a-0.8)*(a-0.8)/2 + b*b/2 }},
	{"bce, generator", false, one(generator("bce", 0.1)), func(a, _ float64) float64 { return softplus(-a) }},
	{"hinge, generator", false, one(generator("hinge", 0)), func(a, _ float64) float64 { return -a }},
	{"least_squares, generator", false, one(generator("least_squares", 0.1)), func(a, _ float64) float64 { return (a - 1) * (a - 1) / 2 }},
	{"WassersteinCritic", true, WassersteinCritic, func(a, b float64) float64 { return b - a }},
	{"WassersteinGenerator", false, one(WassersteinGenerator), func(a, _ float64) float64 { return -a }},
}

func one(loss func(torch.Tensor) torch.Tensor) func(a, b torch.Tensor) torch.Tensor {
	return func(a, _ torch.Tensor) torch.Tensor { return loss(a) }
}

func lookUp(name string, smoothing float64) Adversarial {
	a, err := LookupAdversarial(name, smoothing)
	if err != nil {
		panic(err)
	}
	return a
}

func discriminator(name string, smoothing float64) func(a, b torch.Tensor) torch.Tensor {
	return lookUp(name, smoothing).Discriminator
}

func generator(name string, smoothing float64) func(torch.Tensor) torch.Tensor {
	return lookUp(name, smoothing).Generator
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
		"hinge_real":             func(x torch.Tensor) torch.Tensor { return Hinge(torchx.Neg(x)) },
		"hinge_generated":        Hinge,
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

func TestLookupAdversarialErrors(t *testing.T) {
	for _, c := range []struct {
		name      string
		smoothing float64
		want      string
	}{
		{"mse", 0, `"mse", expected bce, hinge or least_squares`},
		{"hinge", 0.1, "hinge loss, which has no labels"},
		{"bce", 1, "less than 1"},
		{"bce", -0.1, "at least 0"},
		{"bce", math.NaN(), "at least 0"},
	} {
		if _, err := LookupAdversarial(c.name, c.smoothing); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with smoothing %g: %v, want an error with %q", c.name, c.smoothing, err, c.want)
		}
	}
}

// TestGaussianKL compares values with plain Go and gradients with differences.
func TestGaussianKL(t *testing.T) {
	const n, d, step = 3, 4, 1e-5
	inputs := [][]float64{scores("mu", n*d), scores("logvar", n*d)}
	value := func() (kl []float64) {
		torchx.Scoped(func() {
			kl = torchx.Float64s(GaussianKL(torchx.FromFloat64(inputs[0], n, d), torchx.FromFloat64(inputs[1], n, d)))
		})
		return kl
	}
	for j, got := range value() {
		want := 0.0
		for i := range n {
			mu, logvar := inputs[0][i*d+j], inputs[1][i*d+j]
			want -= 0.5 * (1 + logvar - mu*mu - math.Exp(logvar)) / n
		}
		if math.Abs(got-want) > 1e-13 {
			t.Errorf("dimension %d: %v, want %v", j, got, want)
		}
	}
	var gradients [2][]float64
	torchx.Scoped(func() {
		leaves := []torch.Tensor{torchx.FromFloat64(inputs[0], n, d), torchx.FromFloat64(inputs[1], n, d)}
		for _, leaf := range leaves {
			torchx.SetRequiresGrad(leaf, true)
		}
		for i, g := range torchx.Gradients(torchx.Sum(GaussianKL(leaves[0], leaves[1])), leaves, false) {
			gradients[i] = torchx.Float64s(g)
		}
	})
	sum := func() (total float64) {
		for _, v := range value() {
			total += v
		}
		return total
	}
	for k, input := range inputs {
		for i, at := range input {
			input[i] = at + step
			up := sum()
			input[i] = at - step
			down := sum()
			input[i] = at
			if want := (up - down) / (2 * step); math.Abs(gradients[k][i]-want) > 1e-8 {
				t.Errorf("gradient by input %d at %d is %v, want %v", k, i, gradients[k][i], want)
			}
		}
	}
}

// TestGradientPenalty differentiates the penalty by the critic's parameters, which
// takes second derivatives, and compares with differences.
func TestGradientPenalty(t *testing.T) {
	const n, step = 3, 1e-5
	weights := [][]float64{scores("w1", 4*2*3*3), scores("b1", 4), scores("w2", 4*16)}
	shapes := [][]int64{{4, 2, 3, 3}, {4}, {1, 64}}
	weights[2] = scores("w2", 64)
	penalty := func(leaves []torch.Tensor) torch.Tensor {
		critic := func(x torch.Tensor) torch.Tensor {
			h := torchx.Conv2d(x, leaves[0], leaves[1], torchx.Conv2dOptions{Padding: 1})
			h = torchx.Softplus(h) // smooth, so that differences are exact enough
			return torchx.Linear(torchx.Flatten(h, 1, -1), torchx.MulScalar(leaves[2], 0.1), torch.Tensor{})
		}
		images := func(tag string) torch.Tensor { return torchx.FromFloat64(scores(tag, n*2*4*4), n, 2, 4, 4) }
		eps := torchx.FromFloat64([]float64{0.2, 0.5, 0.9}, n, 1, 1, 1)
		return GradientPenalty(critic, images("real"), images("generated"), eps)
	}
	leaves := func() (ts []torch.Tensor) {
		for i, w := range weights {
			t := torchx.FromFloat64(w, shapes[i]...)
			torchx.SetRequiresGrad(t, true)
			ts = append(ts, t)
		}
		return ts
	}
	value := func() (v float64) {
		torchx.Scoped(func() { v = torchx.Item(penalty(leaves())) })
		return v
	}
	gradients := make([][]float64, len(weights))
	torchx.Scoped(func() {
		ls := leaves()
		for i, g := range torchx.Gradients(penalty(ls), ls, false) {
			gradients[i] = torchx.Float64s(g)
		}
	})
	for k, w := range weights {
		for i := 0; i < len(w); i += 5 {
			at := w[i]
			w[i] = at + step
			up := value()
			w[i] = at - step
			down := value()
			w[i] = at
			if want := (up - down) / (2 * step); math.Abs(gradients[k][i]-want) > 1e-6*max(1, math.Abs(want)) {
				t.Errorf("gradient by weight %d at %d is %v, want %v", k, i, gradients[k][i], want)
			}
		}
	}
	if n := torchx.LiveTensors(); n != 0 {
		t.Errorf("%d live tensors left", n)
	}
}
