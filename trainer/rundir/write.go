package rundir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/imori-ml/imori/internal/regular"
	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
)

// Everything is written by path, and between any two calls the run's folder may be moved and another run get its path. So
// what is written gets a name that means nothing, then the run asks whether the folder is still its own (Writable), and only
// then is the file given its name: where the folder has changed since, the nameless one is not there, and that fails.

// Writable is an error unless this process holds the lock, and the lock is still that of the folder.
func (d *Dir) Writable() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lock == nil {
		return fmt.Errorf("run folder %s is open for reading only: call Lock before writing", d.path)
	}
	return isAt(d.lock, d.path)
}

// openOwn opens or makes a file of the run to write into it, and follows no link that somebody has put in its place: what
// that leads to would be cut and written over.
func openOwn(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|flags|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o666)
	if err != nil {
		if info, statErr := os.Lstat(path); statErr == nil && regular.Check(path, info) != nil {
			err = regular.Check(path, info)
		}
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = regular.Check(path, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// reason is why a write failed: the folder is not the run's any more, or else what the system said.
func (d *Dir) reason(err error) error {
	if err == nil {
		return nil
	}
	if moved := d.Writable(); moved != nil {
		return moved
	}
	return err
}

// write replaces a file of the run by what fill writes, at once; where that fails, the old one stays.
func (d *Dir) write(path string, fill func(w io.Writer) error) error {
	return d.reason(func() error {
		f, err := atomicfile.Create(path)
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
		if err := d.Writable(); err != nil {
			return err
		}
		if err := f.Commit(); err != nil {
			return err
		}
		return atomicfile.SyncDir(filepath.Dir(path))
	}())
}

// rename renames what has a name of the run already, which is another run's where the folder has changed: it gets it back.
func (d *Dir) rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return d.reason(err)
	}
	err := d.Writable()
	if err != nil {
		if back := os.Rename(to, from); !errors.Is(back, fs.ErrNotExist) { // that was ours, and is where our folder is
			err = errors.Join(err, back)
		}
	}
	return err
}

// discard removes something of the run, at once as far as its name goes: a half-removed checkpoint would look like a damaged
// one.
func (d *Dir) discard(path string) error {
	temp := atomicfile.TempName(path)
	if err := d.rename(path, temp); err != nil {
		return err
	}
	return os.RemoveAll(temp)
}
