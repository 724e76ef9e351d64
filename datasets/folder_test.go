package datasets

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// shade is a small grey picture of one value, in the format of the extension.
func shade(t testing.TB, format string, v uint8) []byte {
	t.Helper()
	r := image.Rect(0, 0, 4+int(v)%3, 6)
	if format == "gif" {
		return encode(t, format, paint(image.NewPaletted(r, color.Palette{color.Gray{v}}), color.Gray{v}))
	}
	return encode(t, format, paint(image.NewGray(r), color.Gray{v}))
}

// small are options for tests: 2x2 grey.
func small(root string) FolderOptions {
	return FolderOptions{Root: root, Split: "train", PictureOptions: PictureOptions{Size: 2, Channels: 1, Fit: "stretch", Classes: "auto", CacheMiB: 1}}
}

// shades opens a dataset and tells the value, as a byte, and label of each sample.
func shades(t *testing.T, o Options, env Env) (Info, string) {
	t.Helper()
	d, err := o.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for i := range d.Len() {
		s := readImage(t, d, i)
		told = append(told, fmt.Sprintf("%.0f:%d", s.Image[0]*127.5+127.5, s.Label))
	}
	return d.Info(), strings.Join(told, " ")
}

func expectError(t *testing.T, o Options, wants ...string) {
	t.Helper()
	d, err := o.Open(t.Context(), Env{})
	if err == nil || d != nil {
		t.Fatalf("no error, want %q", wants)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error\n%v\nwant %q", err, want)
		}
	}
}

func TestFolder(t *testing.T) {
	root := t.TempDir()
	writeFiles(t, root, map[string][]byte{
		"b/2.PNG": shade(t, "png", 20), "b/10.png": shade(t, "png", 10), "b/deep/er/x.gif": shade(t, "gif", 30),
		"b-1/z.bmp": shade(t, "bmp", 40), "a/y.Jpeg": shade(t, "jpg", 50), "a/misnamed.jpg": shade(t, "png", 60),
		"a/.hidden.png": []byte("rubbish"), ".git/c.png": []byte("rubbish"), "a/readme.txt": []byte("text"), "notes": nil,
	})
	if err := os.Mkdir(filepath.Join(root, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	o := small(root)
	info, got := shades(t, &o, Env{})
	if want := "60:0 50:0 40:2 10:1 20:1 30:1"; got != want {
		t.Errorf("samples %s, want %s", got, want)
	}
	if want := (Info{Name: "folder", Channels: 1, Height: 2, Width: 2, Classes: []string{"a", "b", "b-1"}}); !reflect.DeepEqual(info, want) {
		t.Errorf("info %+v", info)
	}
	if o.Test() != nil {
		t.Error("there is a test part")
	}
	none := o
	none.Classes, none.Channels, none.Height, none.Width = "none", 3, 5, 7
	info, got = shades(t, &none, Env{})
	if want := (Info{Name: "folder", Channels: 3, Height: 5, Width: 7}); !reflect.DeepEqual(info, want) {
		t.Errorf("info %+v", info)
	}
	if want := "60:0 50:0 40:0 10:0 20:0 30:0"; got != want {
		t.Errorf("samples %s, want %s", got, want)
	}
}

// TestFolderSplits: train is a part with and without test, test with train alone, and both number their classes alike.
func TestFolderSplits(t *testing.T) {
	root := t.TempDir()
	o := small(root)
	test := o
	test.Split = "test"
	writeFiles(t, root, map[string][]byte{"train/x/1.png": shade(t, "png", 10), "train/y/2.png": shade(t, "png", 20)})
	if info, got := shades(t, &o, Env{}); got != "10:0 20:1" || !slices.Equal(info.Classes, []string{"x", "y"}) || o.Test() != nil {
		t.Errorf("without test: samples %s, classes %q, test %v", got, info.Classes, o.Test())
	}
	expectError(t, &test, root+" has no test images; put them into "+filepath.Join(root, "test"))

	writeFiles(t, root, map[string][]byte{"test/y/3.png": shade(t, "png", 30)})
	if info, got := shades(t, &o, Env{}); got != "10:0 20:1" || !slices.Equal(info.Classes, []string{"x", "y"}) {
		t.Errorf("train: samples %s, classes %q", got, info.Classes)
	}
	if !reflect.DeepEqual(o.Test(), Options(&test)) || test.Test() != nil || o.Split != "train" {
		t.Errorf("test options %+v", o.Test())
	}
	if info, got := shades(t, o.Test(), Env{}); got != "30:1" || !slices.Equal(info.Classes, []string{"x", "y"}) {
		t.Errorf("test: samples %s, classes %q", got, info.Classes)
	}
	all := o
	all.Split = "all"
	if info, got := shades(t, &all, Env{}); got != "30:0 10:1 20:1" || !slices.Equal(info.Classes, []string{"test", "train"}) || all.Test() != nil {
		t.Errorf("all: samples %s, classes %q, test %v", got, info.Classes, all.Test())
	}
	// What lies in no class's folder is in the report like all that is wrong.
	advice := ": it lies in no folder of a class, expected one of x, y; move it into one, or set classes to none"
	writeFiles(t, root, map[string][]byte{"test/z/4.png": shade(t, "png", 30), "test/5.png": nil, "test/y/6.png": nil})
	expectError(t, &test, "3 of 4 files cannot be used", filepath.Join(root, "test/z/4.png")+advice,
		filepath.Join(root, "test/5.png")+advice, filepath.Join(root, "test/5.png")+": it is empty", filepath.Join(root, "test/y/6.png")+": it is empty")
	writeFiles(t, root, map[string][]byte{"train/4.png": shade(t, "png", 30)})
	expectError(t, &o, "1 of 3 files cannot be used", filepath.Join(root, "train/4.png")+advice)
}

// TestFolderTestAlone: without a folder train, test is no reason to train on the test images.
func TestFolderTestAlone(t *testing.T) {
	root := t.TempDir()
	writeFiles(t, root, map[string][]byte{"test/x/1.png": shade(t, "png", 10), "x/2.png": shade(t, "png", 20)})
	o := small(root)
	expectError(t, &o, root+" has the folder test and no folder train, expected both, or neither; put the images to train on into "+filepath.Join(root, "train")+", or set split to all")
	expectError(t, o.Test(), "the folder "+filepath.Join(root, "train")+" does not exist", "its folders name the classes")
	test := *o.Test().(*FolderOptions)
	test.Classes = "none"
	if _, got := shades(t, &test, Env{}); got != "10:0" {
		t.Errorf("test: samples %s", got)
	}
	o.Split = "all"
	if info, got := shades(t, &o, Env{}); got != "10:0 20:1" || !slices.Equal(info.Classes, []string{"test", "x"}) {
		t.Errorf("all: samples %s, classes %q", got, info.Classes)
	}
}

// TestFolderNews: what is passed over is said, in a line.
func TestFolderNews(t *testing.T) {
	root := t.TempDir()
	image := shade(t, "png", 10)
	writeFiles(t, root, map[string][]byte{
		"train/x/1.JFIF": shade(t, "jpg", 10), "train/x/2.jpe": shade(t, "jpg", 20), "train/x/3.HEIC": image, "train/4.heic": image,
		"train/x/readme": nil, "train/x/a.txt": nil, "train/.hidden": nil, "test/x/1.png": image, "valid/1.png": image, "notes.txt": nil,
	})
	for split, want := range map[string][]string{
		"train": {
			root + ": what is trained on is its folder train alone, without valid; for all of it, set split to all",
			root + "/train: files passed over, which are no images by their extensions: 4 (no extension: 1, .heic: 2, .txt: 1)",
		},
		"test": nil,
	} {
		o := small(root)
		o.Split = split
		var said []string
		d, err := o.Open(t.Context(), Env{Logf: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(said, want) || split == "train" && d.Len() != 2 {
			t.Errorf("%s: %d samples, said %q", split, d.Len(), said)
		}
	}
	if got := brief(strings.Split("abcdefghijklm", "")); got != "a, b, c, d, e, f, g, h, i, j and 3 more" {
		t.Error(got)
	}
}

func TestFolderLinks(t *testing.T) {
	outside, root := t.TempDir(), t.TempDir()
	writeFiles(t, outside, map[string][]byte{"cats/1.png": shade(t, "png", 10), "one": shade(t, "png", 20)})
	for name, target := range map[string]string{
		"cats": filepath.Join(outside, "cats"), "dog.png": filepath.Join(outside, "one"), "loop": root, "nowhere": "missing",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Skip(err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(root, link); err != nil {
		t.Fatal(err)
	}
	o := small(link)
	o.Classes = "none"
	if _, got := shades(t, &o, Env{}); got != "10:0 20:0" {
		t.Errorf("samples %s", got)
	}
	if err := os.Symlink("missing", filepath.Join(root, "gone.png")); err != nil {
		t.Fatal(err)
	}
	expectError(t, &o, "1 of 3 files cannot be used", filepath.Join(link, "gone.png")+": no such file")
}

// TestFolderLinksOnce: a folder is walked once however many links lead to it, under its own name if it has one.
func TestFolderLinksOnce(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	writeFiles(t, outside, map[string][]byte{"x/1.png": shade(t, "png", 90)})
	for i := range 12 { // each level links to all: a walk along every path would have 12! of them
		dir := fmt.Sprintf("d%02d", i)
		writeFiles(t, root, map[string][]byte{dir + "/1.png": shade(t, "png", uint8(10+i))})
		for j := range 12 {
			if err := os.Symlink(filepath.Join(root, fmt.Sprintf("d%02d", j)), filepath.Join(root, dir, fmt.Sprintf("a%02d", j))); err != nil {
				t.Skip(err)
			}
		}
	}
	for _, name := range []string{"a", "z"} {
		if err := os.Symlink(outside, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	o := small(root)
	want := "90:0 10:1 11:2 12:3 13:4 14:5 15:6 16:7 17:8 18:9 19:10 20:11 21:12"
	if _, got := shades(t, &o, Env{}); got != want {
		t.Errorf("samples %s", got)
	}
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := list(ctx, Env{}, root); !errors.Is(err, why) {
		t.Errorf("error %v, want the cause", err)
	}
}

// TestFolderReport: all unusable files are in one error, sorted.
func TestFolderReport(t *testing.T) {
	root := t.TempDir()
	good := shade(t, "png", 1)
	writeFiles(t, root, map[string][]byte{
		"1.png": good, "2.png": nil, "3.png": []byte("text"), "4.png": good[:len(good)-8], "5.jpg": shade(t, "jpg", 7)[:200], "6.bmp": good,
	})
	o := small(root)
	want := "dataset folder: 4 of 6 files cannot be used; mend them or take them away:" +
		"\n  ROOT/2.png: it is empty" +
		"\n  ROOT/3.png: its content (text/plain; charset=utf-8) is none of JPEG, PNG, GIF, BMP and WebP" +
		"\n  ROOT/4.png: it is no usable PNG: it is truncated" +
		"\n  ROOT/5.jpg: it is no usable JPEG: it is truncated"
	if _, err := o.Open(t.Context(), Env{}); err == nil || strings.ReplaceAll(err.Error(), root, "ROOT") != want {
		t.Errorf("error\n%v\nwant\n%s", err, want)
	}
	for i := range 1010 {
		writeFiles(t, root, map[string][]byte{fmt.Sprintf("more/%04d.png", i): nil})
	}
	o.Classes = "none"
	_, err := o.Open(t.Context(), Env{})
	if err == nil || strings.Count(err.Error(), "\n") != 1001 || !strings.HasSuffix(err.Error(), "more/0995.png: it is empty\n  and 14 more") {
		t.Errorf("error\n%v", err)
	}
}

func TestFolderErrors(t *testing.T) {
	root := t.TempDir()
	o := small(root)
	expectError(t, &o, "dataset folder: "+root+" holds no image, expected files that end in .bmp, .gif, .jfif, .jpe, .jpeg, .jpg, .png, .webp")
	file := filepath.Join(root, "file")
	writeFiles(t, root, map[string][]byte{"file": nil, "x.png": shade(t, "png", 3)})
	for want, change := range map[string]func(o *FolderOptions){
		"does not exist; put the images there, or correct the path": func(o *FolderOptions) { o.Root = filepath.Join(root, "missing") },
		file + " is not a folder":                                   func(o *FolderOptions) { o.Root = file },
		`split is "validation", expected train, test or all`:        func(o *FolderOptions) { o.Split = "validation" },
		"to be 0x0 (height, width), expected 1 to 4096":             func(o *FolderOptions) { o.Size = 0 },
		"to be 5000x2 (height, width), expected 1 to 4096":          func(o *FolderOptions) { o.Height = 5000 },
		"to be 2x-1 (height, width), expected 1 to 4096":            func(o *FolderOptions) { o.Width = -1 },
		"channels is 4, expected 1 or 3":                            func(o *FolderOptions) { o.Channels = 4 },
		`fit is "pad", expected stretch or crop`:                    func(o *FolderOptions) { o.Fit = "pad" },
		`classes is "", expected auto or none`:                      func(o *FolderOptions) { o.Classes = "" },
		"cache_mib is -1, expected 0 to 1048576":                    func(o *FolderOptions) { o.CacheMiB = -1 },
	} {
		o := small(root)
		change(&o)
		expectError(t, &o, want)
	}
}

// TestFolderCache: what is kept and what is decoded each time is the same, for
// many readers at once, and a file that changes later is named.
func TestFolderCache(t *testing.T) {
	root := t.TempDir()
	var want []string
	for i := range 12 {
		writeFiles(t, root, map[string][]byte{fmt.Sprintf("%02d.png", i): shade(t, "png", uint8(20*i))})
		want = append(want, fmt.Sprintf("%d:0", 20*i))
	}
	var said []string
	env := Env{Logf: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }}
	o := small(root)
	o.Size = 400 // a MiB holds six of them
	if _, got := shades(t, &o, env); got != strings.Join(want, " ") {
		t.Errorf("samples %s", got)
	}
	if !slices.Equal(said, []string{"6 of 12 samples fit into cache_mib; the others are decoded each time"}) {
		t.Errorf("said %q", said)
	}
	o.CacheMiB = 0
	d, err := o.Open(t.Context(), Env{})
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for i := range d.Len() {
				s := Sample{Image: make([]float32, 400*400)}
				if err := d.Read(i, &s); err != nil || s.Image[399] != toUnit[20*i] {
					t.Errorf("sample %d is %v, error %v", i, s.Image[399], err)
				}
			}
		})
	}
	readers.Wait()
	writeFiles(t, root, map[string][]byte{"03.png": nil})
	err = d.Read(3, &Sample{Image: make([]float32, 400*400)})
	if err == nil || err.Error() != filepath.Join(root, "03.png")+": it is empty" {
		t.Errorf("error %v", err)
	}
	if err := d.Read(12, &Sample{}); err == nil {
		t.Error("sample 12 can be read")
	}
}

func TestScanProgress(t *testing.T) {
	root := t.TempDir()
	data := shade(t, "png", 1)
	for i := range 50 {
		writeFiles(t, root, map[string][]byte{fmt.Sprintf("%d.png", i): data})
	}
	o := small(root)
	var done []int
	if _, err := o.Open(t.Context(), Env{Scanned: func(n, total int) {
		if total != 50 {
			t.Errorf("total %d", total)
		}
		done = append(done, n) // one call at a time, or the race detector complains
	}}); err != nil {
		t.Fatal(err)
	}
	if len(done) != 50 || done[0] != 1 || done[49] != 50 || !slices.IsSorted(done) {
		t.Errorf("progress %v", done)
	}
	// Each worker may finish the file that it is at, and takes no other.
	workers := runtime.GOMAXPROCS(0)
	for i := 50; i < 50+workers; i++ {
		writeFiles(t, root, map[string][]byte{fmt.Sprintf("%d.png", i): data})
	}
	why := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	if _, err := o.Open(ctx, Env{Scanned: func(n, _ int) {
		if cancel(why); n > workers {
			t.Errorf("the scan goes on: %d files, %d workers", n, workers)
		}
	}}); !errors.Is(err, why) {
		t.Errorf("error %v, want the cause", err)
	}
}

// TestDecoderPanics: what a decoder does wrong is the file's problem.
func TestDecoderPanics(t *testing.T) {
	err := func() (err error) {
		defer recoverDecoder(&err)
		panic("index out of range")
	}()
	if err == nil || err.Error() != "decoding it panicked: index out of range" {
		t.Errorf("error %v", err)
	}
}

func TestHasClasses(t *testing.T) {
	root := t.TempDir()
	put := func(name string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("no picture"), 0o666); err != nil { // which does not matter
			t.Fatal(err)
		}
	}
	o := FolderOptions{Root: root, Split: "all"}
	if _, err := o.HasClasses(t.Context()); err == nil || !strings.Contains(err.Error(), "holds no image") {
		t.Errorf("got %v", err)
	}
	put("a/1.png")
	put("b/c/2.png")
	if has, err := o.HasClasses(t.Context()); !has || err != nil {
		t.Errorf("got %v, %v", has, err)
	}
	put("3.png")
	if has, err := o.HasClasses(t.Context()); has || err != nil {
		t.Errorf("got %v, %v", has, err)
	}
}

// TestManyClasses: what labels take does not grow with images times classes.
func TestManyClasses(t *testing.T) {
	const n = 100_000
	l := &listing{root: "root"}
	classes := make([]string, n)
	for i := range classes {
		classes[i] = fmt.Sprintf("class %06d", i)
		l.names = append(l.names, classes[i]+"/1.png")
	}
	start := time.Now()
	labels := l.labels(classes, "move it")
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if len(l.problems) != 0 || labels[0] != 0 || labels[n-1] != n-1 {
		t.Errorf("%d problems, labels from %d to %d", len(l.problems), labels[0], labels[n-1])
	}
}
