// Command bench compares imori with ordinary PyTorch: the same models on the same libtorch kind of machine, two threads
// each, in alternating runs.
//
//	go run ./tools/bench [-model wgan|dcgan|all] [-pairs 3] [-iterations 10] [-json FILE]
//
// PyTorch's side is tools/bench/<model>.py, run by /usr/bin/python3; ours is this program, started again as its own
// child, so that each side begins in a fresh process.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

const (
	threads = 2
	warmup  = 3 // iterations before the timed ones
	python  = "/usr/bin/python3"
)

// result is what a run prints as one line of JSON, on either side; tools/bench/peer.py says what the figures mean.
type result struct {
	Model            string  `json:"model"`
	Torch            string  `json:"torch"`
	Threads          int     `json:"threads"`
	Batch            int     `json:"batch"`
	Iterations       int     `json:"iterations"`
	ImagesPerSecond  float64 `json:"images_per_second"`
	MsPerIteration   float64 `json:"ms_per_iteration"`
	TimeToFirstStepS float64 `json:"time_to_first_step_s"`
	PeakRSSBytes     int64   `json:"peak_rss_bytes"`

	ForeignCPU float64 `json:"foreign_cpu,omitempty"` // added by the parent: share of the machine that others used
}

// pair is one run of each side, one right after the other.
type pair struct {
	Peer result `json:"pytorch"`
	Ours result `json:"imori"`
}

func main() { os.Exit(command(os.Args[1:])) }

// command returns the exit status: 0, 1 (failed) or 2 (usage).
func command(args []string) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	model := flags.String("model", "all", "wgan, dcgan or all")
	pairs := flags.Int("pairs", 3, "runs of each side")
	iterations := flags.Int("iterations", 10, "timed iterations a run")
	output := flags.String("json", "", "also write all figures to this `file`")
	child := flags.String("child", "", "measure our side of this model and print one line of JSON (for the program itself)")
	err := flags.Parse(args)
	models := map[string][]string{"all": {"wgan", "dcgan"}, "wgan": {"wgan"}, "dcgan": {"dcgan"}}[*model]
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0 || *pairs < 1 || *iterations < 1 || models == nil:
		fmt.Fprintln(os.Stderr, "bench: expected -model wgan, dcgan or all, -pairs and -iterations of at least 1, and nothing else")
		return 2
	case *child != "":
		err = measure(*child, *iterations, os.Stdout)
	default:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = bench(ctx, models, *pairs, *iterations, *output, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func bench(ctx context.Context, models []string, pairs, iterations int, output string, out io.Writer) error {
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
	all := map[string][]pair{}
	for _, model := range models {
		fmt.Fprintf(out, "%s: %d pairs of runs, %d + %d iterations each, %d threads, %d processors\n",
			model, pairs, warmup, iterations, threads, runtime.NumCPU())
		for n := range pairs {
			var p pair
			p.Peer, err = runOnce(ctx, out, python, filepath.Join(scripts, model+".py"), "--iterations", strconv.Itoa(iterations),
				"--warmup", strconv.Itoa(warmup), "--threads", strconv.Itoa(threads))
			if err != nil {
				return fmt.Errorf("%s, PyTorch: %w", model, err)
			}
			p.Ours, err = runOnce(ctx, out, self, "-child", model, "-iterations", strconv.Itoa(iterations))
			if err != nil {
				return fmt.Errorf("%s, imori: %w", model, err)
			}
			fmt.Fprintf(out, "  pair %d: PyTorch %s %.1f images/s, imori %.1f, ratio %.2f\n",
				n+1, p.Peer.Torch, p.Peer.ImagesPerSecond, p.Ours.ImagesPerSecond, p.ratio())
			all[model] = append(all[model], p)
		}
	}
	fmt.Fprintln(out)
	table(out, models, all)
	if output == "" {
		return nil
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(output, append(b, '\n'), 0o666)
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

// runOnce runs one side, reads its figures and watches what else the machine does meanwhile.
func runOnce(ctx context.Context, out io.Writer, name string, args ...string) (result, error) {
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(ctx, name, args...)
	c.Stdout, c.Stderr = &stdout, &stderr
	before := readCPU()
	err := c.Run()
	foreign := before.foreign(readCPU())
	if ctx.Err() != nil {
		return result{}, errors.New("interrupted")
	}
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if last := lines[len(lines)-1]; last != "" { // of a Python traceback it is the line that says what
			err = fmt.Errorf("%w: %s", err, last)
		}
		return result{}, err
	}
	var r result
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		return result{}, fmt.Errorf("its output is not the line of JSON that was expected: %w", err)
	}
	r.ForeignCPU = foreign
	if foreign > 0.05 {
		fmt.Fprintf(out, "  warning: other programs used %.0f %% of the processors during this run; its figures say little\n", 100*foreign)
	}
	return r, nil
}
