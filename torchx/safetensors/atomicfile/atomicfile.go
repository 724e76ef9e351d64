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
	temp := TempName(path)
	if err := WriteNew(temp, fill); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// WriteNew makes a new file, under its final name, for callers that have an unfinished folder around it.
// The content is on the disk when it returns; on an error the file is gone. The folder is the caller's to sync.
func WriteNew(path string, fill func(w io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	done := false
	defer func() { // by defer, so that a panic in fill leaves nothing behind either
		if !done {
			f.Close()
			os.Remove(path)
		}
	}()
	w := bufio.NewWriterSize(f, 1<<16)
	if err := fill(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	done = true
	return nil
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
