package latent

import (
	"image"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/tools/internal/cli"
)

type interpolateFlags struct {
	startFlags
	spherical bool
}

// framesPerPair is how many pictures of an animation lead from one latent to the next.
const framesPerPair = 30

func newInterpolate() *cobra.Command {
	o := &interpolateFlags{}
	c := &cobra.Command{
		Use:   "interpolate RUN",
		Short: "what is decoded on the way between the latents of seeds, or of images",
		Long: `Decodes points at equal distances on the way from one latent to the next, those of seeds or those that the encoder finds
for images, and draws a row for each pair.
The way is a straight line, which is right for latents drawn from a uniform distribution (gan, dcgan, cgan, wgan).
-spherical goes along an arc around the origin (slerp: White 2016, arXiv:1609.04468); it is recommended for latents of a
normal distribution (vae, wgangp, alphagan): in many dimensions nearly all of those are about equally far from the origin,
and a straight line leads through places near it that training never saw.`,
		Example: `imori latent interpolate runs/vae_mnist/20261123-101500 -seeds 1,2
imori latent interpolate runs/wgangp_cifar10/20261123-101500 -seeds 1-4 -spherical -gif walk.gif
imori latent interpolate runs/ae_imori/20261123-101500 -images 0,5
imori latent interpolate runs/cgan_mnist/20261123-101500 -seeds 1,2 -class 7`,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args[0]) },
	}
	c.Flags().BoolVar(&o.spherical, "spherical", false, "along an arc around the origin, for latents of a normal distribution")
	o.add(c, "latent-interpolate.png", "1,2", 10)
	return c
}

func (o *interpolateFlags) run(c *cobra.Command, path string) error {
	if err := o.check(2); err != nil {
		return err
	}
	run, err := o.model.Open(c, path)
	if err != nil {
		return err
	}
	between, kind := lerp, "linear"
	if o.spherical {
		between, kind = slerp, "spherical"
	}
	var files cli.Outputs
	defer files.Discard()
	picture, animation, err := o.begin(&files, run, o.gif)
	if err != nil {
		return err
	}
	var t *table
	var film []*image.RGBA
	err = run.Do(func() error {
		s, err := spaceOf(run, o.class)
		if err != nil {
			return err
		}
		ends, err := o.starts(c.Context(), s, 1, 2)
		if err != nil {
			return err
		}
		var points, frames []point
		var from, to []string
		t = &table{columns: o.steps, gap: 4, title: titleOf(run) + s.ofClass() + ": " + kind + " interpolation"}
		for i, a := range ends[:len(ends)-1] {
			b := ends[i+1]
			points = append(points, walk(a.point, b.point, o.steps, between)...)
			frames = append(frames, walk(a.point, b.point, framesPerPair+1, between)[:framesPerPair]...)
			from, to = append(from, a.name), append(to, b.name)
		}
		t.left.marks, t.right.marks = middles(from...), middles(to...)
		t.size = s.format().fit(t.columns, t.gap, 96)
		if t.tiles, err = s.decode(c.Context(), points, t.size); err != nil {
			return err
		}
		if animation != nil {
			film, err = s.decode(c.Context(), append(frames, ends[len(ends)-1].point), s.format().fit(1, 0, 256))
		}
		return err
	})
	if err != nil {
		return err
	}
	if animation != nil {
		if err := writeLoop(c.Context(), animation, len(film), func(i int) *image.RGBA { return film[i] }); err != nil {
			return err
		}
	}
	if err := cli.Encode(picture, t.draw()); err != nil {
		return err
	}
	if err := files.Commit(); err != nil {
		return err
	}
	cli.Wrote(c, picture.Path(), o.gif)
	return nil
}
