package train

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/trainer"
)

// TestMain lets the test binary be the command, for tests that need a process.
func TestMain(m *testing.M) {
	if os.Getenv("TRAIN_TEST_AS_COMMAND") != "" {
		cli.Main(New())
	}
	os.Exit(m.Run())
}

const tiny = `name: tiny
model: {type: dcgan, z_dim: 4, generator_channels: [4, 4], discriminator_channels: [4, 4]}
dataset: {type: digits, size: 16, count: 40}
train: {iterations: 4, batch_size: 4, threads: 1, log_every: 2, preview_every: 2, checkpoint_every: 2}
`

// inFolder makes an empty folder the working directory, with files in it.
func inFolder(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// typed runs the command as somebody types it, words separated by spaces.
func typed(line string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = cli.Run(context.Background(), New(), strings.Fields(line), &out, &errs)
	return status, out.String(), errs.String()
}

func mustType(t *testing.T, line string) string {
	t.Helper()
	status, stdout, stderr := typed(line)
	if status != 0 || stderr != "" {
		t.Fatalf("train %s: status %d\n%s%s", line, status, stdout, stderr)
	}
	return stdout
}

// files lists what is below the working directory.
func files(t *testing.T) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func expect(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in\n%s", part, text)
		}
	}
}

func TestTrainAndResume(t *testing.T) {
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	out := mustType(t, "-recipe tiny.yaml -out whole -set train.iterations=6")
	expect(t, out, "libtorch", "device    cpu", "digits: 40 images of 1x16x16, batches of 4", "network   generator", "network   discriminator",
		"run       whole: 6 iterations", "iteration 2/6", "discriminator/loss", "left\n", "iteration 6/6",
		"saved whole/checkpoints/00000006", "newest picture: whole/samples/00000006.png")
	if strings.ContainsAny(out, "\r\x1b") {
		t.Errorf("control characters, but this is no terminal:\n%q", out)
	}

	mustType(t, "--recipe=tiny.yaml --out=parts")
	out = mustType(t, "-resume parts -set train.iterations=6 -device=cpu")
	expect(t, out, "6 iterations, going on from 4", "iteration 6/6")
	if strings.Contains(out, "iteration 2/6") {
		t.Errorf("iteration 2 was done again:\n%s", out)
	}
	if whole, parts := read(t, "whole/metrics.jsonl"), read(t, "parts/metrics.jsonl"); whole != parts {
		t.Errorf("a resumed run differs from an uninterrupted one:\n%s\n%s", whole, parts)
	}
	out = mustType(t, "-resume parts -set train.iterations=6")
	expect(t, out, "nothing is left to do", "-set train.iterations=N")
}

// A run that was killed right behind its last checkpoint has all its iterations, but lacks what comes at the end.
func TestResumeOfAllIterations(t *testing.T) {
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	mustType(t, "-recipe tiny.yaml -out run")
	gif := read(t, "run/samples/training.gif")
	killed := strings.Replace(read(t, "run/status.json"), `"finished"`, `"running"`, 1)
	if err := errors.Join(os.Remove("run/samples/training.gif"), os.Remove("run/curves.png"), os.WriteFile("run/status.json", []byte(killed), 0o666)); err != nil {
		t.Fatal(err)
	}
	expect(t, mustType(t, "-resume run"), "done: 0 iterations")
	if read(t, "run/samples/training.gif") != gif {
		t.Error("the animation is another one")
	}
	expect(t, files(t), "run/curves.png")
	expect(t, read(t, "run/status.json"), `"finished"`)
	expect(t, mustType(t, "-resume run"), "nothing is left to do")
}

func TestAcceptChanges(t *testing.T) {
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	mustType(t, "-recipe tiny.yaml -out run -set train.iterations=2")
	before := read(t, "run/recipe.yaml")
	out := mustType(t, "-resume run -set train.iterations=4 -set optimizer.generator.lr=0.5 -accept-changes")
	expect(t, out, "warning: accepted: optimizer.generator.lr: 0.0002 in the run, 0.5 now", "the recipe from iteration 3 on: run/recipe-00000002.yaml", "iteration 4/4")
	expect(t, read(t, "run/recipe-00000002.yaml"), "lr: 0.5")
	if read(t, "run/recipe.yaml") != before {
		t.Error("the recipe that the run began with has changed")
	}
	// It is in the checkpoints, and taken from the latest one: nothing is to be said or accepted again.
	out = mustType(t, "-resume run -set train.iterations=6")
	expect(t, out, "the recipe from iteration 5 on: run/recipe-00000004.yaml", "iteration 6/6")
	if strings.Contains(out, "accepted") {
		t.Errorf("it was accepted before:\n%s", out)
	}
	expect(t, read(t, "run/recipe-00000004.yaml"), "lr: 0.5", "iterations: 6")
	expect(t, mustType(t, "-resume run -print-config"), "lr: 0.5 ", "iterations: 6 ")
	expect(t, mustType(t, "-resume run"), "nothing is left to do: the run has all its 6 iterations")
	status, _, stderr := typed("-resume run -set optimizer.generator.lr=0.0002")
	if status != cli.ExitWrong {
		t.Errorf("status %d", status)
	}
	expect(t, stderr, "optimizer.generator.lr: 0.5 in the run, 0.0002 now")
}

// TestFatalChanges: what the place in the data depends on cannot change, and nobody is told to accept it.
func TestFatalChanges(t *testing.T) {
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	mustType(t, "-recipe tiny.yaml -out run -set train.iterations=2")
	const harmful, refusal = "optimizer.generator.lr: 0.0002 in the run, 0.5 now", "begin a new run, or take back what follows:\n"
	for _, accept := range []string{"", " -accept-changes"} {
		status, stdout, stderr := typed("-resume run -set train.batch_size=5 -set train.seed=2 -set optimizer.generator.lr=0.5" + accept)
		if status != cli.ExitWrong || stdout != "" {
			t.Errorf("status %d, want %d before anything is opened:\n%s", status, cli.ExitWrong, stdout)
		}
		expect(t, stderr, refusal, "train.batch_size: 4 in the run, 5 now, which -accept-changes cannot help", "train.seed: 1 in the run, 2 now, which")
		if accepted := accept != ""; strings.Contains(stderr, harmful) == accepted {
			t.Errorf("accepted is %v:\n%s", accepted, stderr)
		}
	}
}

// TestResumeNearARun: what lies in or around the folder of a run leads to it.
func TestResumeNearARun(t *testing.T) {
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	mustType(t, "-recipe tiny.yaml -out runs/tiny/one -set train.iterations=2")
	for line, want := range map[string]string{
		"-resume runs/tiny/one/checkpoints/latest": "latest is a checkpoint, expected the folder of a run; did you mean runs/tiny/one?",
		"-resume runs/tiny/one/checkpoints":        "lies in the folder of a run, runs/tiny/one; did you mean that?",
		"-resume runs/tiny":                        "runs/tiny is not the folder of a run, but holds runs: runs/tiny/one",
	} {
		status, _, stderr := typed(line)
		if status != cli.ExitFailed {
			t.Errorf("%s: status %d", line, status)
		}
		expect(t, stderr, want)
	}
}

// TestAcceptLostLog: a log that lacks lines is refused with the flag that goes on all the same.
func TestAcceptLostLog(t *testing.T) {
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	mustType(t, "-recipe tiny.yaml -out run -set train.iterations=2")
	if err := os.Remove("run/metrics.jsonl"); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := typed("-resume run -set train.iterations=4")
	if status != cli.ExitFailed {
		t.Errorf("status %d", status)
	}
	expect(t, stderr, "metrics.jsonl in run lacks lines: found no line that can be read, expected those up to iteration", "-accept-changes")
	expect(t, mustType(t, "-resume run -set train.iterations=4 -accept-changes"), "warning: accepted: metrics.jsonl in run lacks lines", "iteration 4/4")
	mustType(t, "-resume run -set train.iterations=6") // it is accepted once
}

// TestKilledBehindAChange: what was said at a resume holds also for a run that was killed before its next checkpoint.
func TestKilledBehindAChange(t *testing.T) {
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	const change = " -set train.iterations=10000000 -set train.checkpoint_every=0 -set optimizer.generator.lr=0.5 -accept-changes"
	for name, begin := range map[string]string{"checkpoint": "-set train.iterations=2", "none": "-set train.checkpoint_every=0 -set train.iterations=10000000"} {
		from := 0
		if name == "checkpoint" {
			mustType(t, "-recipe tiny.yaml -out "+name+" "+begin)
			from = 2
		} else {
			kill(t, " 2/", "-recipe tiny.yaml -out "+name+" "+begin)
		}
		kill(t, fmt.Sprintf(" %d/10000000", from+4), "-resume "+name+change)
		out := mustType(t, "-resume "+name+" -print-config")
		expect(t, out, "iterations: 10000000 ", "checkpoint_every: 0 ", "lr: 0.5 ")
		status, _, stderr := typed("-resume " + name + " -set optimizer.generator.lr=0.0002")
		if status != cli.ExitWrong {
			t.Errorf("status %d", status)
		}
		expect(t, stderr, "optimizer.generator.lr: 0.5 in the run, 0.0002 now")
	}

	// A run that somebody makes go back goes on with the recipe of the checkpoint that it goes on from.
	mustType(t, "-recipe tiny.yaml -out back")
	mustType(t, "-resume back -set train.iterations=6 -set optimizer.generator.lr=0.5 -accept-changes")
	if err := errors.Join(os.Remove("back/checkpoints/latest"), os.Symlink("00000002", "back/checkpoints/latest")); err != nil {
		t.Fatal(err)
	}
	out := mustType(t, "-resume back")
	expect(t, out, "going on from 2", "the recipes with which it went on later are removed: recipe-00000004.yaml", "iteration 4/4")
	expect(t, mustType(t, "-resume back -print-config"), "lr: 0.0002 ", "iterations: 4 ")
}

// kill trains until a text appears, and then no more.
func kill(t *testing.T, text, line string) {
	t.Helper()
	c, _ := child(t, text, strings.Fields(line)...)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.Wait()
}

func TestDefaultFolder(t *testing.T) {
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	mustType(t, "-recipe tiny.yaml -set train.iterations=1")
	found, err := filepath.Glob("runs/tiny/2???????-??????/recipe.yaml")
	if err != nil || len(found) != 1 {
		t.Errorf("found %q, %v; want one run in runs/tiny/<start time>: %s", found, err, files(t))
	}
}

func TestDryRun(t *testing.T) {
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	out := mustType(t, "-recipe tiny.yaml -dry-run -out never")
	expect(t, out, "generator, ", " parameters", "0.weight", "64x4", "running_mean", "buffer", "phases", "updates discriminator",
		"loss ", "picture samples: 64x1x16x16", "peak memory: ", "nothing was written")
	if got := files(t); got != "tiny.yaml" {
		t.Errorf("it left %s", got)
	}
	for line, want := range map[string]string{
		"-set train.keep_best=test/mse":                           `train: train.keep_best: found "test/mse", expected one of discriminator/loss, `,
		"-set train.threads=30000":                                "train: cannot train: train.threads is 30000, expected at most ",
		"-set train.preview_every=0 -set train.keep_best=train/x": "figures of previews need a preview_every from 1 to ",
		"-set train.keep_best=generator":                          `found "generator", expected one of `,
	} {
		if status, _, stderr := typed("-recipe tiny.yaml -dry-run " + line); status == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%s: status %d, %s", line, status, stderr)
		}
	}
	mustType(t, "-recipe tiny.yaml -dry-run -set train.keep_best=generator/loss")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var partly, errs bytes.Buffer
	status := cli.Run(ctx, New(), strings.Fields("-recipe tiny.yaml -dry-run"), &partly, &errs)
	if status != cli.ExitInterrupted || errs.String() != "train: interrupted\n" || strings.Contains(partly.String(), "phases") {
		t.Errorf("interrupted: status %d\n%s%s", status, partly.String(), errs.String())
	}
}

func TestPrintConfig(t *testing.T) {
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	out := mustType(t, "-recipe tiny.yaml -set train.seed=7 -device cpu -print-config")
	for key, origin := range map[string]string{"seed: 7": "override", "device: cpu": "override", "z_dim: 4": "recipe", "log_every: 2": "recipe",
		"keep_checkpoints: 3": "default"} {
		found := false
		for line := range strings.Lines(out) {
			found = found || strings.HasPrefix(strings.TrimSpace(line), key+" ") && strings.Contains(line, "# "+origin+": ")
		}
		if !found {
			t.Errorf("no line %q marked %s in\n%s", key, origin, out)
		}
	}
	if err := os.WriteFile("again.yaml", []byte(out), 0o666); err != nil {
		t.Fatal(err)
	}
	plain := func(config string) string {
		var lines []string
		for line := range strings.Lines(config) {
			value, _, _ := strings.Cut(line, "#")
			lines = append(lines, strings.TrimRight(value, " \n"))
		}
		return strings.Join(lines, "\n")
	}
	if again := mustType(t, "-recipe again.yaml -print-config"); plain(again) != plain(out) {
		t.Errorf("the printed recipe reads back as another:\n%s\n%s", out, again)
	}
}

func TestInformation(t *testing.T) {
	inFolder(t, map[string]string{"dcgan_digits/x": ""}) // which does not hide the recipe of that name
	expect(t, mustType(t, "-recipe dcgan_digits -print-config"), "name: dcgan_digits")
	expect(t, mustType(t, "-list"), "dcgan_digits", "wgan_cifar10", "Models", "Wasserstein", "Datasets", "cifar10", "Augmentations", "vertical_flip")
	expect(t, mustType(t, "-version"), "imori", "go1.", "libtorch", "gotorch ", "build ")
	expect(t, mustType(t, "-help"), "Usage: train", "-recipe", "OMP_WAIT_POLICY", "Exit status", "dcgan_digits")
	status, stdout, stderr := typed("")
	if status != cli.ExitWrong || stdout != "" {
		t.Errorf("without arguments: status %d, output %q", status, stdout)
	}
	expect(t, stderr, "train: no recipe", "Usage: train", "wgan_cifar10")
}

// cifar returns a file of n records that all have a label.
func cifar(n int, label byte) string {
	return strings.Repeat(string([]byte{label})+strings.Repeat("\x80", 3072), n)
}

func TestBadInput(t *testing.T) {
	good := cifar(10_000, 3)
	inFolder(t, map[string]string{
		"tiny.yaml":                tiny,
		"keys.yaml":                strings.NewReplacer("iterations", "iteratons", "z_dim: 4", "z_dim: 1.5", "batch_size: 4", "batch_size: 0").Replace(tiny),
		"empty.yaml":               "",
		"two.yaml":                 tiny + "---\nname: b\n",
		"list.yaml":                "- 1\n",
		"noyaml.yaml":              "name: [\n",
		"file":                     "",
		"stray/x":                  "",
		"run/notes":                "",
		"bare/a":                   "",
		"cut/test_batch.bin":       good[:len(good)-1],
		"record/test_batch.bin":    cifar(10_000, 3) + strings.Repeat("\x03", 10_000), // as CIFAR-100's
		"label/test_batch.bin":     good[:3073*7] + cifar(1, 10) + good[3073*8:],
		"missing/data_batch_1.bin": good,
		"data.yaml":                "name: data\nmodel: {type: dcgan}\ndataset: {type: cifar10, split: test, download: false, root: nowhere}\n",
	})
	mustType(t, "-recipe tiny.yaml -out done")
	if err := os.MkdirAll("half/checkpoints", 0o777); err != nil {
		t.Fatal(err)
	}
	before := files(t)
	data := "-recipe data.yaml -out x -set dataset.root="
	tests := []struct {
		line   string
		status int
		want   []string
	}{
		{"-rceipe x", 2, []string{"train: unknown flag: -rceipe, did you mean -recipe?"}},
		{"-recipe", 2, []string{"flag needs a value: -recipe"}},
		{"-recipe tiny.yam", 2, []string{"recipe tiny.yam: no such file here, and there is no built-in recipe", "expected one of ae_"}},
		{"-resume done -set model.type=gan", 2, []string{"train: the recipe in done/checkpoints/00000004/state.json:", "model.generator_channels: unknown key"}},
		{"-resume done -set model.z_dim=5 -set train.iterations=6 -accept-changes", 1, []string{
			"network generator", "0.weight has shape [64 4], expected [64 5]", "; take back what has changed of the model, or begin a new run"}},
		{"-recipe dcgan_digit", 2, []string{`no built-in recipe "dcgan_digit"`, "did you mean dcgan_digits?"}},
		{"-recipe no/such.yaml", 2, []string{"recipe no/such.yaml: no such file"}},
		{"-recipe keys.yaml -set train.log_every=no", 2, []string{
			"keys.yaml:2:", "model.z_dim: found 1.5, expected a whole number",
			"keys.yaml:4:", "train.iteratons: ", "did you mean iterations?", "train.batch_size: found 0",
			"-set train.log_every=no"}},
		{"-recipe empty.yaml", 2, []string{"empty.yaml: found an empty file"}},
		{"-recipe two.yaml", 2, []string{"two.yaml:5:", "second document"}},
		{"-recipe list.yaml", 2, []string{"list.yaml:1:", "found a list"}},
		{"-recipe noyaml.yaml", 2, []string{"noyaml.yaml:"}},
		{"-recipe tiny.yaml -set train.iterations", 2, []string{"expected key=value"}},
		{"-recipe stray/", 2, []string{"recipe stray/: found a folder, expected a recipe's file, such as stray/recipe.yaml, or one of", "wgan_cifar10"}},
		{"-recipe stray", 2, []string{"recipe stray: found a folder, expected a recipe's file"}},
		{"-recipe tiny.yaml -device gpu", 2, []string{`train: -device: found "gpu", expected auto, cpu, cuda`}},
		{"-resume done -device cuda:x", 2, []string{`train: -device: found "cuda:x", expected auto, cpu, cuda`}},
		{"-recipe tiny.yaml -device cuda:99", 1, []string{"cuda:99", "device"}},
		{"-recipe tiny.yaml -show-augmented a.gif", 2, []string{"a.gif", "ends in .png"}},
		{"-recipe tiny.yaml -show-augmented no/a.png", 1, []string{"cannot write picture no/a.png"}},
		{"-recipe tiny.yaml -set dataset.augment=[flop] -show-augmented a.png", 2, []string{`dataset.augment[0]: found "flop"`, "did you mean flip?"}},
		{"-recipe tiny.yaml -out file/x", 1, []string{"file/x"}},
		{"-recipe tiny.yaml -out file", 1, []string{"file is a file"}},
		{"-recipe tiny.yaml -out /proc/nowhere", 1, []string{"cannot make run folder /proc/nowhere"}},
		{"-recipe tiny.yaml -out done", 1, []string{"done already holds a run"}},
		{"-recipe tiny.yaml -set dataset.size=17", 2, []string{"model", "17x17", "16x16"}},
		{"-resume nowhere", 1, []string{"nowhere: no such file", "`imori runs` lists the runs"}},
		{"-resume file", 1, []string{"file is a file"}},
		{"-resume run", 1, []string{"run is not the folder of a run"}},
		{"-resume half", 1, []string{"half has no recipe.yaml"}},
		{"-resume done -set model.z_dim=5 -set train.seed=2", 2, []string{
			"cannot be resumed with another recipe", "model.z_dim: 4 in the run, 5 now", "train.seed: 1 in the run, 2 now"}},
		{"-resume done -recipe dcgan_digits", 2, []string{"cannot be resumed with another recipe", "dataset.size: 16 in the run, 28 now"}},
		{"-resume done -set train.iterations=3", 1, []string{"iteration 4", "iterations is 3"}},
		{data + "nowhere", 1, []string{"nowhere holds neither", "download to true"}},
		{data + "cut", 1, []string{"test_batch.bin", "truncated"}},
		{data + "record", 1, []string{"test_batch.bin", "CIFAR-100"}},
		{data + "label", 1, []string{"test_batch.bin", "record 7 has label 10"}},
		{data + "missing -set dataset.split=train", 1, []string{"data_batch_2.bin"}},
	}
	for _, test := range tests {
		status, stdout, stderr := typed(test.line)
		if status != test.status || !strings.HasPrefix(stderr, "train: ") {
			t.Errorf("train %s: status %d, want %d:\n%s", test.line, status, test.status, stderr)
		}
		expect(t, stderr, test.want...)
		for _, trace := range []string{"goroutine ", ".go:", ".cpp:", ".cc:", "panic"} {
			if strings.Contains(stderr+stdout, trace) {
				t.Errorf("train %s: a stack trace:\n%s", test.line, stderr)
			}
		}
		if strings.Contains(stdout, "iteration 1/") {
			t.Errorf("train %s: it began to train:\n%s", test.line, stdout)
		}
	}
	if after := files(t); after != before {
		t.Errorf("failed commands left files:\n%s\n%s", before, after)
	}
}

// child starts the command in a process and waits until it has printed a line with the text.
func child(t *testing.T, text string, args ...string) (*exec.Cmd, *lockedBuffer) {
	t.Helper()
	out := &lockedBuffer{}
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), "TRAIN_TEST_AS_COMMAND=1")
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(out.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q did not appear in\n%s", text, out)
		}
	}
	return c, out
}

// heeds skips a test that needs a signal which this process, and so its child, ignores: one that a script has started with &.
func heeds(t *testing.T, s syscall.Signal) {
	t.Helper()
	if signal.Ignored(s) {
		t.Skipf("this process, and so its child, ignores %v", s)
	}
}

// promptly is in what time a tiny run is to be saved after a signal. On a machine of its own it takes a hundredth of that.
const promptly = 10 * time.Second

func TestInterrupt(t *testing.T) {
	for s, status := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143, syscall.SIGHUP: 129} {
		t.Run(s.String(), func(t *testing.T) {
			heeds(t, s)
			inFolder(t, map[string]string{"tiny.yaml": tiny})
			c, out := child(t, " 2/10000000", endless...)
			began := time.Now()
			if err := c.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			c.Wait()
			if took := time.Since(began); took > promptly {
				t.Errorf("it ended after %v, expected at most %v", took, promptly)
			}
			if got := c.ProcessState.ExitCode(); got != status {
				t.Errorf("exit status %d, want %d", got, status)
			}
			expect(t, out.String(), "interrupted: finishing the iteration", "saved run/checkpoints/", "go on with: train -resume run\n", "train: interrupted\n")
			status, _, stderr := typed("-resume run -set train.iterations=1")
			if status == 0 || !strings.Contains(stderr, "checkpoint of iteration") {
				t.Errorf("the run has no checkpoint to go on from: status %d, %s", status, stderr)
			}
		})
	}
}

func TestSecondInterruptStopsAtOnce(t *testing.T) {
	heeds(t, syscall.SIGINT)
	// An iteration of half a minute or more, so that waiting for it would show.
	inFolder(t, map[string]string{"slow.yaml": "name: slow\nmodel: {type: dcgan}\ndataset: {type: digits, size: 64}\n" +
		"train: {iterations: 2, batch_size: 2000, threads: 1}\n"})
	c, out := child(t, "run       ", "-recipe", "slow.yaml", "-out", "run")
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if err := c.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond) // two at once may come as one
	}
	ended := make(chan struct{})
	go func() { c.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatalf("still running:\n%s", out)
	}
	if status := c.ProcessState.ExitCode(); status != 143 {
		t.Errorf("exit status %d, want 143, of the second signal\n%s", status, out)
	}
}

// endless is a run that only an interrupt ends.
var endless = []string{"-recipe", "tiny.yaml", "-out", "run", "-set", "train.iterations=10000000", "-set", "train.checkpoint_every=0"}

// TestNobodyReads: when the reader of the output is gone, as tee is after a Ctrl-C for both, the state is saved all the same.
func TestNobodyReads(t *testing.T) {
	heeds(t, syscall.SIGINT)
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	output, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(os.Args[0], endless...)
	c.Env = append(os.Environ(), "TRAIN_TEST_AS_COMMAND=1")
	c.Stdout, c.Stderr = pipe, pipe
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	pipe.Close()
	for lines := bufio.NewScanner(output); lines.Scan() && !strings.Contains(lines.Text(), " 2/10000000"); {
	}
	output.Close()
	time.Sleep(50 * time.Millisecond) // for lines that nobody reads
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if c.Wait(); c.ProcessState.ExitCode() != cli.ExitInterrupted {
		t.Errorf("the process ended with %v, want status 130", c.ProcessState)
	}
	if _, err := os.Stat("run/checkpoints/latest/state.json"); err != nil {
		t.Error(err)
	}
}

// TestRunInUse: two processes never write to one run.
func TestRunInUse(t *testing.T) {
	heeds(t, syscall.SIGINT)
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	c, _ := child(t, " 2/10000000", endless...)
	for _, line := range []string{"-resume run", "-recipe tiny.yaml -out run"} {
		status, _, stderr := typed(line)
		if status != cli.ExitFailed {
			t.Errorf("train %s: status %d, want 1", line, status)
		}
		expect(t, stderr, fmt.Sprintf("run folder run is in use by process %d on ", c.Process.Pid), "wait for it to end or choose another folder")
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if c.Wait(); c.ProcessState.ExitCode() != cli.ExitInterrupted {
		t.Errorf("the run that was in use ended with %v, want status 130", c.ProcessState)
	}
}

// TestKeys: the recipe's keys of what a run does when something goes wrong may change when it is resumed.
func TestKeys(t *testing.T) {
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	mustType(t, "-recipe tiny.yaml -out run -set train.keep_best=discriminator/loss -set train.keep_checkpoints=1")
	if _, err := os.Stat("run/checkpoints/best/state.json"); err != nil {
		t.Error(err)
	}
	mustType(t, "-resume run -set train.iterations=6 -set train.keep_best_mode=max -set train.checkpoint_minutes=0.5 "+
		"-set train.on_save_error=stop -set train.on_divergence=rollback -set train.max_rollbacks=1")
	status, _, stderr := typed("-recipe tiny.yaml -set train.on_divergence=rollback -set train.checkpoint_every=0 -set train.checkpoint_minutes=0")
	if status != cli.ExitWrong {
		t.Errorf("status %d", status)
	}
	expect(t, stderr, "checkpoint_every and checkpoint_minutes are 0, expected one above 0 with on_divergence rollback")
}

// TestWayOn: a run that an error ends says how to go on from what it left.
func TestWayOn(t *testing.T) {
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	fails := func(line string) string {
		t.Helper()
		status, out, errs := typed(line)
		if status != cli.ExitFailed {
			t.Errorf("train %s: status %d\n%s%s", line, status, out, errs)
		}
		return out
	}
	picture := "run/samples/00000004.png"
	if err := os.MkdirAll(picture, 0o777); err != nil { // in the way
		t.Fatal(err)
	}
	for _, line := range []string{"-recipe tiny.yaml -out run -set train.on_save_error=stop", "-resume run"} {
		expect(t, fails(line), "saved run/checkpoints/00000004\n", "\nwhen that is mended, go on with: train -resume run\n")
	}
	if err := os.Remove(picture); err != nil {
		t.Fatal(err)
	}
	expect(t, mustType(t, "-resume run"), "newest picture: "+picture)
	// Without the changes the run would go on as if there were none.
	notKept := fmt.Errorf("%w: no room", trainer.ErrRecipeNotKept)
	if got, want := wayOn(notKept, trainer.Options{Dir: "run"}, "train -resume run"), "when that is mended, resume the run again with the same changes"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}

	const diverges = "-recipe tiny.yaml -set train.iterations=50 -set optimizer.generator.lr=1e30 -set train.preview_every=0"
	const again = "\ngoing on from the newest checkpoint as before would most likely diverge again; "
	expect(t, fails(diverges+" -out a -set train.checkpoint_every=1"), again, ": train -resume a -set train.on_divergence=rollback\n")
	expect(t, fails("-resume a -set train.on_divergence=rollback"), again,
		": train -resume a -set train.max_rollbacks=6\n")
	// The way that is printed works, whatever makes checkpoints.
	for name, settings := range map[string]string{"clock": "", "none": " -set train.checkpoint_minutes=0"} {
		mustType(t, "-recipe tiny.yaml -out "+name+" -set train.checkpoint_every=0"+settings)
		out := fails("-resume " + name + " -set train.iterations=50 -set optimizer.generator.lr=1e30 -set train.preview_every=0 -accept-changes")
		_, way, _ := strings.Cut(out, "another order: train ")
		way, _, _ = strings.Cut(way, "\n")
		expect(t, way, "-resume "+name+" -set train.on_divergence=rollback")
		expect(t, fails(way), ": train -resume "+name+" -set train.max_rollbacks=6\n")
	}
	if out := fails(diverges + " -out b -set train.checkpoint_every=0"); strings.Contains(out, "go on") || strings.Contains(out, "going on") {
		t.Errorf("there is no checkpoint to go on from:\n%s", out)
	}
}

func TestInterruptedBeforeTraining(t *testing.T) {
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	if status := cli.Run(ctx, New(), []string{"-recipe", "tiny.yaml", "-out", "run"}, &out, &errs); status != cli.ExitInterrupted {
		t.Errorf("status %d, want 130\n%s", status, errs.String())
	}
	if got := files(t); got != "tiny.yaml" {
		t.Errorf("it left %s", got)
	}
}

func TestResumeCommand(t *testing.T) {
	for dir, want := range map[string]string{"runs/x": "train -resume runs/x", "my runs/it's": `train -resume 'my runs/it'\''s'`} {
		if got := resumeCommand(dir); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
