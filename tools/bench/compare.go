package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/imori-ml/imori/torchx"
)

// pair is one run of each side, one right after the other.
type pair struct {
	Peer result `json:"pytorch"`
	Ours result `json:"imori"`
}

func (p pair) ratio() float64 { return p.Ours.ImagesPerSecond / p.Peer.ImagesPerSecond }

// where tells which side had processors that share no cache: a virtual machine's move from chip to chip.
func (p pair) where() string {
	switch {
	case p.Peer.Apart && p.Ours.Apart:
		return ", processors apart"
	case p.Peer.Apart:
		return ", processors apart for PyTorch"
	case p.Ours.Apart:
		return ", processors apart for imori"
	}
	return ""
}

// compare runs both sides of each model in turns.
func compare(ctx context.Context, s settings, out io.Writer) error {
	scripts, err := findScripts()
	if err != nil {
		return err
	}
	if err := exec.CommandContext(ctx, python, "-c", "import torch").Run(); err != nil {
		return fmt.Errorf("%s cannot import torch, which is what we compare with: apt-get install python3-torch", python)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread() // OpenMP's threads, between which runs measure, belong to one
	defer runtime.UnlockOSThread()
	torchx.SetThreads(threads)
	r := newReport(s)
	rows := map[string]map[string]*row{} // by model and precision
	run := runner{ctx: ctx, out: out, busy: s.busy > 0}
	for _, model := range s.models {
		c := lookUp(model)
		if s.iterations > 0 {
			c.iterations = s.iterations
		}
		fmt.Fprintf(out, "%s: %d pairs of runs, %d + %d iterations each, batch %d, %d threads, %d processors\n",
			model, s.pairs, warmup, c.iterations, c.batch, threads, runtime.NumCPU())
		rows[model] = map[string]*row{}
		for _, precision := range s.precisions {
			var g gemm
			if err := run.once(&g, self, "-child", childGEMM, "-precision", precision); err != nil {
				return fmt.Errorf("matrix products, %s: %w", precision, err)
			}
			r.GEMM[precision] = max(r.GEMM[precision], g.Gflops)
			rows[model][precision] = &row{Model: model, Precision: precision}
		}
		for n := range s.pairs {
			peer, err := run.result(python, filepath.Join(scripts, model+".py"), "--iterations", strconv.Itoa(c.iterations),
				"--warmup", strconv.Itoa(warmup), "--threads", strconv.Itoa(threads))
			if err != nil {
				return fmt.Errorf("%s, PyTorch: %w", model, err)
			}
			for _, precision := range s.precisions {
				ours, err := run.result(self, "-child", model, "-iterations", strconv.Itoa(c.iterations), "-precision", precision)
				if err != nil {
					return fmt.Errorf("%s, imori, %s: %w", model, precision, err)
				}
				p := pair{peer, ours}
				if err := p.check(); err != nil {
					return fmt.Errorf("%s: %w", model, err)
				}
				fmt.Fprintf(out, "  pair %d: PyTorch %s %.1f images/s, imori %s %s %.1f, ratio %.2f%s\n",
					n+1, peer.Torch, peer.ImagesPerSecond, ours.Torch, precision, ours.ImagesPerSecond, p.ratio(), p.where())
				row := rows[model][precision]
				row.Pairs = append(row.Pairs, p)
			}
		}
	}
	for _, model := range s.models {
		for _, precision := range s.precisions {
			row := rows[model][precision]
			row.summarise(r.GEMM[precision])
			r.Rows = append(r.Rows, *row)
		}
	}
	fmt.Fprintln(out)
	r.print(out)
	return r.save(s.output)
}

// check refuses to compare what is not the same work.
func (p pair) check() error {
	peer, ours := p.Peer, p.Ours
	switch {
	case !maps.Equal(peer.Parameters, ours.Parameters):
		return fmt.Errorf("the networks differ: PyTorch's have %v parameters, imori's %v; expected the same", peer.Parameters, ours.Parameters)
	case peer.Batch != ours.Batch || peer.Threads != ours.Threads:
		return fmt.Errorf("PyTorch ran with batch %d and %d threads, imori with %d and %d; expected the same",
			peer.Batch, peer.Threads, ours.Batch, ours.Threads)
	}
	return nil
}

// findScripts looks for the Python scripts from the module's root and from here.
func findScripts() (string, error) {
	for _, folder := range []string{"tools/bench", "."} {
		if _, err := os.Stat(filepath.Join(folder, "peer.py")); err == nil {
			return folder, nil
		}
	}
	return "", errors.New("tools/bench/peer.py is not here: run it from the root of a clone")
}
