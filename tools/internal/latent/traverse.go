package latent

import (
	"context"
	"fmt"
	"image"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/tools/internal/cli"
)

type traverseFlags struct {
	startFlags
	dims   cli.Numbers
	limits cli.Point
}

const (
	mostDims    = 10  // unless they are given
	maxRows     = 100 // of a picture
	normalReach = 3
)

func newTraverse() *cobra.Command {
	o := &traverseFlags{}
	c := &cobra.Command{
		Use:   "traverse RUN",
		Short: "what is decoded when one dimension of a latent is varied at a time",
		Long: `Takes the latent of a seed, or the one that the encoder finds for an image, gives one dimension at a time all values of a
range, and draws what is decoded: a row for each dimension.
Dimensions are numbered from 1: z1, z2, ...
Without -dims, up to 10 are shown that say most about the images: those with the
largest KL divergence from N(0, 1) where the encoder gives a Gaussian (a VAE), else those of the largest variance. Of models
without an encoder, the first ones.`,
		Example: `imori latent traverse runs/vae_cifar10/20261123-101500 -seeds 3
imori latent traverse runs/vae_mnist/20261123-101500 -images 7 -range -4,4 -gif dims.gif
imori latent traverse runs/cgan_mnist/20261123-101500 -class 7 -dims 1-20`,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args[0]) },
	}
	c.Flags().Var(&o.dims, "dims", "the dimensions to vary, such as 1-4,17 (default up to 10, those that say most)")
	c.Flags().Var(&o.limits, "range", "from `low,high` (default -3,3, or the limits of what the model draws latents from)")
	o.add(c, "latent-traverse.png", "1", 11)
	return c
}

func (o *traverseFlags) run(c *cobra.Command, path string) error {
	if err := o.check(1); err != nil {
		return err
	}
	if err := checkRange(&o.limits); err != nil {
		return err
	}
	run, err := o.model.Open(c, path)
	if err != nil {
		return err
	}
	var files cli.Outputs
	defer files.Discard()
	picture, animation, err := o.begin(&files, run, o.gif)
	if err != nil {
		return err
	}
	var blocks []*table
	var film *table
	var measured *codes
	err = run.Do(func() error {
		s, err := spaceOf(run, o.class)
		if err != nil {
			return err
		}
		begin, err := o.starts(c.Context(), s, 1)
		if err != nil {
			return err
		}
		var dims []int
		if dims, measured, err = s.pick(c, &o.source, o.dims.List, mostDims); err != nil {
			return err
		}
		if n := len(begin) * len(dims); n > maxRows {
			return cli.Wrong(fmt.Errorf("%d dimensions of %d latents are %d rows, expected up to %d: give fewer -dims", len(dims), len(begin), n, maxRows))
		}
		lo, hi := s.limits(&o.limits, normalReach)
		values := evenly(lo, hi, o.steps)
		var rows []string
		for _, d := range dims {
			rows = append(rows, measured.label(d))
		}
		for _, b := range begin {
			t := &table{columns: o.steps, gap: 4, title: titleOf(run) + s.ofClass() + ": " + b.name}
			t.left.marks, t.bottom.marks = middles(rows...), middles(scale(values)...)
			t.size = s.format().fit(t.columns, t.gap, 64)
			if err := checkPixels(len(begin)*len(dims)*len(values), t.size); err != nil {
				return err
			}
			if t.tiles, err = s.decode(c.Context(), around(b.point, dims, values), t.size); err != nil {
				return err
			}
			blocks = append(blocks, t)
		}
		if animation != nil {
			film, err = s.film(c.Context(), begin, dims, evenly(lo, hi, framesPerPair))
		}
		return err
	})
	if err != nil {
		return err
	}
	var pictures []*image.RGBA
	for _, b := range blocks {
		pictures = append(pictures, b.draw())
	}
	if animation != nil {
		frame := func(i int) *image.RGBA { return film.frame(i, framesPerPair).draw() }
		if err := writeLoop(c.Context(), animation, framesPerPair, frame); err != nil {
			return err
		}
	}
	if err := cli.Encode(picture, stack(pictures...)); err != nil {
		return err
	}
	if err := files.Commit(); err != nil {
		return err
	}
	measured.print(c.OutOrStdout())
	cli.Wrote(c, picture.Path(), o.gif)
	return nil
}

// scale writes values at equal distances, in as few digits as tell them apart.
func scale(values []float64) []string {
	step := values[1] - values[0]
	digits := max(0, 1-int(math.Floor(math.Log10(step))))
	var all []string
	for _, v := range values {
		s := number(v, digits)
		if digits > 0 {
			s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
		}
		all = append(all, s)
	}
	return all
}

// around is p with each of the values in each of the dimensions, a row for each dimension.
func around(p point, dims []int, values []float64) []point {
	var points []point
	for _, d := range dims {
		for _, v := range values {
			points = append(points, p.with(d, v))
		}
	}
	return points
}

// film is the pictures of an animation: all dimensions side by side, a row for each start, all of the first value first.
func (s *space) film(ctx context.Context, begin []start, dims []int, values []float64) (*table, error) {
	t := &table{columns: len(dims), gap: 4}
	var points []point
	for _, v := range values {
		for _, b := range begin {
			for _, d := range dims {
				points = append(points, b.with(d, v))
			}
		}
	}
	var columns, rows []string
	for _, d := range dims {
		columns = append(columns, dimName(d))
	}
	for _, b := range begin {
		rows = append(rows, b.name)
	}
	t.bottom.marks, t.left.marks = middles(columns...), middles(rows...)
	t.size = s.format().fit(t.columns, t.gap, 128)
	var err error
	t.tiles, err = s.decode(ctx, points, t.size)
	return t, err
}

// frame is one of n pictures of an animation.
func (t *table) frame(i, n int) *table {
	one := *t
	size := len(t.tiles) / n
	one.tiles = t.tiles[i*size : (i+1)*size]
	return &one
}
