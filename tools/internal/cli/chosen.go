package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/datasets"
)

// Chosen are the images of a dataset that a command looks at: the flags -count and -images.
type Chosen struct {
	Count  int // spread evenly; 0: all
	Images Numbers
}

// Add adds the flags. What is what they count; count is the default.
func (o *Chosen) Add(c *cobra.Command, count int, what string) {
	usual := ""
	if count == 0 {
		usual = " (default all)"
	}
	f := c.Flags()
	f.IntVar(&o.Count, "count", count, "this `number` of "+what+", spread evenly over all"+usual)
	f.Var(&o.Images, "images", "the "+what+" of these numbers, from 0 on: a `list` such as 0-7,42")
}

// Check refuses both flags together, and a wrong count.
func (o *Chosen) Check(c *cobra.Command) error {
	if !c.Flags().Changed("count") {
		return nil
	}
	if o.Images.List != nil {
		return Wrong(errors.New("-count and -images exclude each other"))
	}
	return CheckCount(o.Count)
}

// MaxCount is what -count may be.
const MaxCount = 1 << 20

// CheckCount refuses a number of images.
func CheckCount(n int) error {
	if n < 1 || n > MaxCount {
		return Wrong(fmt.Errorf("-count: found %d, expected 1 to %d", n, MaxCount))
	}
	return nil
}

// Of are the chosen indices of a dataset, and the samples.
func (o *Chosen) Of(d datasets.Dataset) (indices []int, some datasets.Dataset, err error) {
	n := o.Count
	if n == 0 {
		n = d.Len()
	}
	indices = datasets.Evenly(n, d.Len())
	if o.Images.List != nil {
		indices = o.Images.Ints()
	}
	if some, err = datasets.Pick(d, indices); err != nil {
		err = Wrong(fmt.Errorf("-images: %w", err))
	}
	return indices, some, err
}

// FileName is the file that a sample comes from, or "".
func FileName(d datasets.Dataset, i int) string {
	if named, ok := d.(datasets.Named); ok {
		return named.FileName(i)
	}
	return ""
}
