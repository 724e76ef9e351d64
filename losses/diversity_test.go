package losses

import (
	"math"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/losses/formula"
	"github.com/imori-ml/imori/torchx"
)

// pairwise is the mean distance of the first 64 rows of d values, in a plain double loop.
func pairwise(values []float32, d int) float64 {
	rows := min(len(values)/d, 64)
	sum, pairs := 0.0, 0
	for i := range rows {
		for j := range i {
			square := 0.0
			for k := range d {
				difference := float64(values[i*d+k]) - float64(values[j*d+k])
				square += difference * difference
			}
			sum += math.Sqrt(square)
			pairs++
		}
	}
	return sum / float64(pairs)
}

// diversity is Diversity of images of 3x4x5; defined is whether it is.
func diversity(t *testing.T, generated, real []float32) (value float64, defined bool) {
	t.Helper()
	images := func(values []float32) torch.Tensor { return torchx.FromFloat32(values, int64(len(values)/60), 3, 4, 5) }
	torchx.Scoped(func() {
		v := Diversity(images(generated), images(real))
		if defined = v.T != nil; defined {
			value = torchx.Item(v)
		}
	})
	return value, defined
}

func TestDiversity(t *testing.T) {
	const d = 60
	for _, c := range []struct {
		name             string
		generated, real  int     // images
		spread           float64 // of the generated ones
		around, relative float64 // their mean, and the tolerance
	}{
		{"as many", 7, 7, 0.5, 0, 1e-7},
		{"two", 2, 2, 0.5, 0, 1e-7},
		{"different numbers", 5, 9, 0.5, 0.3, 1e-7},
		{"more than are compared", 80, 100, 1, 0, 1e-7},
		{"nearly the same image", 8, 8, 1e-5, 0.75, 1e-6},
	} {
		t.Run(c.name, func(t *testing.T) {
			generated, real := formula.Values("generated", c.generated*d, c.spread, c.around), formula.Values("real", c.real*d, 1, 0)
			got, defined := diversity(t, generated, real)
			if want := pairwise(generated, d) / pairwise(real, d); !defined || !(math.Abs(got-want) <= c.relative*want) {
				t.Errorf("got %.15g (%v), want %.15g", got, defined, want)
			}
		})
	}
}

// Images of more values than are looked at at once.
func TestDiversityOfLargeImages(t *testing.T) {
	const d = 3 * 100 * 150
	generated, real := formula.Values("generated", 4*d, 0.5, 0.2), formula.Values("real", 3*d, 1, 0)
	torchx.Scoped(func() {
		got := torchx.Item(Diversity(torchx.FromFloat32(generated, 4, 3, 100, 150), torchx.FromFloat32(real, 3, 3, 100, 150)))
		if want := pairwise(generated, d) / pairwise(real, d); !(math.Abs(got-want) <= 1e-7*want) {
			t.Errorf("got %.15g, want %.15g", got, want)
		}
	})
	if n := torchx.LiveTensors(); n != 0 {
		t.Errorf("%d live tensors left", n)
	}
}

func TestDiversityOfWhatIsAlike(t *testing.T) {
	const d = 60
	same := func(n int) (values []float32) {
		for range n {
			values = append(values, formula.Values("one", d, 0.7, 0.1)...)
		}
		return values
	}
	different := formula.Values("real", 10*d, 1, 0)
	for _, n := range []int{2, 10, 41} {
		if got, defined := diversity(t, same(n), different); !defined || got != 0 {
			t.Errorf("%d images that are all the same have diversity %g (%v), want exactly 0", n, got, defined)
		}
		if got, defined := diversity(t, different, same(n)); defined {
			t.Errorf("against %d real images that are all the same the diversity is %g, want it undefined", n, got)
		}
	}
	if got, defined := diversity(t, same(1), different); defined {
		t.Errorf("one generated image has diversity %g, want it undefined", got)
	}
	if got, defined := diversity(t, different, same(1)); defined {
		t.Errorf("against one real image the diversity is %g, want it undefined", got)
	}
	if n := torchx.LiveTensors(); n != 0 {
		t.Errorf("%d live tensors left", n)
	}
}
