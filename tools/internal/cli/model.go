package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/torchx"
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

// check refuses what could not be right for any run.
func (m *ModelFlags) check() error {
	if most := torchx.MaxThreads(); m.o.Threads < 0 || m.o.Threads > most {
		return Wrong(fmt.Errorf("-threads: found %d, expected 1 to %d on this machine, or 0 for the default", m.o.Threads, most))
	}
	if m.o.Checkpoint < 0 {
		return Wrong(fmt.Errorf("-checkpoint: found %d, expected an iteration, or 0 for the newest", m.o.Checkpoint))
	}
	if _, _, err := torchx.ResolveDevice(m.o.Device); err != nil {
		return Wrong(fmt.Errorf("-device: %w", err))
	}
	return nil
}

// Open opens the model of a run. What a dataset has to say goes to the command's standard error.
func (m *ModelFlags) Open(c *cobra.Command, path string) (*trained.Run, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	m.o.Env = datasets.Env{Logf: func(format string, args ...any) { c.PrintErrf(format+"\n", args...) }}
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	return trained.Open(ctx, path, m.o)
}
