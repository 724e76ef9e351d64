package runs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/imori-ml/imori/recipes"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/trainer/rundir"
)

// command runs "imori runs" and returns what it prints and its exit status.
func command(t *testing.T, args ...string) (out, errs string, status int) {
	t.Helper()
	var o, e bytes.Buffer
	status = cli.Run(t.Context(), New(), args, &o, &e)
	return o.String(), e.String(), status
}

// made is a run of a model, begun and not ended, with a line of metrics.
func made(t *testing.T, path, recipe string, overrides ...string) *rundir.Dir {
	t.Helper()
	d, err := rundir.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if recipe != "" {
		r, err := recipes.Builtin(recipe, overrides)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.WriteRecipe(r.YAML()); err != nil {
			t.Fatal(err)
		}
	}
	logged(t, d, 1, "generator/loss", 0.5, "discriminator/loss", 1.25)
	if err := d.Begin(0, 100); err != nil {
		t.Fatal(err)
	}
	return d
}

func logged(t *testing.T, d *rundir.Dir, iteration int, fields ...any) {
	t.Helper()
	l, err := d.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	var all []rundir.Field
	for i := 0; i < len(fields); i += 2 {
		all = append(all, rundir.Field{Key: fields[i].(string), Value: fields[i+1]})
	}
	if err := l.Append(iteration, all); err != nil {
		t.Fatal(err)
	}
}

// ended ends a run, whose times are moved so that the newest is the one of day 1.
func ended(t *testing.T, d *rundir.Dir, state rundir.RunState, iteration int, day int) {
	t.Helper()
	var reason error
	if state == rundir.Failed {
		reason = errors.New("iteration 7: out of memory\nand more")
	}
	if err := d.End(state, iteration, reason); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(d.Path(), "status.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	started := time.Date(2026, 1, 30-day, 12, 0, 0, 0, time.Local)
	b = regexp.MustCompile(`"started": "[^"]*"`).ReplaceAll(b, fmt.Appendf(nil, `"started": %q`, started.Format(time.RFC3339)))
	b = regexp.MustCompile(`"seconds": [0-9.e-]*`).ReplaceAll(b, []byte(`"seconds": 75`))
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// manyRuns are runs in all states, three levels deep.
func manyRuns(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	t.Chdir(root)
	made(t, "runs/gan_digits/now", "gan_digits")
	d := made(t, "runs/gan_digits/done", "gan_digits")
	logged(t, d, 100, "generator/loss", 0.25, "discriminator/loss", math.NaN(), "test/kl.3", 1.5)
	ended(t, d, rundir.Finished, 100, 2)
	ended(t, made(t, "runs/failed", "vae_digits"), rundir.Failed, 7, 3)
	ended(t, made(t, "runs/a/b/own", ""), rundir.Interrupted, 3, 4)
	ended(t, made(t, "runs/a/b/c/deep", ""), rundir.Interrupted, 3, 4)
	ended(t, made(t, "runs/wrong recipe", ""), rundir.Finished, 100, 5)
	write(t, "runs/wrong recipe/recipe.yaml", "name: x\nmodell: {type: gan}\n")
	ended(t, made(t, "runs/wrong status", "gan_digits"), rundir.Finished, 100, 5)
	write(t, "runs/wrong status/status.json", "{")
	write(t, "runs/notes.txt", "")
	if err := os.MkdirAll("runs/empty/checkpoints", 0o777); err != nil {
		t.Fatal(err)
	}
	return root
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestList(t *testing.T) {
	manyRuns(t)
	out, errs, status := command(t)
	if status != 0 || errs != "" {
		t.Fatalf("status %d: %s", status, errs)
	}
	var got []string
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		line = regexp.MustCompile(` {2,}`).ReplaceAllString(line, " | ")
		got = append(got, regexp.MustCompile(`20\d\d-\d\d-\d\d \d\d:\d\d \| \d+ s|20\d\d-\d\d-\d\d \d\d:\d\d \| - `).ReplaceAllString(line, "TIMES"))
	}
	want := []string{
		`RUN | RECIPE | MODEL | STATE | ITERATION | STARTED | TOOK | LAST LOSSES`,
		`runs/gan_digits/now | gan_digits | gan | running | 1/100 | TIMES | generator 0.5, discriminator 1.25`,
		`runs/gan_digits/done | gan_digits | gan | finished | 100/100 | 2026-01-28 12:00 | 1 min 15 s | generator 0.25, discriminator not finite`,
		`runs/failed | vae_digits | vae | failed | 7/100 | 2026-01-27 12:00 | 1 min 15 s | generator 0.5, discriminator 1.25`,
		` | iteration 7: out of memory (and 1 more line)`,
		`runs/a/b/own | - | - | interrupted | 3/100 | 2026-01-26 12:00 | 1 min 15 s | generator 0.5, discriminator 1.25`,
		`runs/wrong recipe | - | - | damaged | 100/100 | 2026-01-25 12:00 | 1 min 15 s | generator 0.5, discriminator 1.25`,
	}
	for _, w := range want {
		if !strings.Contains("\n"+strings.Join(got, "\n")+"\n", "\n"+w+"\n") {
			t.Errorf("no line\n%s\nin\n%s", w, strings.Join(got, "\n"))
		}
	}
	for _, part := range []string{
		"\n  runs/wrong recipe/recipe.yaml: model.type: found nothing", "\n  runs/wrong status/status.json is damaged: unexpected end of JSON input",
		"runs/wrong status     gan_digits  gan    damaged",
	} {
		if !strings.Contains(out, part) {
			t.Errorf("no %q in\n%s", part, out)
		}
	}
	if strings.Contains(out, "deep") || strings.Contains(out, "empty") {
		t.Errorf("it lists what is no run, or too deep:\n%s", out)
	}
	if strings.Index(out, "done") > strings.Index(out, "failed") || strings.Index(out, "failed") > strings.Index(out, "own") {
		t.Errorf("not the newest first:\n%s", out)
	}
}

// The process that a run was killed with has let go of its lock.
func TestListKilled(t *testing.T) {
	t.Chdir(t.TempDir())
	d := made(t, "runs/x", "gan_digits")
	d.Close()
	out, _, _ := command(t, "runs/x")
	if want := "its process was killed before the first checkpoint; imori train -resume runs/x begins anew"; !strings.Contains(out, "interrupted") || !strings.Contains(out, want) {
		t.Errorf("got\n%s", out)
	}
	if err := d.Lock(); err != nil {
		t.Fatal(err)
	}
	if err := d.SaveCheckpoint(&rundir.Checkpoint{State: rundir.State{Iteration: 40}}); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if out, _, _ = command(t, "."); !strings.Contains(out, "imori train -resume runs/x goes on from iteration 40") {
		t.Errorf("got\n%s", out)
	}
}

func TestListFilters(t *testing.T) {
	manyRuns(t)
	for args, want := range map[string]string{
		"-state running":                   "now",
		"-state damaged":                   "wrong recipe, wrong status",
		"-recipe gan_digits":               "now, done, wrong status",
		"-recipe gan_* -state finished":    "done",
		"-recipe * -state=interrupted":     "own",
		"-recipe dcgan_digits":             "",
		"runs/gan_digits":                  "now, done",
		"runs/gan_digits/done":             "done",
		"-state failed runs/gan_digits/..": "failed",
	} {
		out, errs, status := command(t, append(strings.Fields(args), "-json")...)
		var all []listed
		if err := json.Unmarshal([]byte(out), &all); err != nil || status != 0 || all == nil {
			t.Errorf("%s: status %d, %s, %v", args, status, errs, err)
		}
		found := map[string]bool{}
		for _, l := range all {
			found[filepath.Base(l.Path)] = true
		}
		for _, name := range strings.Split(want, ", ") {
			if name != "" && !found[name] || len(found) != len(strings.FieldsFunc(want, func(r rune) bool { return r == ',' })) {
				t.Errorf("%s lists %v, expected %s", args, found, want)
			}
		}
	}
	out, errs, status := command(t, "-recipe", "none")
	if out != "" || status != 0 || errs != "none of the 6 runs in runs is one of those\n" {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
}

func TestListJSON(t *testing.T) {
	manyRuns(t)
	out, _, _ := command(t, "-json", "runs/gan_digits/done")
	want := `[
  {
    "path": "runs/gan_digits/done",
    "recipe": "gan_digits",
    "model": "gan",
    "state": "finished",
    "iteration": 100,
    "iterations": 100,
    "checkpoint": null,
    "started": TIME,
    "ended": TIME,
    "seconds": 75,
    "metrics": {
      "discriminator/loss": null,
      "generator/loss": 0.25,
      "test/kl.3": 1.5
    }
  }
]
`
	if got := regexp.MustCompile(`"20[^"]*"`).ReplaceAllString(out, "TIME"); got != want {
		t.Errorf("got %s", got)
	}
}

func TestErrors(t *testing.T) {
	manyRuns(t)
	if err := os.Mkdir("bare", 0o777); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args, want string
		status     int
	}{
		{"bare", "runs: no runs in bare; `imori train -recipe NAME` makes a run in the folder runs\n", 1},
		{"none", "the folder none does not exist; `imori train", 1},
		{"runs/notes.txt", "runs/notes.txt is a file, expected a folder of runs, or the folder of a run", 1},
		{"a b", `unexpected argument "b", expected one folder`, 2},
		{"-state runing", `-state: found "runing", expected one of running, finished, interrupted, failed, damaged; did you mean running?`, 2},
		{"-recipe [", `-recipe: found "[", expected a name or a pattern`, 2},
		{"compare runs/failed", "runs compare: found 1 runs, expected 2 to 7", 2},
		{"compare a b c d e f g h", "found 8 runs, expected 2 to 7", 2},
		{"compare a b -out x.jpg", "-out: found the file x.jpg, expected a name that ends in .png", 2},
		{"compare runs/failed bare runs/none", "bare is not the folder of a run; `imori runs` lists those in the folder runs\n", 1},
		{"compare runs/failed /nope", "runs compare: the folder /nope does not exist\n", 1},
		{"compare runs/failed runs/gan_digits/now -out runs/notes.txt/x.png", "runs/notes.txt is a file, expected a folder to write into", 1},
	} {
		_, errs, status := command(t, strings.Fields(c.args)...)
		if status != c.status || !strings.Contains(errs, c.want) {
			t.Errorf("runs %s: status %d, %s\nwant %s", c.args, status, errs, c.want)
		}
	}
}

func TestCompare(t *testing.T) {
	root := manyRuns(t)
	other := made(t, "runs/other", "gan_digits", "train.seed=3", "model.slope=0.1")
	changed, err := recipes.Builtin("gan_digits", []string{"train.seed=2", "model.slope=0.1"}) // when it was resumed
	if err != nil {
		t.Fatal(err)
	}
	if err := other.WriteRecipeFrom(0, changed.YAML()); err != nil {
		t.Fatal(err)
	}
	out, errs, status := command(t, "compare", "runs/gan_digits/done", "runs/other", "-out", "new/picture.png")
	want := `A  runs/gan_digits/done  gan_digits  finished  100/100  1 min 15 s
B  runs/other            gan_digits  running   1/100    TOOK

RECIPE       A    B
model.slope  0.2  0.1
train.seed   1    2

LAST METRICS        A           B
iteration           100         1
generator/loss      0.25        0.5
discriminator/loss  not finite  1.25

curves: new/picture.png
`
	if got := regexp.MustCompile(`\d s\n\n`).ReplaceAllString(out, "TOOK\n\n"); got != want || errs != "" || status != 0 {
		t.Errorf("status %d: %s\n%s", status, errs, got)
	}
	f, err := os.Open(filepath.Join(root, "new/picture.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := png.Decode(f); err != nil {
		t.Error(err)
	}
	out, _, status = command(t, "compare", "runs/gan_digits/done", "runs/gan_digits/now", "runs/a/b/own/", "runs/wrong recipe")
	for _, part := range []string{
		"\nrecipes: the same\nwithout a recipe that can be read: C, D\n", "model.type: found nothing", "curves: runs-compare.png",
	} {
		if status != 0 || !strings.Contains(out, part) {
			t.Errorf("no %q in\n%s", part, out)
		}
	}
}

func TestShortNames(t *testing.T) {
	for paths, want := range map[string]string{
		"runs/a/1 runs/b/1/": "[a/1 b/1]",
		"runs/a runs/a":      "[a a]",
		"a b":                "[a b]",
		"/x/a/b /x/a":        "[a/b a]",
	} {
		if got := fmt.Sprint(shortNames(strings.Fields(paths))); got != want {
			t.Errorf("%s: got %s, want %s", paths, got, want)
		}
	}
}
