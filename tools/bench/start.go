package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	startRuns    = 5
	startRecipe  = "gan_digits"
	startCommand = "bin/train"
)

// startTimes are one run's, in seconds since the process was started.
type startTimes struct {
	FirstStep float64 `json:"first_step_s"` // its metrics are in the run's folder
	End       float64 `json:"end_s"`        // with a picture, a checkpoint and a second iteration
}

// measureStart trains a small recipe for two iterations and prints when the first one was done.
func measureStart(ctx context.Context, s settings, out io.Writer) error {
	if _, err := os.Stat(startCommand); err != nil {
		return fmt.Errorf("%s is not here: run it from the root of a clone, after make build", startCommand)
	}
	r := struct {
		Machine   machine      `json:"machine"`
		Recipe    string       `json:"recipe"`
		FirstStep float64      `json:"first_step_s"` // medians
		End       float64      `json:"end_s"`
		Runs      []startTimes `json:"runs"`
	}{Machine: newMachine(), Recipe: startRecipe}
	for range startRuns {
		times, err := startOnce(ctx)
		if err != nil {
			return fmt.Errorf("%s -recipe %s: %w", startCommand, startRecipe, err)
		}
		r.Runs = append(r.Runs, times)
	}
	r.FirstStep = median(r.Runs, func(t startTimes) float64 { return t.FirstStep })
	r.End = median(r.Runs, func(t startTimes) float64 { return t.End })
	fmt.Fprintln(out, r.Machine)
	fmt.Fprintf(out, "%s -recipe %s: %.2f s from its start to the end of the first iteration, %.2f s to the end of two with picture and checkpoint (medians of %d)\n",
		startCommand, startRecipe, r.FirstStep, r.End, startRuns)
	return saveJSON(s.output, r)
}

// startOnce waits for the first line of metrics, which is written as soon as the first iteration is done.
func startOnce(ctx context.Context) (startTimes, error) {
	dir, err := os.MkdirTemp("", "bench-start-")
	if err != nil {
		return startTimes{}, err
	}
	defer os.RemoveAll(dir)
	run := filepath.Join(dir, "run")
	metrics := filepath.Join(run, "metrics.jsonl")
	c := exec.CommandContext(ctx, startCommand, "-recipe", startRecipe, "-out", run, "-set", "train.iterations=2", "-set", "train.device=cpu")
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	began := time.Now()
	if err := c.Start(); err != nil {
		return startTimes{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	var times startTimes
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			if info, err := os.Stat(metrics); times.FirstStep == 0 && err == nil && info.Size() > 0 {
				times.FirstStep = time.Since(began).Seconds()
			}
		case err := <-ended:
			times.End = time.Since(began).Seconds()
			switch {
			case ctx.Err() != nil:
				return startTimes{}, errors.New("interrupted")
			case err != nil:
				return startTimes{}, fmt.Errorf("%w: %s", err, strings.TrimSpace(output.String()))
			case times.FirstStep == 0:
				return startTimes{}, fmt.Errorf("it ended without metrics in %s", metrics)
			}
			return times, nil
		}
	}
}
