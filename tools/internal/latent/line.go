package latent

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/tools/internal/cli"
)

const maxSteps = 100

func checkSteps(steps int) error {
	if steps < 2 || steps > maxSteps {
		return cli.Wrong(fmt.Errorf("-steps: found %d, expected 2 to %d", steps, maxSteps))
	}
	return nil
}

type lineFlags struct {
	planeFlags
	from, to *cli.Point
	steps    int
}

func newLine() *cobra.Command {
	o := &lineFlags{from: cli.NewPoint("-2,-2"), to: cli.NewPoint("2,2")}
	c := &cobra.Command{
		Use:   "line RUN",
		Short: "what is decoded along a straight line, below the scatter with the line on it",
		Long: `Decodes points at equal distances on a straight line in the latent space, and draws them as a numbered strip below the
scatter of the test images with the line on it. A point has two numbers, those of the dimensions shown with 0 for all
others, or as many as the latent has.
` + aboutDims,
		Example: `imori latent line runs/vae_mnist/20261123-101500 -from -2,-2 -to 2,2 -steps 10
imori latent line runs/vae_cifar10/20261123-101500 -dims 3,17 -from -3,0 -to 3,0`,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args[0]) },
	}
	f := c.Flags()
	f.Var(o.from, "from", "begin at this `point`")
	f.Var(o.to, "to", "end at this `point`")
	f.IntVar(&o.steps, "steps", 10, "`number` of points, both ends among them")
	o.add(c, "latent-line.png")
	return c
}

func (o *lineFlags) run(c *cobra.Command, path string) error {
	if err := o.check(c); err != nil {
		return err
	}
	if err := checkSteps(o.steps); err != nil {
		return err
	}
	if err := errors.Join(checkFar("from", o.from), checkFar("to", o.to)); err != nil {
		return err
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
	var points *cloud
	var on []point
	var strip *table
	err = run.Do(func() error {
		var s *space
		if s, points, err = o.encode(c.Context(), run); err != nil {
			return err
		}
		from, errFrom := place("from", o.from, s.dims, points.x, points.y)
		to, errTo := place("to", o.to, s.dims, points.x, points.y)
		for _, err := range []error{errFrom, errTo} {
			if err != nil {
				return err
			}
		}
		if slices.Equal(from, to) {
			return cli.Wrong(fmt.Errorf("-from and -to: found the same point twice, %s", o.from))
		}
		on = walk(from, to, o.steps, lerp)
		strip = numbered(s.format(), o.steps)
		strip.tiles, err = s.decode(c.Context(), on, strip.size)
		return err
	})
	if err != nil {
		return err
	}
	points.alpha, points.radius = 0.35, 1.8
	above := points.figure(points.title(run), &trail{on, points.x, points.y})
	if err := cli.Encode(picture, stack(above, strip.draw())); err != nil {
		return err
	}
	if err := files.Commit(); err != nil {
		return err
	}
	if len(o.dims.List) == 0 && len(points.weight) > 2 { // they were chosen by it
		points.print(c.OutOrStdout())
	}
	cli.Wrote(c, picture.Path())
	return nil
}

// place is the latent at a point that somebody has given.
func place(flag string, given *cli.Point, dims, x, y int) (point, error) {
	p := make(point, dims)
	switch len(given.Values) {
	case 2:
		return p.with(x, given.Values[0]).with(y, given.Values[1]), nil
	case dims:
		for i, v := range given.Values {
			p[i] = float32(v)
		}
		return p, nil
	}
	expected := fmt.Sprintf("2, for %s and %s", dimName(x), dimName(y))
	if dims > 2 {
		expected += fmt.Sprintf(", or %d, for all dimensions", dims)
	}
	return nil, cli.Wrong(fmt.Errorf("-%s: found %d numbers, expected %s", flag, len(given.Values), expected))
}

// farthest is how far from 0 places of the latent space may be that somebody gives: numbers that float32 and the arithmetic
// of any model can hold, and far more than any latent is.
const farthest = 1e6

// checkFar refuses places that are too far away.
func checkFar(flag string, given *cli.Point) error {
	for _, v := range given.Values {
		if math.Abs(v) > farthest {
			return cli.Wrong(fmt.Errorf("-%s: found %g, expected numbers from %.0f to %.0f", flag, v, -farthest, farthest))
		}
	}
	return nil
}

// numbered is a strip for n images with numbers from 1 on, in as many rows as it needs.
func numbered(m format, n int) *table {
	const most = 10 // in a row
	rows := (n + most - 1) / most
	t := &table{columns: (n + rows - 1) / rows, gap: 6}
	t.size = m.fit(t.columns, t.gap, 96)
	for i := range n {
		t.captions = append(t.captions, fmt.Sprint(i+1))
	}
	return t
}
