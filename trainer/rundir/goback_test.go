package rundir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// links tells what the links in a run's checkpoints point to.
func links(t *testing.T, d *Dir) string {
	t.Helper()
	var all []string
	for _, link := range []string{latestLink, bestLink} {
		if target, err := os.Readlink(filepath.Join(d.Path(), checkpointFolder, link)); err == nil {
			all = append(all, link+" "+target)
		}
	}
	return strings.Join(all, ", ")
}

func saveBest(t *testing.T, d *Dir, iteration int) {
	t.Helper()
	c := example(iteration, 3)
	c.Best = true
	if err := d.SaveCheckpoint(c); err != nil {
		t.Fatal(err)
	}
}

func TestKeptBesides(t *testing.T) {
	d := create(t)
	d.Keep, d.KeepEvery = 1, 10
	checkpoints := func(want, wantLinks string) {
		t.Helper()
		if got := names(t, filepath.Join(d.Path(), checkpointFolder)); got != want || links(t, d) != wantLinks {
			t.Errorf("got %s with %s, want %s with %s", got, links(t, d), want, wantLinks)
		}
	}
	saveBest(t, d, 3)
	save(t, d, 10, 12, 17)
	checkpoints("00000003 00000010 00000017 best latest", "latest 00000017, best 00000003")
	save(t, d, 20)
	saveBest(t, d, 21)
	checkpoints("00000020 00000021 best latest", "latest 00000021, best 00000021")
	save(t, d, 22, 23)
	checkpoints("00000020 00000021 00000023 best latest", "latest 00000023, best 00000021")
	if c, err := OpenCheckpoint(filepath.Join(d.Path(), checkpointFolder, bestLink)); err != nil || c.State.Iteration != 21 || c.Best {
		t.Errorf("got %v, %v", c, err)
	}
	if err := d.PointBest(20); err != nil {
		t.Error(err)
	}
	wantError(t, d.PointBest(19), "the best checkpoint is gone")
	checkpoints("00000020 00000021 00000023 best latest", "latest 00000023, best 00000020")
}

func TestBestIsNoFolder(t *testing.T) {
	d := create(t)
	var notes []string
	d.Logf = func(format string, _ ...any) { notes = append(notes, format) }
	inRun(t, d.Path(), "checkpoints/best/state.json")
	saveBest(t, d, 1) // it is saved all the same
	if len(notes) != 1 || !strings.Contains(notes[0], "does not point to the best checkpoint") || links(t, d) != "latest 00000001" {
		t.Errorf("notes are %q, links %s", notes, links(t, d))
	}
	if left, _ := filepath.Glob(filepath.Join(d.Path(), checkpointFolder, ".tmp-*")); left != nil {
		t.Errorf("left: %s", left)
	}
}

func TestGoBack(t *testing.T) {
	for _, c := range []struct {
		to         int
		left, want string
		next       string // what is left by the next checkpoint
	}{
		{10, ".undone-00000017 00000005 00000010 00000015 best latest", "latest 00000010, best 00000015", "00000005 00000010 00000012 00000015 best latest"},
		{5, ".undone-00000010 .undone-00000017 00000005 00000015 best latest", "latest 00000005, best 00000015", "00000005 00000012 00000015 best latest"},
		{-1, ".undone-00000005 .undone-00000010 .undone-00000017 00000015 best", "best 00000015", "00000012 00000015 best latest"},
		{17, "00000005 00000010 00000015 00000017 best latest", "latest 00000017, best 00000015", "00000005 00000010 00000012 00000015 00000017 best latest"},
	} {
		d := create(t)
		save(t, d, 5, 10)
		saveBest(t, d, 15)
		save(t, d, 17)
		if err := d.GoBack(c.to); err != nil {
			t.Fatal(err)
		}
		folder := filepath.Join(d.Path(), checkpointFolder)
		if got := names(t, folder); got != c.left || links(t, d) != c.want {
			t.Errorf("back to %d: got %s with %s, want %s with %s", c.to, got, links(t, d), c.left, c.want)
		}
		if iterations, err := d.Checkpoints(); err != nil || len(iterations) != strings.Count(" "+c.left, " 0") {
			t.Errorf("back to %d: got %v, %v", c.to, iterations, err)
		}
		save(t, d, 12)
		if got := names(t, folder); got != c.next {
			t.Errorf("back to %d and on: got %s, want %s", c.to, got, c.next)
		}
	}
}

// TestGoBackLosesNothing: what was given up stays until there is a newer checkpoint, whatever happens before.
func TestGoBackLosesNothing(t *testing.T) {
	d := create(t)
	save(t, d, 5, 10)
	folder := filepath.Join(d.Path(), checkpointFolder)
	inRun(t, d.Path(), "checkpoints/.undone-00000010/state.json") // could not be removed
	wantError(t, d.GoBack(7), "cannot go back to iteration 7")
	if err := d.GoBack(5); err != nil {
		t.Fatal(err)
	}
	reopen(t, d)
	if got := names(t, folder); got != ".undone-00000010 .undone-00000010-2 00000005 latest" {
		t.Errorf("got %s", got)
	}
	if c, err := OpenCheckpoint(filepath.Join(folder, ".undone-00000010-2")); err != nil || c.State.Iteration != 10 {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestLateLinesGoBack(t *testing.T) {
	d := create(t)
	l := metrics(t, d)
	appendLines(t, l, 1)
	for n := 2; n <= 4; n++ { // as after a full disk
		l.late = append(l.late, lines(n)...)
		l.last = n
	}
	if err := l.TruncateAfter(3); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, filepath.Join(d.Path(), metricsFile)); got != lines(1, 2, 3) {
		t.Errorf("got %q", got)
	}
}

func TestDiagnosis(t *testing.T) {
	for name, ways := range map[string]func(_, _ string) error{"exchange": exchange, "two renames": cannotExchange} {
		t.Run(name, func(t *testing.T) {
			exchanging = ways
			defer func() { exchanging = exchange }()
			testDiagnosis(t)
		})
	}
}

func testDiagnosis(t *testing.T) {
	d := create(t)
	write := func(text string) func(folder string) error {
		return func(folder string) error { return os.WriteFile(filepath.Join(folder, "x"), []byte(text), 0o666) }
	}
	for _, text := range []string{"one", "two"} {
		path, err := d.SaveDiagnosis("00000012", write(text))
		if err != nil || path != filepath.Join(d.Path(), "diagnosis", "00000012") || readFile(t, filepath.Join(path, "x")) != text {
			t.Fatalf("got %s, %v", path, err)
		}
	}
	failure := errors.New("no more")
	_, err := d.SaveDiagnosis("00000012", func(folder string) error { return errors.Join(write("half")(folder), failure) })
	wantError(t, err, "cannot save diagnosis", "no more")
	folder := filepath.Join(d.Path(), diagnosisFolder)
	if got := names(t, folder) + " " + readFile(t, filepath.Join(folder, "00000012", "x")); got != "00000012 two" {
		t.Errorf("got %s", got)
	}
	inRun(t, d.Path(), "diagnosis/.tmp-00000013-ABCDEFGH/x") // a crash
	inRun(t, d.Path(), "diagnosis/.old-00000014/x")          // and one between two renames
	reopen(t, d)
	if got := names(t, folder); got != "00000012 00000014" {
		t.Errorf("left: %s", got)
	}
}

// TestReplacedDiagnosis: the former one is there, and whole, until the new one has its name.
func TestReplacedDiagnosis(t *testing.T) {
	d := create(t)
	before := ""
	exchanging = func(temp, path string) error {
		before = ""
		if b, err := os.ReadFile(filepath.Join(path, "x")); err == nil {
			before = string(b)
		}
		return exchange(temp, path)
	}
	defer func() { exchanging = exchange }()
	for _, step := range []struct{ text, before string }{{"one", ""}, {"two", "one"}} {
		_, err := d.SaveDiagnosis("00000012", func(folder string) error {
			return os.WriteFile(filepath.Join(folder, "x"), []byte(step.text), 0o666)
		})
		if err != nil || before != step.before {
			t.Errorf("before %q there was %q, expected %q; error %v", step.text, before, step.before, err)
		}
	}
}
