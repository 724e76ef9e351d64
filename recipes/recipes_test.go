package recipes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/internal/fuzztest"
	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/recipes/strict"
	"github.com/imori-ml/imori/torchx"
)

const small = `name: small
model: {type: dcgan}
dataset: {type: digits, size: 16, count: 20, augment: [flip]}
`

func parse(t *testing.T, data string, overrides ...string) *Recipe {
	t.Helper()
	r, err := Parse("x.yaml", []byte(data), overrides)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// same compares two recipes by what they decode to; an empty list is a nil one.
func same(a, b *Recipe) bool {
	x, y := *a, *b
	x.doc, y.doc = nil, nil
	if len(x.Dataset.Augment)+len(y.Dataset.Augment) == 0 {
		x.Dataset.Augment, y.Dataset.Augment = nil, nil
	}
	return reflect.DeepEqual(x, y)
}

// roundTrip loads what the recipe prints. It checks every default as well, since
// values that are printed are values that are given.
func roundTrip(t *testing.T, r *Recipe) {
	t.Helper()
	for _, printed := range [][]byte{r.YAML(), r.Annotated()} {
		again := parse(t, string(printed))
		if !same(r, again) || string(again.YAML()) != string(r.YAML()) {
			t.Errorf("printed\n%s\nread back as\n%s", printed, again.YAML())
		}
	}
}

func TestBuiltins(t *testing.T) {
	names := BuiltinNames()
	for _, want := range []string{"cgan_digits", "dcgan_cifar10", "dcgan_digits", "wgan_cifar10", "wgan_digits"} {
		if !slices.Contains(names, want) {
			t.Errorf("no built-in %s among %v", want, names)
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			r, err := Builtin(name, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.Name != name {
				t.Errorf("its name is %s", r.Name)
			}
			about := BuiltinAbout(name)
			if !strings.Contains(about, "minute") && !strings.Contains(about, "hour") && !strings.Contains(about, "day") {
				t.Errorf("its comment does not say how long it takes: %q", about)
			}
			roundTrip(t, r)
			// What decides the pictures is in the file for all to see.
			for _, e := range r.Entries() {
				if slices.Contains([]string{"train.iterations", "train.batch_size", "dataset.size", "optimizer.generator.lr"}, e.Key) && e.Origin != strict.Recipe {
					t.Errorf("%s is a %s", e.Key, e.Origin)
				}
			}
		})
	}
	r, err := Builtin("wgan_cifar10", nil)
	if err != nil || r.Train.Iterations != 100_000 {
		t.Errorf("wgan_cifar10: %+v, %v", r.Train, err)
	}
}

func TestUnknownBuiltin(t *testing.T) {
	builtins := strings.Join(BuiltinNames(), ", ")
	for name, want := range map[string]string{
		"dcgan_digit": `there is no built-in recipe "dcgan_digit", expected one of ` + builtins + `; did you mean dcgan_digits?`,
		"../strict/x": `there is no built-in recipe "../strict/x", expected one of ` + builtins,
	} {
		if _, err := Builtin(name, nil); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if about := BuiltinAbout("nothing"); about != "" {
		t.Errorf("about nothing: %q", about)
	}
}

func TestLoad(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "a.yaml")
	if err := os.WriteFile(path, []byte(small), 0o666); err != nil {
		t.Fatal(err)
	}
	r, err := Load(path, []string{"train.iterations=3"})
	if err != nil || r.Name != "small" || r.Train.Iterations != 3 {
		t.Errorf("got %+v, %v", r, err)
	}
	for path, want := range map[string]string{
		filepath.Join(folder, "none.yaml"): "none.yaml: no such file, expected a recipe's file or one of the built-in recipes: " + BuiltinNames()[0] + ", ",
		folder:                             folder + ": found a folder, expected a recipe's file, such as " + folder + "/recipe.yaml, or one of the built-in recipes: ",
		path + "/b.yaml":                   path + "/b.yaml: cannot read it: not a directory; expected a recipe's file that may be read",
	} {
		if _, err := Load(path, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	large := filepath.Join(folder, "large.yaml")
	if err := os.WriteFile(large, make([]byte, 2*strict.MaxSize), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(large, nil); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}

// Whatever a recipe leaves out comes from the model, dataset, optimiser and
// trainer; every combination of types has defaults that pass their own checks.
func TestDefaults(t *testing.T) {
	for _, model := range models.Names() {
		plugin, _ := models.Lookup(model)
		for _, dataset := range datasets.Names() {
			for _, optimizer := range append(torchx.OptimizerTypes(), "") {
				var overrides []string
				for _, o := range plugin.Optimizers() {
					if optimizer != "" {
						overrides = append(overrides, "optimizer."+o.Network+".type="+optimizer)
					}
				}
				r := parse(t, "name: x\nmodel: {type: "+model+"}\ndataset: {type: "+dataset+"}", overrides...)
				roundTrip(t, r)
				if r.Train.Iterations != plugin.Iterations || r.Train.BatchSize != plugin.BatchSize {
					t.Errorf("%s: %+v", model, r.Train)
				}
				source, _ := datasets.Lookup(dataset)
				if !reflect.DeepEqual(r.Model.Options, plugin.Options()) || !reflect.DeepEqual(r.Dataset.Options, source.Options()) {
					t.Errorf("%s, %s: %+v, %+v", model, dataset, r.Model, r.Dataset)
				}
				for i, o := range plugin.Optimizers() {
					want := o.Options
					if optimizer != "" && optimizer != o.Options.TypeName() {
						want, _ = torchx.NewOptimizerOptions(optimizer)
					}
					if got := r.Optimizers[i]; got.Network != o.Network || !reflect.DeepEqual(got.Options, want) {
						t.Errorf("%s: got %s %+v, want %s %+v", model, got.Network, got.Options, o.Network, want)
					}
				}
			}
		}
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name, data string
		overrides  []string
		want       string
	}{
		{"only a name", "name: x", nil, `x.yaml: model.type: found nothing, expected one of MODELS
x.yaml: dataset.type: found nothing, expected one of DATASETS`},
		{"no name", small[strings.Index(small, "\n"):], nil, `x.yaml: name: found nothing, expected a name for the recipe, such as "name: my_gan"; its runs go into a folder of that name`},
		{"empty name", small, []string{`name=""`}, `-set name="": name: found "", expected a folder's name: letters, digits, _, - and dots, 100 bytes at most, beginning with a letter or digit`},
		{"path as name", small, []string{"name=a/b"}, `-set name=a/b: name: found "a/b", expected a folder's name: letters, digits, _, - and dots, 100 bytes at most, beginning with a letter or digit`},
		{"type alone", "name: x\nmodel: wgan\ndataset: digits", nil, `x.yaml:2:8: model: found "wgan", expected a mapping; write {type: wgan}
x.yaml:3:10: dataset: found "digits", expected a mapping; write {type: digits}`},
		{"misspelt model", "name: x\nmodel: {type: wgna, z: 1}\ndataset: {type: digits}\noptimizer: {crtic: {}}", nil, `x.yaml:2:15: model.type: found "wgna", expected one of MODELS; did you mean wgan?
` + "x.yaml:2:21: model.z: unknown key; " + `KNOWN
x.yaml:4:13: optimizer.crtic: unknown key; did you mean critic?`},
		{"unknown model", "name: x\nmodel: {type: diffusion, z: 1}\ndataset: {type: digits}\noptimizer: {crtic: {}}", nil, `x.yaml:2:15: model.type: found "diffusion", expected one of MODELS`},
		{"another model's network", small + "optimizer: {critic: {type: adam}}", nil, `x.yaml:4:13: optimizer.critic: unknown key; known here: generator, discriminator`},
		{"another optimiser's key", small + "optimizer: {generator: {type: rmsprop, betas: [0, 0]}}", nil, `x.yaml:4:40: optimizer.generator.betas: unknown key; it belongs in optimizer.discriminator`},
		{"learning rate of nothing", small + "train: {lr: 1}", nil, `x.yaml:4:9: train.lr: unknown key; it belongs in optimizer.generator or optimizer.discriminator`},
		{"augmentation", small, []string{"dataset.augment=[flop]"}, `-set dataset.augment=[flop]: dataset.augment[0]: found "flop", expected one of AUGMENTATIONS; did you mean flip?`},
		{"augmentation's key", strings.Replace(small, "[flip]", "[flip, {type: rotate, degrees: 15, fil: black}, {type: crop, scale: [1, 0.7]}]", 1), nil, `x.yaml:3:90: dataset.augment[1].fil: unknown key; did you mean fill?
x.yaml:3:123: dataset.augment[2].scale: found [1.0, 0.7], expected numbers in ascending order`},
		{"augmentation's value", small, []string{"dataset.augment=[{type: rotate, degrees: 200}]"}, `-set dataset.augment=[{type: rotate, degrees: 200}]: dataset.augment[0].degrees: found 200, expected a number from 0 to 180`},
		{"augmentation's name as a key", small, []string{"dataset.augment=[{rotate: 15}]"}, `-set dataset.augment=[{rotate: 15}]: dataset.augment[0].type: found nothing, expected one of AUGMENTATIONS; write {type: rotate, ...}`},
		{"augmentation outside the list", strings.Replace(small, "[flip]", "[rotate], degrees: 5", 1), nil, `x.yaml:3:65: dataset.degrees: unknown key; it belongs in dataset.augment[0]`},
		{"contradiction in the model", small, []string{"model.loss=hinge", "model.label_smoothing=0.1"}, `x.yaml:2:1: model: label smoothing is 0.1 with the hinge loss, which has no labels to smooth; expected 0, or the loss bce or least_squares`},
		{"contradiction in the dataset", small, []string{"dataset.outlines=true", "dataset.channels=3"}, `x.yaml:3:1: dataset: outlines is true with 3 channels, expected 1 channel: an outline does not tell the digit's colours`},
		{"a dataset's missing names", strings.Replace(small, "digits, size: 16, count: 20", "paired, size: 16, target: classes", 1), nil, `x.yaml:3:1: dataset: target_classes has 0 names, expected 2 to 256: those of the pixels' values 0, 1 and so on`},
		{"contradiction in an optimiser", small, []string{"optimizer.generator={type: sgd, nesterov: true}"}, `-set optimizer.generator={type: sgd, nesterov: true}: optimizer.generator: nesterov is true with momentum 0 and dampening 0, expected a momentum above 0 and no dampening`},
		{"contradiction in training", small, []string{"train.clip_norm=1", "train.clip_value=1"}, `-set train.clip_norm=1: train: clip_norm is 1 and clip_value 1, expected one of them to be 0`},
		{"device", small, []string{"train.device=gpu"}, `-set train.device=gpu: train.device: found "gpu", expected auto, cpu, cuda (a GPU) or cuda:N (the GPU of that number)`},
		{"device's number", small, []string{"train.device=cuda:-1"}, `-set train.device=cuda:-1: train.device: found "cuda:-1", expected auto, cpu, cuda (a GPU) or cuda:N (the GPU of that number)`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte(test.data), test.overrides)
			var errs strict.Errors
			if !errors.As(err, &errs) {
				t.Fatalf("got %v", err)
			}
			all := strings.NewReplacer(
				"AUGMENTATIONS", strings.Join(datasets.AugmentationNames(), ", "),
				"DATASETS", strings.Join(datasets.Names(), ", "),
				"MODELS", strings.Join(models.Names(), ", ")).Replace(test.want)
			got, want := strings.Split(err.Error(), "\n"), strings.Split(all, "\n")
			if len(got) != len(want) {
				t.Fatalf("got\n%v\nwant\n%s", err, test.want)
			}
			for i := range got {
				// A model's keys are its own business.
				if begin, ok := strings.CutSuffix(want[i], "KNOWN"); ok && strings.HasPrefix(got[i], begin) {
					continue
				}
				if got[i] != want[i] {
					t.Errorf("got\n%s\nwant\n%s", got[i], want[i])
				}
			}
		})
	}
}

// TestAugment: names alone, mappings and blocks decode alike, and every
// augmentation prints so that it loads back.
func TestAugment(t *testing.T) {
	r := parse(t, small, "dataset.augment=[flip,{type: rotate, degrees: 5}, {type: flip, p: 1}]")
	want := []Augmentation{{"flip", &datasets.Flip{P: 0.5}}, {"rotate", &datasets.Rotate{Degrees: 5, Fill: "reflect"}}, {"flip", &datasets.Flip{P: 1}}}
	if !reflect.DeepEqual(r.Dataset.Augment, want) {
		t.Errorf("got %+v", r.Dataset.Augment)
	}
	roundTrip(t, r)
	block := parse(t, strings.Replace(small, "{type: digits, size: 16, count: 20, augment: [flip]}",
		"\n  type: digits\n  size: 16\n  count: 20\n  augment:\n  - flip\n  - type: rotate\n    degrees: 5\n  - {type: flip, p: 1}", 1))
	if !same(r, block) {
		t.Errorf("as a block: %+v", block.Dataset.Augment)
	}
	for _, name := range datasets.AugmentationNames() {
		bare := parse(t, small, "dataset.augment=["+name+"]")
		roundTrip(t, bare)
		plugin, _ := datasets.LookupAugmentation(name)
		if want := []Augmentation{{name, plugin.Options()}}; !reflect.DeepEqual(bare.Dataset.Augment, want) {
			t.Errorf("%s: got %+v", name, bare.Dataset.Augment)
		}
		if !same(bare, parse(t, small, "dataset.augment=[{type: "+name+"}]")) {
			t.Errorf("%s is not {type: %s}", name, name)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "wgan_cifar10": true, "a-b.c": true, "2": true, "イモリ": true, "é": true, strings.Repeat("a", 100): true,
		"": false, ".": false, "..": false, ".a": false, "-a": false, "_": false, "a.": false, "a/b": false, `a\b`: false, "a b": false, "a\n": false, "a:b": false, "~": false,
		strings.Repeat("a", 101): false,
	} {
		if got := folderName(name); got != want {
			t.Errorf("%q: got %v", name, got)
		}
	}
}

func TestTrainerOptions(t *testing.T) {
	r := parse(t, small, "train.batch_size=4", "optimizer.generator.lr=0.5")
	o, err := r.TrainerOptions(context.Background(), datasets.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if o.Config != r.Train || o.BatchSize != 4 || o.Dataset.Len() != 20 || len(o.Augment) != 1 || len(o.Optimizers) != 2 || o.Build == nil {
		t.Errorf("got %+v", o)
	}
	if flip, ok := o.Augment[0].(*datasets.Flip); !ok || flip.P != 0.5 {
		t.Errorf("the augmentation is %+v", o.Augment[0])
	}
	if adam, ok := o.Optimizers["generator"].(*torchx.Adam); !ok || adam.LR != 0.5 || adam.Betas != [2]float64{0.5, 0.999} {
		t.Errorf("the generator's optimiser is %+v", o.Optimizers["generator"])
	}
}

func TestTrainerOptionsErrors(t *testing.T) {
	for name, test := range map[string]struct {
		overrides []string
		want      string
	}{
		"size":  {[]string{"dataset.size=30"}, "x.yaml:2:8: model: the dataset digits does not fit: "},
		"files": {[]string{"dataset={type: cifar10, root: /nonexistent, download: false}"}, "recipe small: dataset cifar10: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, small, test.overrides...).TrainerOptions(context.Background(), datasets.Env{})
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	a := parse(t, small)
	if c := Compare(a, parse(t, small), parse(t, small)); c != nil {
		t.Errorf("three that are the same: %+v", c)
	}
	if Compare() != nil || Compare(a) != nil {
		t.Error("none and one have no differences")
	}
	got := Compare(a, parse(t, small, "train.seed=2"), parse(t, small, "dataset.augment=[{type: flip}, vertical_flip]", "train.seed=3"))
	want := []Comparison{
		{"train.seed", []string{"1", "2", "3"}},
		{"dataset.augment[1].type", []string{"", "", "vertical_flip"}},
		{"dataset.augment[1].p", []string{"", "", "0.5"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDiff(t *testing.T) {
	old := parse(t, small)
	if d := Diff(old, parse(t, string(old.YAML()))); d != nil {
		t.Errorf("no change, but %+v", d)
	}
	changed := parse(t, small, "train.iterations=7", "train.preview_every=9", "train.seed=2", "train.batch_size=3", "dataset.size=20", "train.device=cpu", "train.tensorboard=false")
	want := []Difference{
		{"dataset.size", "16", "20", Harmful},
		{"train.iterations", "20000", "7", Harmless},
		{"train.batch_size", "64", "3", Fatal},
		{"train.seed", "1", "2", Fatal},
		{"train.device", "auto", "cpu", Harmless},
		{"train.preview_every", "500", "9", Harmless},
		{"train.tensorboard", "true", "false", Harmless},
	}
	if got := Diff(old, changed); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, c := range []struct {
		overrides []string
		effect    Effect
	}{
		{[]string{"train.schedule=linear"}, Harmful}, // the rates of all iterations hang on their number
		{[]string{"train.schedule=cosine", "train.decay_until=100"}, Harmless},
		{[]string{"train.warmup=10"}, Harmless},
	} {
		before := parse(t, small, c.overrides...)
		got := Diff(before, parse(t, small, append(c.overrides, "train.iterations=30000")...))
		if len(got) != 1 || got[0].Key != "train.iterations" || got[0].Effect != c.effect {
			t.Errorf("%v and more iterations: %+v, want %v", c.overrides, got, c.effect)
		}
	}
	augmented := Diff(old, parse(t, small, "dataset.augment=[{type: flip, p: 0.25}, vertical_flip]"))
	want = []Difference{
		{"dataset.augment[0].p", "0.5", "0.25", Harmful},
		{"dataset.augment[1].type", "", "vertical_flip", Harmful},
		{"dataset.augment[1].p", "", "0.5", Harmful},
	}
	if !reflect.DeepEqual(augmented, want) {
		t.Errorf("got  %+v\nwant %+v", augmented, want)
	}
	if got := Diff(old, parse(t, small, "dataset.augment=[]")); len(got) != 2 || got[0] != (Difference{"dataset.augment[0].type", "flip", "", Harmful}) {
		t.Errorf("without the flip: %+v", got)
	}
	other := parse(t, small, "optimizer.generator={type: rmsprop, lr: 0.0002}")
	got := Diff(old, other)
	for _, want := range []Difference{
		{"optimizer.generator.type", "adam", "rmsprop", Harmful},
		{"optimizer.generator.alpha", "", "0.99", Harmful},
		{"optimizer.generator.betas", "[0.5, 0.999]", "", Harmful},
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %+v in %+v", want, got)
		}
	}
	// Keys that still have a list of their own to be right.
	cifar, paired := parse(t, small, "dataset={type: cifar10}"), parse(t, small, "dataset={type: paired}")
	for _, key := range slices.Concat(harmless, fatal) {
		if !slices.ContainsFunc(slices.Concat(cifar.Entries(), paired.Entries()), func(e strict.Entry) bool { return e.Key == key }) {
			t.Errorf("there is no key %s", key)
		}
	}
}

func FuzzParse(f *testing.F) {
	target := fuzztest.New(f)
	for _, name := range BuiltinNames() {
		data, err := builtin.ReadFile(name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		target.Add(data, "train.iterations=5")
	}
	target.Add([]byte(small), "optimizer.generator.type=sgd")
	target.Add([]byte(small), "dataset.augment=[flip, {type: crop, scale: [0.5, 1]}, {}]")
	target.Add([]byte("name: a\nmodel: {type: wgna}"), "dataset.augment=[flip]")
	target.Fuzz(func(t *testing.T, data []byte, override string) {
		var r *Recipe
		fuzztest.Bounded(t, 8<<20+8192*(len(data)+len(override)), func() {
			r, _ = Parse("x.yaml", data, []string{override})
		})
		if r != nil {
			roundTrip(t, r)
		}
	})
}

// TestTestImages: models whose pictures show test images get them, from the same
// settings; where one trains on them, there are none.
func TestTestImages(t *testing.T) {
	const text = "name: x\nmodel: {type: %s}\ndataset: {type: digits, size: 16, count: 20, split: %s}"
	first := func(d datasets.Dataset) []float32 {
		s := datasets.Sample{Image: make([]float32, 16*16)}
		if err := d.Read(0, &s); err != nil {
			t.Fatal(err)
		}
		return s.Image
	}
	for _, c := range []struct {
		model, split string
		test         bool
	}{{"ae", "train", true}, {"ae", "test", false}, {"gan", "train", false}} {
		o, err := parse(t, fmt.Sprintf(text, c.model, c.split)).TrainerOptions(t.Context(), datasets.Env{})
		if err != nil {
			t.Fatal(err)
		}
		if (o.Test != nil) != c.test {
			t.Errorf("%+v: got test images %v", c, o.Test)
		}
		if c.test && slices.Equal(first(o.Test), first(o.Dataset)) {
			t.Errorf("%+v: the first test image is the first training image", c)
		}
	}
}

// TestCompareLong: a recipe of the largest size takes no time that grows with its square.
func TestCompareLong(t *testing.T) {
	long := parse(t, small, "dataset.augment=["+strings.Repeat("flip,", 60_000)+"]")
	start := time.Now()
	if c := Compare(long, long); c != nil {
		t.Errorf("found %d differences", len(c))
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
