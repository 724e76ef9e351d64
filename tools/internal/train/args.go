// Package train is the command that trains a model as a recipe says.
package train

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/recipes"
	"github.com/imori-ml/imori/tools/internal/cli"
)

// options are the command line.
type options struct {
	recipe, out, resume, device        string
	showAugmented                      string
	set                                []string
	dryRun, printConfig, list, version bool
	acceptChanges                      bool
}

// New makes the command.
func New() *cobra.Command {
	o := &options{}
	c := &cobra.Command{
		Use: `train -recipe FILE|NAME [-set key=value]... [-device D] [-out DIR]
train -resume DIR [-set key=value]... [-device D] [-accept-changes]
train -recipe FILE|NAME -dry-run | -print-config | -show-augmented FILE
train -list | -version`,
		Short: "train a model as a recipe says",
		Long:  "Trains a model as a recipe says: a YAML file, or one that is built in.",
		Example: `train -recipe dcgan_digits
train -recipe wgan_cifar10 -set train.iterations=2000 -set optimizer.critic.lr=1e-4
train -recipe my.yaml -print-config          # every key with its value, and what it is
train -resume runs/wgan_cifar10/20261123-101500`,
		Annotations: cli.Notes(notes()),
		Args:        func(_ *cobra.Command, args []string) error { return o.checkArguments(args) },
		RunE:        func(c *cobra.Command, _ []string) error { return o.run(c) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.recipe, "recipe", "", "`file` or built-in name of the recipe")
	f.StringArrayVar(&o.set, "set", nil, "override one `key=value` of the recipe; may be repeated")
	f.StringVar(&o.out, "out", "", "`folder` of the run (default runs/<recipe name>/<start time>)")
	f.StringVar(&o.resume, "resume", "", "go on with the run in this `folder`")
	f.BoolVar(&o.acceptChanges, "accept-changes", false, "with -resume: go on although the recipe has changed in what is trained, or metrics.jsonl lacks lines")
	f.StringVar(&o.device, "device", "", "`device`: auto, cpu, cuda or cuda:N; short for -set train.device=...")
	f.BoolVar(&o.dryRun, "dry-run", false, "build everything, run one iteration, print figures, write nothing")
	f.StringVar(&o.showAugmented, "show-augmented", "", "write samples as training sees them, augmented, to this PNG `file`")
	f.BoolVar(&o.printConfig, "print-config", false, "print the resolved recipe, each value marked default, recipe or override")
	f.BoolVar(&o.list, "list", false, "list built-in recipes, models and datasets")
	f.BoolVar(&o.version, "version", false, "print versions")
	cli.Complete(c, "recipe", recipes.BuiltinNames)
	cli.Complete(c, "device", cli.Devices)
	cli.CompleteFolder(c, "out", "resume")
	return c
}

func notes() string {
	return fmt.Sprintf(`Built-in recipes: %s

The first SIGINT (Ctrl-C), SIGTERM or SIGHUP ends the running iteration, saves a checkpoint and exits; a second one exits
at once. Under nohup SIGHUP is ignored. Training goes on when nobody reads its output any more.
Exit status: 0 done, 1 failed, 2 wrong command line or recipe, 130, 143 or 129 after those signals: 128 and their number.

Where another process takes one of the processors, OpenMP's threads, which wait for each other spinning for milliseconds, would
slow training several times. While threads stand in line for a processor, they spin for microseconds only; the environment may
say otherwise (GOMP_SPINCOUNT, OMP_WAIT_POLICY).
OMP_NUM_THREADS limits the threads where a recipe does not say how many.`, strings.Join(recipes.BuiltinNames(), ", "))
}

func (o *options) checkArguments(args []string) error {
	switch {
	case len(args) > 0 && o.recipe == "" && o.resume == "":
		return fmt.Errorf("unexpected argument %q: did you mean -recipe %s?", args[0], args[0])
	case len(args) > 0:
		return fmt.Errorf("unexpected argument %q: everything is given by flags", args[0])
	}
	return o.check()
}

func (o *options) check() error {
	if o.device != "" { // the recipe's own error would name a -set that nobody typed
		if err := recipes.CheckDevice(o.device); err != nil {
			return fmt.Errorf("-device: %w", err)
		}
	}
	if o.acceptChanges && o.resume == "" {
		return errors.New("-accept-changes is for a run that is resumed, expected -resume, too")
	}
	if o.resume != "" && o.out != "" {
		return errors.New("-resume and -out exclude each other: a resumed run stays in its folder")
	}
	if o.resume != "" && o.dryRun {
		return errors.New("-resume and -dry-run exclude each other: to try the recipe of a run, -dry-run -recipe DIR/recipe.yaml")
	}
	if o.showAugmented == "" {
		return nil
	}
	if o.resume != "" {
		return errors.New("-resume and -show-augmented exclude each other: for the samples of a run, -show-augmented FILE -recipe DIR/recipe.yaml")
	}
	if o.dryRun {
		return errors.New("-dry-run and -show-augmented exclude each other: a dry run writes nothing")
	}
	if !strings.EqualFold(filepath.Ext(o.showAugmented), ".png") {
		return fmt.Errorf("-show-augmented writes a PNG picture: found the file %s, expected a name that ends in .png", o.showAugmented)
	}
	return nil
}
