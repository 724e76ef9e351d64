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
	"io"
	"os"
	"path/filepath"
	"strings"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/torchx"
	_ "github.com/imori-ml/imori/torchx/arena" // batches must not pay for their memory anew
	"github.com/imori-ml/imori/trainer/rundir"
)

const (
	samples    = 100
	enoughNear = 80
	seed       = 20150619
)

func main() {
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
func check(path string, out io.Writer) (bool, error) {
	run, err := trained.Open(context.Background(), path, trained.Options{})
	if err != nil {
		return false, err
	}
	digits, ok := run.Recipe.Dataset.Options.(*datasets.DigitsOptions)
	if !ok || digits.Channels != 1 {
		return false, fmt.Errorf("run %s trained on %s, expected digits with 1 channel: only those can be judged", path, run.Recipe.Dataset.Type)
	}
	drawn, err := sample(run)
	if err != nil {
		return false, err
	}
	picture := filepath.Join(path, "samples", "digitcheck.png")
	grid := rundir.Grid(drawn.images, samples, 1, digits.Size, digits.Size, 10)
	if err := cli.WritePNG(picture, grid); err != nil {
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

// sample draws images of the run's model.
func sample(run *trained.Run) (drawn sampled, err error) {
	err = run.Do(func() error {
		sampler, err := run.Sampler()
		if err != nil {
			return err
		}
		var labels torch.Tensor
		if n := sampler.Classes(); n > 0 {
			for i := range int64(samples) {
				drawn.asked = append(drawn.asked, i*n/samples)
			}
			labels = run.Labels(drawn.asked)
		}
		noise := trained.NewNoise(seed)
		defer noise.Close()
		z := torchx.To(sampler.Latents(noise, samples), run.Device, -1)
		drawn.images = torchx.Float32s(sampler.Generate(z, labels))
		return nil
	})
	return drawn, err
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
