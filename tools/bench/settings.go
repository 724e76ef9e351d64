package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/imori-ml/imori/torchx"
)

// settings are the command line.
type settings struct {
	models     []string
	precisions []string
	pairs      int
	iterations int // 0: as many as the model's contest says
	busy       int
	output     string
	loader     bool
	start      bool
	root       string

	child string // what the program does as its own child: childGEMM, childSpin, a model, or one of a recipe's data
	data  string
}

// The children besides those that train.
const (
	childGEMM = "gemm"
	childSpin = "spin"
)

var precisions = []string{"fp32", "bf16"}

// defaultPrecisions are all that this CPU computes fast.
func defaultPrecisions() string {
	if torchx.CheckBF16("cpu") != nil {
		return precisions[0]
	}
	return strings.Join(precisions, ",")
}

// parse tells the user what is wrong; the error is then flag.ErrHelp or any other.
func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	names := flags.String("model", "all", "`models` to compare, with commas between: "+strings.Join(contestNames(), ",")+
		"; with -loader models with a recipe for CIFAR-10, all: convae,dcgan")
	precision := flags.String("precision", defaultPrecisions(), "`precisions` of imori, with commas between: "+strings.Join(precisions, ",")+"; PyTorch's is fp32")
	flags.IntVar(&s.pairs, "pairs", 3, "runs of each side")
	flags.IntVar(&s.iterations, "iterations", 0, "timed iterations a run; 0: those that take PyTorch about 7 s")
	flags.StringVar(&s.output, "json", "", "also write all figures to this `file`")
	flags.IntVar(&s.busy, "busy", 0, "neighbours, `processes` that keep a core busy meanwhile")
	flags.BoolVar(&s.loader, "loader", false, "compare a step on CIFAR-10, read and augmented, with one on a batch that is held in memory")
	flags.StringVar(&s.root, "root", "data/cifar10", "`folder` of CIFAR-10 for -loader")
	flags.BoolVar(&s.start, "start", false, "time bin/train from its start to the end of its first iteration")
	flags.StringVar(&s.child, "child", "", "for the program itself: measure this alone and print one line of JSON")
	flags.StringVar(&s.data, "data", "", "for the program itself: with -child, what the model trains on")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	err := s.complete(flags.Args(), *names, *precision)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
	}
	return s, err
}

// complete checks what the flags say and fills in what they leave open.
func (s *settings) complete(rest []string, names, precision string) (err error) {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("found %q behind the flags, expected nothing", rest)
	case s.pairs < 1:
		return fmt.Errorf("-pairs is %d, expected at least 1", s.pairs)
	case s.iterations < 0 || s.busy < 0:
		return fmt.Errorf("-iterations is %d and -busy is %d, expected at least 0", s.iterations, s.busy)
	case s.loader && s.start:
		return errors.New("found -loader and -start, expected one of them")
	case s.start && s.busy > 0:
		return errors.New("found -busy with -start, expected no neighbours")
	}
	known, all := contestNames(), contestNames()
	if s.loader {
		known, all = loaderModels(), []string{"convae", "dcgan"}
	}
	if s.models, err = pick("-model", names, known); err != nil {
		return err
	}
	if names == "all" {
		s.models = all
	}
	s.precisions, err = pick("-precision", precision, precisions)
	return err
}

// pick splits a list of known names, or all.
func pick(flag, list string, known []string) ([]string, error) {
	if list == "all" {
		return known, nil
	}
	names := strings.Split(list, ",")
	for i, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("%s has %q, expected some of %s, or all", flag, name, strings.Join(known, ","))
		}
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("%s has %q twice, expected once", flag, name)
		}
	}
	return names, nil
}
