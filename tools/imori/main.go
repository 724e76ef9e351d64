// Command imori trains models, looks at what they learnt, and keeps an eye on runs. See -help.
package main

import (
	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/tools/internal/latent"
	"github.com/imori-ml/imori/tools/internal/looks"
	"github.com/imori-ml/imori/tools/internal/runs"
	"github.com/imori-ml/imori/tools/internal/train"
	_ "github.com/imori-ml/imori/torchx/arena" // iterations must not pay for their memory anew
	_ "github.com/imori-ml/imori/torchx/spin"  // a busy neighbour must not slow training several times
)

func main() { cli.Main(newRoot()) }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:  "imori",
		Long: "imori trains models that generate images, and shows what they learnt. The command train is also a program of its own.",
	}
	root.AddCommand(
		train.New(),
		looks.NewSample(),
		looks.NewReconstruct(),
		looks.NewTranslate(),
		latent.New(),
		runs.New(),
		cli.NewCompletion(newRoot, train.New),
		cli.NewVersion(),
	)
	return root
}
