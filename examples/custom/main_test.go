package main

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/trainer"
)

type losses struct {
	trainer.Silent
	values []float64
}

func (l *losses) Progress(p trainer.Progress) {
	if len(p.Metrics) > 0 {
		l.values = append(l.values, p.Metrics[0].Value)
	}
}

func TestTrain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	var seen losses
	if err := train(context.Background(), dir, 300, &seen); err != nil {
		t.Fatal(err)
	}
	if len(seen.values) < 2 {
		t.Fatalf("logged losses: %v, want one of the first iteration and later ones", seen.values)
	}
	// The network begins with grey: below that it must see blobs.
	if first, last := seen.values[0], seen.values[len(seen.values)-1]; !(last < first/3) {
		t.Errorf("the loss went from %g to %g, want less than a third", first, last)
	}
	for _, name := range []string{"samples/00000300.png", "checkpoints/latest/autoencoder.safetensors"} {
		if files, _ := filepath.Glob(filepath.Join(dir, name)); len(files) != 1 {
			t.Errorf("the run has no %s", name)
		}
	}
}

// A blob is a function of its index, and in range: what a Dataset promises.
func TestBlobs(t *testing.T) {
	d := blobs{n: 10}
	read := func(i int) []float32 {
		s := datasets.Sample{Image: make([]float32, 3*side*side)}
		if err := d.Read(i, &s); err != nil {
			t.Fatal(err)
		}
		return s.Image
	}
	first, again, other := read(3), read(3), read(4)
	differ := false
	for i, v := range first {
		if v < -1 || v > 1 || v != again[i] {
			t.Fatalf("value %d is %g and, read again, %g; want the same one in [-1, 1]", i, v, again[i])
		}
		differ = differ || v != other[i]
	}
	if !differ {
		t.Error("blobs 3 and 4 are the same")
	}
}
