package trained

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// Do runs f where the model's tensors may be used: on a locked thread, in a scope, without gradients. Tensors that f makes
// end with it. The panics of tensor functions are returned as errors.
func (r *Run) Do(f func() error) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	tensorErr := torchx.Try(func() {
		torchx.SetThreads(r.threads)
		torchx.Scoped(func() {
			torchx.NoGrad(func() { err = f() })
		})
	})
	if tensorErr != nil {
		return tensorErr
	}
	return err
}

// Sampler is the model as one that makes images from latents, or an error that says what it can do instead.
func (r *Run) Sampler() (models.Sampler, error) {
	return as[models.Sampler](r, "makes no images from latents")
}

// Reconstructor is the model as one that makes images anew.
func (r *Run) Reconstructor() (models.Reconstructor, error) {
	return as[models.Reconstructor](r, "reconstructs no images")
}

// Encoder is the model as one that finds latents of images.
func (r *Run) Encoder() (models.Encoder, error) {
	return as[models.Encoder](r, "finds no latents of images")
}

// Translator is the model as one that makes the other picture of a pair.
func (r *Run) Translator() (models.Translator, error) {
	return as[models.Translator](r, "translates no images")
}

func as[T any](r *Run, lack string) (T, error) {
	m, ok := r.Model.(T)
	if ok {
		return m, nil
	}
	var can []string
	for _, s := range []struct {
		what string
		does bool
	}{
		{"make images from latents", is[models.Sampler](r.Model)},
		{"find latents of images", is[models.Encoder](r.Model)},
		{"reconstruct images", is[models.Reconstructor](r.Model)},
		{"translate images", is[models.Translator](r.Model)},
	} {
		if s.does {
			can = append(can, s.what)
		}
	}
	if can == nil {
		can = []string{"nothing of the kind"}
	}
	return m, fmt.Errorf("run %s: model %s %s; what it can do: %s", r.Path, r.Recipe.Model.Type, lack, strings.Join(can, ", "))
}

func is[T any](m trainer.Model) bool {
	_, ok := m.(T)
	return ok
}

// Data opens the images that the run's previews show: the test images of its dataset, or, where it has none, those it
// was trained on. Tell them apart by test.
func (r *Run) Data(ctx context.Context) (d datasets.Dataset, test bool, err error) {
	options := r.Recipe.TestOptions()
	if test = options != nil; !test {
		options = r.Recipe.Dataset.Options
	}
	d, err = options.Open(ctx, r.env)
	if err == nil {
		err = r.Fits(d)
	}
	return d, test, err
}

// Folder opens the images below a folder, in the order of their paths, scaled to the size that the model was trained on.
// Classes that subfolders may mean are not looked at.
func (r *Run) Folder(ctx context.Context, root string) (datasets.Dataset, error) {
	return r.Open(ctx, &datasets.FolderOptions{Root: root, Split: "all", PictureOptions: r.Pictures()})
}

// Open opens other data, with what Options.Env says.
func (r *Run) Open(ctx context.Context, o datasets.Options) (datasets.Dataset, error) {
	return o.Open(ctx, r.env)
}

// Pictures are the settings that make of pictures what the model was trained on: its size and channels, and the recipe's
// way with other aspects.
func (r *Run) Pictures() datasets.PictureOptions {
	p := datasets.PictureOptions{
		Size: r.Info.Height, Height: r.Info.Height, Width: r.Info.Width, Channels: r.Info.Channels,
		Fit: "stretch", Classes: "none", CacheMiB: 256,
	}
	if of, ok := r.Recipe.Dataset.Options.(interface{ PictureFit() string }); ok {
		p.Fit = of.PictureFit()
	}
	return p
}

// Fits says whether the model takes images such as d's, which may have changed since it was trained.
func (r *Run) Fits(d datasets.Dataset) error {
	is, was := d.Info(), r.Info
	if is.Channels == was.Channels && is.Height == was.Height && is.Width == was.Width {
		return nil
	}
	return fmt.Errorf("run %s: the images of %s are %dx%dx%d (channels, height, width), expected %dx%dx%d as in training",
		r.Path, is.Name, is.Channels, is.Height, is.Width, was.Channels, was.Height, was.Width)
}

// Each gives f the samples of d in order, in batches of up to size on the run's device, each time in a scope of its own.
// Call it within Do.
func (r *Run) Each(d datasets.Dataset, size int, f func(trainer.Batch) error) error {
	o := datasets.LoaderOptions{BatchSize: size, InOrder: true}
	return trainer.ReadBatches(d, r.Device, o, d.Len(), func(b trainer.Batch) (err error) {
		torchx.Scoped(func() { err = f(b) })
		b.Free()
		return err
	})
}

// Batch reads all samples of d as one batch on the run's device. Call it within Do.
func (r *Run) Batch(d datasets.Dataset) (batch trainer.Batch, err error) {
	o := datasets.LoaderOptions{BatchSize: d.Len(), InOrder: true, Ahead: 1}
	err = trainer.ReadBatches(d, r.Device, o, d.Len(), func(b trainer.Batch) error {
		batch = b
		return nil
	})
	return batch, err
}
