package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// result is what came of one model.
type result struct {
	model       string
	runs, equal int
	kills       [places]int
}

func (r result) total() (n int) {
	for _, k := range r.kills {
		n += k
	}
	return n
}

// killAll spreads the kills over the models.
func killAll(ctx context.Context, out io.Writer, dir string, s settings) error {
	fmt.Fprintf(out, "%d kills over %d models, runs of %d iterations, a checkpoint every %d\n",
		s.kills, len(s.models), s.iterations, checkpointEvery)
	var results []result
	var failed error
	for i, model := range s.models {
		kills := s.kills*(i+1)/len(s.models) - s.kills*i/len(s.models)
		t, err := newTrial(dir, model, s)
		if err != nil {
			return err
		}
		r, err := t.killTimes(ctx, dir, kills, rand.New(rand.NewPCG(s.seed, uint64(i))))
		results = append(results, r)
		if err != nil {
			failed = fmt.Errorf("%s: %w", model, err)
			break
		}
	}
	table(out, results)
	return failed
}

// killTimes trains in peace, and then again with kills, at most three in a run, until there have been so many.
func (t trial) killTimes(ctx context.Context, dir string, kills int, rng *rand.Rand) (result, error) {
	r := result{model: t.model}
	// The last two folders are in the title of the curves.
	whole := filepath.Join(dir, "whole", t.model, "run")
	began := time.Now()
	if _, err := t.run(ctx, whole, nil); err != nil {
		return r, err
	}
	took := time.Since(began)
	for r.total() < kills {
		killed := filepath.Join(dir, fmt.Sprint("killed", r.runs), t.model, "run")
		for range min(1+rng.IntN(3), kills-r.total()) {
			hit, err := t.run(ctx, killed, draw(rng, t, took))
			if err != nil {
				return r, err
			}
			if !hit {
				break // the run came to its end first
			}
			r.kills[where(killed, t.iterations)]++
		}
		if _, err := t.run(ctx, killed, nil); err != nil {
			return r, err
		}
		r.runs++
		if err := compareRuns(whole, killed); err != nil {
			return r, err
		}
		if err := compareEvents(whole, killed); err != nil {
			return r, err
		}
		r.equal++
		if err := os.RemoveAll(filepath.Dir(filepath.Dir(killed))); err != nil {
			return r, err
		}
	}
	return r, nil
}

func table(out io.Writer, results []result) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, strings.Join([]string{"model", "runs", "kills", "before the first checkpoint", "inside one", "between two", "after the last", "equal", ""}, "\t"))
	all := result{model: "all"}
	for _, r := range results {
		row(w, r)
		all.runs += r.runs
		all.equal += r.equal
		for i, n := range r.kills {
			all.kills[i] += n
		}
	}
	row(w, all)
	_ = w.Flush()
}

func row(w io.Writer, r result) {
	fmt.Fprintf(w, "%s\t%d\t%d\t", r.model, r.runs, r.total())
	for _, n := range r.kills {
		fmt.Fprintf(w, "%d\t", n)
	}
	fmt.Fprintf(w, "%d\t\n", r.equal)
}
