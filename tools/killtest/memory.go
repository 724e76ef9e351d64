package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/imori-ml/imori/trainer/rundir"
)

// memoryEvery is the distance between samples of memory, and between pictures and checkpoints where there are any.
const memoryEvery = 50

// watchMemory trains a tiny model for long, without and with pictures and checkpoints on the way, and prints how much
// memory the process gains in an iteration.
func watchMemory(ctx context.Context, out io.Writer, dir string, s settings) error {
	model := s.models[0]
	for _, saves := range []bool{false, true} {
		every, kind := 0, "nothing saved on the way"
		if saves {
			every, kind = memoryEvery, fmt.Sprintf("a picture and a checkpoint every %d", memoryEvery)
		}
		t, err := writeTrial(dir, model, s.memory, tiny[model], "size: 16, count: 40", fmt.Sprintf(
			"batch_size: 4, threads: %d, ema: 0.9, log_every: %d, preview_every: %d, checkpoint_every: %d", s.threads, memoryEvery, every, every))
		if err != nil {
			return err
		}
		folder := filepath.Join(dir, fmt.Sprint("every", every), model, "run")
		if _, err := t.run(ctx, folder, nil); err != nil {
			return err
		}
		points, err := memoryOf(folder)
		if err != nil {
			return err
		}
		half := points[len(points)/2:]
		first, middle, last := points[0], half[0], half[len(half)-1]
		fmt.Fprintf(out, "%s, %d iterations, %s: %+.1f bytes an iteration over the second half; %.1f MiB at iteration %d, %.1f at %d, %.1f at %d\n",
			model, s.memory, kind, slope(half), mebibytes(first), first.Iteration, mebibytes(middle), middle.Iteration, mebibytes(last), last.Iteration)
	}
	return nil
}

func mebibytes(p rundir.Point) float64 { return p.Value / (1 << 20) }

// memoryOf reads what timing.jsonl has of a process's memory, but for the end, where the run draws its last picture.
func memoryOf(folder string) ([]rundir.Point, error) {
	path := filepath.Join(folder, "timing.jsonl")
	series, err := rundir.ReadMetrics(path)
	if err != nil {
		return nil, err
	}
	for _, s := range series {
		if s.Name == "rss_bytes" && len(s.Points) >= 8 {
			return s.Points[:len(s.Points)-1], nil
		}
	}
	return nil, fmt.Errorf("%s has fewer than 8 figures of memory: take more iterations", path)
}
