// Package download brings published files onto this machine: from the first
// mirror that works, verified before anyone sees them, written whole or not at
// all.
package download

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net"
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

	Progress func(done, total int64) // called as bytes arrive; nil: silent
	Client   *http.Client            // nil: a client with timeouts on connecting and on the first byte
	Stall    time.Duration           // longest silence of a server; 0: 60 s
}

// Fetch makes sure that the file lies at r.Dest, verified.
//
// A file that is already there is verified and left alone: it is how a machine
// without a network gets one. Otherwise the mirrors are tried in turn, and what
// arrives goes to a temporary file beside Dest that takes its name only once
// size and checksums are right. On error nothing is left behind, and the error
// says which file to put where. If ctx ends, the error wraps its cause.
func Fetch(ctx context.Context, r Request) error {
	if r.Size <= 0 || (r.SHA256 == "" && r.MD5 == "") {
		return fmt.Errorf("downloading %s: the request names no size or no checksum, expected both", r.Dest)
	}
	switch err := r.verify(); {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; remove it, or put the right file there", err)
	case len(r.URLs) == 0:
		return fmt.Errorf("%s is missing; put it there", r.Dest)
	}
	if err := os.MkdirAll(filepath.Dir(r.Dest), 0o755); err != nil {
		return fmt.Errorf("downloading %s: %w", r.Dest, err)
	}

	var failures []string
	for _, url := range r.URLs {
		err := r.fetchFrom(ctx, url)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("downloading %s: %w", url, context.Cause(ctx))
		}
		var local *localError
		if errors.As(err, &local) {
			return fmt.Errorf("downloading %s: %w", url, local.err) // another mirror would not help
		}
		failures = append(failures, fmt.Sprintf("%s: %v", url, err))
	}
	return fmt.Errorf("cannot download %s: %s; without a network, get it from %s on another machine and put it at %s",
		filepath.Base(r.Dest), strings.Join(failures, "; "), r.URLs[0], r.Dest)
}

// localError is a failure of this machine's disk rather than of a mirror.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }

func (r *Request) fetchFrom(ctx context.Context, url string) (err error) {
	// A server that falls silent must not hold the program for ever, and a slow
	// one must not be cut off: the watchdog ends the request only when nothing
	// has arrived for a while.
	stall := r.Stall
	if stall == 0 {
		stall = time.Minute
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	errStalled := fmt.Errorf("the server sent nothing for %v", stall)
	watchdog := time.AfterFunc(stall, func() { cancel(errStalled) })
	defer watchdog.Stop()
	defer func() {
		if err != nil && errors.Is(context.Cause(ctx), errStalled) { // net/http reports only "context canceled"
			err = errStalled
		}
	}()

	body, err := r.request(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // read or given up: nothing to learn

	file, err := os.CreateTemp(filepath.Dir(r.Dest), "."+filepath.Base(r.Dest)+".*.part")
	if err != nil {
		return &localError{err}
	}
	defer os.Remove(file.Name()) // after the rename there is nothing left to remove
	defer file.Close()

	sums := r.newSums()
	buf := make([]byte, 256<<10)
	var done int64
	for {
		n, readErr := body.Read(buf)
		if n > 0 {
			watchdog.Reset(stall)
			done += int64(n)
			if done > r.Size {
				return fmt.Errorf("it sends more than the expected %d bytes", r.Size)
			}
			sums.write(buf[:n])
			if _, err := file.Write(buf[:n]); err != nil {
				return &localError{err}
			}
			if r.Progress != nil {
				r.Progress(done, r.Size)
			}
		}
		if readErr != nil {
			if done < r.Size { // io.EOF or what else ended it: too little came
				return fmt.Errorf("the transfer was cut after %d of %d bytes (%w)", done, r.Size, readErr)
			}
			break
		}
	}
	watchdog.Stop() // a slow disk is not a silent server
	if err := sums.check(); err != nil {
		return err
	}
	if err := finish(file, r.Dest); err != nil {
		return &localError{err}
	}
	return nil
}

// request opens url and refuses what cannot be the file before reading it.
func (r *Request) request(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	// Otherwise net/http asks for gzip and unpacks it silently, and some
	// servers label every .gz file that way: the checksum would never match.
	req.Header.Set("Accept-Encoding", "identity")
	client := r.Client
	if client == nil {
		client = defaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("the server answers %s", resp.Status)
	case resp.ContentLength >= 0 && resp.ContentLength != r.Size:
		err = fmt.Errorf("the server offers %d bytes (%s), expected %d", resp.ContentLength, resp.Header.Get("Content-Type"), r.Size)
	default:
		return resp.Body, nil
	}
	_ = resp.Body.Close()
	return nil, err
}

var defaultClient = func() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 15 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 15 * time.Second
	t.ResponseHeaderTimeout = 30 * time.Second
	return &http.Client{Transport: t}
}()

// withoutURL strips the `Get "url":` that net/http puts before each error; the
// message names the mirror already.
func withoutURL(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// verify says whether the file at Dest is the published one.
func (r *Request) verify() error {
	file, err := os.Open(r.Dest)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", r.Dest)
	}
	if info.Size() != r.Size {
		return fmt.Errorf("%s has %d bytes, expected %d", r.Dest, info.Size(), r.Size)
	}
	sums := r.newSums()
	if _, err := io.Copy(writerFunc(sums.write), file); err != nil {
		return err
	}
	if err := sums.check(); err != nil {
		return fmt.Errorf("%s: %w", r.Dest, err)
	}
	return nil
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

// sums are the checksums of a file in passing.
type sums []sum

type sum struct {
	name, want string
	hash       hash.Hash
}

func (r *Request) newSums() sums {
	var s sums
	if r.SHA256 != "" {
		s = append(s, sum{"sha256", r.SHA256, sha256.New()})
	}
	if r.MD5 != "" {
		s = append(s, sum{"md5", r.MD5, md5.New()})
	}
	return s
}

func (s sums) write(p []byte) {
	for _, c := range s {
		c.hash.Write(p)
	}
}

func (s sums) check() error {
	for _, c := range s {
		if got := hex.EncodeToString(c.hash.Sum(nil)); !strings.EqualFold(got, c.want) {
			return fmt.Errorf("wrong checksum: %s is %s, expected %s", c.name, got, c.want)
		}
	}
	return nil
}

// finish gives a complete temporary file its name.
func finish(file *os.File, path string) error {
	if err := file.Chmod(0o644); err != nil { // CreateTemp makes it private
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
