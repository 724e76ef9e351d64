package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/recipes/trained"
)

// ModelFlags are the flags of every command that opens the model of a run.
type ModelFlags struct{ o trained.Options }

// Add adds them to a command.
func (m *ModelFlags) Add(c *cobra.Command) {
	f := c.Flags()
	f.IntVar(&m.o.Checkpoint, "checkpoint", 0, "the checkpoint of this `iteration` (default the newest)")
	f.BoolVar(&m.o.LastWeights, "last-weights", false, "the weights of the last step, even where there are averaged ones (train.ema)")
	f.StringVar(&m.o.Device, "device", "cpu", "`device`: auto, cpu, cuda or cuda:N")
	f.IntVar(&m.o.Threads, "threads", 0, "threads of the CPU (default OMP_NUM_THREADS, or all cores)")
	Complete(c, "device", Devices)
	if c.ValidArgsFunction == nil {
		c.ValidArgsFunction = Folders
	}
}

// Open opens the model of a run. What a dataset has to say goes to the command's standard error.
func (m *ModelFlags) Open(c *cobra.Command, path string) (*trained.Run, error) {
	m.o.Env = datasets.Env{Logf: func(format string, args ...any) { c.PrintErrf(format+"\n", args...) }}
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	return trained.Open(ctx, path, m.o)
}
