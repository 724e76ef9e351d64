package download

import (
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
)

// part is the file at Dest before it has its name. Whoever holds it alone
// writes to it.
type part struct {
	file   *os.File
	size   int64 // bytes from the beginning that a later transfer may go on from
	shared bool  // it has the name that others look for, and a lock; otherwise a name of its own
	done   bool  // it is at Dest
}

const lockInterval = 100 * time.Millisecond // between looks at whether another process has ended

// claim returns the part, for this process alone. nil: another process has
// brought the file meanwhile.
func (r *Request) claim(ctx context.Context) (*part, error) {
	for waiting := false; ; {
		p, busy, err := r.openPart()
		if err != nil {
			return nil, r.unwritable(err)
		}
		if !busy {
			there, err := r.present() // or it came between the first look and the lock
			if there || err != nil {
				p.reset()
				p.release()
				return nil, err
			}
			r.sweep(p.file.Name())
			if p.size > 0 {
				r.logf("%d of %d bytes of %s came earlier", p.size, r.Size, filepath.Base(r.Dest))
			}
			return p, nil
		}
		if !waiting {
			waiting = true
			r.logf("waiting for another process to download %s", filepath.Base(r.Dest))
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(lockInterval):
		}
	}
}

// openPart opens the part that an earlier transfer may have left, or a new one.
// busy: another process has it.
func (r *Request) openPart() (p *part, busy bool, err error) {
	for range 10 { // what had the name may be renamed or removed before it is locked
		file, err := openOwn(r.partPath())
		if err != nil {
			break
		}
		locked, err := tryLock(file)
		if err == nil && locked && isAt(file, r.partPath()) {
			if info, err := file.Stat(); err == nil {
				return &part{file: file, size: info.Size(), shared: true}, false, nil
			}
		}
		file.Close()
		if err != nil {
			break
		}
		if !locked {
			return nil, true, nil
		}
	}
	// Not every file system has locks, and the part may be another user's: then
	// this transfer has a file to itself, and begins at its beginning.
	file, err := os.CreateTemp(filepath.Dir(r.Dest), "."+filepath.Base(r.Dest)+".*.tmp")
	if err != nil {
		return nil, false, err
	}
	return &part{file: file}, false, nil
}

// isAt says whether path still names file.
func isAt(file *os.File, path string) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(path)
	return err == nil && os.SameFile(opened, named)
}

func (r *Request) partPath() string {
	sum := strings.ToLower(cmp.Or(r.SHA256, r.MD5))
	return filepath.Join(filepath.Dir(r.Dest), "."+filepath.Base(r.Dest)+"."+sum[:min(16, len(sum))]+".part")
}

// sweep removes parts of this file that nobody is writing: of other versions,
// or of transfers that are needed no more. It leaves the one named keep.
func (r *Request) sweep(keep string) {
	folder := filepath.Dir(r.Dest)
	name := regexp.MustCompile(`^\.` + regexp.QuoteMeta(filepath.Base(r.Dest)) + `\.[0-9a-f]{1,16}\.part$`)
	entries, _ := os.ReadDir(folder) // at worst they stay
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		if !e.Type().IsRegular() || path == filepath.Clean(keep) || !name.MatchString(e.Name()) {
			continue
		}
		removeIdle(path, os.Remove)
	}
}

// removeIdle removes what nobody holds a lock on.
func removeIdle(path string, remove func(string) error) {
	file, err := os.Open(path)
	if err != nil {
		return
	}
	defer file.Close()
	if locked, err := tryLock(file); err == nil && locked && isAt(file, path) {
		_ = remove(path)
	}
}

// read gives w the bytes that are there, and leaves the file at their end.
func (p *part) read(w io.Writer) error {
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.CopyN(w, p.file, p.size)
	return err
}

// reset throws away what is there.
func (p *part) reset() {
	p.size = 0
	_ = p.file.Truncate(0) // if it fails, the bytes are written over or removed
}

// finish gives the complete file its name.
func (p *part) finish(dest string) error {
	if err := p.file.Chmod(0o644); err != nil { // CreateTemp makes it private
		return err
	}
	if err := p.file.Sync(); err != nil {
		return err
	}
	if !p.shared { // without a lock to lose, it is closed first: some systems rename nothing that is open
		if err := p.file.Close(); err != nil {
			return err
		}
	}
	if err := os.Rename(p.file.Name(), dest); err != nil {
		return err
	}
	p.done = true
	return atomicfile.SyncDir(filepath.Dir(dest))
}

// release ends the work on the part. It stays where a later transfer can go on
// from it.
func (p *part) release() {
	keep := p.done || (p.shared && p.size > 0)
	if !keep && p.shared {
		_ = os.Remove(p.file.Name()) // before the lock goes with the file: after it, this may be another's
	}
	_ = p.file.Close() // synced, or not needed
	if !keep && !p.shared {
		_ = os.Remove(p.file.Name())
	}
}
