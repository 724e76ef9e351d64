package trainer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer/rundir"
)

// recorder keeps what it hears, and calls progress, if there is one, after each iteration.
type recorder struct {
	events   []string
	progress func(Progress)
}

func (r *recorder) Started(i Info)                    { r.events = append(r.events, fmt.Sprint("started ", i.Iteration)) }
func (r *recorder) Saved(kind SavedKind, path string) { r.events = append(r.events, string(kind)) }
func (r *recorder) Warn(message string)               { r.events = append(r.events, "warning: "+message) }
func (r *recorder) Finished(s Summary) {
	r.events = append(r.events, fmt.Sprint("finished ", s.Iteration))
}
func (r *recorder) Progress(p Progress) {
	if r.progress != nil {
		r.progress(p)
	}
}

func read(t *testing.T, elements ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// run trains to the end, or to the iteration after which it is interrupted.
func run(t *testing.T, o Options, interruptAt int) *recorder {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := &recorder{progress: func(p Progress) {
		if p.Iteration == interruptAt {
			cancel()
		}
	}}
	o.Observer = r
	tr := newTrainer(t, o)
	defer tr.Close()
	err := tr.Run(ctx)
	if interruptAt > 0 && !errors.Is(err, ErrInterrupted) || interruptAt == 0 && err != nil {
		t.Fatalf("Run returned %v", err)
	}
	return r
}

func TestRunFillsItsFolder(t *testing.T) {
	o := options(nil)
	o.Dir, o.Recipe = filepath.Join(inMemory(t), "run"), []byte("name: test\n")
	o.KeepCheckpoints = 2
	r := run(t, o, 0)
	// The first two checkpoints are written while training goes on: when they are done is not said.
	want := []string{"started 0", "picture", "picture", "picture", "checkpoint", "animation", "finished 12"}
	ended, saved := len(r.events)-3, 0
	events := slices.DeleteFunc(slices.Concat(r.events[:ended]), func(e string) bool {
		if e == "checkpoint" {
			saved++
		}
		return e == "checkpoint"
	})
	if events = append(events, r.events[ended:]...); !slices.Equal(events, want) || saved != 2 {
		t.Errorf("events are %v, expected %v and two more checkpoints", r.events, want)
	}
	for _, name := range []string{
		"samples/00000004.png", "samples/00000012.png", "samples/training.gif", "timing.jsonl", "recipe.yaml",
		"checkpoints/00000010/generator.safetensors", "checkpoints/latest/optimizers.safetensors",
	} {
		if _, err := os.Stat(filepath.Join(o.Dir, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(o.Dir, "checkpoints/00000005")); err == nil {
		t.Error("checkpoint 5 is there, expected the newest 2 alone")
	}
	lines := strings.Split(strings.TrimSpace(read(t, o.Dir, "metrics.jsonl")), "\n")
	var first map[string]float64
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || len(lines) != 12 || first["iteration"] != 1 || len(first) != 6 {
		t.Errorf("metrics.jsonl has %d lines, the first is %s (%v)", len(lines), lines[0], err)
	}
}

func TestWhatIsLogged(t *testing.T) {
	o := options(nil)
	o.Dir, o.LogEvery, o.PreviewEvery, o.CheckpointEvery = filepath.Join(inMemory(t), "run"), 5, 0, 0
	r := run(t, o, 0)
	if want := []string{"started 0", "picture", "checkpoint", "finished 12"}; !slices.Equal(r.events, want) {
		t.Errorf("events are %v, expected %v: there is nothing to animate in one picture", r.events, want)
	}
	var logged []string
	for line := range strings.Lines(read(t, o.Dir, "metrics.jsonl")) {
		logged = append(logged, line[:strings.Index(line, ",")])
	}
	if want := []string{`{"iteration":1`, `{"iteration":5`, `{"iteration":10`}; !slices.Equal(logged, want) {
		t.Errorf("logged %v, expected %v", logged, want)
	}
}

// sameRun compares everything but wall-clock figures.
func sameRun(t *testing.T, a, b string) {
	t.Helper()
	for _, name := range []string{"metrics.jsonl", "samples/00000004.png", "samples/00000012.png", "samples/training.gif",
		"checkpoints/latest/generator.safetensors", "checkpoints/latest/critic.safetensors",
		"checkpoints/latest/optimizers.safetensors", "checkpoints/latest/state.json"} {
		if read(t, a, name) != read(t, b, name) {
			t.Errorf("%s differs between %s and %s", name, filepath.Base(a), filepath.Base(b))
		}
	}
}

func TestResumeIsExact(t *testing.T) {
	whole := options(nil)
	whole.Dir = filepath.Join(inMemory(t), "whole")
	run(t, whole, 0)
	for _, test := range []struct {
		name  string
		stops []int
	}{{"once", []int{7}}, {"at a checkpoint", []int{5}}, {"thrice", []int{1, 2, 11}}} {
		t.Run(test.name, func(t *testing.T) {
			o := options(nil)
			o.Dir = filepath.Join(inMemory(t), test.name)
			for _, at := range test.stops {
				run(t, o, at)
				o.Resume = true
			}
			if r := run(t, o, 0); r.events[0] != fmt.Sprint("started ", test.stops[len(test.stops)-1]) {
				t.Errorf("events of the resumed run are %v", r.events)
			}
			sameRun(t, whole.Dir, o.Dir)
		})
	}
	// A run that is killed has lines and pictures behind its checkpoint, or no checkpoint at all.
	for _, lost := range []int{0, 5} {
		t.Run(fmt.Sprint("killed after ", lost), func(t *testing.T) {
			o := options(nil)
			o.Dir = filepath.Join(inMemory(t), "killed")
			run(t, o, 9)
			for _, n := range []int{5, 9} {
				if n > lost {
					if err := os.RemoveAll(filepath.Join(o.Dir, "checkpoints", fmt.Sprintf("%08d", n))); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := os.Remove(filepath.Join(o.Dir, "checkpoints/latest")); err != nil {
				t.Fatal(err)
			}
			o.Resume = true
			r := run(t, o, 0)
			if !strings.HasPrefix(r.events[0], "warning: ") || r.events[1] != fmt.Sprint("started ", lost) {
				t.Errorf("events of the resumed run are %v", r.events)
			}
			sameRun(t, whole.Dir, o.Dir)
		})
	}
	t.Run("killed behind the last checkpoint", func(t *testing.T) {
		o := options(nil)
		o.Dir, o.KeepCheckpoints = filepath.Join(t.TempDir(), "killed"), 0
		run(t, o, 0)
		if err := os.Remove(filepath.Join(o.Dir, "samples/training.gif")); err != nil {
			t.Fatal(err)
		}
		o.Resume, o.KeepCheckpoints = true, 1
		run(t, o, 0)
		sameRun(t, whole.Dir, o.Dir)
		if left, _ := filepath.Glob(filepath.Join(o.Dir, "checkpoints/0*")); len(left) != 1 {
			t.Errorf("the checkpoints %v are there, expected the last one", left)
		}
	})
	t.Run("finished", func(t *testing.T) {
		o := whole
		o.Resume = true
		before := read(t, o.Dir, "metrics.jsonl")
		run(t, o, 0)
		if read(t, o.Dir, "metrics.jsonl") != before {
			t.Error("resuming a finished run changed its metrics")
		}
	})
}

func TestPreviewsDoNotChangeTraining(t *testing.T) {
	metrics := map[int]string{}
	for _, previews := range []int{0, 1} {
		o := options(func(m *gan) {
			m.draw = func(p *Preview) error {
				if p.IsTraining() {
					t.Error("previews are training")
				}
				fixed := p.Uniform(-1, 1, 4, zDim)
				m.generator.Forward(torchx.Add(fixed, torchx.Normal(0, 1, p.Device(), 4, zDim))) // not of its own generator
				once, again := torchx.Float32s(m.generator.Forward(fixed)), torchx.Float32s(m.generator.Forward(fixed))
				if !slices.Equal(once, again) {
					t.Error("dropout is on: the networks are not in evaluation mode")
				}
				p.Images("data", p.Batch(3).Images, 3)
				p.Images("samples", m.images(m.generator.Forward(fixed)), 0)
				return nil
			}
		})
		o.Dir, o.PreviewEvery = filepath.Join(inMemory(t), "run"), previews
		run(t, o, 0)
		metrics[previews] = read(t, o.Dir, "metrics.jsonl")
	}
	if metrics[0] != metrics[1] {
		t.Errorf("metrics without previews:\n%s\nwith:\n%s", metrics[0], metrics[1])
	}
}

func TestPreviewIsTheSameEachTime(t *testing.T) {
	var drawn []string
	tr := newTrainer(t, options(func(m *gan) {
		m.draw = func(p *Preview) error {
			drawn = append(drawn, fmt.Sprint(torchx.Float32s(p.Normal(2, 3)), torchx.Float32s(p.Batch(12).Images)))
			return nil
		}
	}))
	for range 2 {
		if _, err := tr.DryRun(); err != nil {
			t.Fatal(err)
		}
	}
	if drawn[0] != drawn[1] {
		t.Errorf("first %s, then %s", drawn[0], drawn[1])
	}
}

func TestDryRunReports(t *testing.T) {
	r, err := newTrainer(t, options(nil)).DryRun()
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Metrics) != 5 || r.PeakMemory < 1<<20 || r.Iteration <= 0 ||
		!reflect.DeepEqual(r.Pictures, []PictureInfo{{"samples", []int64{4, 1, 8, 8}}}) {
		t.Errorf("the report is %+v", r)
	}
}

func TestInfo(t *testing.T) {
	info := newTrainer(t, options(nil)).Info()
	g := info.Networks[0]
	if info.Device != "cpu" || info.DeviceReason == "" || info.Threads != 1 || g.Name != "generator" || g.Optimizer != "adam" ||
		g.Parameters != zDim*16+16+16*64+64 || g.Tensors[0].Name != "0.weight" || !slices.Equal(g.Tensors[0].Shape, []int64{16, zDim}) {
		t.Errorf("info is %+v", info)
	}
}

func TestRefusedOptions(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(o *Options)
		model  func(m *gan)
		want   string
	}{
		{"batch size", func(o *Options) { o.BatchSize = 0 }, nil, "batch_size is 0, expected 1 to 65536"},
		{"accumulate", func(o *Options) { o.Accumulate = 0 }, nil, "accumulate is 0, expected 1 to 65536"},
		{"all at once", func(o *Options) { o.BatchSize, o.Iterations = 0, 0 }, nil, "iterations is 0"},
		{"no dataset", func(o *Options) { o.Dataset = nil }, nil, "Dataset is nil"},
		{"no samples", func(o *Options) { o.Dataset = stripes(0) }, nil, "stripes"},
		{"device", func(o *Options) { o.Device = "abacus" }, nil, `device "abacus" is unknown`},
		{"build", func(o *Options) { o.Build = func() (Model, error) { return nil, errors.New("no bricks") } }, nil, "no bricks"},
		{"build shapes", func(o *Options) {
			o.Build = func() (Model, error) {
				torchx.Add(torchx.Full(0, torch.Float, "cpu", 2), torchx.Full(0, torch.Float, "cpu", 3))
				return nil, nil
			}
		}, nil, "add of [2], [3]"},
		{"no optimiser", func(o *Options) { delete(o.Optimizers, "critic") }, nil, "network critic has no optimiser"},
		{"unknown optimiser", func(o *Options) { o.Optimizers["critik"] = torchx.SGD{} }, nil, `unknown network "critik", expected generator, critic`},
		{"unknown network", nil, func(m *gan) { m.phases[0].Updates = []string{"critik"} }, `phase critic: it updates the unknown network "critik"`},
		{"phase twice", nil, func(m *gan) { m.phases[1].Name = "critic" }, `phase name "critic" is taken`},
		{"phase name", nil, func(m *gan) { m.phases[1].Name = "a/b" }, `phase name "a/b": expected letters`},
		{"phase of previews", nil, func(m *gan) { m.phases[1].Name = "train" }, "phase train: its metrics would be called like the trainer's own, expected a name other than those before the slashes in test/ train/ lr/ timing/"},
		{"phase of rates", nil, func(m *gan) { m.phases[1].Name = "lr" }, "phase lr: its metrics"},
		{"no phases", nil, func(m *gan) { m.phases = nil }, "no phases"},
		{"no loss", nil, func(m *gan) { m.phases[0].Loss = nil }, "no Loss"},
		{"no updates", nil, func(m *gan) { m.phases[0].Updates = nil }, "updates no network"},
		{"folder is a file", func(o *Options) {
			o.Dir = filepath.Join(o.Dir, "file")
			_ = os.WriteFile(o.Dir, nil, 0o666)
		}, nil, "file"},
		{"resume nowhere", func(o *Options) { o.Resume, o.Dir = true, "" }, nil, "Resume without Dir"},
		{"resume no run", func(o *Options) { o.Resume = true }, nil, "run"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options(test.model)
			o.Dir = t.TempDir()
			if test.change != nil {
				test.change(&o)
			}
			tr, err := New(o)
			if err == nil {
				tr.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, expected %q", err, test.want)
			}
		})
	}
}

func TestRefusedResumes(t *testing.T) {
	saved := options(nil)
	saved.Dir, saved.CheckpointEvery = filepath.Join(inMemory(t), "run"), 0
	run(t, saved, 3)
	before := read(t, saved.Dir, "metrics.jsonl")
	for _, test := range []struct {
		name   string
		change func(o *Options)
		want   string
	}{
		{"shapes", func(o *Options) { o.Build = func() (Model, error) { return newGAN(17), nil } }, "expected [64 17]; take back what has changed of the model"},
		{"seed", func(o *Options) { o.Seed = 2 }, "the seed is 2, expected 1 as before; take that back, or begin a new run"},
		{"batch size", func(o *Options) { o.BatchSize = 5 }, "the batch size is 5, expected 4"},
		{"dataset", func(o *Options) { o.Dataset = stripes(11) }, "samples in the dataset is 11, expected 10"},
		{"optimiser", func(o *Options) { o.Optimizers["critic"] = torchx.SGD{LR: 1} }, "optimiser of critic"},
		{"iterations", func(o *Options) { o.Iterations = 2 }, "iterations is 2, expected at least as many as are done"},
		{"not resumed", func(o *Options) { o.Resume = false }, "run"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := saved
			o.Optimizers = options(nil).Optimizers
			o.Resume = true
			test.change(&o)
			tr, err := New(o)
			if err == nil {
				tr.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, expected %q", err, test.want)
			}
		})
	}
	if read(t, saved.Dir, "metrics.jsonl") != before {
		t.Error("a refused resume changed the run")
	}
	saved.Resume = true
	run(t, saved, 0) // and it can still go on
}

func TestLoadWeights(t *testing.T) {
	o := options(nil)
	o.Dir = filepath.Join(inMemory(t), "run")
	tr := newTrainer(t, o)
	if err := tr.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := rundir.OpenCheckpoint(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	o.Dir, o.Seed = "", 9
	other := newTrainer(t, o)
	if err := other.Do(func() error { return LoadWeights(other.model, c) }); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(weights(t, tr), weights(t, other)) {
		t.Error("the loaded weights are not those of the run")
	}
	c.Networks = c.Networks[:1]
	if err := LoadWeights(other.model, c); err == nil || !strings.Contains(err.Error(), "network critic is not in the checkpoint") {
		t.Errorf("error is %v", err)
	}
}

func TestNothingIsLeft(t *testing.T) {
	files := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("there is no /proc")
		}
		return len(entries)
	}
	o := options(nil)
	o.Dir = filepath.Join(inMemory(t), "first")
	run(t, o, 0) // whatever is made once for the process
	goroutines, open := runtime.NumGoroutine(), files()
	for i := range 5 {
		o.Dir = filepath.Join(inMemory(t), fmt.Sprint(i))
		run(t, o, 0)
		_, err := New(Options{Config: o.Config, Dataset: o.Dataset, Build: func() (Model, error) { return nil, nil }})
		if err == nil {
			t.Fatal("a trainer without a model")
		}
	}
	if now, fds := settledGoroutines(goroutines), files(); now > goroutines || fds > open {
		t.Errorf("%d goroutines and %d files are open, %d and %d before", now, fds, goroutines, open)
	}
	tr := newTrainer(t, options(nil))
	tr.Close()
	tr.Close()
	if err := tr.Run(t.Context()); err == nil {
		t.Error("a closed trainer runs")
	}
}

// settledGoroutines counts goroutines, when there are no more than so many, or after some seconds.
func settledGoroutines(most int) int {
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > most && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	return runtime.NumGoroutine()
}

// TestCloseWithoutItsGoroutine: what runs on the trainer's goroutine may end it, as FailNow of a test does; Close gives back
// all the same.
func TestCloseWithoutItsGoroutine(t *testing.T) {
	o := options(nil)
	o.Dir = filepath.Join(inMemory(t), "run")
	before := runtime.NumGoroutine()
	tr := newTrainer(t, o)
	if err := tr.Do(func() error { runtime.Goexit(); return nil }); !errors.Is(err, errEnded) {
		t.Errorf("error is %v", err)
	}
	if err := tr.Run(t.Context()); !errors.Is(err, errEnded) {
		t.Errorf("then Run's error is %v", err)
	}
	tr.Close()
	tr.Close()
	if now := settledGoroutines(before); now > before {
		t.Errorf("%d goroutines are left, %d before", now, before)
	}
	dir, err := rundir.Open(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := dir.Lock(); err != nil {
		t.Errorf("the folder is not given back: %v", err)
	}
}

// TestRemaining: the estimate is one that can be printed, however long the run is.
func TestRemaining(t *testing.T) {
	p := &pace{seconds: 20, done: 2}
	if got := p.remaining(3); got != 30*time.Second {
		t.Errorf("3 iterations of 10 seconds: %v", got)
	}
	if got := p.remaining(math.MaxInt32); got != longestRun {
		t.Errorf("2^31-1 iterations of 10 seconds: %v", got)
	}
}

// TestPreviewMeasures: what a preview logs stands in metrics.jsonl at the iterations of preview_every alone, so that a
// longer run has the same lines, and says whether it was measured on test images.
func TestPreviewMeasures(t *testing.T) {
	for prefix, test := range map[string]datasets.Dataset{"test/": stripes(7), "train/": nil} {
		o := options(func(m *gan) {
			m.draw = func(p *Preview) error {
				n := torchx.Shape(p.Batch(100).Images)[0]
				p.Log("samples", float64(n))
				return nil
			}
		})
		o.Dir, o.Test, o.LogEvery, o.PreviewEvery, o.Iterations = filepath.Join(inMemory(t), "run"), test, 3, 4, 10
		run(t, o, 0)
		samples := 10.0
		if test != nil {
			samples = 7
		}
		for line := range strings.Lines(read(t, o.Dir, "metrics.jsonl")) {
			var fields map[string]float64
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				t.Fatal(err)
			}
			n, measured := fields[prefix+"samples"]
			if due := int(fields["iteration"])%4 == 0; measured != due || due && n != samples {
				t.Errorf("line %s, expected %ssamples %g: %v", line, prefix, samples, due)
			}
		}
	}
}

// TestPreviewSamples: Batch and Each give the same samples, each of the dataset's once, and no more than there are.
func TestPreviewSamples(t *testing.T) {
	var whole, parts []float32
	var sizes []int64
	tr := newTrainer(t, options(func(m *gan) {
		m.draw = func(p *Preview) error {
			whole = torchx.Float32s(p.Batch(50).Images)
			p.Each(50, 4, func(b Batch) {
				parts = append(parts, torchx.Float32s(b.Images)...)
				sizes = append(sizes, torchx.Shape(b.Labels)[0])
			})
			return nil
		}
	}))
	if _, err := tr.DryRun(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(whole, parts) || !slices.Equal(sizes, []int64{4, 4, 2}) {
		t.Errorf("Batch gives %d values, Each %d others in parts of %v", len(whole), len(parts), sizes)
	}
	seen := map[string]bool{}
	for image := range slices.Chunk(whole, 64) {
		seen[fmt.Sprint(image)] = true
	}
	if len(seen) != 10 {
		t.Errorf("%d different samples, expected all 10", len(seen))
	}
}
