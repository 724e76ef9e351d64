package rundir

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// badFile is a log's file on a disk that fails.
type badFile struct {
	logFile
	take    int  // bytes that the next Write takes before it fails; negative: all, and it does not fail
	noCut   bool // Truncate fails
	syncs   atomic.Int32
	syncing chan struct{} // the first Sync says so,
	synced  chan struct{} // and waits for it

	failSync error // the next Sync fails, and what came since the last one is lost
	onDisk   int64 // size at the last Sync
}

func (f *badFile) Write(b []byte) (int, error) {
	if f.take < 0 {
		return f.logFile.Write(b)
	}
	n, err := f.logFile.Write(b[:min(f.take, len(b))])
	return n, errors.Join(err, syscall.ENOSPC)
}

func (f *badFile) Truncate(size int64) error {
	if f.noCut {
		return syscall.EIO
	}
	return f.logFile.Truncate(size)
}

func (f *badFile) Sync() error {
	if f.syncs.Add(1) == 1 && f.syncing != nil {
		f.syncing <- struct{}{}
		<-f.synced
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := f.failSync; err != nil {
		f.failSync = nil // Linux says it once
		return errors.Join(err, f.lose(info.Size()))
	}
	f.onDisk = info.Size()
	return f.logFile.Sync()
}

// lose makes zeros of what is not on the disk, as the file system may when it drops pages that it could not write.
func (f *badFile) lose(size int64) error {
	other, err := os.OpenFile(f.Name(), os.O_WRONLY, 0) // f appends
	if err != nil {
		return err
	}
	defer other.Close()
	_, err = other.WriteAt(make([]byte, max(0, size-f.onDisk)), f.onDisk)
	return err
}

// TestFailedSync: what a disk has lost is written again, and a checkpoint is saved only behind it. One that says that it is
// broken stays so.
func TestFailedSync(t *testing.T) {
	for _, test := range []struct {
		name      string
		err       error
		later     []int // lines appended before the next checkpoint
		stays     bool
		truncates bool // the run goes back first
	}{
		{"full", syscall.ENOSPC, nil, false, false},
		{"full, and training goes on", syscall.EDQUOT, []int{4, 5}, false, false},
		{"full, and the run goes back", syscall.ENOSPC, []int{4, 5}, false, true},
		{"broken", syscall.EIO, nil, true, false},
		{"broken, and training goes on", syscall.EIO, []int{4}, true, false},
		{"broken, and the run goes back", syscall.EIO, []int{4}, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := create(t)
			l := metrics(t, d)
			bad := &badFile{logFile: l.file, take: -1}
			l.file = bad
			appendLines(t, l, 1)
			save(t, d, 1)
			appendLines(t, l, 2, 3)
			bad.failSync = test.err
			err := d.SaveCheckpoint(example(3, 1))
			wantError(t, err, "cannot save checkpoint", "cannot put log on the disk: "+test.err.Error(), "the last good one is 00000001")
			if IsFull(err) == test.stays || !errors.Is(err, test.err) {
				t.Errorf("full %v: %v", IsFull(err), err)
			}
			path := filepath.Join(d.Path(), metricsFile)
			if got := readFile(t, path); got == lines(1, 2, 3) {
				t.Fatal("nothing is lost")
			}
			want := append([]int{1, 2, 3}, test.later...)
			appendLines(t, l, test.later...)
			if test.truncates {
				want = want[:2]
				if err := l.TruncateAfter(2); (err != nil) != test.stays {
					t.Errorf("going back: %v", err)
				}
			}
			err = d.SaveCheckpoint(example(want[len(want)-1], 1))
			if test.stays {
				wantError(t, err, "cannot put log on the disk: input/output error", "the last good one is 00000001")
			} else if err != nil {
				t.Error(err)
			}
			if got := readFile(t, path); got != lines(want...) || bad.onDisk != int64(len(got)) {
				t.Errorf("got %q, %d bytes of it on the disk, want %q", got, bad.onDisk, lines(want...))
			}
		})
	}
}

// TestFailedSyncAtTheEnd: closing the folder says it, too.
func TestFailedSyncAtTheEnd(t *testing.T) {
	d := create(t)
	l := metrics(t, d)
	l.file = &badFile{logFile: l.file, take: -1, failSync: syscall.EIO}
	appendLines(t, l, 1)
	wantError(t, d.Close(), "cannot put log on the disk: input/output error")
}

// TestUnsyncedIsBounded: a run without checkpoints does not keep its log in memory.
func TestUnsyncedIsBounded(t *testing.T) {
	l := metrics(t, create(t))
	bad := &badFile{logFile: l.file, take: -1}
	l.file = bad
	long := []Field{{"x", strings.Repeat("long", mostUnsynced/40)}}
	for n := range 25 {
		if err := l.Append(n, long); err != nil {
			t.Fatal(err)
		}
	}
	if n := bad.syncs.Load(); n != 2 || len(l.unsynced) == 0 || len(l.unsynced) > mostUnsynced {
		t.Errorf("%d bytes are kept after %d syncs", len(l.unsynced), n)
	}
	bad.failSync = syscall.ENOSPC
	var err error
	n := 25
	for ; err == nil && n < 60; n++ {
		err = l.Append(n, long)
	}
	wantError(t, err, "cannot put log on the disk: no space left on device")
	appendLines(t, l, n)
	series, err := ReadMetrics(l.file.Name())
	if err != nil || len(series) != 0 || strings.Count(readFile(t, l.file.Name()), "\n") != n+1 {
		t.Errorf("got %v, %v", series, err)
	}
}

// TestTornLine: no line comes behind the half of one, however often it cannot be cut off.
func TestTornLine(t *testing.T) {
	d := create(t)
	l := metrics(t, d)
	path := filepath.Join(d.Path(), metricsFile)
	appendLines(t, l, 1)
	bad := &badFile{logFile: l.file, take: 7, noCut: true}
	l.file = bad
	err := l.Append(2, nil)
	wantError(t, err, "cannot append to log: no space left on device; the half of a line at its end cannot be cut off: input/output error")
	if IsFull(err) || !errors.Is(err, syscall.ENOSPC) {
		t.Error("a full disk is not all that is wrong")
	}
	torn := lines(1) + lines(2)[:7]
	if got := readFile(t, path); got != torn {
		t.Fatalf("the log is %q", got)
	}
	bad.take = -1 // there is room again
	wantError(t, l.Append(3, nil), "cannot append to log: the half of a line", "input/output error")
	wantError(t, d.SaveCheckpoint(example(3, 1)), "cannot save checkpoint", "the half of a line")
	if got := readFile(t, path); got != torn {
		t.Errorf("behind the half of a line: %q", got)
	}
	bad.noCut = false
	appendLines(t, l, 4)
	if got := readFile(t, path); got != lines(1, 2, 3, 4) {
		t.Errorf("then the log is %q", got)
	}
}

// TestTornLinesGoBack: of late lines whole ones may be in the file already.
func TestTornLinesGoBack(t *testing.T) {
	d := create(t)
	l := metrics(t, d)
	appendLines(t, l, 1)
	bad := &badFile{logFile: l.file, noCut: true}
	l.file = bad
	for _, n := range []int{2, 3} {
		bad.take = 0
		wantError(t, l.Append(n, nil), "cannot be cut off")
	}
	bad.noCut, bad.take = false, len(lines(2))+5
	real := bad.logFile
	bad.logFile = cutOnce{real, bad}
	wantError(t, l.Append(4, nil), "cannot be cut off")
	wantError(t, l.TruncateAfter(3), "cannot cut log after iteration 3", "input/output error")
	bad.logFile, bad.noCut, bad.take = real, false, -1
	if err := l.TruncateAfter(3); err != nil {
		t.Fatal(err)
	}
	appendLines(t, l, 4)
	if got := readFile(t, filepath.Join(d.Path(), metricsFile)); got != lines(1, 2, 3, 4) {
		t.Errorf("got %q", got)
	}
}

// cutOnce lets the disk fail behind the first cut.
type cutOnce struct {
	logFile
	bad *badFile
}

func (f cutOnce) Truncate(size int64) error {
	f.bad.noCut = true
	return f.logFile.Truncate(size)
}

// TestSlowDisk: while a checkpoint waits for the logs to be on the disk, training logs and draws, and the folder is not
// closed.
func TestSlowDisk(t *testing.T) {
	d := create(t)
	l := metrics(t, d)
	appendLines(t, l, 1)
	slow := &badFile{logFile: l.file, take: -1, syncing: make(chan struct{}), synced: make(chan struct{})}
	l.file = slow
	saved := make(chan error)
	go func() { saved <- d.SaveCheckpoint(example(1, 1)) }()
	<-slow.syncing
	worked := make(chan error)
	go func() {
		_, err := d.SavePicture(2, Grid(make([]float32, 4), 1, 1, 2, 2, 1))
		_, opened := d.Metrics()
		worked <- errors.Join(l.Append(2, nil), err, opened)
	}()
	select {
	case err := <-worked:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("training waits for the disk")
		defer func() { <-worked }()
	}
	closed := make(chan error, 1)
	go func() { closed <- d.Close() }()
	select {
	case err := <-closed:
		t.Error("the folder is closed while its log is written to the disk")
		closed <- err
	case <-time.After(20 * time.Millisecond):
	}
	slow.synced <- struct{}{}
	if err := <-saved; err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if got := readFile(t, filepath.Join(d.Path(), metricsFile)); got != lines(1, 2) {
		t.Errorf("got %q", got)
	}
}

func TestIsFull(t *testing.T) {
	full, broken := error(syscall.ENOSPC), error(syscall.EIO)
	wrapped := func(err error) error { return &wrapper{err} }
	for _, test := range []struct {
		err  error
		want bool
	}{
		{nil, false}, {full, true}, {syscall.EDQUOT, true}, {broken, false}, {syscall.EROFS, false}, {syscall.ENOENT, false}, {syscall.EACCES, false},
		{io.ErrShortWrite, false}, {wrapped(full), true}, {wrapped(broken), false}, {wrapped(errors.Join(full, full)), true},
		{wrapped(errors.Join(full, wrapped(broken))), false}, {errors.Join(full, errors.New("x")), false},
	} {
		if got := IsFull(test.err); got != test.want {
			t.Errorf("%v: got %v", test.err, got)
		}
	}
}

type wrapper struct{ err error }

func (w *wrapper) Error() string { return strings.ToUpper(w.err.Error()) }
func (w *wrapper) Unwrap() error { return w.err }
