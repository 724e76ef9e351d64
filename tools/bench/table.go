package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// print shows the report as a table, a model in one precision a line.
func (r *report) print(out io.Writer) {
	fmt.Fprintln(out, r.Machine)
	if r.Busy > 0 {
		fmt.Fprintf(out, "busy neighbours: %d\n", r.Busy)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := []string{"model", "imori's", "images/s", "images/s", "ratio", "ratio", "ms", "floor,", "of the", "peak RSS", "peak RSS", "first step", "first step", "outside"}
	more := []string{"", "precision", "PyTorch", "imori", "median", "min..max", "imori", "ms", "floor", "PyTorch", "imori", "PyTorch", "imori", "libtorch"}
	fmt.Fprintln(w, strings.Join(head, "\t")+"\t")
	fmt.Fprintln(w, strings.Join(more, "\t")+"\t")
	for _, m := range r.Rows {
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%.1f\t%.2f\t%.2f..%.2f\t%.1f\t%.1f\t%.0f %%\t%s\t%s\t%.2f s\t%.2f s\t%.1f %%\t\n", m.Model, m.Precision,
			m.Peer.ImagesPerSecond, m.Ours.ImagesPerSecond, m.Ratio, m.RatioMin, m.RatioMax,
			m.Ours.MsPerIteration, m.FloorMs, 100*m.FloorShare, mebibytes(m.Peer.PeakRSSBytes), mebibytes(m.Ours.PeakRSSBytes),
			m.Peer.TimeToFirstStepS, m.Ours.TimeToFirstStepS, 100*m.OutsideShare)
	}
	w.Flush() //nolint:errcheck // as with the other printing, there is nobody to tell
	for _, precision := range precisions {
		if gflops := r.GEMM[precision]; gflops > 0 {
			fmt.Fprintf(out, "floor in %s: matrix products reach %.0f GFLOP/s\n", precision, gflops)
		}
	}
	if apart, all := r.apart(); apart > 0 {
		fmt.Fprintf(out, "processors apart: in %d of %d pairs one side or both ran on processors that share no cache, between which data go slowly\n", apart, all)
	}
	fmt.Fprint(out, footnotes)
}

// apart counts the pairs in which processors were apart.
func (r *report) apart() (n, all int) {
	for _, m := range r.Rows {
		for _, p := range m.Pairs {
			all++
			if p.where() != "" {
				n++
			}
		}
	}
	return n, all
}

func mebibytes(bytes float64) string { return fmt.Sprintf("%.0f MiB", bytes/(1<<20)) }

const footnotes = `images/s: real images that training sees in a second. PyTorch's precision is fp32.
floor: the multiplications and additions of convolutions and linear layers that an iteration needs (forward, gradients of
  inputs, gradients of weights), at the best speed of matrix products in this run, libtorch's or those of a linear layer
  here. 3x3 convolutions beside average-pool 2 or nearest x2 count as the 4x4 ones that they equal. Winograd's algorithm
  makes do with fewer: it may go below the floor.
first step: from the start of the process, its data included, to the end of the first iteration.
outside libtorch: share of the time of further iterations in which the trainer was not within a call of C, as Go's execution
  tracer notes calls; what the tracer itself takes counts as outside.
`
