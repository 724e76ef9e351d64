package trainer

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"strings"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer/rundir"
)

// previewSeed is mixed into the seed, so that fixed latents are not the noise that training begins with.
const previewSeed = 0x5eed0fa9ec0ffee

// Preview is what a Model draws its pictures with. Networks are in evaluation mode, with their averaged weights if there
// are any, and record no gradients. Noise and images are the same at every preview of a run, so that its pictures compare
// over time. Where the methods fail they end the model's Preview, and the trainer returns the error.
type Preview struct {
	t         *Trainer
	generator *torchx.Generator
	pictures  []picture
	metrics   []Metric
	logged    map[string]bool // the names of metrics
	// histograms are for TensorBoard alone.
	histograms []histogram
}

// picture is a grid of images that a model has shown.
type picture struct {
	name  string
	shape []int64
	grid  *image.RGBA
}

// Device returns where the networks are: "cpu", "cuda:0".
func (p *Preview) Device() string { return p.t.info.Device }

// IsTraining returns false: networks are in evaluation mode.
func (p *Preview) IsTraining() bool { return false }

// Uniform draws noise from U(lo, hi), float32, on Device.
func (p *Preview) Uniform(lo, hi float64, shape ...int64) torch.Tensor {
	return p.generator.Uniform(lo, hi, shape...)
}

// Normal draws noise from N(0, 1), float32, on Device.
func (p *Preview) Normal(shape ...int64) torch.Tensor { return p.generator.Normal(0, 1, shape...) }

// Batch returns n samples of Options.Test, fewer where it has fewer, without augmentation: the same ones at every call,
// drawn from all of it, as the first ones of a folder may be of one class.
func (p *Preview) Batch(n int64) Batch {
	var batch Batch
	p.read(n, n, func(b Batch) { batch = b })
	return batch
}

// Each calls f with the samples of Batch(n), at most size at a time, each time in a scope of its own.
func (p *Preview) Each(n, size int64, f func(Batch)) {
	p.read(n, size, func(b Batch) {
		torchx.Scoped(func() { f(b) })
		b.Free()
	})
}

// read gives f n samples, or as many as there are, size at a time. A run that is interrupted does not wait for all of them:
// the preview fails, and is drawn when the run goes on.
func (p *Preview) read(n, size int64, f func(Batch)) {
	err := ReadBatches(p.t.testData(), p.Device(), datasets.LoaderOptions{BatchSize: int(size), Ahead: 1}, int(n), func(b Batch) error {
		if p.t.stopped() {
			return ErrInterrupted
		}
		f(b)
		return nil
	})
	if err != nil {
		fail(err)
	}
}

// testData is what previews look at.
func (t *Trainer) testData() datasets.Dataset {
	if t.Test != nil {
		return t.Test
	}
	return t.Dataset
}

// What the names of the metrics of previews begin with.
const (
	testPrefix  = "test/"
	trainPrefix = "train/"
)

// IsMeasured tells the metrics of previews from those of iterations.
func IsMeasured(metric string) bool {
	return strings.HasPrefix(metric, testPrefix) || strings.HasPrefix(metric, trainPrefix)
}

// Log reports a number that the preview measured as "test/<name>" in the metrics, or as "train/<name>" where there are no
// test images; once for each name. It is saved at the iterations of Config.PreviewEvery. One with a dot in its name, such as
// "kl.3", is a detail: metrics.jsonl has it, the progress line leaves it out.
func (p *Preview) Log(name string, v float64) {
	from := testPrefix
	if p.t.Test == nil {
		from = trainPrefix
	}
	name = from + name
	if p.logged[name] {
		fail(fmt.Errorf("metric %s: the preview logs it a second time, expected once", name))
	}
	if p.logged == nil {
		p.logged = map[string]bool{}
	}
	p.logged[name] = true
	p.metrics = append(p.metrics, Metric{name, v})
}

// Images shows a grid of images: t is N x C x H x W with C 1 or 3 and values in [-1, 1], others are clamped; columns 0
// makes a square. The grids of one preview make one picture, one below the other; their names appear in a dry run.
func (p *Preview) Images(name string, t torch.Tensor, columns int) {
	s := torchx.Shape(t)
	if len(s) != 4 || s[0] < 1 || (s[1] != 1 && s[1] != 3) || s[2] < 1 || s[3] < 1 {
		fail(fmt.Errorf("picture %s: the images have shape %v, expected N x C x H x W with C 1 or 3", name, s))
	}
	grid := rundir.Grid(torchx.Float32s(t), int(s[0]), int(s[1]), int(s[2]), int(s[3]), columns)
	p.pictures = append(p.pictures, picture{name, s, grid})
}

// histogram is what a model has shown the spread of.
type histogram struct {
	name   string
	values []float32
}

// Histogram shows how the values of latents, such as the codes of images, are spread: as "latent/<name>" in TensorBoard,
// and nowhere else. t has any shape; of its values those count that are finite.
func (p *Preview) Histogram(name string, t torch.Tensor) {
	p.histograms = append(p.histograms, histogram{name, torchx.Float32s(t)})
}

// preview lets the model draw and measure. It leaves no trace in training: weights, modes and generators are as before,
// after an error too. Where that could not be done, the trainer is broken.
func (t *Trainer) preview() (*Preview, error) {
	var p *Preview
	err := t.try(forOthers, func() (err error) {
		torchx.Scoped(func() {
			torchx.NoGrad(func() {
				t.broken = errNoPreview
				p, err = t.drawPreview()
				t.broken = nil
			})
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("preview: %w", err)
	}
	return p, nil
}

func (t *Trainer) drawPreview() (*Preview, error) {
	states := t.generatorStates()
	defer setGeneratorStates(states) // a model may draw from the default ones in spite of all
	defer t.swapAverages()()
	for _, n := range t.networks {
		n.Module.Train(false)
		defer n.Module.Train(true)
	}
	p := &Preview{t: t, generator: torchx.NewGenerator(t.info.Device, t.Seed^previewSeed)}
	defer p.generator.Close()
	err := try(func() (err error) {
		torchx.Scoped(func() { err = t.model.Preview(p) }) // what it leaves goes before weights are swapped back
		return err
	})
	return p, err
}

// stack puts pictures one below the other; nil for none.
func stack(pictures []picture) image.Image {
	if len(pictures) == 0 {
		return nil
	}
	if len(pictures) == 1 {
		return pictures[0].grid
	}
	var size image.Point
	for _, p := range pictures {
		size.X = max(size.X, p.grid.Rect.Dx())
		size.Y += p.grid.Rect.Dy()
	}
	whole := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(whole, whole.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
	y := 0
	for _, p := range pictures {
		draw.Draw(whole, p.grid.Rect.Add(image.Pt(0, y)), p.grid, image.Point{}, draw.Src)
		y += p.grid.Rect.Dy()
	}
	return whole
}

// savePreview adds the picture of this iteration to the run. It returns what the model measured.
func (t *Trainer) savePreview() ([]Metric, error) {
	if t.dir == nil {
		return nil, nil
	}
	p, err := t.preview()
	if err != nil {
		return nil, err
	}
	t.events.preview(t.iteration, p)
	if len(p.pictures) == 0 {
		return p.metrics, nil
	}
	path, err := t.dir.SavePicture(t.iteration, stack(p.pictures))
	if err != nil {
		return p.metrics, t.toleratePicture(err)
	}
	t.observer.Saved(SavedPicture, path)
	return p.metrics, nil
}
