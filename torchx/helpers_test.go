package torchx

import (
	"encoding/json"
	"hash/fnv"
	"math"
	"os"
	"runtime"
	"testing"
	"time"

	torch "github.com/wangkuiyi/gotorch"
)

// described is a tensor that both sides of a golden file make from a formula: testdata/golden/README.md.
type described struct {
	Tag          string
	Shape        []int64
	Scale, Shift float64
}

// recorded is a tensor with the values to compare with.
type recorded struct {
	Shape  []int64
	Values []float64
}

func (d described) values() []float32 {
	data := make([]float32, count("golden", d.Shape))
	for i := range data {
		random := float64(d.Scale * (2*unit(d.Tag, uint64(i)) - 1)) // the conversion forbids a fused multiply-add
		data[i] = float32(d.Shift + random)
	}
	return data
}

func (d described) tensor() torch.Tensor { return FromFloat32(d.values(), d.Shape...) }

func unit(tag string, i uint64) float64 {
	h := fnv.New64a()
	h.Write([]byte(tag))
	x := h.Sum64() + i*0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return float64((x^x>>31)>>40) / (1 << 24)
}

func TestUnit(t *testing.T) {
	if got := unit("noise.0", 1599); got != 0.3476369380950928 {
		t.Errorf("unit = %v", got)
	}
}

// readGolden decodes a file of testdata/golden.
func readGolden(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile("testdata/golden/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// near compares within tolerance, relative for values above 1 and absolute below.
func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, expected %d", what, len(got), len(want))
	}
	for i := range got {
		if diff := math.Abs(got[i] - want[i]); !(diff <= tolerance*max(1, math.Abs(want[i]))) {
			t.Fatalf("%s: value %d is %.9g, expected %.9g", what, i, got[i], want[i])
		}
	}
}

// scoped runs f in a scope, whichever way it ends.
func scoped(t *testing.T, f func()) {
	t.Helper()
	if err := Try(func() { Scoped(f) }); err != nil {
		t.Fatal(err)
	}
}

// noTensors waits for the finalizers of what KeepAll took out of scopes, and fails if tensors remain.
func noTensors(t *testing.T) {
	t.Helper()
	for range 100 {
		runtime.GC()
		if LiveTensors() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d tensors are left", LiveTensors())
}

// leaf makes a random float64 tensor to take gradients for.
func leaf(shape ...int64) torch.Tensor {
	x := To(Normal(0, 1, "cpu", shape...), "cpu", torch.Double)
	SetRequiresGrad(x, true)
	return x
}
