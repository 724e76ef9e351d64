package datasets

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image/color"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// smallNewts are the files of a folder like the published one.
func smallNewts(t testing.TB) map[string][]byte {
	files := map[string][]byte{}
	for i, place := range []string{"train/SIDE/akahara/1", "train/SIDE/madara/1", "train/SIDE/madara/2", "test/SIDE/akahara/9"} {
		files[strings.Replace(place, "SIDE", "images", 1)+".jpg"] = photoOf(t, 2, 2, uint8(10*i+10))
		files[strings.Replace(place, "SIDE", "seg_images", 1)+".png"] = maskOf(t, 2, 0, byte(i%3), 2, 1)
	}
	return files
}

// newtSource describes files as publishedImori does the real ones.
func newtSource(files map[string][]byte, base string) imoriSource {
	source := imoriSource{home: "https://home/Dataset", base: base}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256(files[path])
		source.files = append(source.files, imoriFile{path, int64(len(files[path])), hex.EncodeToString(sum[:])})
	}
	return source
}

func openNewts(t *testing.T, o *ImoriOptions, env Env, source imoriSource) Dataset {
	t.Helper()
	d, err := openImori(t.Context(), o, env, source)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestImori(t *testing.T) {
	files := smallNewts(t)
	o := &ImoriOptions{Root: t.TempDir(), Split: "train", Size: 2, Channels: 1}
	writeFiles(t, o.Root, files)
	source := newtSource(files, "")
	d := openNewts(t, o, Env{}, source)
	if want := (Info{Name: "imori", Channels: 1, Height: 2, Width: 2, Classes: []string{"akahara", "madara"}}); !reflect.DeepEqual(d.Info(), want) || d.Len() != 3 {
		t.Errorf("info %+v, %d samples", d.Info(), d.Len())
	}
	if s := readImage(t, d, 2); s.Image[0] != toUnit[30] || s.Label != 1 {
		t.Errorf("sample %+v", s)
	}
	o.Pairs = true
	d = openNewts(t, o, Env{}, source)
	grey := color.RGBA{1, 2, 3, 255}
	if want := (&Target{Channels: 3, Classes: []string{"background", "akahara", "madara"}, Palette: []color.RGBA{grey, grey, grey}}); !reflect.DeepEqual(d.Info().Target, want) {
		t.Errorf("target %+v", d.Info().Target)
	}
	if s := readImage(t, d, 1); s.Image[0] != toUnit[20] || s.Label != 1 || !slices.Equal(s.Target, []float32{1, -1, -1, -1, -1, 1, -1, 1, -1, -1, 1, -1}) {
		t.Errorf("sample %+v", s)
	}
	test := *o
	test.Split = "test"
	if !reflect.DeepEqual(o.Test(), Options(&test)) {
		t.Errorf("test options %+v", o.Test())
	}
	d = openNewts(t, &test, Env{}, source)
	if s := readImage(t, d, 0); d.Len() != 1 || s.Image[0] != toUnit[40] || s.Label != 0 {
		t.Errorf("%d samples, %+v", d.Len(), s)
	}

	for path, want := range map[string]string{
		"images/madara/3.jpg":  "there is no target for it",
		"images/axolotl/1.jpg": "images/axolotl/1.jpg: it lies in no folder of a class, expected one of akahara, madara; move it into one",
	} {
		writeFiles(t, o.Root, map[string][]byte{"train/" + path: files["train/images/madara/1.jpg"]})
		if _, err := openImori(t.Context(), o, Env{}, source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", path, err)
		}
		os.Remove(filepath.Join(o.Root, "train", path))
	}
	for want, bad := range map[string]ImoriOptions{
		`dataset imori: split is "all", expected train or test`:                  {Split: "all", Size: 2, Channels: 1},
		"dataset imori: the images are to be 0x0 (height, width), expected 1 to": {Split: "test", Channels: 1},
		"dataset imori: channels is 2, expected 1 or 3":                          {Split: "test", Size: 2, Channels: 2},
	} {
		expectError(t, &bad, want)
	}
}

func TestImoriDownload(t *testing.T) {
	files := smallNewts(t)
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/Dataset/")
		asked = append(asked, path)
		if _, err := w.Write(files[path]); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	source := newtSource(files, server.URL+"/Dataset/")
	o := &ImoriOptions{Root: filepath.Join(t.TempDir(), "new"), Split: "train", Size: 2, Channels: 3}

	_, err := openImori(t.Context(), o, Env{}, source)
	want := fmt.Sprintf("dataset imori: %s/train/images/akahara/1.jpg is missing, and 2 others; put the folders train and test of https://home/Dataset into %s, or set download to true", o.Root, o.Root)
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}

	o.Download = true
	var said, progress []string
	env := Env{
		Logf: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) },
		Progress: func(file string, done, total int64) {
			progress = append(progress, fmt.Sprint(file, " ", done, "/", total))
		},
	}
	if d := openNewts(t, o, env, source); d.Len() != 3 {
		t.Errorf("%d samples", d.Len())
	}
	if !slices.Equal(asked, []string{"train/images/akahara/1.jpg", "train/images/madara/1.jpg", "train/images/madara/2.jpg"}) {
		t.Errorf("asked for %q", asked)
	}
	bytes := len(files[asked[0]]) + len(files[asked[1]]) + len(files[asked[2]])
	if len(said) != 1 || said[0] != "downloading 3 files (0 KiB) to "+o.Root || len(progress) != 3 || progress[2] != fmt.Sprintf("imori %d/%d", bytes, bytes) {
		t.Errorf("said %q, progress %q", said, progress)
	}

	o.Pairs = true // the masks too, and only what is missing
	asked = nil
	os.Remove(filepath.Join(o.Root, "train/images/madara/1.jpg"))
	for range 2 {
		openNewts(t, o, Env{}, source)
	}
	if !slices.Equal(asked, []string{"train/images/madara/1.jpg", "train/seg_images/akahara/1.png", "train/seg_images/madara/1.png", "train/seg_images/madara/2.png"}) {
		t.Errorf("asked for %q", asked)
	}

	files["test/images/akahara/9.jpg"] = append(files["test/images/akahara/9.jpg"], 0)
	_, err = openImori(t.Context(), o.Test().(*ImoriOptions), Env{}, source)
	for _, want := range []string{"cannot download 9.jpg", "put it at " + filepath.Join(o.Root, "test/images/akahara/9.jpg"),
		"; for all files at once, put the folders train and test of https://home/Dataset into " + o.Root} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestImoriFiles: the table names 22 photos and their masks, each once.
func TestImoriFiles(t *testing.T) {
	count, seen := map[string]int{}, map[string]bool{}
	for _, f := range imoriFiles {
		parts := strings.Split(f.path, "/")
		if len(parts) != 4 || f.size < 100 || len(f.sha256) != 64 || seen[f.path] || seen[f.sha256] {
			t.Errorf("%+v", f)
			continue
		}
		seen[f.path], seen[f.sha256] = true, true
		count[parts[0]+" "+parts[1]+" "+parts[2]]++
	}
	want := map[string]int{
		"train images akahara": 8, "train images madara": 8, "train seg_images akahara": 8, "train seg_images madara": 8,
		"test images akahara": 3, "test images madara": 3, "test seg_images akahara": 3, "test seg_images madara": 3,
	}
	if !reflect.DeepEqual(count, want) {
		t.Errorf("%v", count)
	}
}
