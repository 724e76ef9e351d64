package curves

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imori-ml/imori/internal/fuzztest"
	"github.com/imori-ml/imori/trainer/rundir"
)

// FuzzDraw: of every log that can be read there is a picture, which has room for no more than fits in memory.
func FuzzDraw(f *testing.F) {
	target := fuzztest.New(f)
	for _, seed := range []string{
		"", "{\"iteration\":1}\n", "{\"iteration\":1,\"a/loss\":0.5,\"a/grad_norm\":2,\"lr/a\":1e-4}\n{\"iteration\":2,\"a/loss\":null,\"test/mse\":-1}\n",
		"{\"iteration\":1,\"a/grad_norm\":5e-324,\"a/loss\":1e308}\n{\"iteration\":9223372036854775807,\"a/grad_norm\":1e100,\"a/loss\":-1e308}\n",
		"{\"iteration\":1,\"\":1,\"/\":2,\"a/\":3,\"\\n/\\u0000\":4,\"\xff/x\":5}\n{\"iteration\":1,\"a/accuracy_real\":1e99}\n",
		"{\"iteration\":1," + strings.Repeat("\"phase", 3) + "/loss\":1}\n", "{\"iteration\":0,\"a/" + strings.Repeat("w", 300) + "\":1}\n",
		strings.Repeat("{\"iteration\":1,\"a/loss\":1,\"lr/a\":3}\n", 100),
	} {
		target.Add([]byte(seed), false)
		target.Add([]byte(seed), true)
	}
	path := filepath.Join(f.TempDir(), "metrics.jsonl")
	target.Fuzz(func(t *testing.T, b []byte, compared bool) {
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		all, err := rundir.ReadMetrics(path)
		if err != nil {
			return
		}
		runs := []Run{{Name: string(b), Series: all}}
		if compared {
			runs = append(runs, Run{Name: "other", Series: all[:len(all)/2]})
		}
		fuzztest.Bounded(t, 1<<29+1<<12*len(b), func() {
			img, err := Draw(string(b), runs...)
			if err != nil {
				t.Fatal(err)
			}
			if size := img.Bounds().Size(); size.X*size.Y > 10e6 {
				t.Errorf("the picture has %v", size)
			}
		})
	})
}
