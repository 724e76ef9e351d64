// Command digitcheck judges a run on digits: are the generator's samples digits, and are there all ten?
//
//	go run ./tools/digitcheck RUN
//
// It draws 100 samples from fixed latents with the newest checkpoint, compares each with templates of the ten digits,
// and writes them to RUN/samples/digitcheck.png. A model that is told the digit is asked for ten of each. The exit status is
// 0 if at least 80 are near a digit, the one asked for if any was, and all ten occur, 1 if not, 2 for a wrong command line.
package main

import (
	"context"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/models"
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
	drawn, err := sample(context.Background(), recipe, checkpoint)
	if err != nil {
		return false, err
	}
	picture := filepath.Join(run, "samples", "digitcheck.png")
	grid := rundir.Grid(drawn.images, samples, 1, digits.Size, digits.Size, 10)
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
	ok = judge(drawn, digits.Size, matcher, out)
	fmt.Fprintf(out, "the samples are in %s\n", picture)
	return ok, nil
}

// sampled are images of a generator, one after the other, in [-1, 1].
type sampled struct {
	images []float32
	asked  []int64 // the digit that each should show; nil: any
}

// sample draws images of the model at the checkpoint.
func sample(ctx context.Context, recipe *recipes.Recipe, c *rundir.Checkpoint) (sampled, error) {
	data, err := recipe.Dataset.Options.Open(ctx, datasets.Env{})
	if err != nil {
		return sampled{}, err
	}
	var drawn sampled
	var failed error
	err = torchx.Try(func() {
		torchx.Scoped(func() {
			torchx.SetThreads(torchx.DefaultThreads())
			torchx.NoGrad(func() { drawn, failed = sampleInScope(recipe, data.Info(), c) })
		})
	})
	if err == nil {
		err = failed
	}
	return drawn, err
}

func sampleInScope(recipe *recipes.Recipe, info datasets.Info, c *rundir.Checkpoint) (sampled, error) {
	model, err := recipe.Model.Options.Build(info)
	if err != nil {
		return sampled{}, err
	}
	sampler, ok := model.(models.Sampler)
	if !ok {
		return sampled{}, fmt.Errorf("model %s makes no images from latents, expected one that does", recipe.Model.Type)
	}
	if err := trainer.LoadAverages(model, c); err != nil {
		return sampled{}, err
	}
	for _, n := range model.Networks() {
		n.Module.Train(false)
	}
	noise := generatorNoise{torchx.NewGenerator("cpu", seed)}
	defer noise.Close()
	var drawn sampled
	var labels torch.Tensor
	if n := sampler.Classes(); n > 0 {
		for i := range int64(samples) {
			drawn.asked = append(drawn.asked, i*n/samples)
		}
		labels = torchx.FromInt64(drawn.asked, samples)
	}
	drawn.images = torchx.Float32s(sampler.Generate(sampler.Latents(noise, samples), labels))
	return drawn, nil
}

// generatorNoise draws from a generator of its own.
type generatorNoise struct{ *torchx.Generator }

func (g generatorNoise) Normal(shape ...int64) torch.Tensor {
	return g.Generator.Normal(0, 1, shape...)
}

// judge prints what the samples are, and returns whether they will do. A sample that shows another digit than the one
// asked for is not near.
func judge(drawn sampled, size int, matcher *datasets.DigitMatcher, out io.Writer) bool {
	var counts [10]int
	near, mistaken := 0, 0
	for i := range samples {
		digit, _, ok := matcher.Match(drawn.images[i*size*size : (i+1)*size*size])
		switch {
		case !ok:
		case drawn.asked != nil && int64(digit) != drawn.asked[i]:
			mistaken++
		default:
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
	if mistaken > 0 {
		fmt.Fprintf(out, "%d are near another digit than the one asked for\n", mistaken)
	}
	if near < enoughNear {
		fmt.Fprintf(out, "too few, expected at least %d: train longer\n", enoughNear)
	}
	if missing != nil {
		fmt.Fprintf(out, "missing: %s; train longer, or with another train.seed\n", strings.Join(missing, " "))
	}
	return near >= enoughNear && missing == nil
}
