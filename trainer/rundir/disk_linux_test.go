package rundir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
)

// asNobody runs f where permissions bind: root is above them, so its thread becomes somebody else for files.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() != 0 {
		f()
		return
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := syscall.Setfsuid(65534); err != nil {
			done <- err
			return
		}
		f()
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Skipf("cannot act as another user: %v", err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(path, 0o755) })
}

func TestReadOnlyFolder(t *testing.T) {
	folder := t.TempDir()
	chmod(t, filepath.Dir(folder), 0o755)
	chmod(t, folder, 0o555)
	d := create(t)
	save(t, d, 1)
	checkpoints := filepath.Join(d.Path(), checkpointFolder)
	chmod(t, checkpoints, 0o555)
	before := names(t, checkpoints)
	asNobody(t, func() {
		_, err := Create(filepath.Join(folder, "run"))
		wantError(t, err, "cannot make run folder", "permission denied")
		_, err = Create(folder)
		wantError(t, err, "cannot write in run folder "+folder, "permission denied")
		// Somewhere in the middle of a run.
		err = d.SaveCheckpoint(example(2, 1))
		wantError(t, err, "cannot save checkpoint", "permission denied", "the last good one is 00000001")
		if !errors.Is(err, os.ErrPermission) {
			t.Error("not os.ErrPermission")
		}
	})
	if got := names(t, checkpoints); got != before {
		t.Errorf("left: %s", got)
	}
	if _, err := d.LatestCheckpoint(); err != nil {
		t.Error(err)
	}
	d.Close()
	asNobody(t, func() { wantError(t, d.Lock(), "cannot write in run folder", "permission denied") })
}

// smallDisk mounts 1 MB.
func smallDisk(t *testing.T, flags uintptr) string {
	t.Helper()
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", flags, "size=1m"); err != nil {
		t.Skipf("cannot mount a small disk, which needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	})
	return folder
}

func TestFullDisk(t *testing.T) {
	disk := smallDisk(t, 0)
	d, err := Create(filepath.Join(disk, "run"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	l := metrics(t, d)
	appendLines(t, l, 1)
	save(t, d, 1)
	before := names(t, filepath.Join(d.Path(), checkpointFolder))

	// A checkpoint that fits in half.
	err = d.SaveCheckpoint(example(2, 100_000))
	wantError(t, err, "cannot save checkpoint", "optimizers.safetensors", "no space left on device", "the last good one is 00000001")
	if !errors.Is(err, syscall.ENOSPC) {
		t.Error("not ENOSPC")
	}
	if got := names(t, filepath.Join(d.Path(), checkpointFolder)); got != before {
		t.Errorf("left: %s", got)
	}

	// A disk full to the last byte: a line that does not fit is not there in part, and comes with the next one.
	filler := filepath.Join(disk, "filler")
	fillDisk(t, filler)
	wrote := []int{1}
	for {
		n := wrote[len(wrote)-1] + 1
		if err = l.Append(n, nil); err != nil {
			break
		}
		wrote = append(wrote, n)
	}
	wantError(t, err, "cannot append to log", "no space left on device")
	late := wrote[len(wrote)-1] + 1
	wantError(t, l.Append(late+1, nil), "cannot append to log")
	wantError(t, d.SaveCheckpoint(example(late, 1)), "cannot append to log", "the last good one is 00000001")
	path := filepath.Join(d.Path(), metricsFile)
	if got := readFile(t, path); got != lines(wrote...) {
		t.Errorf("the log ends with %q", got[max(0, len(got)-60):])
	}
	wantError(t, d.WriteRecipe([]byte("name: x\n")), "cannot write the recipe", "no space left on device")
	_, err = d.SavePicture(1, Grid(make([]float32, 64*64), 1, 1, 64, 64, 1))
	wantError(t, err, "cannot save picture", "no space left on device")
	_, err = Create(filepath.Join(disk, "run2"))
	wantError(t, err, "cannot write in run folder", "no space left on device")

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	appendLines(t, l, late+2)
	wrote = append(wrote, late, late+1, late+2)
	if got := readFile(t, path); got != lines(wrote...) {
		t.Errorf("then the log ends with %q", got[max(0, len(got)-60):])
	}
	save(t, d, 2)
	if c, err := d.LatestCheckpoint(); err != nil || c.State.Iteration != 2 {
		t.Errorf("got %v, %v", c, err)
	}
	if got := names(t, d.Path()) + " " + names(t, filepath.Join(d.Path(), samplesFolder)); got != ".lock checkpoints metrics.jsonl samples " {
		t.Errorf("left: %s", got)
	}
}

func TestReadOnlyDisk(t *testing.T) {
	disk := smallDisk(t, 0)
	d, err := Create(filepath.Join(disk, "run"))
	if err != nil {
		t.Fatal(err)
	}
	save(t, d, 1)
	d.Close()
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("cannot make the disk read-only: %v", err)
	}
	_, err = Create(filepath.Join(disk, "run2"))
	wantError(t, err, "read-only file system")
	wantError(t, d.Lock(), "cannot write in run folder", "read-only file system")
	if c, err := OpenCheckpoint(d.Path()); err != nil || c.State.Iteration != 1 {
		t.Errorf("got %v, %v", c, err)
	}
}

// fillDisk takes the rest of a disk.
func fillDisk(t *testing.T, filler string) {
	t.Helper()
	f, err := os.OpenFile(filler, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, err = f.Write(make([]byte, 4096)); err == nil; _, err = f.Write(make([]byte, 4096)) {
	}
}

// TestFullDiskMakesRoom: there is room needed for one checkpoint more than are kept; where it is missing the oldest one goes
// that no link points to, if that helps, and is not one of the last.
func TestFullDiskMakesRoom(t *testing.T) {
	const size = 13_000 // numbers in each of two files: a disk of 1 MB holds four such checkpoints
	disk := smallDisk(t, 0)
	d, err := Create(filepath.Join(disk, "run"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	filler := filepath.Join(disk, "filler")
	var notes []string
	steals := false // somebody takes what an old checkpoint leaves
	d.Logf = func(format string, args ...any) {
		notes = append(notes, fmt.Sprintf(format, args...))
		if steals {
			fillDisk(t, filler)
		}
	}
	attempt := func(iteration, size int, best bool) error {
		c := example(iteration, size)
		c.Best = best
		return d.SaveCheckpoint(c)
	}
	state := func(want, wantLinks string, wantNotes ...string) {
		t.Helper()
		if got := names(t, filepath.Join(d.Path(), checkpointFolder)); got != want || links(t, d) != wantLinks {
			t.Errorf("got %s with %s, want %s with %s", got, links(t, d), want, wantLinks)
		}
		if !slices.Equal(notes, wantNotes) {
			t.Errorf("notes are %q, want %q", notes, wantNotes)
		}
		notes = nil
	}
	save := func(iteration int, best bool) {
		t.Helper()
		if err := attempt(iteration, size, best); err != nil {
			t.Fatal(err)
		}
	}
	fails := func(iteration, size int) {
		t.Helper()
		wantError(t, attempt(iteration, size, false), "cannot save checkpoint", "no space left on device", "the last good one is 0")
	}
	goBack := func(to int) {
		t.Helper()
		if err := d.GoBack(to); err != nil {
			t.Fatal(err)
		}
	}
	d.Keep = 4
	for n := 1; n <= 4; n++ {
		save(n, false)
	}
	state("00000001 00000002 00000003 00000004 latest", "latest 00000004")
	save(5, true)
	state("00000002 00000003 00000004 00000005 best latest", "latest 00000005, best 00000005", "the disk is full: old checkpoint 00000001 makes room for 00000005")
	save(6, false)
	state("00000003 00000004 00000005 00000006 best latest", "latest 00000006, best 00000005", "the disk is full: old checkpoint 00000002 makes room for 00000006")

	// One that has no room even so costs none of the others.
	fails(7, 2*size)
	state("00000003 00000004 00000005 00000006 best latest", "latest 00000006, best 00000005")

	// Who fills the disk goes on with it: one goes, and no more until there is a new one.
	steals = true
	fails(7, size)
	state("00000004 00000005 00000006 best latest", "latest 00000006, best 00000005", "the disk is full: old checkpoint 00000003 makes room for 00000007")
	for range 3 {
		fails(7, size)
		state("00000004 00000005 00000006 best latest", "latest 00000006, best 00000005")
	}
	steals = false
	os.Remove(filler)
	save(7, false)
	state("00000004 00000005 00000006 00000007 best latest", "latest 00000007, best 00000005")
	save(8, false)
	state("00000005 00000006 00000007 00000008 best latest", "latest 00000008, best 00000005", "the disk is full: old checkpoint 00000004 makes room for 00000008")

	// The one of KeepEvery stays, and two at least.
	d.KeepEvery, steals = 7, true
	fails(9, size)
	state("00000005 00000007 00000008 best latest", "latest 00000008, best 00000005", "the disk is full: old checkpoint 00000006 makes room for 00000009")
	d.madeRoom = false // as in the next process
	fails(9, size)
	state("00000005 00000007 00000008 best latest", "latest 00000008, best 00000005")
	d.KeepEvery = 0
	fails(9, size)
	state("00000005 00000008 best latest", "latest 00000008, best 00000005", "the disk is full: old checkpoint 00000007 makes room for 00000009")
	d.madeRoom = false
	if err := d.PointBest(8); err != nil {
		t.Fatal(err)
	}
	fails(9, size)
	state("00000005 00000008 best latest", "latest 00000008, best 00000008")

	// What was given up goes before anything that is kept, but not for nothing.
	steals = false
	os.Remove(filler)
	save(9, false)
	goBack(8)
	fillDisk(t, filler)
	fails(10, 2*size)
	state(".undone-00000009 00000005 00000008 best latest", "latest 00000008, best 00000008")
	save(10, false)
	state("00000005 00000008 00000010 best latest", "latest 00000010, best 00000008", "the disk is full: what the run gave up makes room for checkpoint 00000010")

	// All are to be kept.
	d.Keep = 0
	fails(11, size)
	state("00000005 00000008 00000010 best latest", "latest 00000010, best 00000008")
}
