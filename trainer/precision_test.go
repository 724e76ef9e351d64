package trainer

import (
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer/rundir"
)

// bf16CPU makes the CPU one that multiplies bfloat16, and faster than float32, or does not. Both compute the same, at
// other speeds.
func bf16CPU(t *testing.T, able bool) {
	t.Helper()
	before, paid := checkBF16, bf16Pays
	t.Cleanup(func() { checkBF16, bf16Pays = before, paid })
	bf16Pays = func() bool { return able }
	checkBF16 = func(string) error {
		if able {
			return nil
		}
		return errors.New("this CPU does not multiply bfloat16")
	}
}

// precise is options with a precision, and a convolution in the model.
func precise(precision string) Options {
	o := options(nil)
	o.Precision = precision
	o.Build = func() (Model, error) {
		m := newGAN(16)
		layers := []torchx.Module{torchx.NewFlatten(), torchx.NewUnflatten(1, 8, 8), torchx.NewConv2d(1, 1, 3, torchx.Conv2dOptions{Padding: 1})}
		m.critic.Layers = append(layers, m.critic.Layers...)
		return m, nil
	}
	return o
}

func TestBF16(t *testing.T) {
	bf16CPU(t, true)
	tr := newTrainer(t, precise("bf16"))
	if got := tr.Info().Precision; got != "bf16" {
		t.Errorf("the precision is %q", got)
	}
	rounded, exact := iterate(t, tr, 12), iterate(t, newTrainer(t, precise("fp32")), 12)
	same := true
	for i, metrics := range rounded {
		for j, m := range metrics {
			want := exact[i][j].Value
			same = same && m.Value == want
			// Later ones go their own way.
			if i < 2 && math.Abs(m.Value-want) > 0.05*max(1, math.Abs(want)) {
				t.Errorf("iteration %d: %s is %g, in fp32 %g", i+1, m.Name, m.Value, want)
			}
		}
	}
	if same {
		t.Error("nothing was rounded")
	}
	err := tr.Do(func() error {
		for _, n := range tr.Networks() {
			for _, e := range n.Module.State() {
				if !e.Buffer && e.Tensor.Dtype() != torch.Float {
					t.Errorf("%s of %s has dtype %d, expected float32", e.Name, n.Name, e.Tensor.Dtype())
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBF16ResumeIsExact(t *testing.T) {
	bf16CPU(t, true)
	whole := precise("bf16")
	whole.Dir = filepath.Join(inMemory(t), "whole")
	run(t, whole, 0)
	stopped := precise("auto") // and remembers what it was
	stopped.Dir = filepath.Join(inMemory(t), "stopped")
	run(t, stopped, 7)
	stopped.Resume = true
	run(t, stopped, 0)
	sameRun(t, whole.Dir, stopped.Dir)
}

// TestLossIsFloat32: whatever the layers return, the loss is not rounded, and its phase may return what it likes.
func TestLossIsFloat32(t *testing.T) {
	bf16CPU(t, true)
	o := precise("bf16")
	seen := 0
	o.Build = func() (Model, error) {
		m := newGAN(16)
		for i, p := range m.phases {
			m.phases[i].Loss = func(s *Step) torch.Tensor {
				wide := torchx.NewSequential(m.critic.Layers[:2]...) // the last layer, of one output, stays float32
				output := torchx.Narrow(wide.Forward(m.fake(s)), 1, 0, 1)
				if output.Dtype() != torch.BFloat16 {
					t.Errorf("%s: the layer's output has dtype %d, expected bfloat16", p.Name, output.Dtype())
				}
				seen++
				return torchx.Reshape(torchx.Narrow(output, 0, 0, 1))
			}
		}
		return m, nil
	}
	if metrics := iterate(t, newTrainer(t, o), 1); len(metrics) != 1 || seen == 0 {
		t.Errorf("%d losses, metrics %v", seen, metrics)
	}
}

func TestAutoPrecision(t *testing.T) {
	for _, able := range []bool{false, true} {
		bf16CPU(t, able)
		want := map[bool]string{false: "fp32", true: "bf16"}[able]
		if got := newTrainer(t, precise("auto")).Info().Precision; got != want {
			t.Errorf("where bf16 is %v, auto is %s, want %s", able, got, want)
		}
		o := precise("auto")
		o.Build = func() (Model, error) { return newGAN(16), nil }
		if got := newTrainer(t, o).Info().Precision; got != "fp32" {
			t.Errorf("without convolutions auto is %s, want fp32", got)
		}
	}
}

// TestSlowBF16: on a CPU that multiplies bfloat16 slower than float32, auto is fp32, and bf16 is taken with a warning.
func TestSlowBF16(t *testing.T) {
	bf16CPU(t, true)
	for _, pays := range []bool{false, true} {
		bf16Pays = func() bool { return pays }
		for precision, want := range map[string]string{"auto": map[bool]string{false: "fp32", true: "bf16"}[pays], "bf16": "bf16", "fp32": "fp32"} {
			o := precise(precision)
			o.Observer = &recorder{}
			if got := newTrainer(t, o).Info().Precision; got != want {
				t.Errorf("%s, where bf16 pays is %v: got %s, want %s", precision, pays, got, want)
			}
			events := strings.Join(o.Observer.(*recorder).events, "\n")
			if warned := strings.Contains(events, "bf16 is slower than fp32 on this CPU"); warned != (precision == "bf16" && !pays) {
				t.Errorf("%s, where bf16 pays is %v: events are %q", precision, pays, events)
			}
		}
	}
}

// TestAutoStaysWhatItWas: a run goes on as it began, on a CPU that could do otherwise.
func TestAutoStaysWhatItWas(t *testing.T) {
	bf16CPU(t, false)
	o := precise("auto")
	o.Dir = filepath.Join(inMemory(t), "run")
	run(t, o, 5)
	bf16CPU(t, true)
	o.Resume = true
	tr := newTrainer(t, o)
	if got := tr.Info().Precision; got != "fp32" {
		t.Errorf("after fp32 auto is %s", got)
	}
	tr.Close()
	o.Precision = "bf16"
	o.Observer = &recorder{}
	newTrainer(t, o)
	events := strings.Join(o.Observer.(*recorder).events, "\n")
	if !strings.Contains(events, "the run goes on in bf16 after fp32: results will differ") {
		t.Errorf("another precision: events are %q", events)
	}
}

// TestAutoGoesOnAsItBegan: in bf16 on a CPU that cannot, and in fp32 after a version that knew nothing else.
func TestAutoGoesOnAsItBegan(t *testing.T) {
	bf16CPU(t, true)
	o := precise("auto")
	o.Dir = filepath.Join(inMemory(t), "run")
	run(t, o, 5)
	bf16CPU(t, false)
	o.Resume = true
	tr, err := New(o)
	if err == nil {
		tr.Close()
	}
	want := "the run began in bf16, but this CPU does not multiply bfloat16; set train.precision to fp32 to go on with other results"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, expected %q", err, want)
	}
	bf16CPU(t, true)
	tr = &Trainer{Options: o}
	tr.info.Device = "cpu"
	if err := tr.resolvePrecision(&rundir.Checkpoint{State: rundir.State{Extra: map[string]json.RawMessage{settingsKey: []byte(`{"seed":1}`)}}}); err != nil {
		t.Fatal(err)
	}
	if tr.info.Precision != precisionFP32 {
		t.Errorf("a run without a precision goes on in %s", tr.info.Precision)
	}
}

// TestAutoOfALaterVersion: a precision that this version does not know is not taken for one that it can compute in.
func TestAutoOfALaterVersion(t *testing.T) {
	later := &rundir.Checkpoint{State: rundir.State{Extra: map[string]json.RawMessage{settingsKey: []byte(`{"precision":"fp16"}`)}}}
	tr := &Trainer{Options: precise("auto")}
	tr.info.Device = "cpu"
	want := `the run began in "fp16", expected fp32 or bf16: a later version of imori made it; go on with that one, or set train.precision to fp32`
	if err := tr.resolvePrecision(later); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, expected %q", err, want)
	}
	tr.Precision = precisionFP32
	if err := tr.resolvePrecision(later); err != nil || tr.info.Precision != precisionFP32 {
		t.Errorf("asked for fp32, it goes on in %q, error %v", tr.info.Precision, err)
	}
}

func TestRefusedPrecision(t *testing.T) {
	bf16CPU(t, false)
	for precision, want := range map[string]string{
		"bf16": "precision is bf16, but this CPU does not multiply bfloat16; set train.precision to fp32 or auto",
		"fp16": `precision is "fp16", expected fp32, bf16 or auto`,
		"":     `precision is "", expected fp32, bf16 or auto`,
	} {
		tr, err := New(precise(precision))
		if err == nil {
			tr.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("precision %q: error is %v, expected %q", precision, err, want)
		}
	}
}
