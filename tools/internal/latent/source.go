package latent

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/tools/internal/cli"
)

// source is the flags that say which images are encoded.
type source struct {
	data  string
	count int
	list  cli.Numbers
}

func (f *source) add(c *cobra.Command) {
	f.addData(c)
	c.Flags().IntVar(&f.count, "count", 0, "this `number` of images, spread evenly (default all)")
	c.Flags().Var(&f.list, "images", "the images of these numbers, counted from 0, such as 0-99,420")
}

func (f *source) addData(c *cobra.Command) {
	c.Flags().StringVar(&f.data, "data", "", "images of this `folder`, scaled to the model's size (default the recipe's test images)")
	cli.CompleteFolder(c, "data")
}

func (f *source) check() error {
	switch {
	case f.count < 0:
		return cli.Wrong(fmt.Errorf("-count: found %d, expected 1 or more", f.count))
	case f.count > 0 && len(f.list.List) > 0:
		return cli.Wrong(errors.New("-count and -images exclude each other"))
	}
	return nil
}

// selection is images of a dataset.
type selection struct {
	datasets.Dataset
	indices []int // in the dataset that they are of
	what    string
}

// open opens the images that the flags say.
func (f *source) open(ctx context.Context, run *trained.Run) (*selection, error) {
	whole, what, err := f.whole(ctx, run)
	if err != nil {
		return nil, err
	}
	n := whole.Len()
	if f.count > 0 {
		n = f.count
	}
	s := &selection{indices: datasets.Evenly(n, whole.Len()), what: what}
	if len(f.list.List) > 0 {
		s.indices = f.list.Ints()
	}
	if s.Dataset, err = datasets.Pick(whole, s.indices); err != nil {
		return nil, cli.Wrong(fmt.Errorf("-images: %w", err))
	}
	return s, nil
}

func (f *source) whole(ctx context.Context, run *trained.Run) (d datasets.Dataset, what string, err error) {
	if f.data != "" {
		d, err = folder(ctx, run, f.data)
		return d, "images of " + f.data, err
	}
	d, test, err := run.Data(ctx)
	if test {
		return d, "test images", err
	}
	return d, "training images", err
}

// folder opens a folder of images, whose folders are the classes if all images are in one.
func folder(ctx context.Context, run *trained.Run, root string) (datasets.Dataset, error) {
	plain, err := run.Folder(ctx, root)
	if err != nil {
		return nil, err
	}
	o := datasets.FolderOptions{Root: root, Split: "all", PictureOptions: run.Pictures()}
	o.Classes = "auto"
	if sorted, err := o.Open(ctx, datasets.Env{}); err == nil {
		return sorted, nil
	}
	return plain, nil
}

// name is the file of an image, "" if it has none.
func (s *selection) name(i int) string {
	if named, ok := s.Dataset.(datasets.Named); ok {
		return named.FileName(i)
	}
	return ""
}
