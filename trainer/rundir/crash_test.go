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
		fmt.Fprintln(os.Stderr, trainForever(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

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
		said := trainAndKill(t, path, last, kill%5 == 0)
		left, _ := filepath.Glob(filepath.Join(path, checkpointFolder, ".tmp-0*"))
		inWrite += min(1, len(left))
		left, _ = filepath.Glob(filepath.Join(path, checkpointFolder, ".old-*"))
		replacing += min(1, len(left))

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
func trainAndKill(t *testing.T, path string, last int, early bool) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RUNDIR_TEST_TRAIN="+path)
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
