// Command killtest proves that a run that is killed at any moment and resumed ends with the same files, byte for byte, as
// one that never stopped: for every model it trains once in peace, then again and again with kill -9 in between, and here
// and there SIGTERM. Of files that hold times it compares all else: iterations, and what TensorBoard shows.
//
//	go run ./tools/killtest [-kills 100] [-models dcgan,vae] [-iterations 20] [-threads 1] [-full] [-seed 1] [-dir DIR]
//
// prints how the kills fell and which runs were equal. Exit status 1 at a difference, whose folders stay, or if fewer than 20
// of 100 kills fell inside a checkpoint write. Two other modes
// look for what else a long run must not have:
//
//	go run ./tools/killtest -twice -full -threads 2    operations that give other results the second time
//	go run ./tools/killtest -memory 20000              memory that grows over so many iterations
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/imori-ml/imori/models"
)

// settings are the command line.
type settings struct {
	kills, iterations, threads, memory int
	models                             []string
	seed                               uint64
	dir                                string
	full, twice                        bool
}

func main() {
	beChild()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// command returns the exit status: 0, 1 (a difference, or it failed) or 2 (usage).
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "killtest:", err)
		return 2
	}
	if err := inFolder(s.dir, func(dir string) error {
		switch {
		case s.memory > 0:
			return watchMemory(ctx, stdout, dir, s)
		case s.twice:
			return trainTwice(ctx, stdout, dir, s)
		default:
			return killAll(ctx, stdout, dir, s)
		}
	}); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		fmt.Fprintln(stderr, "killtest:", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("killtest", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.kills, "kills", 100, "`number` of kills by SIGKILL, over all models; SIGTERMs come on top")
	flags.IntVar(&s.iterations, "iterations", 20, "iterations of a run")
	flags.IntVar(&s.threads, "threads", 1, "threads of the CPU")
	flags.Uint64Var(&s.seed, "seed", 1, "of the moments of the kills")
	flags.StringVar(&s.dir, "dir", "", "`folder` for the runs (default a temporary one); it must not exist")
	flags.BoolVar(&s.full, "full", false, "train models at their default sizes, on 32x32 images, where threads share the work")
	flags.BoolVar(&s.twice, "twice", false, "train each model twice, kill nothing, and compare")
	flags.IntVar(&s.memory, "memory", 0, "train the first of -models for so many `iterations` and print how memory grows")
	names := flags.String("models", strings.Join(models.Names(), ","), "models, separated by commas")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	s.models = strings.Split(*names, ",")
	for _, name := range s.models {
		if !slices.Contains(models.Names(), name) {
			return s, fmt.Errorf("there is no model %q, expected some of %s", name, strings.Join(models.Names(), ","))
		}
	}
	if flags.NArg() > 0 || s.kills < 1 || s.iterations < 4 || s.threads < 1 || s.memory < 0 || s.twice && s.memory > 0 {
		return s, errors.New("expected -kills and -threads of at least 1, -iterations of at least 4, one of -twice and -memory, and nothing else")
	}
	return s, nil
}

// inFolder calls f with a folder that goes when f succeeds. After an error its runs are there to be looked at.
func inFolder(dir string, f func(dir string) error) error {
	var err error
	if dir == "" {
		dir, err = os.MkdirTemp("", "killtest-")
	} else {
		err = os.Mkdir(dir, 0o777)
	}
	if err != nil {
		return err
	}
	if err := f(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
