package trained

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/recipes"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
	"github.com/imori-ml/imori/trainer/rundir"
)

const (
	tinyGAN = `name: tiny
model: {type: gan, z_dim: 4, generator_hidden: [8], discriminator_hidden: [8]}
dataset: {type: digits, size: 8, count: 40}
train: {iterations: 4, batch_size: 4, threads: 1, device: cpu, checkpoint_every: 2, ema: 0.5}
`
	tinyVAE = `name: tiny
model: {type: vae, hidden: [8]}
dataset: {type: digits, size: 8, count: 40}
train: {iterations: 2, batch_size: 4, threads: 1, device: cpu}
`
)

// train makes a run and returns its folder.
func train(t *testing.T, recipe string) string {
	t.Helper()
	r, err := recipes.Parse("tiny.yaml", []byte(recipe), nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := r.TrainerOptions(context.Background(), datasets.Env{})
	if err != nil {
		t.Fatal(err)
	}
	o.Dir, o.Recipe = filepath.Join(t.TempDir(), "run"), r.YAML()
	tr, err := trainer.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if err := tr.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return o.Dir
}

func open(t *testing.T, path string, o Options) *Run {
	t.Helper()
	r, err := Open(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func do(t *testing.T, r *Run, f func() error) {
	t.Helper()
	if err := r.Do(f); err != nil {
		t.Fatal(err)
	}
}

// images are what the run's model makes of seeds 0 to 3.
func images(t *testing.T, r *Run) (pixels []float32) {
	t.Helper()
	do(t, r, func() error {
		m, err := r.Sampler()
		if err == nil {
			pixels = torchx.Float32s(m.Generate(r.Latents(m, []int64{0, 1, 2, 3}, 0), torch.Tensor{}))
		}
		return err
	})
	return pixels
}

func TestOpen(t *testing.T) {
	folder := train(t, tinyGAN)
	newest := open(t, folder, Options{})
	if newest.Iteration != 4 || !newest.Averaged || newest.Device != "cpu" || newest.Path != folder ||
		newest.Info.Name != "digits" || len(newest.Info.Classes) != 10 {
		t.Errorf("got %+v", newest)
	}
	want := images(t, newest)
	for name, path := range map[string]string{"the checkpoint": "checkpoints/00000004", "the link": "checkpoints/latest"} {
		r := open(t, filepath.Join(folder, path), Options{})
		if r.Iteration != 4 || !slices.Equal(images(t, r), want) {
			t.Errorf("%s: got another model", name)
		}
	}
	for name, o := range map[string]Options{"an older checkpoint": {Checkpoint: 2}, "weights of the last step": {LastWeights: true}} {
		r := open(t, folder, o)
		if slices.Equal(images(t, r), want) || r.Averaged == o.LastWeights {
			t.Errorf("%s: got the averages of the newest", name)
		}
	}
}

// A run whose recipe was changed when it was resumed has in each checkpoint the one that made it.
func TestOpenTakesTheCheckpointsRecipe(t *testing.T) {
	folder := train(t, tinyGAN)
	file := filepath.Join(folder, "recipe.yaml")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(b), "count: 40", "count: 50", 1)
	if changed == string(b) {
		t.Fatalf("nothing to change in\n%s", b)
	}
	if err := os.WriteFile(file, []byte(changed), 0o666); err != nil {
		t.Fatal(err)
	}
	if got := open(t, folder, Options{}).Recipe.Dataset.Options.(*datasets.DigitsOptions).Count; got != 40 {
		t.Errorf("it was trained on %d digits, expected 40", got)
	}
}

// Opening a model draws weights; a training in the same process must not notice.
func TestOpenLeavesGenerators(t *testing.T) {
	folder := train(t, tinyGAN)
	// The networks of the training go now, not while tensors are counted. Finalizers run beside us.
	for range 3 {
		runtime.GC()
		time.Sleep(5 * time.Millisecond)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	before := torchx.GeneratorState("cpu")
	live := torchx.LiveTensors()
	r := open(t, folder, Options{})
	images(t, r)
	if !slices.Equal(torchx.GeneratorState("cpu"), before) {
		t.Error("the default generator has moved")
	}
	parameters := 0
	for _, n := range r.Model.Networks() {
		parameters += len(n.Module.State())
	}
	if got := torchx.LiveTensors() - live; got != parameters {
		t.Errorf("%d tensors were left, expected the %d of the networks", got, parameters)
	}
}

func TestOpenRefuses(t *testing.T) {
	folder := train(t, tinyGAN)
	lone := t.TempDir()
	if err := os.CopyFS(filepath.Join(lone, "c"), os.DirFS(filepath.Join(folder, "checkpoints/00000004"))); err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir()
	if err := os.CopyFS(broken, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	weights := filepath.Join(broken, "checkpoints/00000004/generator.safetensors")
	data, err := os.ReadFile(weights)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(weights, data, 0o666); err != nil {
		t.Fatal(err)
	}
	partial := t.TempDir()
	if err := os.CopyFS(partial, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(partial, "checkpoints/00000004/discriminator.safetensors")); err != nil {
		t.Fatal(err)
	}
	torn := t.TempDir()
	if err := os.CopyFS(torn, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(torn, "checkpoints/00000004/state.json")); err != nil {
		t.Fatal(err)
	}
	around := t.TempDir()
	for _, name := range []string{"x/1", "x/2", "x/3", "x/4"} {
		if err := os.CopyFS(filepath.Join(around, name), os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
	}
	norecipe := t.TempDir()
	if err := os.CopyFS(norecipe, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(norecipe, "recipe.yaml")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path string
		o    Options
		want string
	}{
		{"/nowhere", Options{}, "/nowhere: no such file"},
		{filepath.Join(folder, "recipe.yaml"), Options{}, "is a file, expected the folder of a run"},
		{lone, Options{}, "is not the folder of a run"},
		{filepath.Join(lone, "c"), Options{}, "is not in the folder of a run: its recipe was expected at"},
		{filepath.Join(broken, "checkpoints/00000004"), Options{}, "generator.safetensors"},
		{filepath.Join(partial, "checkpoints/00000004"), Options{}, "discriminator.safetensors"},
		{norecipe, Options{}, "has no recipe.yaml"},
		{folder, Options{Checkpoint: 3}, "has no checkpoint of iteration 3, expected one of [2 4]"},
		{folder, Options{Threads: -2}, "the number of threads is -2, expected at least 1"},
		{folder, Options{Threads: 100000}, "the number of threads is 100000"},
		{broken, Options{}, "is damaged: its sha256 is"},
		{broken, Options{}, "...; another one is 2"},
		{filepath.Join(broken, "checkpoints/latest"), Options{}, "...; another one is 2"},
		{broken, Options{Checkpoint: 4}, "...; another one is 2"},
		{filepath.Join(torn, "checkpoints/00000004"), Options{}, "checkpoints/00000004 is not whole: it has no state.json; another one is 2"},
		{filepath.Join(folder, "checkpoints"), Options{}, "/checkpoints lies in the folder of a run, " + folder + "; did you mean that?"},
		{around, Options{}, around + " is not the folder of a run, but holds runs: " + around + "/x/4, " + around + "/x/3, " + around + "/x/2 and 1 more"},
		{filepath.Join(folder, "checkpoints/latest"), Options{Checkpoint: 2}, "expected the folder of a run"},
		{folder, Options{Device: "cuda:77"}, "cuda:77"},
	} {
		if _, err := Open(context.Background(), test.path, test.o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", test.path, err, test.want)
		}
	}
}

// A run that was given by a relative path has one, whichever folder of it was named.
func TestOpenRelative(t *testing.T) {
	folder := train(t, tinyGAN)
	t.Chdir(filepath.Dir(folder))
	name := filepath.Base(folder)
	for _, path := range []string{name, name + "/checkpoints/latest", name + "/checkpoints/00000002/"} {
		if r := open(t, path, Options{}); r.Path != name {
			t.Errorf("%s: the run's path is %s", path, r.Path)
		}
	}
	t.Chdir(name + "/checkpoints/00000002")
	if r := open(t, ".", Options{}); r.Path != "../.." {
		t.Errorf("the run's path is %s", r.Path)
	}
}

func TestAbilities(t *testing.T) {
	gan, vae := open(t, train(t, tinyGAN), Options{}), open(t, train(t, tinyVAE), Options{})
	if _, err := vae.Encoder(); err != nil {
		t.Error(err)
	}
	for _, err := range []error{errorOf(gan.Translator()), errorOf(gan.Reconstructor()), errorOf(gan.Encoder())} {
		if err == nil || !strings.Contains(err.Error(), "model gan ") || !strings.Contains(err.Error(), "what it can do: make images from latents") {
			t.Errorf("got %v", err)
		}
	}
	if err := errorOf(vae.Translator()); err == nil || !strings.Contains(err.Error(), "find latents of images, reconstruct images") {
		t.Errorf("got %v", err)
	}
}

func errorOf[T any](_ T, err error) error { return err }

func TestLatents(t *testing.T) {
	r := open(t, train(t, tinyVAE), Options{})
	latents := func(truncation float64, seeds ...int64) (values []float32) {
		do(t, r, func() error {
			values = torchx.Float32s(r.Latents(r.Model.(models.Sampler), seeds, truncation))
			return nil
		})
		return values
	}
	all := latents(0, 5, 6, 7)
	if one := latents(0, 6); !slices.Equal(one, all[2:4]) {
		t.Errorf("the latent of seed 6 is %v alone, %v among others", one, all[2:4])
	}
	var seeds []int64
	for i := range int64(200) {
		seeds = append(seeds, i)
	}
	free, near := latents(0, seeds...), latents(0.5, seeds...)
	beyond := 0
	for i, v := range free {
		if near[i] < -0.5 || near[i] > 0.5 {
			t.Fatalf("%g is beyond 0.5", near[i])
		}
		if v >= -0.5 && v <= 0.5 {
			continue
		}
		if beyond++; near[i] == v {
			t.Fatal("it was not drawn again")
		}
	}
	if beyond < 200 {
		t.Errorf("only %d of 400 draws of N(0, 1) are beyond 0.5", beyond)
	}
	do(t, r, func() error {
		noise := NewNoise(1)
		defer noise.Close()
		for _, v := range torchx.Float32s(truncated{noise, 0.5}.Uniform(-1, 3, 1000)) {
			if v < 0 || v > 2 {
				t.Fatalf("%g is not in the middle half of [-1, 3]", v)
			}
		}
		return nil
	})
}

func TestData(t *testing.T) {
	r := open(t, train(t, tinyVAE), Options{})
	data, test, err := r.Data(context.Background())
	if err != nil || !test {
		t.Fatalf("digits have test images: %v, %v", test, err)
	}
	some, err := datasets.Pick(data, []int{3, 1, 4, 1, 5})
	if err != nil {
		t.Fatal(err)
	}
	do(t, r, func() error {
		whole, err := r.Batch(some)
		if err != nil {
			return err
		}
		want, got := torchx.Float32s(whole.Images), []float32{}
		sizes := []int64{}
		err = r.Each(some, 2, func(b trainer.Batch) error {
			got = append(got, torchx.Float32s(b.Images)...)
			sizes = append(sizes, torchx.Shape(b.Images)[0])
			return nil
		})
		if !slices.Equal(got, want) || !slices.Equal(sizes, []int64{2, 2, 1}) || len(want) != 5*64 {
			t.Errorf("got batches of %v with other images than the whole", sizes)
		}
		if labels := torchx.Int64s(whole.Labels); !slices.Equal(labels, []int64{3, 1, 4, 1, 5}) {
			t.Errorf("labels %v", labels)
		}
		again := torchx.Float32s(r.Model.(models.Reconstructor).Reconstruct(whole.Images))
		enc := r.Model.(models.Encoder)
		for i, v := range torchx.Float32s(enc.Decode(enc.Codes(whole.Images))) {
			if math.Abs(float64(v-again[i])) > 1e-6 {
				t.Fatal("Decode(Codes(x)) is not Reconstruct(x)")
			}
		}
		return err
	})
	larger, err := (&datasets.DigitsOptions{Size: 16, Channels: 1, Count: 10, Split: "test"}).Open(context.Background(), datasets.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Fits(larger); err == nil || !strings.Contains(err.Error(), "are 1x16x16 (channels, height, width), expected 1x8x8") {
		t.Errorf("got %v", err)
	}
}

// The sizes that a checkpoint gives are believed only as far as samples can have them.
func TestOpenRefusesSizes(t *testing.T) {
	folder := train(t, tinyVAE)
	dir, err := rundir.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.Lock(); err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	c, err := dir.LatestCheckpoint()
	if err != nil {
		t.Fatal(err)
	}
	for _, sizes := range []string{`{"channels":1,"height":-8,"width":8}`, `{"channels":1,"height":4294967296,"width":4294967296}`} {
		c.State.Extra["dataset"] = json.RawMessage(sizes)
		if err := dir.SaveCheckpoint(c); err != nil {
			t.Fatal(err)
		}
		want := filepath.Join(folder, "checkpoints/00000002/state.json") + ": the checkpoint says of the data that its images are 1x"
		if _, err := Open(context.Background(), folder, Options{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error is %v, expected %q", sizes, err, want)
		}
	}
	delete(c.State.Extra, "dataset") // as older versions: the data tell
	if err := dir.SaveCheckpoint(c); err != nil {
		t.Fatal(err)
	}
	if r := open(t, folder, Options{}); r.Info.Height != 8 {
		t.Errorf("the data are %+v", r.Info)
	}
}
