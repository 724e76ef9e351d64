package train

import (
	"context"
	"errors"
	"fmt"
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
	if !o.dryRun && o.showAugmented == "" {
		// The end of a pager, or of tee by the same Ctrl-C, is no reason not to train, or to lose what is not saved.
		signal.Ignore(syscall.SIGPIPE)
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
		return dryRun(ctx, options, out)
	}
	options.Dir, options.Resume, options.Recipe = o.resume, o.resume != "", recipe.YAML()
	options.AcceptLost = o.acceptChanges
	if !options.Resume {
		options.Dir = o.out
	}
	if options.Dir == "" {
		options.Dir = filepath.Join("runs", recipe.Name, time.Now().Format("20060102-150405"))
	}
	return train(ctx, options, d, changes, resumeCommand(options.Dir))
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

// resumeCommand is what goes on with the run. What changed at a resume is in the run's folder.
func resumeCommand(dir string) string {
	if strings.ContainsFunc(dir, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_=./:,", r)
	}) {
		dir = "'" + strings.ReplaceAll(dir, "'", `'\''`) + "'"
	}
	return "train -resume " + dir
}

// isFinished tells whether a run says that it came to its end. One that was killed right behind its last checkpoint has
// all its iterations, but not all its files.
func isFinished(dir string) bool {
	seen, err := rundir.Look(dir, 0)
	return err == nil && seen.State == rundir.Finished
}

// noteChanges says what is no longer as it was when the run began, and where the recipe is with which it goes on: the
// trainer keeps it beside the first one.
func noteChanges(d *display, info trainer.Info, c changes) {
	for _, change := range c.accepted {
		d.Warn("accepted: " + change)
	}
	if c.any {
		d.say("the recipe from iteration %d on: %s", info.Iteration+1, filepath.Join(info.Dir, rundir.RecipeName(info.Iteration)))
	}
}

// train trains in options.Dir and says where everything is.
func train(ctx context.Context, options trainer.Options, d *display, c changes, resume string) error {
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
	noteChanges(d, info, c)
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
	case errors.Is(err, trainer.ErrRecipeNotKept):
		return "when that is mended, resume the run again with the same changes"
	case !errors.Is(err, trainer.ErrDiverged):
		return "when that is mended, go on with: " + resume
	case options.OnDivergence != "rollback":
		more := " -set train.on_divergence=rollback"
		if options.CheckpointEvery == 0 && options.CheckpointMinutes == 0 { // it would be refused
			more += fmt.Sprintf(" -set train.checkpoint_minutes=%g", trainer.DefaultConfig().CheckpointMinutes)
		}
		return again + "with other noise and another order: " + resume + more
	default:
		return fmt.Sprintf("%sfor more tries than max_rollbacks %d: %s -set train.max_rollbacks=%d",
			again, options.MaxRollbacks, resume, 2*max(options.MaxRollbacks, 1))
	}
}
