// Package atomicfile writes files that are whole or absent, whatever happens to the process or the machine meanwhile.
package atomicfile

import (
	"bufio"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
)

var temp = regexp.MustCompile(`^\.tmp-.*-[A-Z2-7]{8}$`)

// TempName returns a name for an unfinished path, in path's own folder: a rename does not cross file systems.
func TempName(path string) string {
	folder, base := filepath.Split(path)
	return filepath.Join(folder, ".tmp-"+base+"-"+rand.Text()[:8])
}

// IsTemp tells names that TempName made. Whoever owns a folder may remove them after a crash.
func IsTemp(name string) bool { return temp.MatchString(name) }

// Write makes path hold what fill writes, replacing a file of that name at once. On an error path is as it was.
// It returns when the file would survive a loss of power.
func Write(path string, fill func(w io.Writer) error) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	defer f.Discard() // by defer, so that a panic in fill leaves nothing behind either
	if err := fill(f); err != nil {
		return err
	}
	if err := f.Commit(); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// WriteNew makes a new file, under its final name, for callers that have an unfinished folder around it.
// The content is on the disk when it returns; on an error the file is gone. The folder is the caller's to sync.
func WriteNew(path string, fill func(w io.Writer) error) error {
	f, err := create(path, path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := fill(f); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	f.done = true
	return nil
}

// File is a file that is written under a temporary name beside its own, for callers whose files are to appear together.
// Either Commit or Discard ends it.
type File struct {
	path, temp string
	file       *os.File // nil once closed
	w          *bufio.Writer
	err        error // of Close
	done       bool  // nothing is left to be discarded
}

// Create begins a file. What is at path stays until Commit.
func Create(path string) (*File, error) { return create(path, TempName(path)) }

func create(path, temp string) (*File, error) {
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	return &File{path: path, temp: temp, file: f, w: bufio.NewWriterSize(f, 1<<16)}, nil
}

// Path is the name that the file will have.
func (f *File) Path() string { return f.path }

func (f *File) Write(p []byte) (int, error) {
	if f.file == nil {
		return 0, os.ErrClosed
	}
	return f.w.Write(p)
}

// Close ends the writing: the content is on the disk, under the temporary name. A second call returns the same.
func (f *File) Close() error {
	if f.file == nil {
		return f.err
	}
	if f.err = f.w.Flush(); f.err == nil {
		f.err = f.file.Sync()
	}
	if err := f.file.Close(); f.err == nil {
		f.err = err
	}
	f.file, f.w = nil, nil // there may be thousands of files to be committed
	return f.err
}

// Commit gives the file its name, in place of what had it. The folder is the caller's to sync.
func (f *File) Commit() error {
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.temp, f.path); err != nil {
		return err
	}
	f.done = true
	return nil
}

// Discard removes the unfinished file. After Commit it does nothing.
func (f *File) Discard() {
	if f.done {
		return
	}
	if f.file != nil {
		f.file.Close()
		f.file = nil
	}
	os.Remove(f.temp)
	f.done = true
}

// SyncDir makes the names in a folder survive a loss of power.
func SyncDir(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some network file systems cannot sync a folder and say EINVAL; there is nothing better to do there.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
