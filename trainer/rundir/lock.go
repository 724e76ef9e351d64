package rundir

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
)

const lockFile = ".lock"

// Lock makes this process the run's only writer until Close, or until it dies in whatever way. It then removes what a
// crashed writer left unfinished and checks that the folder can be written, so that a run fails before its training.
// A Dir from Create is locked already; Lock does nothing then.
func (d *Dir) Lock() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lock != nil {
		return nil
	}
	f, err := takeLock(d.path)
	if err != nil {
		return err
	}
	if err := d.prepare(); err != nil {
		f.Close()
		return fmt.Errorf("cannot write in run folder %s: %w", d.path, err)
	}
	d.lock = f
	return nil
}

// takeLock locks the folder by flock, which the kernel undoes when its owner dies. The file stays: removing it would let
// two processes lock two files of one name. Go opens files so that children do not inherit them.
func takeLock(folder string) (*os.File, error) {
	path := filepath.Join(folder, lockFile)
	f, err := openOwn(path, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot write in run folder %s: %w", folder, err)
	}
	err = flock(f, syscall.LOCK_EX)
	for range 5 {
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		time.Sleep(10 * time.Millisecond) // somebody may only be looking
		err = flock(f, syscall.LOCK_EX)
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		owner := make([]byte, 256)
		n, _ := f.ReadAt(owner, 0)
		f.Close()
		return nil, fmt.Errorf("run folder %s is in use by %s: wait for it to end or choose another folder",
			folder, cmp.Or(strings.TrimSpace(string(owner[:n])), "another process"))
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	if err := isAt(f, folder); err != nil { // it was another's when it was opened
		f.Close()
		return nil, err
	}
	// For the message above. On a full disk it is lost, which prepare reports.
	host, _ := os.Hostname()
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt(fmt.Appendf(nil, "process %d on %s\n", os.Getpid(), host), 0)
	}
	return f, nil
}

// isAt is an error unless the lock is that of the folder which has its path now.
func isAt(lock *os.File, folder string) error {
	held, err := lock.Stat()
	if err != nil {
		return fmt.Errorf("cannot tell whether run folder %s is still there: %w", folder, err)
	}
	found, err := os.Stat(filepath.Join(folder, lockFile))
	switch {
	case errors.Is(err, os.ErrNotExist):
		err = fmt.Errorf("the lock is gone: %w", err)
	case err != nil:
	case !os.SameFile(held, found):
		err = errors.New("the lock is another one")
	default:
		return nil
	}
	return fmt.Errorf("run folder %s was moved, replaced or removed while it was written to (%w): nothing more is written there; "+
		"resume the run where its folder is now", folder, err)
}

// flock takes a lock, LOCK_EX or LOCK_SH, if it is free: else EWOULDBLOCK.
func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// prepare makes the folders of a run, removes leftovers, and tries what will be done there later.
func (d *Dir) prepare() error {
	for _, name := range []string{".", samplesFolder, checkpointFolder} {
		folder := filepath.Join(d.path, name)
		if err := os.Mkdir(folder, 0o777); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		if err := removeUnfinished(folder); err != nil {
			return err
		}
		if err := tryFolder(folder); err != nil {
			return err
		}
	}
	diagnoses := filepath.Join(d.path, diagnosisFolder) // it is made when it is needed
	if err := removeUnfinished(diagnoses); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if info, err := os.Lstat(filepath.Join(d.path, checkpointFolder, latestLink)); err == nil && info.IsDir() {
		return fmt.Errorf("%s/%s is a folder, expected a link (a copy that followed links?): remove it", checkpointFolder, latestLink)
	}
	for _, folder := range []string{filepath.Join(d.path, checkpointFolder), diagnoses} {
		if err := recoverReplaced(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return atomicfile.SyncDir(d.path)
}

func removeUnfinished(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if atomicfile.IsTemp(e.Name()) {
			if err := os.RemoveAll(filepath.Join(folder, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// tryFolder makes a file and a symbolic link: `latest` is one, and not every file system has them.
func tryFolder(folder string) error {
	file := atomicfile.TempName(filepath.Join(folder, "try"))
	if err := os.WriteFile(file, []byte("x"), 0o666); err != nil {
		os.Remove(file)
		return err
	}
	if err := os.Remove(file); err != nil {
		return err
	}
	if err := os.Symlink("x", file); err != nil {
		return err
	}
	return os.Remove(file)
}
