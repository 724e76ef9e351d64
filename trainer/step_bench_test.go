package trainer

import (
	"path/filepath"
	"runtime"
	"testing"
)

// BenchmarkStep is what an iteration costs beside the arithmetic: a model of next to no numbers, three phases' worth.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		name   string
		folder bool
		logged bool
	}{
		{"bare", false, false},
		{"folder", true, false}, // as in a run, between two lines of metrics
		{"logged", true, true},  // an iteration with a line, without writing it
	} {
		b.Run(c.name, func(b *testing.B) {
			o := options(nil)
			o.Build = func() (Model, error) { return newGAN(1), nil }
			if c.folder {
				o.Dir = filepath.Join(b.TempDir(), "run")
			}
			tr, err := New(o)
			if err != nil {
				b.Fatal(err)
			}
			defer tr.Close()
			var each func(int, []Metric)
			if c.logged {
				each = func(int, []Metric) {}
			}
			if err := tr.Iterate(100, each); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			calls := runtime.NumCgoCall()
			b.ResetTimer()
			if err := tr.Iterate(b.N, each); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			b.ReportMetric(float64(runtime.NumCgoCall()-calls)/float64(b.N), "C-calls/op")
		})
	}
}
