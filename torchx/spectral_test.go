package torchx

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx/safetensors"
)

// goldenVectors are a spectral norm's at some time.
type goldenVectors struct{ U, V recorded }

func (g goldenVectors) check(t *testing.T, when string, s *SpectralNorm) {
	t.Helper()
	near(t, "u "+when, Float64s(s.U), g.U.Values, goldenTolerance)
	near(t, "v "+when, Float64s(s.V), g.V.Values, goldenTolerance)
}

type goldenForward struct {
	goldenVectors
	Output          recorded
	InputGradient   recorded            `json:"input_gradient"`
	Gradients       map[string]recorded // by parameter
	PenaltyGradient recorded            `json:"penalty_gradient"` // of the weight, by the squared norm of the input's gradient
}

type goldenSpectral struct {
	Name, Layer    string
	Options        goldenOptions
	Names          []string
	Initial        goldenVectors
	State          map[string]described
	Input          described
	Forwards       []goldenForward
	OutputGradient described `json:"output_gradient"`
	Evaluation     goldenForward
}

func TestGoldenSpectralNorm(t *testing.T) {
	var golden struct {
		Seed  int64
		Cases []goldenSpectral
	}
	readGolden(t, "spectral.json", &golden)
	if len(golden.Cases) < 5 {
		t.Fatalf("there are %d cases", len(golden.Cases))
	}
	for _, g := range golden.Cases {
		t.Run(g.Name, func(t *testing.T) {
			var s *SpectralNorm
			scoped(t, func() {
				ManualSeed(golden.Seed)
				s = NewSpectralNorm(goldenLayer{Layer: g.Layer, Options: g.Options}.module())
			})
			scoped(t, func() { g.check(t, s) }) // all of the state has outlived a scope
		})
	}
	noTensors(t)
}

func (g goldenSpectral) check(t *testing.T, s *SpectralNorm) {
	g.Initial.check(t, "at the beginning", s)
	var names []string
	state := StateTensors(s)
	for i, e := range s.State() {
		names = append(names, e.Name)
		state[i] = export(e.Name, g.State[e.Name].tensor())
		if isVector := strings.Contains(e.Name, "weight.0._"); e.Buffer != isVector || RequiresGrad(e.Tensor) == isVector {
			t.Errorf("%s: buffer is %v, gradients %v", e.Name, e.Buffer, RequiresGrad(e.Tensor))
		}
	}
	if !slices.Equal(names, g.Names) {
		t.Fatalf("state is %v, expected %v", names, g.Names)
	}
	if err := LoadState(s, state); err != nil {
		t.Fatal(err)
	}
	x := g.Input.tensor()
	SetRequiresGrad(x, true)
	var outputs []torch.Tensor
	for i, f := range g.Forwards {
		y := s.Forward(x)
		when := fmt.Sprint("after forward ", i)
		f.goldenVectors.check(t, when, s)
		near(t, "output "+when, Float64s(y), f.Output.Values, goldenTolerance)
		outputs = append(outputs, y)
	}
	params := NamedParameters(s)
	for i, f := range g.Forwards { // all graphs are alive
		grads := Gradients(Sum(Mul(outputs[i], g.OutputGradient.tensor())), append([]torch.Tensor{x}, Parameters(s)...), true)
		near(t, fmt.Sprint("gradient of the input by forward ", i), Float64s(grads[0]), f.InputGradient.Values, goldenTolerance)
		for j, p := range params {
			near(t, fmt.Sprintf("gradient of %s by forward %d", p.Name, i), Float64s(grads[j+1]), f.Gradients[p.Name].Values, goldenTolerance)
		}
		weight := slices.IndexFunc(params, func(e Entry) bool { return strings.HasSuffix(e.Name, "original") })
		penalty := Gradients(Sum(Square(grads[0])), Parameters(s)[weight:weight+1], false)
		near(t, fmt.Sprint("second derivative by forward ", i), Float64s(penalty[0]), f.PenaltyGradient.Values, goldenTolerance)
	}
	s.Train(false)
	near(t, "evaluation", Float64s(s.Forward(x)), g.Evaluation.Output.Values, goldenTolerance)
	g.Evaluation.goldenVectors.check(t, "in evaluation", s)
}

func TestSpectralNormIsOne(t *testing.T) {
	scoped(t, func() {
		l := NewLinear(4, 3, LinearOptions{NoBias: true})
		s := NewSpectralNorm(l)
		Copy(l.Weight, FromFloat32([]float32{0, 0, 3, 0, 5, 0, 0, 0, 0, 1, 0, 0}, 3, 4)) // singular values 5, 3, 1
		s.PowerMethod(100)
		near(t, "output", Float64s(s.Forward(FromFloat32([]float32{1, 1, 1, 1}, 1, 4))), []float64{0.6, 1, 0.2}, 1e-6)
		near(t, "weight", Float64s(l.Weight), []float64{0, 0, 3, 0, 5, 0, 0, 0, 0, 1, 0, 0}, 0)
		// In a network a forward without gradients frees what goes between the layers, and nothing of these.
		m := NewSequential(s, NewReLU(), NewSpectralNorm(NewLinear(3, 2, LinearOptions{})))
		x := FromFloat32([]float32{1, 2, 3, 4}, 1, 4)
		NoGrad(func() { m.Forward(x) })
		ToDevice(m, "cpu", torch.Double)
		near(t, "output in float64", Float64s(s.Forward(To(x, "cpu", torch.Double))), []float64{1.8, 1, 0.4}, 1e-6)
	})
	noTensors(t)
}

func TestSpectralNormRefuses(t *testing.T) {
	for _, layer := range []Module{NewReLU(), NewBatchNorm2d(2, BatchNormOptions{}), NewGroupNorm(1, 2), NewSequential()} {
		if err := Try(func() { NewSpectralNorm(layer) }); err == nil || !strings.Contains(err.Error(), "expected") {
			t.Errorf("%T: error is %v", layer, err)
		}
	}
}

// TestSpectralNormInPython: the state goes to PyTorch and, a forward later, back.
func TestSpectralNormInPython(t *testing.T) {
	const python = "/usr/bin/python3"
	if output, err := exec.Command(python, "-c", "import numpy, torch").CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(output)), "\n")
		t.Skipf("%s cannot import numpy and torch: %v: %s", python, err, lines[len(lines)-1])
	}
	scoped(t, func() {
		s := NewSpectralNorm(NewConv2d(3, 8, 4, Conv2dOptions{}))
		from, to := filepath.Join(t.TempDir(), "from.safetensors"), filepath.Join(t.TempDir(), "to.safetensors")
		if err := safetensors.WriteFile(from, StateTensors(s), nil); err != nil {
			t.Fatal(err)
		}
		output, err := exec.Command(python, "-B", "testdata/spectral_check.py", from, to).Output()
		if err != nil {
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				err = fmt.Errorf("%w:\n%s", err, exit.Stderr)
			}
			t.Fatal(err)
		}
		var theirs struct{ Training, Evaluation []float64 }
		if err := json.Unmarshal(output, &theirs); err != nil {
			t.Fatal(err)
		}
		x := described{Tag: "probe", Shape: []int64{2, 3, 6, 6}, Scale: 1}.tensor()
		near(t, "output", Float64s(s.Forward(x)), theirs.Training, goldenTolerance)
		saved, _, err := safetensors.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		back := NewSpectralNorm(NewConv2d(3, 8, 4, Conv2dOptions{}))
		if err := LoadState(back, saved); err != nil {
			t.Fatal(err)
		}
		near(t, "u", Float64s(back.U), Float64s(s.U), goldenTolerance)
		near(t, "v", Float64s(back.V), Float64s(s.V), goldenTolerance)
		back.Train(false)
		near(t, "output in evaluation", Float64s(back.Forward(x)), theirs.Evaluation, goldenTolerance)
	})
}
