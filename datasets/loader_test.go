package datasets

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counting is a dataset whose pixels tell the index.
type counting struct {
	n      int
	info   Info
	onRead func(i int, s *Sample) error
	reads  atomic.Int64
}

func newCounting(n int) *counting {
	return &counting{n: n, info: Info{Name: "counting", Channels: 1, Height: 1, Width: 3, Classes: []string{"even", "odd"}}}
}

func (d *counting) Info() Info { return d.info }
func (d *counting) Len() int   { return d.n }

func (d *counting) Read(i int, s *Sample) error {
	d.reads.Add(1)
	for j := range s.Image {
		s.Image[j] = float32(i) + float32(j)/10
	}
	s.Label = int64(i % 2)
	if d.onRead != nil {
		return d.onRead(i, s)
	}
	return nil
}

// noise is an augmentation that shows exactly what the generator gave.
type noise struct{}

func (noise) Apply(rng *rand.Rand, _ Info, s *Sample) {
	for i := range s.Image {
		s.Image[i] += rng.Float32()
	}
}

func mustLoader(t testing.TB, d Dataset, o LoaderOptions) *Loader {
	t.Helper()
	l, err := NewLoader(d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func mustNext(t testing.TB, l *Loader) *Batch {
	t.Helper()
	b, err := l.Next()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// indices reads n batches of an unaugmented counting dataset.
func indices(t testing.TB, l *Loader, n int) (all []int) {
	t.Helper()
	for range n {
		b := mustNext(t, l)
		for i := range b.N {
			index := int(b.Images[3*i])
			if b.Images[3*i+2] != float32(index)+0.2 || b.Labels[i] != int64(index%2) {
				t.Fatalf("sample %d: image %v, label %d", i, b.Images[3*i:3*i+3], b.Labels[i])
			}
			all = append(all, index)
		}
		l.Recycle(b)
	}
	return all
}

func TestLoaderCutsPermutations(t *testing.T) {
	for _, c := range []struct{ n, batch int }{{10, 3}, {1, 1}, {1, 5}, {7, 7}, {16, 64}, {100, 33}, {5, 1}} {
		l := mustLoader(t, newCounting(c.n), LoaderOptions{BatchSize: c.batch, Seed: 3, Workers: 3})
		got := indices(t, l, 4*c.n)
		var epochs [][]int
		for epoch := range slices.Chunk(got, c.n) {
			sorted := slices.Sorted(slices.Values(epoch))
			for i := range len(epoch) {
				if len(epoch) == c.n && sorted[i] != i {
					t.Fatalf("%+v: an epoch is %v, want a permutation", c, epoch)
				}
			}
			epochs = append(epochs, epoch)
		}
		if c.n >= 7 && (slices.Equal(epochs[0], epochs[1]) || slices.IsSorted(epochs[0])) {
			t.Errorf("%+v: epochs %v and %v are not shuffled anew", c, epochs[0], epochs[1])
		}
	}
}

func TestLoaderOrderDependsOnSeedAlone(t *testing.T) {
	read := func(o LoaderOptions) []int {
		o.BatchSize = 10
		return indices(t, mustLoader(t, newCounting(50), o), 12)
	}
	one := read(LoaderOptions{Seed: 1})
	if !slices.Equal(one, read(LoaderOptions{Seed: 1})) {
		t.Error("one seed, two orders")
	}
	if slices.Equal(one, read(LoaderOptions{Seed: 2})) {
		t.Error("two seeds, one order")
	}
	// The order is part of what a checkpoint relies on: it may not drift.
	if want := []int{20, 27, 28, 38, 10, 40, 26, 41}; !slices.Equal(one[:8], want) {
		t.Errorf("seed 1 begins with %v, want %v", one[:8], want)
	}
	inOrder := read(LoaderOptions{Seed: 1, InOrder: true})
	for i, index := range inOrder {
		if index != i%50 {
			t.Fatalf("in order: position %d holds %d", i, index)
		}
	}
}

// batches reads n batches and keeps copies.
func batches(t testing.TB, l *Loader, n int) (all []Batch) {
	t.Helper()
	for range n {
		b := mustNext(t, l)
		all = append(all, Batch{Images: slices.Clone(b.Images), Labels: slices.Clone(b.Labels), N: b.N})
		l.Recycle(b)
	}
	return all
}

func equalBatches(a, b []Batch) bool {
	return slices.EqualFunc(a, b, func(x, y Batch) bool {
		return x.N == y.N && slices.Equal(x.Images, y.Images) && slices.Equal(x.Labels, y.Labels)
	})
}

func TestLoaderIsTheSameForAnyWorkers(t *testing.T) {
	var want []Batch
	for _, c := range []struct{ workers, ahead int }{{1, 1}, {2, 1}, {1, 7}, {3, 2}, {16, 5}, {0, 0}} {
		d := newCounting(29)
		d.onRead = func(i int, _ *Sample) error {
			time.Sleep(time.Duration(i%3) * 50 * time.Microsecond) // workers finish out of order
			return nil
		}
		l := mustLoader(t, d, LoaderOptions{BatchSize: 20, Seed: 9, Workers: c.workers, Ahead: c.ahead, Augment: []Augmentation{noise{}, &Flip{P: 0.5}}})
		got := batches(t, l, 12)
		if want == nil {
			want = got
		} else if !equalBatches(got, want) {
			t.Errorf("%+v: batches differ from those of one worker", c)
		}
	}
	if equalBatches(want[:1], batches(t, mustLoader(t, newCounting(29), LoaderOptions{BatchSize: 20, Seed: 9}), 1)) {
		t.Error("augmentation changed nothing")
	}
}

// TestLoaderResumes: a loader started at k gives what one that ran to k gives.
func TestLoaderResumes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		n, batch, total := 1+rng.IntN(40), 1+rng.IntN(50), 1+rng.IntN(12)
		start := rng.IntN(total)
		o := LoaderOptions{BatchSize: batch, Seed: rng.Int64(), Workers: 1 + rng.IntN(3), Augment: []Augmentation{noise{}}, InOrder: rng.IntN(5) == 0}
		whole := mustLoader(t, newCounting(n), o)
		want := batches(t, whole, total)
		o.Start = int64(start)
		resumed := mustLoader(t, newCounting(n), o)
		if got := batches(t, resumed, total-start); !equalBatches(got, want[start:]) {
			t.Fatalf("%d samples, batches of %d: resuming at %d differs", n, batch, start)
		}
		if whole.Consumed() != int64(total) || resumed.Consumed() != int64(total) {
			t.Fatalf("consumed %d and %d, want %d", whole.Consumed(), resumed.Consumed(), total)
		}
		whole.Close()
		resumed.Close()
	}
}

func TestLoaderReadsAhead(t *testing.T) {
	d := newCounting(100)
	l := mustLoader(t, d, LoaderOptions{BatchSize: 10, Workers: 2, Ahead: 3})
	expectReads := func(want int64) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); d.reads.Load() < want && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(5 * time.Millisecond) // it must also stop there
		if got := d.reads.Load(); got != want {
			t.Fatalf("%d samples read, want %d", got, want)
		}
	}
	expectReads(30)
	mustNext(t, l)
	expectReads(40)
	if l.Consumed() != 1 {
		t.Errorf("consumed %d, want 1: reading ahead does not count", l.Consumed())
	}
}

func TestLoaderErrors(t *testing.T) {
	broken := errors.New("the disk is gone")
	for name, c := range map[string]struct {
		onRead func(i int, s *Sample) error
		want   string
	}{
		"error": {func(i int, _ *Sample) error {
			if i >= 25 {
				return broken
			}
			return nil
		}, "dataset counting: sample 25: the disk is gone"},
		"panic": {func(i int, s *Sample) error {
			if i >= 25 {
				s.Image[3]++
			}
			return nil
		}, "dataset counting: sample 25: reading it panicked: runtime error: index out of range [3] with length 3"},
		"goexit": {func(i int, _ *Sample) error {
			if i == 25 {
				runtime.Goexit()
			}
			return nil
		}, "dataset counting: sample 25: reading it ended its goroutine"},
		"label": {func(i int, s *Sample) error {
			if i >= 25 {
				s.Label = 2
			}
			return nil
		}, "dataset counting: sample 25: its label is 2, expected 0 to 1"},
		"other slice": {func(i int, s *Sample) error {
			if i >= 25 {
				s.Image = make([]float32, 3)
			}
			return nil
		}, "dataset counting: sample 25: Read put another slice into Sample.Image"},
		"no slice": {func(i int, s *Sample) error {
			if i >= 25 {
				s.Image = nil
			}
			return nil
		}, "dataset counting: sample 25: Read put another slice"},
	} {
		for _, workers := range []int{1, 4} {
			d := newCounting(40)
			d.onRead = c.onRead
			l := mustLoader(t, d, LoaderOptions{BatchSize: 10, Workers: workers, InOrder: true})
			if got := indices(t, l, 2); got[19] != 19 {
				t.Errorf("%s: the batches before the error are %v", name, got)
			}
			for range 2 {
				_, err := l.Next()
				if err == nil || !strings.HasPrefix(err.Error(), c.want) {
					t.Errorf("%s, %d workers: error %v, want %q", name, workers, err, c.want)
				}
				if name == "error" && !errors.Is(err, broken) {
					t.Errorf("%v does not wrap the dataset's error", err)
				}
			}
			if l.Consumed() != 2 {
				t.Errorf("%s: consumed %d, want 2", name, l.Consumed())
			}
			l.Close()
		}
	}
}

type panicking struct{}

func (panicking) Apply(*rand.Rand, Info, *Sample) { panic("augmentation went wrong") }

func TestLoaderAugmentationPanic(t *testing.T) {
	l := mustLoader(t, newCounting(3), LoaderOptions{BatchSize: 2, InOrder: true, Augment: []Augmentation{panicking{}}})
	if _, err := l.Next(); err == nil || !strings.Contains(err.Error(), "sample 0: reading it panicked: augmentation went wrong") {
		t.Errorf("error %v", err)
	}
}

func TestNewLoaderRefuses(t *testing.T) {
	targets := func(target Target) Dataset {
		d := newCounting(3)
		d.info.Target = &target
		return d
	}
	classes, palette := []string{"a", "b"}, make([]color.RGBA, 2)
	flat := newCounting(3)
	flat.info.Height = 0
	for _, c := range []struct {
		d    Dataset
		o    LoaderOptions
		want string
	}{
		{nil, LoaderOptions{BatchSize: 1}, "needs a dataset"},
		{newCounting(0), LoaderOptions{BatchSize: 1}, "dataset counting is empty"},
		{flat, LoaderOptions{BatchSize: 1}, "1x0x3"},
		{targets(Target{}), LoaderOptions{BatchSize: 1}, "dataset counting says its targets have 0 channels and no classes, expected 1 or 3"},
		{targets(Target{Channels: 2}), LoaderOptions{BatchSize: 1}, "2 channels and no classes"},
		{targets(Target{Channels: 3, Classes: classes, Palette: palette}), LoaderOptions{BatchSize: 1}, "targets have 3 channels, 2 classes and 2 colours in the palette, expected as many of each"},
		{targets(Target{Channels: 2, Classes: classes}), LoaderOptions{BatchSize: 1}, "2 channels, 2 classes and 0 colours"},
		{targets(Target{Classes: []string{}}), LoaderOptions{BatchSize: 1}, "0 channels, 0 classes and 0 colours"},
		{newCounting(3), LoaderOptions{}, "batch size is 0"},
		{newCounting(3), LoaderOptions{BatchSize: -1}, "batch size is -1"},
		{newCounting(3), LoaderOptions{BatchSize: 1, Workers: -1}, "workers is -1"},
		{newCounting(3), LoaderOptions{BatchSize: 1, Ahead: -1}, "ahead is -1"},
		{newCounting(3), LoaderOptions{BatchSize: 1, Start: -1}, "start is -1"},
		{newCounting(3), LoaderOptions{BatchSize: 4, Start: 1 << 62}, "start is 4611686018427387904"},
	} {
		if l, err := NewLoader(c.d, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.o, err, c.want)
			if l != nil {
				l.Close()
			}
		}
	}
}

func TestLoaderWithoutClasses(t *testing.T) {
	d := newCounting(5)
	d.info.Classes = nil
	if b := mustNext(t, mustLoader(t, d, LoaderOptions{BatchSize: 2})); b.Labels != nil {
		t.Errorf("labels %v, want nil", b.Labels)
	}
}

func TestRecycle(t *testing.T) {
	one := mustLoader(t, newCounting(1000), LoaderOptions{BatchSize: 4, InOrder: true, Ahead: 1})
	other := mustLoader(t, newCounting(1000), LoaderOptions{BatchSize: 4, InOrder: true, Ahead: 1})
	b := mustNext(t, one)
	one.Recycle(nil)
	other.Recycle(b) // not its own
	one.Recycle(b)
	one.Recycle(b) // twice: must not be handed out twice
	one.Recycle(&Batch{Images: []float32{1}})
	var held []*Batch
	seen := map[*float32]bool{}
	for range 20 {
		for _, l := range []*Loader{one, other} {
			b := mustNext(t, l)
			if seen[&b.Images[0]] {
				t.Fatal("one memory in two batches that are in use")
			}
			seen[&b.Images[0]] = true
			held = append(held, b)
		}
	}
	for k, b := range held {
		batch := k / 2
		if k%2 == 0 {
			batch++ // one had given its first batch before
		}
		if b.Images[0] != float32(4*batch) {
			t.Errorf("batch %d was overwritten: begins with %v", batch, b.Images[0])
		}
	}
}

// TestLoaderClose: whatever goes on, Close returns, Next returns, and no
// goroutine is left.
func TestLoaderClose(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range 50 {
		d := newCounting(20)
		release := make(chan struct{})
		if i%2 == 0 { // Next must block
			d.onRead = func(int, *Sample) error { <-release; return nil }
		}
		l, err := NewLoader(d, LoaderOptions{BatchSize: 3, Workers: 1 + i%4})
		if err != nil {
			t.Fatal(err)
		}
		var users sync.WaitGroup
		for range 3 {
			users.Go(func() {
				for {
					b, err := l.Next()
					if err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Errorf("Next: %v, want ErrClosed", err)
						}
						return
					}
					l.Recycle(b)
				}
			})
		}
		time.Sleep(time.Duration(i%5) * 200 * time.Microsecond)
		users.Go(func() { l.Close() }) // twice at once
		if i%2 == 0 {
			time.AfterFunc(time.Millisecond, func() { close(release) })
		}
		l.Close()
		users.Wait()
		l.Close()
		if _, err := l.Next(); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestLoaderAllocatesNothing(t *testing.T) {
	d := newCounting(1000)
	l := mustLoader(t, d, LoaderOptions{BatchSize: 64, Augment: []Augmentation{noise{}}})
	for range 100 {
		l.Recycle(mustNext(t, l))
	}
	if got := testing.AllocsPerRun(500, func() { l.Recycle(mustNext(t, l)) }); got >= 1 {
		t.Errorf("%v allocations a batch, want none", got)
	}
}

// BenchmarkLoader is what one core delivers.
func BenchmarkLoader(b *testing.B) {
	photos := &cifar10{records: make([]byte, 10_000*cifarRecord)}
	flip := []Augmentation{&Flip{P: 0.5}}
	for _, c := range []struct {
		name    string
		dataset Dataset
		augment []Augmentation
	}{
		{"digits", mustDigits(b, DigitsOptions{Size: 32, Channels: 1, Count: 10_000, Distortion: 1, Split: "train"}), flip},
		{"cifar10", photos, flip},
		{"gan_imori", photos, []Augmentation{ // of the recipe of that name
			&Flip{P: 0.5}, &Rotate{Degrees: 10, Fill: "reflect"}, &Crop{Scale: [2]float64{0.8, 1}, Ratio: [2]float64{0.9, 1.1}},
		}},
		{"convae_imori", photos, []Augmentation{
			&Flip{P: 0.5}, &VerticalFlip{P: 0.5}, &Rotate{Degrees: 180, Fill: "reflect"}, &Crop{Scale: [2]float64{0.6, 1}, Ratio: [2]float64{0.9, 1.1}},
			&Translate{Fraction: 0.1, Fill: "reflect"}, &Brightness{Amount: 0.2}, &Contrast{Amount: 0.2},
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			l := mustLoader(b, c.dataset, LoaderOptions{BatchSize: 64, Augment: c.augment, Workers: 1})
			for range 200 {
				l.Recycle(mustNext(b, l))
			}
			b.ReportAllocs()
			for b.Loop() {
				l.Recycle(mustNext(b, l))
			}
			b.ReportMetric(float64(b.N)*64/b.Elapsed().Seconds(), "images/s")
		})
	}
}

func ExampleLoader() {
	options := &DigitsOptions{Size: 16, Channels: 1, Count: 100, Distortion: 1, Split: "train"}
	digits, _ := options.Open(context.Background(), Env{})
	loader, err := NewLoader(digits, LoaderOptions{BatchSize: 8, InOrder: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer loader.Close()
	batch, err := loader.Next()
	fmt.Println(batch.N, len(batch.Images), batch.Labels, err)
	loader.Recycle(batch)
	// Output: 8 2048 [0 1 2 3 4 5 6 7] <nil>
}
