package train

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// printMachine says what trains, and what makes it slow.
func printMachine(out io.Writer) {
	report := torchx.NewReport()
	report.Threads = torchx.DefaultThreads() // the thread that asks is not the one that trains
	fmt.Fprintf(out, "platform  %s\n", platform())
	fmt.Fprintf(out, "libraries %s\n", report)
	for _, w := range report.Warnings() {
		fmt.Fprintf(out, "warning: %s\n", w)
	}
}

// printRun says what is trained, where and on what.
func printRun(out io.Writer, info trainer.Info, data datasets.Dataset) {
	fmt.Fprintf(out, "device    %s (%s), %d threads, %s\n", info.Device, info.DeviceReason, info.Threads, info.Precision)
	of := data.Info()
	fmt.Fprintf(out, "dataset   %s: %d images of %dx%dx%d, batches of %d\n",
		of.Name, data.Len(), of.Channels, of.Height, of.Width, info.BatchSize)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, n := range info.Networks {
		optimizer := n.Optimizer
		if optimizer == "" {
			optimizer = "not trained"
		}
		fmt.Fprintf(w, "network   %s\t%d parameters\t%s\n", n.Name, n.Parameters, optimizer)
	}
	w.Flush() //nolint:errcheck // printing
	if info.Dir == "" {
		return
	}
	from := ""
	if info.Iteration > 0 {
		from = fmt.Sprintf(", going on from %d", info.Iteration)
	}
	fmt.Fprintf(out, "run       %s: %d iterations%s\n", info.Dir, info.Iterations, from)
}
