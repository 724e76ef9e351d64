package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/tools/internal/train"
)

// childVariable in the environment makes this program the command train.
const childVariable = "KILLTEST_AS_TRAIN"

// beChild does not return where this process was started as a training.
func beChild() {
	if os.Getenv(childVariable) != "" {
		cli.Main(train.New())
	}
}

// tiny are options that make a model quick on 16x16 digits, with what could be forgotten at a resume: dropout and buffers
// of spectral norms. A model that is not named here is trained as it is.
var tiny = map[string]string{
	"ae":       "hidden: 8",
	"alphagan": "z_dim: 4, generator_channels: [8, 4], discriminator_channels: [4, 8], code_hidden: [8]",
	"cgan":     "z_dim: 4, generator_channels: [8, 4], discriminator_channels: [4, 8]",
	"convae":   "channels: [4, 4]",
	"dcgan":    "z_dim: 4, generator_channels: [8, 4], discriminator_channels: [4, 8], spectral_norm: true",
	"gan":      "z_dim: 4, generator_hidden: [16], discriminator_hidden: [16]",
	"pix2pix":  "channels: [4, 8, 8], discriminator_channels: [4, 8]",
	"vae":      "hidden: [16]",
	"wgan":     "z_dim: 4, generator_channels: [8, 4], critic_channels: [4, 8], n_critic: 2",
	"wgangp":   "z_dim: 4, dim: 4, n_critic: 2, spectral_norm: true",
	diverging:  "z_dim: 4, generator_hidden: [16], discriminator_hidden: [16]",
}

// also are settings of the train section that only some models are trained with, so that there are runs without them, too.
// Metrics of previews are logged at every third checkpoint, those of phases at all. Precision auto is bf16 where the CPU has it.
var also = map[string]string{
	"ae":       "accumulate: 2, keep_best: test/mse",
	"alphagan": "accumulate: 2",
	"cgan":     "keep_best: generator/loss, keep_best_mode: max",
	"convae":   "checkpoint_minutes: 0.0001, keep_best: test/mse",
	"dcgan":    "precision: auto, accumulate: 2, keep_best: generator/grad_norm, keep_checkpoints: 2",
	"pix2pix":  "keep_best: test/l1",
	"vae":      "keep_best: vae/loss, keep_checkpoints: 1",
	"wgan":     "accumulate: 3, keep_best: critic/loss",
	diverging:  "on_divergence: rollback, max_rollbacks: 100, accumulate: 2, keep_best: generator/loss, keep_checkpoints: 2",
}

// Distances between what a trial saves, so that kills fall before, in and behind checkpoints.
const (
	checkpointEvery = 2
	previewEvery    = 3
)

// trial is a short training.
type trial struct {
	model      string
	iterations int
	recipe     string // the file
	clocked    bool   // any two runs have other checkpoints, besides those of checkpointEvery
}

// newTrial writes the recipe, which uses what a resumed run has to go on with: averages, augmentation, a schedule, and what
// is in also.
func newTrial(dir, model string, s settings) (trial, error) {
	options, dataset, batch := tiny[model], "size: 16, count: 40", 4
	if s.full {
		options, dataset, batch = "", "size: 32, count: 200", 16
	}
	config := fmt.Sprintf("batch_size: %d, threads: %d, ema: 0.9, schedule: cosine, warmup: 2, decay_until: %d, clip_norm: 10, "+
		"log_every: 1, preview_every: %d, checkpoint_every: %d", batch, s.threads, s.iterations, previewEvery, checkpointEvery)
	if more := also[model]; more != "" {
		config += ", " + more
	}
	return writeTrial(dir, model, s.iterations, options, dataset, config)
}

func writeTrial(dir, model string, iterations int, options, dataset, config string) (trial, error) {
	t := trial{model, iterations, filepath.Join(dir, model+".yaml"), strings.Contains(config, "checkpoint_minutes")}
	if options != "" {
		options = ", " + options
	}
	if model == "pix2pix" {
		dataset += ", outlines: true" // pairs
	}
	text := fmt.Sprintf("name: killtest\nmodel: {type: %s%s}\ndataset: {type: digits, %s, augment: [{type: translate}, {type: contrast}]}\n"+
		"train: {iterations: %d, device: cpu, %s}\n", model, options, dataset, iterations, config)
	return t, os.WriteFile(t.recipe, []byte(text), 0o666)
}

// command begins the run in a folder, or goes on with it.
func (t trial) command(folder string) *exec.Cmd {
	args := []string{"-recipe", t.recipe, "-out", folder}
	if _, err := os.Stat(filepath.Join(folder, "recipe.yaml")); err == nil {
		args = []string{"-resume", folder}
	} // else it was killed before the recipe was there, and nothing else is
	c := exec.Command(os.Args[0], args...)
	// Threads that spin while they wait would take the cores from this process, which has to hit its moment.
	c.Env = append(os.Environ(), childVariable+"=1", "OMP_WAIT_POLICY=passive")
	return c
}

// hit is how a training is to end, and when.
type hit struct {
	at      moment
	uniform bool           // at is, over the time of the training
	signal  syscall.Signal // SIGKILL, or SIGTERM, after which it saves its state and ends by itself
}

// terminated is the exit status of train after SIGTERM.
const terminated = 128 + int(syscall.SIGTERM)

// run trains to the end, or hits the training; nil: never. It returns whether it did so.
func (t trial) run(ctx context.Context, folder string, h *hit) (struck bool, err error) {
	c := t.command(folder)
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	if err := c.Start(); err != nil {
		return false, err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	now := make(chan struct{})
	if h != nil {
		watch, stop := context.WithCancel(ctx)
		defer stop()
		go func() {
			if h.at(watch, folder) {
				close(now)
			}
		}()
	}
	select {
	case err = <-ended:
	case <-now:
		_ = c.Process.Signal(h.signal) // it may have ended in this instant
		select {
		case err = <-ended:
			struck = endedBy(err, h.signal)
		case <-ctx.Done():
			_ = c.Process.Kill()
			<-ended
			return false, ctx.Err()
		}
	case <-ctx.Done():
		_ = c.Process.Kill()
		<-ended
		return false, ctx.Err()
	}
	if err != nil && !struck {
		return false, fmt.Errorf("train %s: %w\n%s", strings.Join(c.Args[1:], " "), err, output.Bytes())
	}
	return struck, nil
}

// endedBy tells whether a training ended by a signal. One that SIGTERM meets before it heeds signals dies of it.
func endedBy(err error, signal syscall.Signal) bool {
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	if !ok {
		return false
	}
	return status.Signaled() && status.Signal() == signal || signal == syscall.SIGTERM && status.Exited() && status.ExitStatus() == terminated
}
