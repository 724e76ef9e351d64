// Package latent is the command that shows what the latent space of a trained model looks like.
package latent

import (
	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/tools/internal/cli"
)

// New makes the command, which has a command for each picture.
func New() *cobra.Command {
	c := &cobra.Command{
		Use:   "latent",
		Short: "pictures of the latent space of a trained model",
		Long: `Pictures of the latent space of a trained model: where its encoder puts images, and what its decoder makes of the
places in between. The dimensions of a latent are numbered from 1 everywhere: z1, z2, ...`,
	}
	c.AddCommand(newScatter(), newLine(), newGrid(), newInterpolate(), newTraverse())
	return c
}

// command is what the commands have in common.
type command struct {
	model   cli.ModelFlags
	picture cli.Picture
}

// add adds the flags. name is that of the picture in the run's views.
func (o *command) add(c *cobra.Command, name string) {
	c.Args = cli.Args("RUN")
	c.Flags().SortFlags = false
	o.picture.Add(c, name)
	o.model.Add(c)
}
