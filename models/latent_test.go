package models

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer/tensorboard/tensorboardtest"
)

// TestLatentHistograms: the last event of a run has the spread of what its last weights make of all images.
func TestLatentHistograms(t *testing.T) {
	for _, name := range []string{"ae", "convae", "vae", "alphagan"} {
		t.Run(name, func(t *testing.T) {
			p, _ := Lookup(name)
			c := newTrial(1)
			c.dir, c.options = filepath.Join(t.TempDir(), "run"), smallOptions(p)
			tag, each := "latent/codes", 0
			if o, ok := c.options.(*VAEOptions); ok {
				tag, o.Latent.Dim, each = "latent/mu", 20, 16
			}
			model := c.run(t, p)
			for _, n := range model.Networks() {
				n.Module.Train(false)
			}
			shown, err := tensorboardtest.Read(c.dir)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string][]float32{}
			torchx.Scoped(func() {
				torchx.NoGrad(func() {
					codes := model.(Encoder).Codes(fromFormula("image", []int64{40, 3, 16, 16}, 1, 0))
					want[tag] = torchx.Float32s(codes)
					for i := range each {
						want[fmt.Sprintf("%s.%d", tag, i)] = torchx.Float32s(torchx.Narrow(codes, 1, int64(i), 1))
					}
				})
			})
			maps.DeleteFunc(shown, func(tag string, _ []tensorboardtest.Point) bool { return !strings.HasPrefix(tag, "latent/") })
			if got := slices.Sorted(maps.Keys(shown)); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
				t.Fatalf("histograms are %v, expected %v", got, slices.Sorted(maps.Keys(want)))
			}
			for tag, values := range want {
				h := shown[tag][0].Histogram
				near := func(a float64, b float32) bool { return math.Abs(a-float64(b)) < 1e-5 }
				if h.Num != float64(len(values)) || !near(h.Min, slices.Min(values)) || !near(h.Max, slices.Max(values)) {
					t.Errorf("%s: %g values from %g to %g, expected %d from %g to %g",
						tag, h.Num, h.Min, h.Max, len(values), slices.Min(values), slices.Max(values))
				}
			}
		})
	}
}
