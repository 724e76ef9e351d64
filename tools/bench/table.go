package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

func (p pair) ratio() float64 { return p.Ours.ImagesPerSecond / p.Peer.ImagesPerSecond }

func table(out io.Writer, models []string, all map[string][]pair) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tPyTorch\timori\tratio\tmin..max of pairs\t")
	for _, model := range models {
		pairs := all[model]
		peer := func(f func(result) float64) float64 { return median(pairs, func(p pair) float64 { return f(p.Peer) }) }
		ours := func(f func(result) float64) float64 { return median(pairs, func(p pair) float64 { return f(p.Ours) }) }
		row := func(name, format string, f func(result) float64) {
			fmt.Fprintf(w, "%s %s\t"+format+"\t"+format+"\t\t\t\n", model, name, peer(f), ours(f))
		}
		ratios := make([]float64, len(pairs))
		for i, p := range pairs {
			ratios[i] = p.ratio()
		}
		speed := func(r result) float64 { return r.ImagesPerSecond }
		fmt.Fprintf(w, "%s images/s\t%.1f\t%.1f\t%.2f\t%.2f..%.2f\t\n",
			model, peer(speed), ours(speed), median(pairs, pair.ratio), slices.Min(ratios), slices.Max(ratios))
		row("ms an iteration", "%.1f", func(r result) float64 { return r.MsPerIteration })
		row("peak RSS, MiB", "%.0f", func(r result) float64 { return float64(r.PeakRSSBytes) / (1 << 20) })
		row("first step after, s", "%.2f", func(r result) float64 { return r.TimeToFirstStepS })
	}
	w.Flush() //nolint:errcheck // as with the other printing, there is nobody to tell
}

func median[T any](all []T, f func(T) float64) float64 {
	values := make([]float64, len(all))
	for i, v := range all {
		values[i] = f(v)
	}
	slices.SortFunc(values, cmp.Compare[float64])
	middle := len(values) / 2
	if len(values)%2 == 0 {
		return (values[middle-1] + values[middle]) / 2
	}
	return values[middle]
}
