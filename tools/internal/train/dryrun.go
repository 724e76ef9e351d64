package train

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/trainer"
)

// dryRun builds everything, runs one iteration and a preview, and prints what there is to know about them. As nothing is
// written, who interrupts it need not wait.
func dryRun(ctx context.Context, options trainer.Options, out io.Writer) error {
	var phases []trainer.Phase
	build := options.Build
	options.Build = func() (trainer.Model, error) {
		model, err := build()
		if err == nil {
			phases = model.Phases()
		}
		return model, err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	t, err := trainer.New(options)
	if err != nil {
		return err
	}
	printRun(out, t.Info(), options.Dataset)
	var report trainer.DryRunReport
	done := make(chan error, 1)
	go func() {
		var err error
		report, err = t.DryRun()
		t.Close()
		done <- err
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err = <-done:
	}
	if err != nil {
		return err
	}

	for _, n := range t.Info().Networks {
		fmt.Fprintf(out, "\n%s, %d parameters\n", n.Name, n.Parameters)
		table(out, func(w io.Writer) {
			for _, tensor := range n.Tensors {
				kind := ""
				if tensor.Buffer {
					kind = "buffer"
				}
				fmt.Fprintf(w, "  %s\t%s\t%s\n", tensor.Name, shape(tensor.Shape), kind)
			}
		})
	}
	fmt.Fprintln(out, "\nphases")
	table(out, func(w io.Writer) {
		for _, p := range phases {
			batch := "the iteration's batch"
			if p.Fresh {
				batch = "a batch of its own each time"
			}
			fmt.Fprintf(w, "  %s\tupdates %s\t%d times\t%s\t%s\n",
				p.Name, strings.Join(p.Updates, ", "), max(p.Repeat, 1), batch, metricsOf(p.Name, report.Metrics))
		}
	})
	fmt.Fprintln(out)
	for _, from := range []string{"test", "train"} {
		if measured := metricsOf(from, report.Metrics); measured != "" {
			fmt.Fprintf(out, "measured on %s images: %s\n", from, measured)
		}
	}
	for _, p := range report.Pictures {
		fmt.Fprintf(out, "picture %s: %s\n", p.Name, shape(p.Shape))
	}
	fmt.Fprintf(out, "first iteration: %s; later ones are faster\n", report.Iteration.Round(time.Millisecond))
	fmt.Fprintf(out, "peak memory: %d MiB, without a GPU's\n", report.PeakMemory>>20)
	fmt.Fprintln(out, "nothing was written")
	return checkBest(options.Config, report.Metrics)
}

// checkBest refuses a keep_best that is never logged: what a preview measures is where there is one by preview_every.
func checkBest(c trainer.Config, metrics []trainer.Metric) error {
	previews := c.PreviewEvery > 0 && c.PreviewEvery <= c.Iterations
	var names []string
	for _, m := range metrics {
		if previews || !trainer.IsMeasured(m.Name) {
			names = append(names, m.Name)
		}
	}
	if c.KeepBest == "" || slices.Contains(names, c.KeepBest) {
		return nil
	}
	err := fmt.Errorf("train.keep_best: found %q, expected one of %s", c.KeepBest, strings.Join(names, ", "))
	if !previews {
		err = fmt.Errorf("%w; figures of previews need a preview_every from 1 to %d", err, c.Iterations)
	}
	return cli.Wrong(err)
}

func table(out io.Writer, rows func(io.Writer)) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.TabIndent)
	rows(w)
	w.Flush() //nolint:errcheck // printing
}

// shape prints sizes as 64x3x32x32; of a single number, "1".
func shape(sizes []int64) string {
	if len(sizes) == 0 {
		return "1"
	}
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(sizes), "[]"), " ", "x")
}

// metricsOf lists what a phase logged, without its name.
func metricsOf(phase string, metrics []trainer.Metric) string {
	var list []string
	for _, m := range metrics {
		if name, ok := strings.CutPrefix(m.Name, phase+"/"); ok {
			list = append(list, name+" "+cli.Figure(m.Value))
		}
	}
	return strings.Join(list, ", ")
}
