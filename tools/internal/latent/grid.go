package latent

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/tools/internal/cli"
)

type gridFlags struct {
	command
	source source
	dims   cli.Numbers
	limits cli.Point
	size   int
	class  string
}

const (
	normalGrid = 4
	maxSize    = 100
)

func newGrid() *cobra.Command {
	o := &gridFlags{}
	c := &cobra.Command{
		Use:   "grid RUN",
		Short: "what is decoded all over a plane of the latent space, as one table",
		Long: `Decodes the points of a square grid in the latent space, and draws the images as a table with axes: the first dimension
grows to the right and the second upward, as in a plot. All other dimensions are 0.
` + aboutDims + `
Of models without an encoder, the first two.`,
		Example: `imori latent grid runs/vae_mnist/20261123-101500
imori latent grid runs/vae_cifar10/20261123-101500 -dims 3,17 -range -2,2 -size 12
imori latent grid runs/cgan_mnist/20261123-101500 -class 7 -dims 1,2`,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args[0]) },
	}
	f := c.Flags()
	f.Var(&o.dims, "dims", "the two dimensions to vary, first the one to the right, such as 1,2 (default the two that say most)")
	f.Var(&o.limits, "range", "both from `low,high` (default -4,4, or the limits of what the model draws latents from)")
	f.IntVar(&o.size, "size", 30, "`number` of images to the right, and upward")
	f.StringVar(&o.class, "class", "", "the `class` to show of a conditional model, by name or number (default the first)")
	o.source.add(c)
	o.add(c, "latent-grid.png")
	return c
}

func (o *gridFlags) run(c *cobra.Command, path string) error {
	if err := o.picture.Check(); err != nil {
		return err
	}
	if o.size < 2 || o.size > maxSize {
		return cli.Wrong(fmt.Errorf("-size: found %d, expected 2 to %d", o.size, maxSize))
	}
	if err := checkRange(&o.limits); err != nil {
		return err
	}
	if o.source.data != "" && len(o.dims.List) > 0 {
		return cli.Wrong(errors.New("-data: with -dims nothing is measured on images, expected one of them"))
	}
	run, err := o.model.Open(c, path)
	if err != nil {
		return err
	}
	var files cli.Outputs
	defer files.Discard()
	picture, _, err := o.begin(&files, run, "")
	if err != nil {
		return err
	}
	var t *table
	var measured *codes
	err = run.Do(func() error {
		s, err := spaceOf(run, o.class)
		if err != nil {
			return err
		}
		if err := s.checkPlane(o.dims.List); err != nil {
			return err
		}
		if o.source.data != "" && s.dims == 2 {
			return cli.Wrong(errors.New("-data: nothing is measured on images, as the latent has just the two dimensions that are shown"))
		}
		var dims []int
		if dims, measured, err = s.pick(c, &o.source, o.dims.List, 2); err != nil {
			return err
		}
		lo, hi := s.limits(&o.limits, normalGrid)
		t = &table{columns: o.size, title: titleOf(run) + s.ofClass()}
		if s.format().c == 3 { // photos would run into each other
			t.gap = 1
		}
		t.size = s.format().fit(o.size, t.gap, 96)
		points := lattice(make(point, s.dims), dims[0], dims[1], evenly(lo, hi, o.size))
		if t.tiles, err = s.decode(c.Context(), points, t.size); err != nil {
			return err
		}
		t.bottom = axis{label: measured.label(dims[0]), ticks: true}
		t.left = axis{label: measured.label(dims[1]), ticks: true}
		for _, m := range marks(lo, hi, 8) {
			at := (m.at - lo) / (hi - lo) * float64(o.size-1)
			t.bottom.marks = append(t.bottom.marks, mark{at + 0.5, m.text})
			t.left.marks = append(t.left.marks, mark{float64(o.size) - 0.5 - at, m.text})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := cli.Encode(picture, t.draw()); err != nil {
		return err
	}
	if err := files.Commit(); err != nil {
		return err
	}
	measured.print(c.OutOrStdout())
	cli.Wrote(c, picture.Path())
	return nil
}

// checkRange wants two numbers, or none.
func checkRange(r *cli.Point) error {
	v := r.Values
	switch {
	case v == nil:
		return nil
	case len(v) != 2 || v[0] >= v[1]:
		return cli.Wrong(fmt.Errorf("-range: found %s, expected two numbers, the lower one first, such as -4,4", r))
	case float32(v[0]) == float32(v[1]):
		return cli.Wrong(fmt.Errorf("-range: found %s, expected numbers that differ as float32, in which latents are", r))
	}
	return checkFar("range", r)
}

// limits are those given, or those that latents are drawn from, or else normal to both sides of 0.
func (s *space) limits(given *cli.Point, normal float64) (lo, hi float64) {
	switch {
	case given.Values != nil:
		return given.Values[0], given.Values[1]
	case s.uniform != nil:
		return s.uniform[0], s.uniform[1]
	}
	return -normal, normal
}

// lattice is the points of a square grid around p, row by row from the top, where y is largest.
func lattice(p point, x, y int, values []float64) []point {
	var points []point
	for i := len(values) - 1; i >= 0; i-- {
		for _, v := range values {
			points = append(points, p.with(x, v).with(y, values[i]))
		}
	}
	return points
}

// measuredOn is how many images are enough to find the dimensions that say most.
const measuredOn = 10_000

// pick returns the dimensions that are given, or else the n that say most, and what was measured to find them, nil if
// nothing was. Where nothing can be measured they are the first ones, and the command says why. Call it within Do.
func (s *space) pick(c *cobra.Command, images *source, given []int64, n int) ([]int, *codes, error) {
	if len(given) > 0 {
		dims, err := s.dimensions(given)
		return dims, nil, err
	}
	first := make([]int, min(n, s.dims))
	for i := range first {
		first[i] = i
	}
	if len(first) == s.dims {
		return first, nil, nil
	}
	if s.encoder == nil {
		if images.data != "" {
			return nil, nil, cli.Wrong(errors.New("-data: this model has no encoder to measure dimensions on images with; give -dims"))
		}
		c.PrintErrf("this model has no encoder that says which dimensions matter: showing %s; choose others with -dims\n", span(first))
		return first, nil, nil
	}
	selection, err := images.open(c.Context(), s.run, &cli.Chosen{Count: measuredOn})
	if err != nil {
		if images.data != "" || c.Context().Err() != nil {
			return nil, nil, err
		}
		c.PrintErrf("which dimensions matter is not known without the data: %v\nshowing %s; choose others with -dims\n", err, span(first))
		return first, nil, nil
	}
	measured, err := s.encode(c.Context(), selection)
	if err != nil {
		return nil, nil, err
	}
	return measured.ranked()[:len(first)], measured, nil
}

// span names the first dimensions.
func span(first []int) string {
	if len(first) == 2 {
		return "z1 and z2"
	}
	return "z1 to " + dimName(len(first)-1)
}
