package trainer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imori-ml/imori/trainer/rundir"
)

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

// TestLogLacksLines: a run does not go on with a log that lost lines before its checkpoint, leaves what is there to be mended,
// and goes on where that is accepted. LogEvery is 2, so that the checkpoint of iteration 3 needs the line of 2.
func TestLogLacksLines(t *testing.T) {
	o := options(nil)
	o.LogEvery, o.PreviewEvery, o.Resume = 2, 0, true
	for _, c := range []struct {
		name   string
		damage func(log string) string // "": the file goes
		want   string                  // of the error; "": there is none
	}{
		{"whole", func(log string) string { return log }, ""},
		{"without its last newline", func(log string) string { return strings.TrimSuffix(log, "\n") }, ""},
		{"more behind", func(log string) string { return log + "\x00\x00\n" + `{"iteration":9}` + "\n" }, ""},
		{"deleted", func(string) string { return "" }, "no line that can be read, expected those up to iteration 2"},
		{"UTF-16", func(log string) string { return strings.Join(strings.Split(log, ""), "\x00") }, "no line that can be read"},
		{"other ends of lines", func(log string) string { return strings.ReplaceAll(log, "\n", "\r") }, "no line that can be read"},
		{"last line damaged", func(log string) string { return strings.ReplaceAll(log, `"iteration":2`, `"iteration:2`) }, "none that can be read after iteration 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := o
			o.Dir = filepath.Join(inMemory(t), "run")
			first := o
			first.Resume = false
			run(t, first, 3)
			path := filepath.Join(o.Dir, "metrics.jsonl")
			log := read(t, path)
			bad := c.damage(log)
			if err := os.WriteFile(path, []byte(bad), 0o666); err != nil {
				t.Fatal(err)
			}
			if bad == "" {
				os.Remove(path)
			}
			r := &recorder{}
			o.Observer = r
			tr, err := New(o)
			if err == nil {
				tr.Close()
			}
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "-accept-changes") {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if left, _ := os.ReadFile(path); string(left) != bad {
				t.Errorf("the log became %q", left)
			}
			o.AcceptLost = true
			tr = newTrainer(t, o)
			defer tr.Close()
			if !strings.Contains(strings.Join(r.events, "\n"), "accepted: metrics.jsonl in "+o.Dir+" lacks lines") {
				t.Errorf("warnings are %q", r.events)
			}
			if err := tr.Run(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestOlderCheckpoint: one that does not say what was logged is accepted as ever.
func TestOlderCheckpoint(t *testing.T) {
	o := options(nil)
	o.Dir = filepath.Join(inMemory(t), "run")
	run(t, o, 3)
	d := must(rundir.Open(o.Dir))
	c := must(d.LatestCheckpoint())
	if got := string(c.State.Extra[loggedKey]); got != "3" {
		t.Errorf("the last line is said to be of iteration %s", got)
	}
	delete(c.State.Extra, loggedKey)
	if err := d.Lock(); err != nil {
		t.Fatal(err)
	}
	if err := d.SaveCheckpoint(c); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(o.Dir, "metrics.jsonl")); err != nil {
		t.Fatal(err)
	}
	o.Resume = true
	run(t, o, 0)
	if got := fmt.Sprint(must(rundir.ReadLastMetrics(o.Dir))[0].Points[0].Iteration); got != "12" {
		t.Errorf("the last line is of iteration %s", got)
	}
}
