package latent

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/tools/internal/cli"
)

// planeFlags say which images are shown, and along which two dimensions.
type planeFlags struct {
	command
	source source
	chosen cli.Chosen
	dims   cli.Numbers
}

func (o *planeFlags) add(c *cobra.Command, name string) {
	c.Flags().Var(&o.dims, "dims", "the two dimensions to show, first the one to the right, such as 1,2 (default the two that say most)")
	o.source.add(c)
	o.chosen.Add(c, 0, "images")
	o.command.add(c, name)
}

func (o *planeFlags) check(c *cobra.Command) error {
	if err := o.picture.Check(); err != nil {
		return err
	}
	return o.chosen.Check(c)
}

const aboutDims = `Dimensions are numbered from 1: z1, z2, ...
Without -dims, of a latent with more than two dimensions the two are shown that say most about the images: those with the
largest KL divergence from N(0, 1) where the encoder gives a Gaussian (a VAE), else those of the largest variance.`

type scatterFlags struct {
	planeFlags
	csv string
}

func newScatter() *cobra.Command {
	o := &scatterFlags{}
	c := &cobra.Command{
		Use:   "scatter RUN",
		Short: "the codes of images as points, coloured by class",
		Long: `Draws the latent that the encoder finds for each test image as a point, coloured by class, and prints the KL divergence
of each dimension if the encoder gives a Gaussian (a VAE, whose mean is drawn).
` + aboutDims,
		Example: `imori latent scatter runs/vae_mnist/20261123-101500
imori latent scatter runs/vae_cifar10/20261123-101500 -dims 3,17 -count 2000
imori latent scatter runs/ae_imori/20261123-101500 -data my/photos -csv codes.csv`,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args[0]) },
	}
	c.Flags().StringVar(&o.csv, "csv", "", "write index, file, class and all numbers of the latents to this CSV `file`, too")
	o.add(c, "latent-scatter.png")
	return c
}

func (o *scatterFlags) run(c *cobra.Command, path string) error {
	if err := o.check(c); err != nil {
		return err
	}
	if err := cli.CheckExtension("csv", o.csv, ".csv"); err != nil {
		return err
	}
	run, err := o.model.Open(c, path)
	if err != nil {
		return err
	}
	var files cli.Outputs
	defer files.Discard()
	picture, table, err := o.begin(&files, run, o.csv)
	if err != nil {
		return err
	}
	var points *cloud
	err = run.Do(func() error {
		_, points, err = o.encode(c.Context(), run)
		return err
	})
	if err != nil {
		return err
	}
	if table != nil {
		if err := writeCSV(table, points.rows()); err != nil {
			return err
		}
	}
	if err := cli.Encode(picture, points.figure(points.title(run))); err != nil {
		return err
	}
	if err := files.Commit(); err != nil {
		return err
	}
	points.print(c.OutOrStdout())
	cli.Wrote(c, picture.Path(), o.csv)
	return nil
}

// encode finds the codes of the images, and the two dimensions to show. Call it within Do.
func (o *planeFlags) encode(ctx context.Context, run *trained.Run) (*space, *cloud, error) {
	if _, err := run.Encoder(); err != nil {
		return nil, nil, err
	}
	s, err := spaceOf(run, "")
	if err != nil {
		return nil, nil, err
	}
	if err := s.checkPlane(o.dims.List); err != nil {
		return nil, nil, err
	}
	dims, err := s.dimensions(o.dims.List)
	if err != nil {
		return nil, nil, err
	}
	images, err := o.source.open(ctx, run, &o.chosen)
	if err != nil {
		return nil, nil, err
	}
	found, err := s.encode(ctx, images)
	if err != nil {
		return nil, nil, err
	}
	if len(dims) == 0 {
		dims = found.plane()
	}
	return s, &cloud{codes: found, x: dims[0], y: dims[1]}, nil
}

// plane is the two dimensions that say most.
func (c *codes) plane() []int {
	if len(c.weight) == 2 {
		return []int{0, 1}
	}
	return c.ranked()[:2]
}

func (c *codes) title(run *trained.Run) string {
	return fmt.Sprintf("%s: latents of %d %s", titleOf(run), len(c.points), c.images.what)
}
