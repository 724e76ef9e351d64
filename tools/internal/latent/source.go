package latent

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/tools/internal/cli"
)

// source is where images that are encoded come from.
type source struct {
	data string // a folder; "": what the recipe says

	whole datasets.Dataset // once it is open
	what  string
}

func (f *source) add(c *cobra.Command) {
	c.Flags().StringVar(&f.data, "data", "", "images of this `folder`, scaled to the model's size (default the recipe's test images)")
	cli.CompleteFolder(c, "data")
}

// selection is images of a dataset.
type selection struct {
	datasets.Dataset
	indices []int // in the dataset that they are of
	what    string
}

// open opens the images, and returns the chosen ones.
func (f *source) open(ctx context.Context, run *trained.Run, chosen *cli.Chosen) (*selection, error) {
	if err := f.openWhole(ctx, run); err != nil {
		return nil, err
	}
	indices, some, err := chosen.Of(f.whole)
	if err != nil {
		return nil, err
	}
	return &selection{some, indices, f.what}, nil
}

func (f *source) openWhole(ctx context.Context, run *trained.Run) (err error) {
	switch {
	case f.whole != nil:
		return nil
	case f.data != "":
		f.what = "images of " + f.data
		f.whole, err = folder(ctx, run, f.data)
		return err
	}
	whole, test, err := run.Data(ctx)
	if err != nil {
		return err
	}
	f.whole, f.what = whole, "training images"
	if test {
		f.what = "test images"
	}
	return nil
}

// folder opens a folder of images, whose folders are the classes if all images are in one.
func folder(ctx context.Context, run *trained.Run, root string) (datasets.Dataset, error) {
	o := &datasets.FolderOptions{Root: root, Split: "all", PictureOptions: run.Pictures()}
	sorted, err := o.HasClasses(ctx)
	if err != nil {
		return nil, err
	}
	if sorted {
		o.Classes = "auto"
	}
	return run.Open(ctx, o)
}
