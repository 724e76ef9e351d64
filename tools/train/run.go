package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/recipes"
	"github.com/imori-ml/imori/recipes/strict"
	"github.com/imori-ml/imori/trainer"
)

// Exit statuses.
const (
	exitDone        = 0
	exitFailed      = 1
	exitWrong       = 2 // the command line or the recipe
	exitInterrupted = 130
)

// wrongInput is an error of the command line or the recipe.
type wrongInput struct{ error }

func (w wrongInput) Unwrap() error { return w.error }

var errNoRecipe = errors.New("no recipe: -recipe FILE or one of the built-in names is needed")

// run is the command without its process: it returns the exit status. The run is interrupted when ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := command(ctx, args, stdout)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errHelp):
		usage(stdout)
		return exitDone
	case errors.Is(err, errNoRecipe):
		fmt.Fprintf(stderr, "train: %v\n\n", err)
		usage(stderr)
		return exitWrong
	case ctx.Err() != nil && (errors.Is(err, trainer.ErrInterrupted) || errors.Is(err, context.Canceled)):
		fmt.Fprintln(stderr, "train: interrupted")
		return exitInterrupted
	}
	// What is wrong with a recipe comes as several lines, each with its place.
	fmt.Fprintln(stderr, "train:", strings.ReplaceAll(err.Error(), "\n", "\n       "))
	if errors.As(err, &wrongInput{}) {
		return exitWrong
	}
	return exitFailed
}

func command(ctx context.Context, args []string, out io.Writer) error {
	o, err := parseArgs(args)
	switch {
	case errors.Is(err, errHelp):
		return err
	case err != nil:
		return wrongInput{err}
	case o.version:
		printVersion(out)
		return nil
	case o.list:
		list(out)
		return nil
	case o.recipe == "" && o.resume == "":
		return errNoRecipe
	}
	recipe, err := loadRecipe(o)
	if err != nil {
		return err
	}
	if o.printConfig {
		_, err := out.Write(recipe.Annotated())
		return err
	}
	d := newDisplay(out)
	if o.showAugmented == "" {
		printMachine(out)
	}
	options, err := openDataset(ctx, recipe, d)
	if err != nil {
		return err
	}
	if o.showAugmented != "" {
		return showAugmented(options, o.showAugmented, out)
	}
	if o.dryRun {
		return dryRun(options, out)
	}
	options.Dir, options.Resume, options.Recipe = o.resume, o.resume != "", recipe.YAML()
	if !options.Resume {
		options.Dir = o.out
	}
	if options.Dir == "" {
		options.Dir = filepath.Join("runs", recipe.Name, time.Now().Format("20060102-150405"))
	}
	return train(ctx, options, d, resumeCommand(o, options.Dir))
}

// openDataset opens the recipe's dataset, downloading it if it must.
func openDataset(ctx context.Context, recipe *recipes.Recipe, d *display) (trainer.Options, error) {
	options, err := recipe.TrainerOptions(ctx, datasets.Env{Progress: d.transfer, Scanned: d.scanned, Logf: d.say})
	d.endLine() // a download leaves its own
	if errors.As(err, new(*strict.Error)) {
		err = wrongInput{err} // the model cannot take the dataset's images
	}
	if err != nil {
		return options, err
	}
	options.Observer = d
	return options, nil
}

// resumeCommand is what goes on with the run. What changed at a resume is not in the run's recipe and is said again.
func resumeCommand(o *options, dir string) string {
	words := []string{"train", "-resume", dir}
	if o.resume != "" {
		if o.recipe != "" {
			words = append(words, "-recipe", o.recipe)
		}
		for _, override := range o.set {
			words = append(words, "-set", override)
		}
		if o.device != "" {
			words = append(words, "-device", o.device)
		}
	}
	for i, w := range words {
		if strings.ContainsFunc(w, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_=./:,", r)
		}) {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// train trains in options.Dir and says where everything is.
func train(ctx context.Context, options trainer.Options, d *display, resume string) error {
	if ctx.Err() != nil {
		return ctx.Err() // before there is a folder
	}
	t, err := trainer.New(options)
	if err != nil {
		return err
	}
	defer t.Close()
	info := t.Info()
	printRun(d.out, info, options.Dataset)
	if info.Iteration >= info.Iterations {
		d.say("nothing is left to do: the run has all its %d iterations; for more, add -set train.iterations=N", info.Iterations)
		return nil
	}
	stop := context.AfterFunc(ctx, func() {
		d.say("interrupted: finishing the iteration and saving; interrupt again to stop at once")
	})
	defer stop()
	began := time.Now()
	err = t.Run(ctx)
	switch {
	case errors.Is(err, trainer.ErrInterrupted):
		d.say("go on with: %s", resume)
	case err == nil:
		d.say("done: %d iterations in %s", info.Iterations-info.Iteration, short(time.Since(began)))
		if d.picture != "" {
			d.say("newest picture: %s", d.picture)
		}
	}
	return err
}
