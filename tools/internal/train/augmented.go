package train

import (
	"fmt"
	"image/png"
	"io"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
	"github.com/imori-ml/imori/trainer"
	"github.com/imori-ml/imori/trainer/rundir"
)

const (
	augmentedSamples = 8 // rows; a row of targets below each where there are pairs
	augmentedEpochs  = 7 // columns, after one of the sample as it is
)

// showAugmented writes a picture of the first samples as they are and as the first epochs of training see them.
func showAugmented(options trainer.Options, path string, out io.Writer) error {
	first := make([]int, min(options.Dataset.Len(), augmentedSamples)) // their numbers stay, and so the augmentation they get
	for i := range first {
		first[i] = i
	}
	data, err := datasets.Pick(options.Dataset, first)
	if err != nil {
		return err
	}
	info := data.Info()
	if info.Channels != 1 && info.Channels != 3 {
		return fmt.Errorf("dataset %s has images of %d channels, expected 1 or 3 to show them", info.Name, info.Channels)
	}
	columns, err := epochs(data, datasets.LoaderOptions{}, 1)
	if err != nil {
		return err
	}
	augmented, err := epochs(data, datasets.LoaderOptions{Seed: options.Seed, Augment: options.Augment}, augmentedEpochs)
	if err != nil {
		return err
	}
	columns = append(columns, augmented...)
	var tiles []float32
	n := 0
	for row := range data.Len() {
		for _, b := range columns {
			tiles, n = appendColors(tiles, pick(b.Images, b.N, row), info.Channels), n+1
		}
		if info.Target == nil {
			continue
		}
		for _, b := range columns {
			tiles, n = appendTarget(tiles, pick(b.Targets, b.N, row), info), n+1
		}
	}
	grid := rundir.Grid(tiles, n, 3, info.Height, info.Width, len(columns))
	if err := atomicfile.Write(path, func(w io.Writer) error { return png.Encode(w, grid) }); err != nil {
		return fmt.Errorf("cannot write picture %s: %w", path, err)
	}
	if len(options.Augment) == 0 {
		fmt.Fprintln(out, "the recipe augments nothing: dataset.augment is empty")
	}
	fmt.Fprintf(out, "%d samples, each as it is and as epochs 1 to %d see it: %s\n", data.Len(), augmentedEpochs, path)
	return nil
}

// epochs reads a dataset n times in order, each time as one batch.
func epochs(d datasets.Dataset, o datasets.LoaderOptions, n int) ([]*datasets.Batch, error) {
	o.BatchSize, o.InOrder, o.Ahead = d.Len(), true, 1
	loader, err := datasets.NewLoader(d, o)
	if err != nil {
		return nil, err
	}
	defer loader.Close()
	batches := make([]*datasets.Batch, n)
	for i := range batches {
		if batches[i], err = loader.Next(); err != nil {
			return nil, err
		}
	}
	return batches, nil
}

// pick returns the i-th of n images.
func pick(images []float32, n, i int) []float32 {
	size := len(images) / n
	return images[i*size : (i+1)*size]
}

// appendColors appends an image of 1 or 3 channels as one of 3.
func appendColors(to, image []float32, channels int) []float32 {
	for range 3 / channels {
		to = append(to, image...)
	}
	return to
}

// appendTarget appends a target as it is shown: a picture as it is, a map of classes in the classes' colours.
func appendTarget(to, target []float32, info datasets.Info) []float32 {
	if info.Target.Classes == nil {
		return appendColors(to, target, info.Target.Channels)
	}
	plane := info.Height * info.Width
	classes := make([]int64, plane)
	for p := range classes {
		for c := range info.Target.Channels {
			if target[c*plane+p] > target[int(classes[p])*plane+p] {
				classes[p] = int64(c)
			}
		}
	}
	picture := make([]float32, 3*plane)
	info.Target.Paint(picture, classes)
	return append(to, picture...)
}
