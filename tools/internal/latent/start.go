package latent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/tools/internal/cli"
)

// startFlags say from which latents a command begins: those of seeds, or of images.
type startFlags struct {
	command
	source source
	chosen cli.Chosen // only -images
	seeds  cli.Numbers
	class  string
	gif    string
	steps  int
}

func (o *startFlags) add(c *cobra.Command, name, usual string, steps int) {
	f := c.Flags()
	f.Var(&o.seeds, "seeds", "the latents of these seeds (default "+usual+")")
	f.Var(&o.chosen.Images, "images", "the latents that the encoder finds for these images, counted from 0 (default "+usual+" where latents are not drawn)")
	o.source.add(c)
	f.StringVar(&o.class, "class", "", "the `class` to show of a conditional model, by name or number (default the first)")
	f.IntVar(&o.steps, "steps", steps, "`number` of images in a row, both ends among them")
	f.StringVar(&o.gif, "gif", "", "write an animation, there and back again, to this GIF `file`, too")
	o.command.add(c, name)
}

// check checks the flags. least is how many latents there must be.
func (o *startFlags) check(least int) error {
	seeds, images := o.seeds.List, o.chosen.Images.List
	if len(seeds) > 0 && len(images) > 0 {
		return cli.Wrong(errors.New("-seeds and -images exclude each other"))
	}
	for flag, list := range map[string][]int64{"seeds": seeds, "images": images} {
		if n := len(list); n > 0 && (n < least || n > maxStarts) {
			return cli.Wrong(fmt.Errorf("-%s: found %d, expected %d to %d", flag, n, least, maxStarts))
		}
	}
	if err := o.picture.Check(); err != nil {
		return err
	}
	if err := cli.CheckExtension("gif", o.gif, ".gif"); err != nil {
		return err
	}
	return checkSteps(o.steps)
}

// maxStarts keeps pictures in bounds.
const maxStarts = 20

// start is a latent to begin from, with the name of what it is from.
type start struct {
	point
	name string
}

// starts returns the latents that the flags say, or those of the defaults. Call it within Do.
func (o *startFlags) starts(ctx context.Context, s *space, defaults ...int64) ([]start, error) {
	seeds, images := o.seeds.List, slices.Clone(o.chosen.Images.List)
	if len(seeds) == 0 && len(images) == 0 {
		if s.sampler != nil && o.source.data == "" {
			seeds = defaults
		} else {
			images = defaults
		}
	}
	if len(seeds) > 0 {
		if o.source.data != "" {
			return nil, cli.Wrong(errors.New("-data: latents of seeds need no images, expected -images, which says those to begin from"))
		}
		points, err := s.seeds(seeds)
		return named(points, "seed", seeds), err
	}
	if _, err := s.run.Encoder(); err != nil {
		return nil, cli.Wrong(fmt.Errorf("-images: %w; give -seeds", err))
	}
	selection, err := o.source.open(ctx, s.run, &cli.Chosen{Images: cli.Numbers{List: images}})
	if err != nil {
		return nil, err
	}
	found, err := s.encode(ctx, selection)
	if err != nil {
		return nil, err
	}
	return named(found.points, "image", images), nil
}

func named(points []point, what string, numbers []int64) []start {
	var all []start
	for i, p := range points {
		all = append(all, start{p, fmt.Sprintf("%s %d", what, numbers[i])})
	}
	return all
}
