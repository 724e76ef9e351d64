package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/recipes"
	"github.com/imori-ml/imori/recipes/strict"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
	"github.com/imori-ml/imori/trainer"
	"github.com/imori-ml/imori/trainer/rundir"
)

var errNoRecipe = errors.New("no recipe: -recipe FILE or one of the built-in names is needed")

func (o *options) run(c *cobra.Command) error {
	ctx, out := c.Context(), c.OutOrStdout()
	switch {
	case o.version:
		cli.PrintVersion(out)
		return nil
	case o.list:
		list(out)
		return nil
	case o.recipe == "" && o.resume == "":
		return cli.Usage(errNoRecipe)
	}
	recipe, changes, err := loadRecipe(o)
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
	return train(ctx, options, d, changes, resumeCommand(o, options.Dir))
}

// openDataset opens the recipe's dataset, downloading it if it must.
func openDataset(ctx context.Context, recipe *recipes.Recipe, d *display) (trainer.Options, error) {
	options, err := recipe.TrainerOptions(ctx, datasets.Env{Progress: d.transfer, Scanned: d.scanned, Logf: d.say})
	d.endLine() // a download leaves its own
	if errors.As(err, new(*strict.Error)) {
		err = cli.Wrong(err) // the model cannot take the dataset's images
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
		if o.acceptChanges {
			words = append(words, "-accept-changes")
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

// isFinished tells whether a run says that it came to its end. One that was killed right behind its last checkpoint has
// all its iterations, but not all its files.
func isFinished(dir string) bool {
	seen, err := rundir.Look(dir, 0)
	return err == nil && seen.State == rundir.Finished
}

// noteChanges says what is no longer as it was when the run began, and keeps the recipe with which it goes on beside the
// first one.
func noteChanges(d *display, info trainer.Info, changes []string, recipe []byte) error {
	if changes == nil {
		return nil
	}
	for _, change := range changes {
		d.Warn("accepted: " + change)
	}
	path := filepath.Join(info.Dir, "recipe-"+rundir.IterationName(info.Iteration)+".yaml")
	if err := atomicfile.Write(path, func(w io.Writer) error { _, err := w.Write(recipe); return err }); err != nil {
		return fmt.Errorf("cannot write the changed recipe: %w", err)
	}
	d.say("the recipe from iteration %d on: %s", info.Iteration+1, path)
	return nil
}

// train trains in options.Dir and says where everything is.
func train(ctx context.Context, options trainer.Options, d *display, changes []string, resume string) error {
	if ctx.Err() != nil {
		return ctx.Err() // before there is a folder
	}
	finished := options.Resume && isFinished(options.Dir)
	t, err := trainer.New(options)
	if err != nil {
		return err
	}
	defer t.Close()
	info := t.Info()
	printRun(d.out, info, options.Dataset)
	if finished && info.Iteration >= info.Iterations {
		d.say("nothing is left to do: the run has all its %d iterations; for more, add -set train.iterations=N", info.Iterations)
		return nil
	}
	if err := noteChanges(d, info, changes, options.Recipe); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // the end of a pager, or of tee by the same Ctrl-C, is no reason to lose what is not saved
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
		d.say("done: %d iterations in %s", info.Iterations-info.Iteration, cli.Duration(time.Since(began)))
		if d.picture != "" {
			d.say("newest picture: %s", d.picture)
		}
	default:
		if way := wayOn(err, options, resume); way != "" {
			d.say("%s", way)
		}
	}
	return err
}

// wayOn says how a run goes on after an error; "" if it left nothing to go on from.
func wayOn(err error, options trainer.Options, resume string) string {
	dir, openErr := rundir.Open(options.Dir)
	if openErr != nil {
		return ""
	}
	if iterations, err := dir.Checkpoints(); err != nil || len(iterations) == 0 {
		return ""
	}
	const again = "going on from the newest checkpoint as before would most likely diverge again; "
	switch {
	case !errors.Is(err, trainer.ErrDiverged):
		return "when that is mended, go on with: " + resume
	case options.OnDivergence != "rollback":
		return again + "with other noise and another order: " + resume + " -set train.on_divergence=rollback"
	default:
		return fmt.Sprintf("%sfor more tries than max_rollbacks %d: %s -set train.max_rollbacks=%d",
			again, options.MaxRollbacks, resume, 2*max(options.MaxRollbacks, 1))
	}
}
