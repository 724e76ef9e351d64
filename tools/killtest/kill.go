package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// result is what came of one model.
type result struct {
	model       string
	runs, equal int
	kills       [places]int // by SIGKILL
	uniform     int         // of the kills: at moments uniform over the time of the training
	terminated  int         // besides, by SIGTERM
}

func (r *result) add(other result) {
	r.runs += other.runs
	r.equal += other.equal
	r.uniform += other.uniform
	r.terminated += other.terminated
	for i, n := range other.kills {
		r.kills[i] += n
	}
}

func (r *result) total() (n int) {
	for _, k := range r.kills {
		n += k
	}
	return n
}

// count takes note of a hit that ended a training.
func (r *result) count(h *hit, at place) {
	if h.signal == syscall.SIGTERM {
		r.terminated++
		return
	}
	r.kills[at]++
	if h.uniform {
		r.uniform++
	}
}

// What so many kills are to show.
const (
	manyKills    = 100
	insideOfMany = 20 // that fall inside a checkpoint write, at least
)

// enough is an error if kills miss what they are to hit.
func (r *result) enough() error {
	if r.total() >= manyKills && r.kills[inside] < insideOfMany {
		return fmt.Errorf("%d of %d kills fell inside a checkpoint write, expected at least %d: take another -seed, or more -kills",
			r.kills[inside], r.total(), insideOfMany)
	}
	return nil
}

// line is a line of the table.
const line = "%-10v%6v%7v%9v%10v%17v%13v%12v%9v%8v\n"

func (r *result) print(out io.Writer) {
	k := r.kills
	fmt.Fprintf(out, line, r.model, r.runs, r.total(), r.uniform, k[beginning], k[inside], k[between], k[end], r.terminated, r.equal)
}

// killAll spreads the kills over the models.
func killAll(ctx context.Context, out io.Writer, dir string, s settings) error {
	fmt.Fprintf(out, "%d kills over %d models, runs of %d iterations, a checkpoint every %d\n",
		s.kills, len(s.models), s.iterations, checkpointEvery)
	fmt.Fprintf(out, line, "model", "runs", "kills", "uniform", "at start", "in a checkpoint", "between two", "at the end", "SIGTERM", "equal")
	all := result{model: "all"}
	for i, model := range s.models {
		kills := s.kills*(i+1)/len(s.models) - s.kills*i/len(s.models)
		t, err := newTrial(dir, model, s)
		if err != nil {
			return err
		}
		r, err := t.killTimes(ctx, dir, kills, rand.New(rand.NewPCG(s.seed, uint64(i))))
		r.print(out)
		if err != nil {
			return fmt.Errorf("%s: %w", model, err)
		}
		all.add(r)
	}
	all.print(out)
	return all.enough()
}

// killTimes trains in peace, and then again with hits, at most three in a run, until so many of them have been kills.
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
		saved := t.clocked // at an iteration that another run does not save
		for range min(1+rng.IntN(3), kills-r.total()) {
			h := drawHit(rng, t, took)
			struck, err := t.run(ctx, killed, h)
			if err != nil {
				return r, err
			}
			if !struck {
				break // the run came to its end first
			}
			r.count(h, where(killed, t.iterations))
			saved = saved || h.signal == syscall.SIGTERM
		}
		if _, err := t.run(ctx, killed, nil); err != nil {
			return r, err
		}
		r.runs++
		if err := compareRuns(whole, killed, saved); err != nil {
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
