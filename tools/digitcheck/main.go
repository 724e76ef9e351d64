// Command digitcheck judges a run on digits: are the generator's samples digits, and are there all ten?
//
//	go run ./tools/digitcheck RUN
//
// It draws 100 samples from fixed latents with the newest checkpoint, compares each with templates of the ten digits,
// and writes them to RUN/samples/digitcheck.png. The exit status is 0 if at least 80 are near a digit and all ten occur,
// 1 if not, 2 for a wrong command line.
package main

import (
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/recipes"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
	"github.com/imori-ml/imori/trainer"
	"github.com/imori-ml/imori/trainer/rundir"
)

const (
	samples    = 100
	enoughNear = 80
	seed       = 20150619
)

func main() {
	torchx.TuneAllocator()
	if len(os.Args) != 2 || strings.HasPrefix(os.Args[1], "-") {
		fmt.Fprintln(os.Stderr, "usage: digitcheck RUN\n\nRUN is the folder of a run that trained on digits.")
		os.Exit(2)
	}
	ok, err := check(os.Args[1], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "digitcheck:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// check samples from the run and says whether the samples are digits.
func check(run string, out io.Writer) (bool, error) {
	dir, err := rundir.Open(run)
	if err != nil {
		return false, err
	}
	data, err := dir.Recipe()
	if err != nil {
		return false, err
	}
	recipe, err := recipes.Parse(filepath.Join(run, "recipe.yaml"), data, nil)
	if err != nil {
		return false, err
	}
	digits, ok := recipe.Dataset.Options.(*datasets.DigitsOptions)
	if !ok || digits.Channels != 1 {
		return false, fmt.Errorf("run %s trained on %s, expected digits with 1 channel: only those can be judged", run, recipe.Dataset.Type)
	}
	checkpoint, err := dir.LatestCheckpoint()
	if err != nil {
		return false, err
	}
	images, err := sample(recipe, digits, checkpoint)
	if err != nil {
		return false, err
	}
	picture := filepath.Join(run, "samples", "digitcheck.png")
	grid := rundir.Grid(images, samples, 1, digits.Size, digits.Size, 10)
	if err := os.MkdirAll(filepath.Dir(picture), 0o777); err != nil {
		return false, err
	}
	if err := atomicfile.Write(picture, func(w io.Writer) error { return png.Encode(w, grid) }); err != nil {
		return false, err
	}
	matcher, err := datasets.NewDigitMatcher(digits.Size)
	if err != nil {
		return false, err
	}
	ok = judge(images, digits.Size, matcher, out)
	fmt.Fprintf(out, "the samples are in %s\n", picture)
	return ok, nil
}

// sample returns images of the generator at the checkpoint, one after the other, in [-1, 1].
func sample(recipe *recipes.Recipe, digits *datasets.DigitsOptions, c *rundir.Checkpoint) ([]float32, error) {
	info := datasets.Info{Name: recipe.Dataset.Type, Channels: digits.Channels, Height: digits.Size, Width: digits.Size}
	var images []float32
	var failed error
	err := torchx.Try(func() {
		torchx.Scoped(func() {
			torchx.SetThreads(torchx.DefaultThreads())
			images, failed = sampleInScope(recipe, info, c)
		})
	})
	if err == nil {
		err = failed
	}
	return images, err
}

func sampleInScope(recipe *recipes.Recipe, info datasets.Info, c *rundir.Checkpoint) ([]float32, error) {
	model, err := recipe.Model.Options.Build(info)
	if err != nil {
		return nil, err
	}
	if err := trainer.LoadWeights(model, c); err != nil {
		return nil, err
	}
	for _, n := range model.Networks() {
		if n.Name != "generator" {
			continue
		}
		// The first parameter of every generator here takes the latents: its last side is their length.
		shape := torchx.Shape(torchx.NamedParameters(n.Module)[0].Tensor)
		generator := torchx.NewGenerator("cpu", seed)
		defer generator.Close()
		n.Module.Train(false)
		var images []float32
		torchx.NoGrad(func() {
			images = torchx.Float32s(n.Module.Forward(generator.Uniform(-1, 1, samples, shape[1])))
		})
		return images, nil
	}
	return nil, fmt.Errorf("model %s has no network called generator to sample from", recipe.Model.Type)
}

// judge prints what the samples are, and returns whether they will do.
func judge(images []float32, size int, matcher *datasets.DigitMatcher, out io.Writer) bool {
	var counts [10]int
	near := 0
	for i := range samples {
		digit, _, ok := matcher.Match(images[i*size*size : (i+1)*size*size])
		if ok {
			near++
			counts[digit]++
		}
	}
	var seen, missing []string
	for digit, n := range counts {
		name := fmt.Sprint(digit)
		fmt.Fprintf(out, "%d  %3d  %s\n", digit, n, strings.Repeat("*", n))
		if n > 0 {
			seen = append(seen, name)
		} else {
			missing = append(missing, name)
		}
	}
	fmt.Fprintf(out, "%d of %d samples are near a digit; digits seen: %s\n", near, samples, strings.Join(seen, " "))
	if near < enoughNear {
		fmt.Fprintf(out, "too few, expected at least %d: train longer\n", enoughNear)
	}
	if missing != nil {
		fmt.Fprintf(out, "missing: %s; train longer, or with another train.seed\n", strings.Join(missing, " "))
	}
	return near >= enoughNear && missing == nil
}
