package rundir

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary stand in for a training that is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("RUNDIR_TEST_TRAIN"); path != "" {
		if os.Getenv("RUNDIR_TEST_TWO_RENAMES") != "" {
			exchanging = cannotExchange
		}
		fmt.Fprintln(os.Stderr, trainForever(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// cannotExchange is exchange on a file system that has no such thing.
func cannotExchange(_, _ string) error { return errors.ErrUnsupported }

// trainForever goes on with a run: a line of metrics and a checkpoint each iteration, every third saved twice.
func trainForever(path string) error {
	d, err := Create(path)
	if err != nil {
		if d, err = Open(path); err != nil {
			return err
		}
		if err := d.Lock(); err != nil {
			return err
		}
	}
	d.Keep = 2
	last := 0
	if c, err := d.LatestCheckpoint(); err == nil {
		last = c.State.Iteration
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fmt.Println("from", last)
	l, err := d.Metrics()
	if err != nil {
		return err
	}
	if err := l.TruncateAfter(last); err != nil {
		return err
	}
	for n := last + 1; ; n++ {
		if err := l.Append(n, nil); err != nil {
			return err
		}
		for range 1 + (n%3)/2 {
			if err := d.SaveCheckpoint(example(n, 20_000)); err != nil {
				return err
			}
			fmt.Println("saved", n)
		}
	}
}

func TestKilledAtAnyMoment(t *testing.T) {
	path := filepath.Join(memoryFolder(t), "run")
	inWrite, replacing := 0, 0
	last := 0
	for kill := range 30 {
		said := trainAndKill(t, path, last, kill%5 == 0, kill%2 == 0)
		left, _ := filepath.Glob(filepath.Join(path, checkpointFolder, ".tmp-0*"))
		inWrite += min(1, len(left))
		left, _ = filepath.Glob(filepath.Join(path, checkpointFolder, ".old-*"))
		replacing += min(1, len(left))

		// A reader finds a good checkpoint before anybody has mended anything.
		seen, err := OpenCheckpoint(path)
		if err != nil && said > 0 {
			t.Fatalf("kill %d, before the next writer: %v, in %s", kill, err, names(t, filepath.Join(path, checkpointFolder)))
		}
		if err == nil {
			sameCheckpoint(t, seen, example(seen.State.Iteration, 20_000))
			if s := lookAt(t, path, 0); s.Checkpoint != seen.State.Iteration || seen.State.Iteration < said {
				t.Fatalf("kill %d: a reader finds checkpoint %d and %d, expected %d or later", kill, seen.State.Iteration, s.Checkpoint, said)
			}
		}

		d, err := Open(path)
		if err != nil {
			if said == 0 {
				continue // killed before it had begun
			}
			t.Fatal(err)
		}
		if err := d.Lock(); err != nil {
			t.Fatalf("kill %d: %v", kill, err)
		}
		c, err := d.LatestCheckpoint()
		d.Close()
		if err != nil {
			if said == 0 && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			t.Fatalf("kill %d: %v", kill, err)
		}
		last = c.State.Iteration
		sameCheckpoint(t, c, example(last, 20_000))
		if seen == nil || seen.State.Iteration != last {
			t.Fatalf("kill %d: before the lock the latest was %+v, and now %d", kill, seen, last)
		}
		if last < said {
			t.Fatalf("kill %d: checkpoint %d was saved, but the latest is %d", kill, said, last)
		}
		if got := names(t, filepath.Join(path, checkpointFolder)); strings.Contains(got, ".") {
			t.Fatalf("kill %d left %s", kill, got)
		}
	}
	t.Logf("%d checkpoints, 30 kills: %d while one was written, %d while one was replaced", last, inWrite, replacing)
	if last == 0 || inWrite == 0 {
		t.Error("no kill hit a checkpoint on its way")
	}
	// Every line once: the last resume cut what the last kill left.
	want := make([]int, last)
	for i := range want {
		want[i] = i + 1
	}
	if got := readFile(t, filepath.Join(path, metricsFile)); !strings.HasPrefix(got, lines(want...)) {
		t.Errorf("metrics of %d iterations: %s", last, got)
	}
}

// memoryFolder is a folder in memory where there is one. A kill loses nothing that was written, synced or not, so the
// disk would only make this slow.
func memoryFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "rundir-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

// trainAndKill kills a training at a random moment, and returns the last iteration that it claimed to have saved. The
// moment is after the training has begun, unless it is to be early: while it starts and cleans up.
func trainAndKill(t *testing.T, path string, last int, early, twoRenames bool) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RUNDIR_TEST_TRAIN="+path)
	if twoRenames {
		cmd.Env = append(cmd.Env, "RUNDIR_TEST_TWO_RENAMES=1")
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(stdout)
	if !early {
		said.Scan() // "from"
	}
	time.Sleep(rand.N(60 * time.Millisecond))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for said.Scan() {
		if n, ok := strings.CutPrefix(said.Text(), "saved "); ok {
			last, _ = strconv.Atoi(n)
		}
	}
	_ = cmd.Wait()
	if stderr.Len() > 0 {
		t.Fatalf("the training failed by itself: %s", stderr.String())
	}
	return last
}

// TestReplacedWhileRead: `latest` points to a checkpoint at any moment, also while that one is saved again.
func TestReplacedWhileRead(t *testing.T) {
	folder := memoryFolder(t)
	for _, name := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := exchange(filepath.Join(folder, "a"), filepath.Join(folder, "b")); err != nil {
		t.Skipf("this file system exchanges no names: %v", err)
	}
	d, err := Create(filepath.Join(folder, "run"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	save(t, d, 1, 2)
	latest := filepath.Join(d.Path(), checkpointFolder, latestLink)
	stop, looked := make(chan struct{}), make(chan error)
	go func() {
		for {
			if _, err := os.Stat(latest); err != nil {
				looked <- err
				return
			}
			select {
			case <-stop:
				looked <- nil
				return
			default:
			}
		}
	}()
	for range 500 {
		save(t, d, 2)
	}
	close(stop)
	if err := <-looked; err != nil {
		t.Error(err)
	}
	if got := names(t, filepath.Dir(latest)); got != "00000001 00000002 latest" {
		t.Errorf("left: %s", got)
	}
}

// TestReplacedByTwoRenames is about file systems that cannot exchange names.
func TestReplacedByTwoRenames(t *testing.T) {
	exchanging = cannotExchange
	defer func() { exchanging = exchange }()
	d := create(t)
	save(t, d, 1, 2, 2)
	folder := filepath.Join(d.Path(), checkpointFolder)
	if got := names(t, folder); got != "00000001 00000002 latest" {
		t.Errorf("left: %s", got)
	}
	// Between the two, for a reader.
	if err := os.Rename(d.CheckpointPath(2), asideOf(d.CheckpointPath(2))); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{d.Path(), filepath.Join(folder, latestLink), d.CheckpointPath(2)} {
		if c, err := OpenCheckpoint(path); err != nil || c.State.Iteration != 2 {
			t.Errorf("%s: got %v, %v", path, c, err)
		}
	}
	if s := lookAt(t, d.Path(), 0); s.Checkpoint != 2 {
		t.Errorf("got %+v", s)
	}
	_, err := OpenCheckpoint(d.CheckpointPath(3))
	wantError(t, err, "cannot open checkpoint", "no such file")
	// The second one fails: the first is undone.
	save(t, reopen(t, d), 1)
	if _, err := replaceFolder(filepath.Join(folder, "none"), d.CheckpointPath(2)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	if got := names(t, folder); got != "00000001 00000002 latest" {
		t.Errorf("left: %s", got)
	}
}

// The lock dies with its owner, and says who it is.
func TestLockOfAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RUNDIR_TEST_TRAIN="+path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := OpenCheckpoint(path); err == nil {
			break
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			t.Fatal("the other process saved nothing")
		}
	}
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, d.Lock(), fmt.Sprintf("run folder %s is in use by process %d on ", path, cmd.Process.Pid))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err := d.Lock(); err != nil {
		t.Error(err)
	}
	d.Close()
}
