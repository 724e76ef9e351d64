package rundir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imori-ml/imori/internal/fuzztest"
)

func lookAt(t *testing.T, path string, iterations int) Seen {
	t.Helper()
	seen, err := Look(path, iterations)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func begin(t *testing.T, d *Dir, iteration int) {
	t.Helper()
	if err := d.Begin(iteration, 10); err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, d *Dir, state RunState, iteration int, reason error) {
	t.Helper()
	if err := d.End(state, iteration, reason); err != nil {
		t.Fatal(err)
	}
}

func TestStatus(t *testing.T) {
	d := create(t)
	begin(t, d, 0)
	appendLines(t, metrics(t, d), 1, 2)
	s := lookAt(t, d.Path(), 0)
	if s.State != Running || s.Iteration != 2 || s.Iterations != 10 || s.Checkpoint != -1 || !s.Ended.IsZero() {
		t.Errorf("while it runs: %+v", s)
	}
	save(t, d, 3)
	d.status.Started = d.status.Started.Add(-time.Minute)
	end(t, d, Interrupted, 3, nil)
	if s = lookAt(t, d.Path(), 0); s.State != Interrupted || s.Iteration != 3 || s.Checkpoint != 3 || s.Killed || s.Seconds < 60 || s.Ended.Before(s.Started) {
		t.Errorf("interrupted: %+v", s)
	}
	first := s
	d = reopen(t, d)
	begin(t, d, 3)
	if s = lookAt(t, d.Path(), 0); s.State != Running || !s.Started.Equal(first.Started) || s.Resumed.IsZero() || s.Seconds < first.Seconds || s.Error != "" {
		t.Errorf("resumed: %+v", s)
	}
	end(t, d, Failed, 4, errors.New("no more"))
	if s = lookAt(t, d.Path(), 0); s.State != Failed || s.Error != "no more" || s.Seconds < 60 || s.Seconds > 100 {
		t.Errorf("failed: %+v", s)
	}
	d = reopen(t, d)
	begin(t, d, 4)
	end(t, d, Finished, 10, nil)
	if s = lookAt(t, d.Path(), 0); s.State != Finished || s.Iteration != 10 || s.Error != "" {
		t.Errorf("finished: %+v", s)
	}
	r, err := Open(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, r.Begin(0, 1), "open for reading only")
	wantError(t, r.End(Finished, 1, nil), "open for reading only")
}

// TestClockSetBack: what a run has taken is not known then, but the rest is.
func TestClockSetBack(t *testing.T) {
	d := create(t)
	begin(t, d, 0)
	d.status.Started = d.status.Started.Add(time.Hour)
	if s := lookAt(t, d.Path(), 0); s.Seconds < 0 {
		t.Errorf("while it runs: %+v", s)
	}
	end(t, d, Interrupted, 3, nil)
	if s := lookAt(t, d.Path(), 0); s.State != Interrupted || s.Iteration != 3 || s.Seconds != 0 {
		t.Errorf("interrupted: %+v", s)
	}
	d = reopen(t, d)
	begin(t, d, 3)
	d.status.Seconds, d.status.Resumed = 50, d.status.Resumed.Add(time.Hour)
	end(t, d, Finished, 10, nil)
	if s := lookAt(t, d.Path(), 0); s.State != Finished || s.Seconds != 50 {
		t.Errorf("finished: %+v", s)
	}
}

// A process that dies says nothing, but lets go of its lock.
func TestStatusOfKilled(t *testing.T) {
	d := create(t)
	begin(t, d, 0)
	save(t, d, 5)
	l, err := d.Timing()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		iteration int
		seconds   float64
	}{{5, 50}, {7, 70.5}} {
		if err := l.Append(f.iteration, []Field{{"seconds", f.seconds}}); err != nil {
			t.Fatal(err)
		}
	}
	appendLines(t, metrics(t, d), 5, 7)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	before := names(t, d.Path())
	s := lookAt(t, d.Path(), 0)
	if s.State != Interrupted || !s.Killed || s.Iteration != 7 || s.Checkpoint != 5 || s.Seconds != 70.5 || s.Ended.IsZero() {
		t.Errorf("killed: %+v", s)
	}
	if got := names(t, d.Path()); got != before {
		t.Errorf("a look left %s, there was %s", got, before)
	}
	// What is trained again counts once, and the last line may be of the process before the one that was killed.
	d = reopen(t, d)
	if l, err = d.Timing(); err != nil {
		t.Fatal(err)
	}
	if err := l.TruncateAfter(5); err != nil {
		t.Fatal(err)
	}
	begin(t, d, 5)
	d.Close()
	if s = lookAt(t, d.Path(), 0); !s.Killed || s.Seconds != 50 {
		t.Errorf("killed again at iteration 5: %+v", s)
	}
}

// Runs were made before there was a status.json.
func TestLookWithoutStatus(t *testing.T) {
	d := create(t)
	if err := d.WriteRecipe([]byte("name: x\n")); err != nil {
		t.Fatal(err)
	}
	if s := lookAt(t, d.Path(), 10); s.State != Running || s.Iterations != 10 || s.Started.IsZero() {
		t.Errorf("while it is held: %+v", s)
	}
	appendLines(t, metrics(t, d), 4)
	save(t, d, 3)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		iterations int
		want       RunState
	}{{3, Finished}, {10, Interrupted}, {0, Interrupted}} {
		if s := lookAt(t, d.Path(), c.iterations); s.State != c.want || s.Iteration != 4 || s.Checkpoint != 3 || s.Killed {
			t.Errorf("of %d iterations: %+v", c.iterations, s)
		}
	}
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(d.Path(), recipeFile), started, started); err != nil {
		t.Fatal(err)
	}
	d = reopen(t, d)
	begin(t, d, 3)
	if s := lookAt(t, d.Path(), 3); s.State != Running || !s.Started.Equal(started) || s.Resumed.IsZero() || s.Iterations != 10 {
		t.Errorf("resumed: %+v", s)
	}
}

// TestManySeconds: whatever the files say, what is said of them is a time.
func TestManySeconds(t *testing.T) {
	d := create(t)
	const status = `{"state":"running","started":"0001-01-02T03:04:05Z","seconds":%s}`
	for _, seconds := range []string{"1e9", "1", "1.7e308"} {
		writeFile(t, filepath.Join(d.Path(), statusFile), fmt.Sprintf(status, seconds))
		writeFile(t, filepath.Join(d.Path(), timingFile), `{"iteration":5,"seconds":1.7e308}`+"\n")
		for range 2 { // while it trains, and then killed
			if seen, _ := Look(d.Path(), 0); seen.Seconds != maxSeconds {
				t.Errorf("%s: it took %g s", seconds, seen.Seconds)
			}
			d.Close()
		}
		d = reopen(t, d)
		begin(t, d, 0)
		end(t, d, Interrupted, 5, nil)
		if seen := lookAt(t, d.Path(), 0); seen.Seconds > maxSeconds {
			t.Errorf("%s: at the end it took %g s", seconds, seen.Seconds)
		}
	}
}

func TestLookRefuses(t *testing.T) {
	folder := t.TempDir()
	_, err := Look(filepath.Join(folder, "none"), 0)
	wantError(t, err, "cannot look at run", "no such file")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("not fs.ErrNotExist")
	}
	_, err = Look(folder, 0)
	wantError(t, err, folder+" is not the folder of a run")

	d := create(t)
	save(t, d, 5)
	var logged []string
	d.Logf = func(format string, _ ...any) { logged = append(logged, format) }
	for text, want := range map[string]string{
		"":                   "unexpected end of JSON input",
		`{"state":"runnin`:   "unexpected end of JSON input",
		`{"state":"asleep"}`: `its state is "asleep", expected one of [running finished interrupted failed]`,
		`{"state":"running","started":"2026-01-02T03:04:05Z","iteration":-1}`:    "expected none below 0",
		`{"state":"running","started":"yesterday"}`:                              "yesterday",
		`{"state":"running","started":"2026-01-02T03:04:05Z","seconds":1.7e308}`: "1.7e+308 seconds, expected at most 1e+09",
		`{"state":"running"}`:            "does not say when the run started",
		strings.Repeat(" ", maxStatus+1): "more than 1048576 bytes",
	} {
		writeFile(t, filepath.Join(d.Path(), statusFile), text)
		s, err := Look(d.Path(), 5)
		wantError(t, err, "status.json is damaged", want)
		if s.State != Running || s.Iteration != 5 {
			t.Errorf("beside the error: %+v", s)
		}
	}
	begin(t, d, 5) // it is no obstacle
	if s := lookAt(t, d.Path(), 0); s.State != Running || len(logged) != 1 {
		t.Errorf("after a damaged one: %+v, notes %q", s, logged)
	}
	writeFile(t, filepath.Join(d.Path(), statusFile), `{"state":"failed","started":"2026-01-02T03:04:05Z","of a later version":1}`)
	if s := lookAt(t, d.Path(), 0); s.State != Failed {
		t.Errorf("a key of a later version: %+v", s)
	}
}

func TestIsRun(t *testing.T) {
	d := create(t)
	if IsRun(d.Path()) {
		t.Error("nothing has been written yet")
	}
	appendLines(t, metrics(t, d), 1)
	if !IsRun(d.Path()) || IsRun(filepath.Dir(d.Path())) || IsRun(filepath.Join(d.Path(), metricsFile)) {
		t.Error("a run is the folder with the metrics")
	}
	other := t.TempDir()
	inRun(t, other, metricsFile)
	if IsRun(other) {
		t.Error("metrics alone are no run")
	}
}

// To look takes the lock for a moment, in which somebody may want it.
func TestLooksDoNotKeepRunsOut(t *testing.T) {
	d := create(t)
	appendLines(t, metrics(t, d), 1)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = locked(d.Path())
			}
		}
	}()
	for range 40 {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if err := d.Lock(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	<-done
	if is, err := locked(d.Path()); !is || err != nil {
		t.Errorf("it is locked, found %v, %v", is, err)
	}
}

// FuzzStatus: what is read of a status.json can be written and read again, and nothing in it stops a look.
func FuzzStatus(f *testing.F) {
	target := fuzztest.New(f)
	d, err := Create(filepath.Join(f.TempDir(), "run"))
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(d.Path(), statusFile)
	for _, step := range []func() error{
		func() error { return d.Begin(0, 10) },
		func() error { return d.End(Failed, 7, errors.New("no more <é\">\n")) },
		func() error { return d.Begin(7, 10) },
		d.Close,
	} {
		if err := step(); err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		target.Add(b)
		target.Add(b[:len(b)/2])
	}
	for _, seed := range []string{
		"", "{}", "null", `{"state":"running","started":"2026-01-02T03:04:05Z","iteration":9223372036854775807,"seconds":1e308}`,
		`{"state":"finished","started":"0001-01-01T00:00:00Z"}`, `{"state":"failed","started":"9999-12-31T23:59:59.9-23:59","seconds":-1}`,
		`{"state":"failed","started":"2026-01-02T03:04:05Z","error":"\ud800","later":[[[[]]]]}`,
	} {
		target.Add([]byte(seed))
	}
	target.Fuzz(func(t *testing.T, b []byte) {
		var s Status
		var err error
		fuzztest.Bounded(t, 1<<16+64*len(b), func() { s, err = decodeStatus(b) })
		writeFile(t, path, string(b))
		fuzztest.Bounded(t, 1<<20+64*len(b), func() {
			if _, looked := Look(d.Path(), 0); (looked == nil) != (err == nil) {
				t.Errorf("Look says %v, expected %v", looked, err)
			}
		})
		if err != nil {
			return
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", s, err)
		}
		if back, err := decodeStatus(again); err != nil || fmt.Sprint(back) != fmt.Sprint(s) {
			t.Errorf("%+v became %+v, %v", s, back, err)
		}
	})
}
