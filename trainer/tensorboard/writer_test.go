package tensorboard_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imori-ml/imori/trainer/tensorboard"
	"github.com/imori-ml/imori/trainer/tensorboard/tensorboardtest"
)

func create(t *testing.T, dir string, purgeFrom int64) *tensorboard.Writer {
	t.Helper()
	w, err := tensorboard.Create(dir, purgeFrom)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// check fails the test at the first error.
func check(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// files returns the event files of a folder.
func files(t *testing.T, dir string) []string {
	t.Helper()
	all, err := tensorboardtest.Files(dir)
	check(t, err)
	return all
}

// parse reads the newest event file of a folder.
func parse(t *testing.T, dir string) []tensorboardtest.Event {
	t.Helper()
	all := files(t, dir)
	b, err := os.ReadFile(all[len(all)-1])
	check(t, err)
	events, torn, err := tensorboardtest.Parse(b)
	check(t, err)
	if torn {
		t.Fatal("the last record is torn")
	}
	return events
}

// shown is what TensorBoard shows of a tag.
func shown(t *testing.T, dir, tag string) []tensorboardtest.Point {
	t.Helper()
	all, err := tensorboardtest.Read(dir)
	check(t, err)
	return all[tag]
}

func TestBeginning(t *testing.T) {
	dir, before := t.TempDir(), time.Now()
	check(t, create(t, dir, 41).Close())
	name := filepath.Base(files(t, dir)[0])
	if !regexp.MustCompile(fmt.Sprintf(`^events\.out\.tfevents\.\d{10}\..+\.%d\.0$`, os.Getpid())).MatchString(name) {
		t.Errorf("the file is called %s", name)
	}
	events := parse(t, dir)
	if len(events) != 2 || events[0].FileVersion != "brain.Event:2" || events[0].Step != 0 || !events[1].Start || events[1].Step != 41 {
		t.Errorf("the file begins with %+v, expected its version and START at step 41", events)
	}
	for _, e := range events {
		if at := time.UnixMicro(int64(e.WallTime * 1e6)); at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("wall time is %v, expected about %v", at, before)
		}
	}
}

func TestScalars(t *testing.T) {
	dir := t.TempDir()
	w := create(t, dir, 1)
	want := []float32{0, -1.5, math.SmallestNonzeroFloat32, math.MaxFloat32, float32(math.Inf(1)), float32(math.NaN())}
	for i, v := range want {
		check(t, w.Scalar(int64(i), "critic/loss", v), w.Scalar(1<<40, fmt.Sprint("other/", i), 1))
	}
	check(t, w.Close())
	got := shown(t, dir, "critic/loss")
	if len(got) != len(want) {
		t.Fatalf("%d points, expected %d", len(got), len(want))
	}
	for i, p := range got {
		if p.Step != int64(i) || math.Float32bits(*p.Scalar) != math.Float32bits(want[i]) {
			t.Errorf("point %d is %g at step %d, expected %g", i, *p.Scalar, p.Step, want[i])
		}
	}
	if p := shown(t, dir, "other/3"); len(p) != 1 || p[0].Step != 1<<40 {
		t.Errorf("points of other/3 are %+v, expected one at step 2^40", p)
	}
}

func TestImages(t *testing.T) {
	dir := t.TempDir()
	w := create(t, dir, 1)
	rgba := image.NewRGBA(image.Rect(2, 3, 9, 8)) // 7x5, opaque
	for i := range rgba.Pix {
		rgba.Pix[i] = uint8(i*37) | uint8(i%4/3*0xff)
	}
	see := image.NewNRGBA(image.Rect(0, 0, 3, 2))
	see.Set(1, 1, color.NRGBA{1, 2, 3, 4})
	for name, test := range map[string]struct {
		img        image.Image
		colorspace int
	}{"rgb": {rgba, 3}, "gray": {image.NewGray(image.Rect(0, 0, 4, 6)), 1}, "transparent": {see, 4}} {
		check(t, w.Image(7, name, test.img), w.Flush())
		p := shown(t, dir, name)[0]
		size := test.img.Bounds().Size()
		if p.Step != 7 || p.Image.Width != size.X || p.Image.Height != size.Y || p.Image.Colorspace != test.colorspace {
			t.Errorf("%s: step %d, %dx%d of colour space %d, expected step 7, %v, %d",
				name, p.Step, p.Image.Width, p.Image.Height, p.Image.Colorspace, size, test.colorspace)
		}
		img, err := png.Decode(bytes.NewReader(p.Image.Encoded))
		check(t, err)
		if img.Bounds().Size() != size {
			t.Fatalf("%s: the PNG is %v, expected %v", name, img.Bounds().Size(), size)
		}
		for y := range size.Y {
			for x := range size.X {
				from := test.img.Bounds().Min
				if got, want := color.NRGBAModel.Convert(img.At(x, y)), color.NRGBAModel.Convert(test.img.At(from.X+x, from.Y+y)); got != want {
					t.Fatalf("%s: pixel %d, %d is %v, expected %v", name, x, y, got, want)
				}
			}
		}
	}
	if err := w.Image(8, "empty", image.NewRGBA(image.Rectangle{})); err == nil || !strings.Contains(err.Error(), "picture empty") {
		t.Errorf("an empty picture: error is %v", err)
	}
	check(t, w.Close())
}

func TestHistograms(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	var many []float32
	for i := range 1000 {
		many = append(many, float32(i*i%997)/100-3)
	}
	tiny := float32(math.SmallestNonzeroFloat32)
	for name, test := range map[string]struct {
		values  []float32
		buckets int // 0: no event
	}{
		"many":      {many, 30},
		"not all":   {[]float32{nan, 1, inf, 2, -inf, nan, 4}, 30},
		"same":      {[]float32{2.5, 2.5, 2.5}, 1},
		"zero":      {[]float32{0, 0}, 1},
		"narrow":    {[]float32{1, math.Nextafter32(1, 2)}, 30},
		"denormal":  {[]float32{0, tiny}, 30},
		"wide":      {[]float32{-math.MaxFloat32, 0, math.MaxFloat32}, 30},
		"none":      {nil, 0},
		"no finite": {[]float32{nan, inf}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w := create(t, dir, 1)
			check(t, w.Histogram(3, "latent/mu", test.values), w.Close())
			points := shown(t, dir, "latent/mu")
			if test.buckets == 0 {
				if len(points) != 0 {
					t.Errorf("points are %+v, expected none", points)
				}
				return
			}
			if len(points) != 1 || points[0].Step != 3 {
				t.Fatalf("points are %+v, expected one at step 3", points)
			}
			h := points[0].Histogram
			var finite []float64
			sum, squares := 0.0, 0.0
			for _, v := range test.values {
				if v := float64(v); !math.IsNaN(v) && !math.IsInf(v, 0) {
					finite = append(finite, v)
					sum, squares = sum+v, squares+v*v
				}
			}
			low, high := slices.Min(finite), slices.Max(finite)
			if h.Min != low || h.Max != high || h.Num != float64(len(finite)) || h.Sum != sum || h.SumSquares != squares {
				t.Errorf("min, max, num, sum, squares are %g, expected %g",
					[]float64{h.Min, h.Max, h.Num, h.Sum, h.SumSquares}, []float64{low, high, float64(len(finite)), sum, squares})
			}
			if len(h.Limits) != test.buckets || len(h.Buckets) != test.buckets || !slices.IsSorted(h.Limits) || h.Limits[test.buckets-1] != high {
				t.Fatalf("%d limits %g and %d buckets, expected %d up to %g", len(h.Limits), h.Limits, len(h.Buckets), test.buckets, high)
			}
			// Counted anew, by walking up the limits.
			want, total := make([]float64, test.buckets), 0.0
			for _, v := range finite {
				i := 0
				for i < test.buckets-1 && v >= h.Limits[i] {
					i++
				}
				want[i]++
			}
			for _, n := range h.Buckets {
				total += n
			}
			if !slices.Equal(h.Buckets, want) || total != h.Num {
				t.Errorf("buckets are %g, expected %g", h.Buckets, want)
			}
			for i, limit := range h.Limits {
				if even := low + (high-low)*float64(i+1)/float64(test.buckets); math.Abs(limit-even) > (high-low)/1e9 {
					t.Errorf("limit %d is %g, expected %g", i, limit, even)
				}
			}
		})
	}
}

// TestResume: a folder shows what an uninterrupted run shows, whatever the process wrote that was killed.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	write := func(run float32, from, to int64) {
		w := create(t, dir, from)
		for step := from; step <= to; step++ {
			check(t, w.Scalar(step, "loss", run))
			if step%4 == 0 {
				check(t, w.Scalar(step, "test/mse", run))
			}
		}
		check(t, w.Close())
	}
	write(1, 1, 10) // killed behind its checkpoint of step 5
	write(2, 6, 7)  // and at once again
	write(3, 6, 6)
	write(4, 7, 9)
	var got []string
	for _, p := range shown(t, dir, "loss") {
		got = append(got, fmt.Sprint(p.Step, ":", *p.Scalar))
	}
	if want := "1:1 2:1 3:1 4:1 5:1 6:3 7:4 8:4 9:4"; strings.Join(got, " ") != want {
		t.Errorf("loss is %v, expected %s", got, want)
	}
	if p := shown(t, dir, "test/mse"); len(p) != 2 || *p[0].Scalar != 1 || *p[1].Scalar != 4 {
		t.Errorf("test/mse is %+v, expected 1 at step 4 and 4 at step 8", p)
	}
}

// TestFilesSort: TensorBoard reads files by name, also where the clock has gone back.
func TestFilesSort(t *testing.T) {
	dir := t.TempDir()
	ahead := filepath.Join(dir, fmt.Sprintf("events.out.tfevents.%d.elsewhere.999999.0", time.Now().Unix()+1000))
	check(t, os.WriteFile(ahead, nil, 0o666), os.WriteFile(filepath.Join(dir, "events.out.tfevents.0x"), nil, 0o666))
	var made []string
	for i := range 3 {
		check(t, create(t, dir, 1).Close())
		all := files(t, dir)
		made = append(made, all[len(all)-1])
		if len(all) != 3+i || made[0] <= ahead {
			t.Fatalf("made %v, the files are %v", made, all)
		}
	}
}

// TestNamesThatAreNoTimes: a number after which none comes, or one of more digits, is not counted on from.
func TestNamesThatAreNoTimes(t *testing.T) {
	dir := t.TempDir()
	for _, seconds := range []string{"9223372036854775807", "9223372036854775806", "9999999999", "-5"} {
		check(t, os.WriteFile(filepath.Join(dir, "events.out.tfevents."+seconds+".x"), nil, 0o666))
	}
	check(t, create(t, dir, 1).Close())
	want := regexp.MustCompile(`^events\.out\.tfevents\.[1-9]\d{9}\.`)
	if all := files(t, dir); !slices.ContainsFunc(all, func(f string) bool {
		return want.MatchString(filepath.Base(f)) && strings.HasSuffix(f, ".0")
	}) {
		t.Errorf("the files are %v", all)
	}
}

func TestTornRecord(t *testing.T) {
	dir := t.TempDir()
	w := create(t, dir, 1)
	for step := range int64(3) {
		check(t, w.Scalar(step+1, "loss", float32(step)), w.Flush())
	}
	check(t, w.Close())
	file := files(t, dir)[0]
	whole, err := os.ReadFile(file)
	check(t, err)
	all, _, err := tensorboardtest.Parse(whole)
	check(t, err)
	records, end := 0, 0
	for cut := range whole {
		if size := 12 + int(binary.LittleEndian.Uint64(whole[end:])) + 4; cut == end+size {
			records, end = records+1, cut
		}
		events, torn, err := tensorboardtest.Parse(whole[:cut])
		check(t, err)
		if !reflect.DeepEqual(events, all[:records:records]) && records > 0 || torn != (cut > end) {
			t.Fatalf("of %d bytes the events are %+v (torn: %v), expected %d", cut, events, torn, records)
		}
	}
	check(t, os.WriteFile(file, whole[:len(whole)-3], 0o666))
	w = create(t, dir, 3) // the next process
	check(t, w.Scalar(3, "loss", 9), w.Close())
	points := shown(t, dir, "loss")
	if len(points) != 3 || *points[1].Scalar != 1 || *points[2].Scalar != 9 {
		t.Errorf("points are %+v", points)
	}
	// A damaged byte anywhere is found: the reader of these tests is worth something.
	for i := range whole {
		damaged := slices.Clone(whole)
		damaged[i] ^= 0x10
		if events, torn, err := tensorboardtest.Parse(damaged); err == nil {
			t.Fatalf("byte %d is damaged, and %d events are read (torn: %v)", i, len(events), torn)
		}
	}
}

// TestWholeRecords: nothing is written before Flush, and nothing but whole records by it.
func TestWholeRecords(t *testing.T) {
	dir := t.TempDir()
	w := create(t, dir, 1)
	for n := 2; n < 5; n++ {
		if got := len(parse(t, dir)); got != n {
			t.Fatalf("%d events in the file, expected %d", got, n)
		}
		check(t, w.Scalar(1, "loss", 1))
		if got := len(parse(t, dir)); got != n {
			t.Fatalf("%d events in the file before Flush, expected %d", got, n)
		}
		check(t, w.Flush())
	}
	check(t, w.Close())
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := tensorboard.Create(filepath.Join(dir, "nowhere"), 1); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("no folder: error is %v", err)
	}
	w := create(t, dir, 1)
	if err := w.Scalar(5, "\xff", 1); err == nil || !strings.Contains(err.Error(), "step 5") {
		t.Errorf("a tag that is no UTF-8: error is %v", err)
	}
	check(t, w.Scalar(6, "loss", 1), w.Close())
	if got := len(shown(t, dir, "loss")); got != 1 {
		t.Errorf("%d points after an event that could not be encoded, expected 1", got)
	}
	check(t, w.Scalar(7, "loss", 1))
	for range 2 {
		if err := w.Flush(); err == nil || !strings.Contains(err.Error(), "cannot write to the event file") {
			t.Errorf("Flush of a closed writer: error is %v", err)
		}
	}
}
