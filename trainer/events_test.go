package trainer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer/tensorboard/tensorboardtest"
)

// shown is what TensorBoard shows of a run.
func shown(t *testing.T, dir string) map[string][]tensorboardtest.Point {
	t.Helper()
	all, err := tensorboardtest.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// withDetails shows two grids of different sizes, measures, and has a latent in two histograms.
func withDetails(m *gan) {
	m.draw = func(p *Preview) error {
		latents := p.Normal(4, zDim)
		p.Images("samples", m.images(m.generator.Forward(latents)), 2)
		p.Images("data", p.Batch(3).Images, 3)
		p.Log("zero", 0)
		p.Log("nan", math.NaN())
		p.Histogram("z", latents)
		p.Histogram("z.0", torchx.Narrow(latents, 1, 0, 1))
		return nil
	}
}

// sameAsMetrics compares the curves with metrics.jsonl, number for number.
func sameAsMetrics(t *testing.T, dir string) {
	t.Helper()
	want := map[string][]string{}
	lines := 0
	for line := range strings.Lines(read(t, dir, "metrics.jsonl")) {
		var fields map[string]*float64
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		lines++
		for name, v := range fields {
			if name == "iteration" {
				continue
			}
			number := "NaN" // null, as JSON has none
			if v != nil {
				number = fmt.Sprint(float32(*v))
			}
			want[name] = append(want[name], fmt.Sprintf("%g: %s", *fields["iteration"], number))
		}
	}
	got := map[string][]string{}
	for tag, points := range shown(t, dir) {
		if strings.HasPrefix(tag, "timing/") {
			if len(points) != lines {
				t.Errorf("%s has %d points, expected %d", tag, len(points), lines)
			}
			continue
		}
		for _, p := range points {
			if p.Scalar != nil {
				got[tag] = append(got[tag], fmt.Sprintf("%d: %g", p.Step, *p.Scalar))
			}
		}
	}
	if names := slices.Sorted(maps.Keys(got)); lines == 0 || !slices.Equal(names, slices.Sorted(maps.Keys(want))) {
		t.Errorf("curves are %v, expected %v", names, slices.Sorted(maps.Keys(want)))
	}
	for name := range want {
		if !slices.Equal(got[name], want[name]) {
			t.Errorf("%s is %v, expected %v", name, got[name], want[name])
		}
	}
}

func TestEvents(t *testing.T) {
	o := options(withDetails)
	o.Dir, o.LogEvery = filepath.Join(inMemory(t), "run"), 3
	o.Iterations = 10 // the last iteration has a picture, but no line
	run(t, o, 0)
	sameAsMetrics(t, o.Dir)
	all := shown(t, o.Dir)
	for _, tag := range []string{"critic/loss", "critic/real", "generator/loss", "train/zero", "train/nan", "timing/images_per_second", "timing/rss_bytes"} {
		if len(all[tag]) == 0 {
			t.Errorf("there is no curve %s", tag)
		}
	}
	if rss := all["timing/rss_bytes"][0]; *rss.Scalar < 1<<20 {
		t.Errorf("rss_bytes is %g", *rss.Scalar)
	}
	// The grids lie below each other in the run's picture.
	var whole image.Point
	for tag, columns := range map[string]int{"preview/samples": 2, "preview/data": 3} {
		var steps []int64
		for _, p := range all[tag] {
			steps = append(steps, p.Step)
			img, err := png.Decode(bytes.NewReader(p.Image.Encoded))
			if err != nil {
				t.Fatal(err)
			}
			size := image.Pt(p.Image.Width, p.Image.Height)
			if img.Bounds().Size() != size || size.X != columns*66+2 || p.Image.Colorspace != 3 {
				t.Errorf("%s is %v of colour space %d, its PNG %v, expected %d columns of RGB", tag, size, p.Image.Colorspace, img.Bounds(), columns)
			}
			if p.Step == 4 {
				whole = image.Pt(max(whole.X, size.X), whole.Y+size.Y)
			}
		}
		if !slices.Equal(steps, []int64{4, 8, 10}) {
			t.Errorf("%s is of steps %v, expected 4, 8, 10", tag, steps)
		}
	}
	saved, err := png.DecodeConfig(strings.NewReader(read(t, o.Dir, "samples/00000004.png")))
	if err != nil || whole != image.Pt(saved.Width, saved.Height) {
		t.Errorf("the grids make %v, the run's picture is %dx%d (%v)", whole, saved.Width, saved.Height, err)
	}
	for tag, values := range map[string]float64{"latent/z": 4 * zDim, "latent/z.0": 4} {
		points := all[tag]
		if len(points) != 3 || points[2].Step != 10 {
			t.Fatalf("%s is %+v, expected steps 4, 8, 10", tag, points)
		}
		total := 0.0
		for _, n := range points[0].Histogram.Buckets {
			total += n
		}
		if total != values || points[0].Histogram.Num != values {
			t.Errorf("%s has %g of %g values, expected %g", tag, total, points[0].Histogram.Num, values)
		}
	}
}

// TestEventsOfResumedRuns: whether stopped or killed, a run's curves are those of its metrics.jsonl, without a point twice.
func TestEventsOfResumedRuns(t *testing.T) {
	for _, lost := range []int{9, 5, 0} { // what the newest checkpoint is of
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			o := options(withDetails)
			o.Dir = filepath.Join(inMemory(t), "run")
			run(t, o, 9)
			for _, n := range []int{5, 9} {
				if n > lost {
					if err := os.RemoveAll(filepath.Join(o.Dir, "checkpoints", fmt.Sprintf("%08d", n))); err != nil {
						t.Fatal(err)
					}
				}
			}
			files, err := tensorboardtest.Files(o.Dir)
			if err != nil || len(files) != 1 {
				t.Fatalf("files are %v (%v)", files, err)
			}
			torn, err := os.OpenFile(files[0], os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = torn.WriteString("\x20\x00\x00")
				err = errors.Join(err, torn.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
			o.Resume = true
			run(t, o, 0)
			sameAsMetrics(t, o.Dir)
			all := shown(t, o.Dir)
			for tag, want := range map[string][]int64{"preview/samples": {4, 8, 12}, "latent/z": {4, 8, 12}, "timing/rss_bytes": {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}} {
				var steps []int64
				for _, p := range all[tag] {
					steps = append(steps, p.Step)
				}
				if !slices.Equal(steps, want) {
					t.Errorf("%s is of steps %v, expected %v", tag, steps, want)
				}
			}
			run(t, o, 0) // nothing is left to do
			if files, err = tensorboardtest.Files(o.Dir); err != nil || len(files) != 2 {
				t.Errorf("files are %v (%v), expected one of each process that trained", files, err)
			}
		})
	}
}

func TestEventsAreExtra(t *testing.T) {
	plain := options(withDetails)
	plain.Dir, plain.TensorBoard = filepath.Join(inMemory(t), "plain"), false
	run(t, plain, 0)
	if files, err := tensorboardtest.Files(plain.Dir); err != nil || len(files) != 0 {
		t.Errorf("files without TensorBoard are %v (%v)", files, err)
	}
	o := options(withDetails)
	o.Dir = filepath.Join(inMemory(t), "broken")
	tr := newTrainer(t, o)
	r := &recorder{}
	tr.observer, tr.events.warn = r, r.Warn
	tr.events.dir = filepath.Join(o.Dir, "nowhere")
	if err := tr.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	tr.Close()
	warnings := slices.DeleteFunc(slices.Clone(r.events), func(e string) bool { return !strings.HasPrefix(e, "warning: ") })
	if len(warnings) != 1 || !strings.Contains(warnings[0], "goes on without TensorBoard: cannot make an event file") {
		t.Errorf("warnings are %q, expected one", warnings)
	}
	sameRun(t, plain.Dir, o.Dir)

	o = options(withDetails) // nothing to write to, and a run that is not one
	tr = newTrainer(t, o)
	if _, err := tr.DryRun(); err != nil || tr.events != nil {
		t.Errorf("a trainer without a folder has events %v (%v)", tr.events, err)
	}
	o.Dir = filepath.Join(inMemory(t), "dry")
	tr = newTrainer(t, o)
	if _, err := tr.DryRun(); err != nil {
		t.Fatal(err)
	}
	tr.Close()
	if files, err := tensorboardtest.Files(o.Dir); err != nil || len(files) != 0 {
		t.Errorf("files of a dry run are %v (%v)", files, err)
	}
}
