package rundir

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMovedFolder: a run whose folder is moved away writes nothing into that of another run which has its path then.
func TestMovedFolder(t *testing.T) {
	a := create(t)
	path := a.Path()
	l := metrics(t, a)
	appendLines(t, l, 1)
	begin(t, a, 0)
	save(t, a, 1)
	old := path + "-old"
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(want ...string) {
		t.Helper()
		_, picture := a.SavePicture(2, Grid(make([]float32, 4), 1, 1, 2, 2, 1))
		_, animation := a.SaveAnimation(a.Pictures(math.MaxInt), 0)
		_, timing := a.Timing()
		_, diagnosis := a.SaveDiagnosis("00000002", func(string) error { return nil })
		for _, err := range []error{
			picture, animation, timing, diagnosis, a.WriteRecipe([]byte("x")), a.SaveCheckpoint(example(2, 1)), a.PointBest(1),
			a.GoBack(-1), a.Prune(), a.Begin(1, 10), a.End(Finished, 10, nil),
		} {
			wantError(t, err, append(want, "run folder "+path+" was moved, replaced or removed", "resume the run where its folder is now")...)
		}
	}
	move(path, old)
	refused("the lock is gone")
	if err := a.Writable(); !errors.Is(err, fs.ErrNotExist) || IsFull(err) {
		t.Errorf("error is %v", err)
	}
	b, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	save(t, b, 7)
	before := names(t, path) + names(t, filepath.Join(path, checkpointFolder))
	refused("the lock is another one")
	appendLines(t, l, 2) // its file has moved with the folder
	if got := names(t, path) + names(t, filepath.Join(path, checkpointFolder)); got != before || links(t, b) != "latest 00000007" {
		t.Errorf("left in the other run: %s, %s", got, links(t, b))
	}
	save(t, b, 8)
	b.Close()
	move(path, path+"-b")
	move(old, path)
	save(t, a, 2)
	if got := readFile(t, filepath.Join(path, metricsFile)); got != lines(1, 2) {
		t.Errorf("back again: %q", got)
	}
}

// TestMovedWhileSaving: a checkpoint that is written when the folder is replaced does not get its name in the new one.
func TestMovedWhileSaving(t *testing.T) {
	a := create(t)
	path := a.Path()
	l := metrics(t, a)
	appendLines(t, l, 1)
	save(t, a, 1)
	slow := &badFile{logFile: l.file, take: -1, syncing: make(chan struct{}), synced: make(chan struct{})}
	l.file = slow
	saved := make(chan error)
	go func() { saved <- a.SaveCheckpoint(example(2, 1)) }()
	<-slow.syncing
	if err := os.Rename(path, path+"-old"); err != nil {
		t.Fatal(err)
	}
	b, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	save(t, b, 7)
	slow.synced <- struct{}{}
	err = <-saved
	wantError(t, err, "cannot save checkpoint", "was moved, replaced or removed")
	if strings.Contains(err.Error(), "the last good one") {
		t.Errorf("it speaks of the other run's: %v", err)
	}
	folder := filepath.Join(path, checkpointFolder)
	if got := names(t, folder); got != "00000007 latest" || links(t, b) != "latest 00000007" {
		t.Errorf("left in the other run: %s, %s", got, links(t, b))
	}
	// No other way leads there either.
	temp := filepath.Join(folder, ".tmp-00000002-ABCDEFGH")
	if err := writeCheckpoint(temp, example(2, 1)); err != nil {
		t.Fatal(err)
	}
	wantError(t, a.point(latestLink, "00000002"), "was moved, replaced or removed")
}

// TestMovedInAWrite: a folder that is replaced between any two steps of a write gives the other run its own back.
func TestMovedInAWrite(t *testing.T) {
	for _, c := range []struct {
		name  string
		write func(d *Dir, move func()) error
	}{
		{"a file, begun before", func(d *Dir, move func()) error {
			return d.write(filepath.Join(d.path, statusFile), func(io.Writer) error { move(); return nil })
		}},
		{"a file, begun behind", func(d *Dir, move func()) error {
			move()
			return d.write(filepath.Join(d.path, statusFile), func(io.Writer) error { return nil })
		}},
		{"a link", func(d *Dir, move func()) error {
			move()
			return d.point(latestLink, "00000001")
		}},
		{"a checkpoint's name", func(d *Dir, move func()) error {
			temp := filepath.Join(d.path, checkpointFolder, ".tmp-00000007-ABCDEFGH")
			if err := writeCheckpoint(temp, example(7, 1)); err != nil {
				return err
			}
			move()
			return d.reason(d.place(temp, 7))
		}},
		{"an old checkpoint", func(d *Dir, move func()) error {
			move()
			return d.discard(d.CheckpointPath(7))
		}},
		{"one given up", func(d *Dir, move func()) error {
			move()
			return d.undo(7)
		}},
	} {
		for name, way := range map[string]func(_, _ string) error{"exchange": exchange, "renames": cannotExchange} {
			t.Run(c.name+", "+name, func(t *testing.T) {
				exchanging = way
				defer func() { exchanging = exchange }()
				a, b := create(t), create(t)
				save(t, a, 1)
				save(t, b, 7)
				if err := b.Begin(7, 10); err != nil {
					t.Fatal(err)
				}
				path := a.Path()
				all := func(folder string) string {
					return allFiles(t, filepath.Join(folder, checkpointFolder, "00000007")) +
						names(t, folder) + readFile(t, filepath.Join(folder, statusFile)) + names(t, filepath.Join(folder, checkpointFolder))
				}
				before := all(b.Path())
				err := c.write(a, func() {
					if err := errors.Join(os.Rename(path, path+"-old"), os.Rename(b.Path(), path)); err != nil {
						t.Fatal(err)
					}
				})
				wantError(t, err, "run folder "+path+" was moved, replaced or removed", "the lock is another one")
				if got := all(path); got != before || links(t, &Dir{path: path}) != "latest 00000007" {
					t.Errorf("the other run became %s, was %s", got, before)
				}
			})
		}
	}
}
