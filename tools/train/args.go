package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/imori-ml/imori/recipes/strict"
)

// options are the command line.
type options struct {
	recipe, out, resume, device        string
	showAugmented                      string
	set                                []string
	dryRun, printConfig, list, version bool

	given func(flag string) bool // on the command line, be it with an empty value
}

// errHelp: help was asked for.
var errHelp = pflag.ErrHelp

func newFlags(o *options) *pflag.FlagSet {
	f := pflag.NewFlagSet("train", pflag.ContinueOnError)
	f.SortFlags = false
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.StringVar(&o.recipe, "recipe", "", "`file` or built-in name of the recipe")
	f.StringArrayVar(&o.set, "set", nil, "override one `key=value` of the recipe; may be repeated")
	f.StringVar(&o.out, "out", "", "`folder` of the run (default runs/<recipe name>/<start time>)")
	f.StringVar(&o.resume, "resume", "", "go on with the run in this `folder`")
	f.StringVar(&o.device, "device", "", "`device`: auto, cpu, cuda or cuda:N; short for -set train.device=...")
	f.BoolVar(&o.dryRun, "dry-run", false, "build everything, run one iteration, print figures, write nothing")
	f.StringVar(&o.showAugmented, "show-augmented", "", "write samples as training sees them, augmented, to this PNG `file`")
	f.BoolVar(&o.printConfig, "print-config", false, "print the resolved recipe, each value marked default, recipe or override")
	f.BoolVar(&o.list, "list", false, "list built-in recipes, models and datasets")
	f.BoolVar(&o.version, "version", false, "print versions")
	f.Bool("help", false, "print this")
	o.given = f.Changed
	return f
}

// parseArgs reads the command line. Its errors are about usage.
func parseArgs(args []string) (*options, error) {
	o := &options{}
	f := newFlags(o)
	err := f.Parse(normalise(f, args))
	unknown := (*pflag.NotExistError)(nil)
	switch help := f.Lookup("help"); {
	case errors.As(err, &unknown):
		return nil, fmt.Errorf("%w%s", err, suggestFlag(f, unknown.GetSpecifiedName()))
	case err != nil:
		return nil, err
	case help.Value.String() == "true":
		return nil, errHelp
	case f.NArg() > 0 && o.recipe == "" && o.resume == "":
		return nil, fmt.Errorf("unexpected argument %q: did you mean -recipe %s?", f.Arg(0), f.Arg(0))
	case f.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q: everything is given by flags", f.Arg(0))
	}
	return o, o.check()
}

func (o *options) check() error {
	for _, name := range []string{"recipe", "out", "resume", "device", "show-augmented"} {
		value := map[string]string{"recipe": o.recipe, "out": o.out, "resume": o.resume, "device": o.device, "show-augmented": o.showAugmented}[name]
		if o.given(name) && value == "" {
			return fmt.Errorf("flag needs a value: --%s", name)
		}
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

// normalise makes -flag x, -flag=x, --flag x and --flag=x alike, all --flag=x: pflag by itself reads one dash as the
// beginning of one-letter flags, of which there are none here.
func normalise(f *pflag.FlagSet, args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(out, args[i:]...)
		}
		if len(arg) < 2 || arg[0] != '-' {
			out = append(out, arg)
			continue
		}
		name, _, hasValue := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		if name == "h" {
			name, arg = "help", "--help"
		}
		flag := f.Lookup(name)
		if !strings.HasPrefix(arg, "--") {
			arg = "-" + arg
		}
		takesValue := flag != nil && flag.NoOptDefVal == ""
		if takesValue && !hasValue && i+1 < len(args) { // whatever it begins with
			i++
			arg += "=" + args[i]
		}
		out = append(out, arg)
	}
	return out
}

func suggestFlag(f *pflag.FlagSet, name string) string {
	var known []string
	f.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if k := strict.Nearest(name, known); k != "" {
		return ", did you mean -" + k + "?"
	}
	return "; see -help"
}
