package recipes

import (
	"context"
	"fmt"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// TrainerOptions opens the dataset, downloading it if it must, and checks that
// the model can take its images. The caller adds the run's folder and observer.
func (r *Recipe) TrainerOptions(ctx context.Context, env datasets.Env) (trainer.Options, error) {
	data, err := r.Dataset.Options.Open(ctx, env)
	if err != nil {
		return trainer.Options{}, fmt.Errorf("recipe %s: %w", r.Name, err)
	}
	info := data.Info()
	if err := r.Model.Options.Check(info); err != nil {
		return trainer.Options{}, r.doc.Top().Error("model", "the dataset %s does not fit: %v", r.Dataset.Type, err)
	}
	o := trainer.Options{
		Config:     r.Train,
		Build:      func() (trainer.Model, error) { return r.Model.Options.Build(info) },
		Dataset:    data,
		Optimizers: map[string]torchx.OptimizerOptions{},
	}
	if plugin, _ := models.Lookup(r.Model.Type); plugin.Tests {
		if test := r.TestOptions(); test != nil {
			if o.Test, err = test.Open(ctx, env); err != nil {
				return trainer.Options{}, fmt.Errorf("recipe %s: test images, which the model's pictures show: %w", r.Name, err)
			}
		}
	}
	for _, a := range r.Dataset.Augment {
		o.Augment = append(o.Augment, a.Options)
	}
	for _, named := range r.Optimizers {
		o.Optimizers[named.Network] = named.Options
	}
	return o, nil
}

// TestOptions are those of the dataset's test images. nil: there are none besides those that are trained on.
func (r *Recipe) TestOptions() datasets.Options {
	splitter, ok := r.Dataset.Options.(datasets.Splitter)
	if !ok {
		return nil
	}
	return splitter.Test()
}
