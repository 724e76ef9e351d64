package tensorboard

import (
	"encoding/json"
	"image"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadInPython reads a file with a reader that knows nothing of this package, or of any other: testdata/read_events.py.
func TestReadInPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	folder := t.TempDir()
	w, err := Create(folder, 8)
	if err != nil {
		t.Fatal(err)
	}
	write := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write(w.Scalar(8, "critic/loss", 0.1))
	write(w.Image(9, "preview/samples", image.NewRGBA(image.Rect(0, 0, 5, 3))))
	write(w.Histogram(300, "latent/mu", []float32{-1, 0.5, 2, 2}))
	write(w.Close())
	files, err := filepath.Glob(filepath.Join(folder, "events.out.tfevents.*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	out, err := exec.Command(python, "testdata/read_events.py", files[0]).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	type value struct {
		Kind, Tag string
		Step      int
		Value     any
		Status    int
		Width     int `json:"png_width"`
		Height    int `json:"png_height"`
		Min, Max  float64
		Num, Sum  float64
		Buckets   []float64
	}
	var got []value
	for line := range strings.Lines(string(out)) {
		var v value
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		got = append(got, v)
	}
	if len(got) != 5 {
		t.Fatalf("%d values, expected 5:\n%s", len(got), out)
	}
	version, session, scalar, picture, histogram := got[0], got[1], got[2], got[3], got[4]
	if version.Kind != "version" || version.Value != "brain.Event:2" || session.Kind != "session" || session.Status != 1 || session.Step != 8 {
		t.Errorf("it begins with %+v, %+v", version, session)
	}
	if scalar.Kind != "scalar" || scalar.Tag != "critic/loss" || scalar.Step != 8 || scalar.Value != float64(float32(0.1)) {
		t.Errorf("scalar %+v", scalar)
	}
	if picture.Kind != "image" || picture.Tag != "preview/samples" || picture.Step != 9 || picture.Width != 5 || picture.Height != 3 {
		t.Errorf("image %+v", picture)
	}
	sum := 0.0
	for _, n := range histogram.Buckets {
		sum += n
	}
	if histogram.Kind != "histogram" || histogram.Tag != "latent/mu" || histogram.Step != 300 || sum != 4 || histogram.Num != 4 ||
		histogram.Sum != 3.5 || histogram.Min != -1 || histogram.Max != 2 {
		t.Errorf("histogram %+v", histogram)
	}
}
