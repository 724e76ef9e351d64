// Package download brings published files onto this machine: from the first
// mirror that works, verified before anyone sees them, written whole or not at
// all.
package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Request describes one published file.
type Request struct {
	URLs   []string // mirrors, tried in turn; none: only a file that already lies at Dest will do
	Size   int64    // exact size in bytes
	SHA256 string   // in hex; SHA256 or MD5 is needed, and each that is given must match
	MD5    string   // in hex, for files whose publishers give nothing better
	Dest   string   // where the file goes

	Progress func(done, total int64)          // called as bytes arrive, those of an earlier transfer included; nil: silent
	Logf     func(format string, args ...any) // told of what takes long otherwise; nil: silent
	Client   *http.Client                     // nil: a client with timeouts on connecting and on the first byte
	Stall    time.Duration                    // longest silence of a server; 0: 60 s
}

// Fetch makes sure that the file lies at r.Dest, verified.
//
// A file that is already there is verified and left alone: it is how a machine
// without a network gets one. Otherwise the mirrors are tried in turn, and what
// arrives goes to a hidden file beside Dest that takes its name only once size
// and checksums are right.
//
// What came before a transfer was cut, or the program killed, stays in the
// hidden file, and this mirror, the next one or the next call goes on from
// there. It is named by the checksum, so that one of another version is never
// taken for it; it is thrown away if its bytes turn out to be wrong, and where
// the disk is full.
//
// Of several processes that want the file, one downloads it and the others wait
// for it. If ctx ends, the error wraps its cause; the error of failed mirrors
// says which file to put where.
func Fetch(ctx context.Context, r Request) error {
	if r.Size <= 0 || (r.SHA256 == "" && r.MD5 == "") {
		return fmt.Errorf("downloading %s: the request names no size or no checksum, expected both", r.Dest)
	}
	if there, err := r.present(); there || err != nil {
		return err
	}
	if len(r.URLs) == 0 {
		return fmt.Errorf("%s is missing; put it there", r.Dest)
	}
	if err := os.MkdirAll(filepath.Dir(r.Dest), 0o755); err != nil {
		return r.unwritable(err)
	}
	p, err := r.claim(ctx)
	if p == nil || err != nil {
		return err
	}
	defer p.release()

	var failures []string
	for _, url := range r.URLs {
		err := r.fetchFrom(ctx, url, p)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("downloading %s: %w", url, context.Cause(ctx))
		}
		var local *localError
		if errors.As(err, &local) {
			return r.unwritable(local.err) // another mirror would not help
		}
		failures = append(failures, fmt.Sprintf("%s: %v", url, err))
	}
	return fmt.Errorf("cannot download %s: %s; without a network, get it from %s on another machine and put it at %s",
		filepath.Base(r.Dest), strings.Join(failures, "; "), r.URLs[0], r.Dest)
}

// present says whether the published file lies at Dest. Another file there is an error.
func (r *Request) present() (bool, error) {
	switch err := r.verify(); {
	case err == nil:
		r.sweep("")
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	default:
		return false, fmt.Errorf("%w; remove it, or put the right file there", err)
	}
}

// verify says whether the file at Dest is the published one.
func (r *Request) verify() error {
	info, err := os.Stat(r.Dest) // before it is opened: a pipe would block
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", r.Dest)
	}
	if info.Size() != r.Size {
		return fmt.Errorf("%s has %d bytes, expected %d", r.Dest, info.Size(), r.Size)
	}
	file, err := os.Open(r.Dest)
	if err != nil {
		return err
	}
	defer file.Close()
	sums := r.newSums()
	if _, err := io.Copy(sums, file); err != nil {
		return err
	}
	if err := sums.check(); err != nil {
		return fmt.Errorf("%s: %w", r.Dest, err)
	}
	return nil
}

// localError is a failure of this machine's disk rather than of a mirror.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }

func (r *Request) unwritable(err error) error {
	return fmt.Errorf("downloading to %s: %w; the folder must be writable and have %d bytes free", r.Dest, err, r.Size)
}

func (r *Request) logf(format string, args ...any) {
	if r.Logf != nil {
		r.Logf(format, args...)
	}
}
