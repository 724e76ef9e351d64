package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const maxTransfers = 10 // from one mirror, each of which brought something

// fetchFrom brings the file to Dest from one mirror. A transfer that was cut is
// taken up again as long as that helps.
func (r *Request) fetchFrom(ctx context.Context, url string, p *part) error {
	for n := 1; ; n++ {
		before := p.size
		err := r.transfer(ctx, url, p)
		if err == nil {
			return nil
		}
		var local *localError
		if ctx.Err() != nil || errors.As(err, &local) || n == maxTransfers {
			return err
		}
		stale := before > 0 && p.size == 0 // what was there is thrown away: once more from the beginning
		if !stale && p.size <= before {
			return err
		}
		r.logf("%s: %v; going on after byte %d", url, err, p.size)
	}
}

// transfer is one attempt to bring what the part lacks.
func (r *Request) transfer(ctx context.Context, url string, p *part) error {
	sums := r.newSums()
	if err := p.read(sums); err != nil {
		p.reset()
		return &localError{err}
	}
	if p.size < r.Size { // else only its name was missing
		if err := r.receive(ctx, url, p, sums); err != nil {
			return err
		}
	}
	if err := sums.check(); err != nil {
		p.reset()
		return err
	}
	if err := p.finish(r.Dest); err != nil {
		return &localError{err}
	}
	return nil
}

// receive appends what a server sends to the part and to sums, until the file
// has its size.
func (r *Request) receive(ctx context.Context, url string, p *part, sums sums) (err error) {
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
	defer watchdog.Stop() // a slow disk is not a silent server
	defer func() {
		if err != nil && errors.Is(context.Cause(ctx), errStalled) { // net/http reports only "context canceled"
			err = errStalled
		}
	}()

	answer, err := r.request(ctx, url, p.size)
	if err != nil {
		return err
	}
	defer func() { _ = answer.body.Close() }() // read or given up: nothing to learn
	if answer.start != p.size {                // it sends all: what is there is written over, and stays if this is cut sooner
		sums.reset()
		if _, err := p.file.Seek(0, io.SeekStart); err != nil {
			return &localError{err}
		}
	}
	if !answer.sized { // any page may look like the beginning of it, and nothing later could tell
		p.reset()
	}

	buf := make([]byte, 256<<10)
	done := answer.start
	for {
		n, readErr := answer.body.Read(buf)
		if n > 0 {
			watchdog.Reset(stall)
			done += int64(n)
			if done > r.Size {
				p.reset()
				return fmt.Errorf("it sends more than the expected %d bytes", r.Size)
			}
			_, _ = sums.Write(buf[:n])
			if _, err := p.file.Write(buf[:n]); err != nil {
				p.reset() // gives back the room on a full disk
				return &localError{err}
			}
			if answer.sized {
				p.size = max(p.size, done)
			}
			if r.Progress != nil {
				r.Progress(done, r.Size)
			}
		}
		if readErr != nil {
			if done < r.Size { // io.EOF or what else ended it: too little came
				return fmt.Errorf("the transfer was cut after %d of %d bytes (%w)", done, r.Size, readErr)
			}
			return nil
		}
	}
}

// answer is what a server sends.
type answer struct {
	body  io.ReadCloser
	start int64 // offset in the file of the first byte
	sized bool  // it said beforehand that the file has the expected size
}

// request asks for the file from offset at on, and refuses what cannot be it
// before reading it. The answer may begin at 0 nevertheless: not every server
// sends parts.
//
// There is no If-Range: the part may come from another mirror, whose ETags
// are others, and the checksum tells in the end.
func (r *Request) request(ctx context.Context, url string, at int64) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	// Otherwise net/http asks for gzip and unpacks it silently, and some
	// servers label every .gz file that way: the checksum would never match.
	req.Header.Set("Accept-Encoding", "identity")
	if at > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", at))
	}
	client := r.Client
	if client == nil {
		client = defaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	size := resp.ContentLength // of the whole file; -1: unknown
	switch {
	case at > 0 && resp.StatusCode == http.StatusPartialContent:
		start, total := contentRange(resp.Header.Get("Content-Range"))
		if start != at { // not what was asked for
			_ = resp.Body.Close()
			return r.request(ctx, url, 0)
		}
		if total == r.Size || total < 0 {
			return &answer{resp.Body, at, true}, nil
		}
		size = total
	case at > 0 && resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		_ = resp.Body.Close()
		return r.request(ctx, url, 0) // its file ends sooner, or it cannot count: the whole one will tell
	case resp.StatusCode != http.StatusOK:
		_ = resp.Body.Close()
		return nil, fmt.Errorf("the server answers %s", resp.Status)
	case size < 0 || size == r.Size:
		return &answer{resp.Body, 0, size >= 0}, nil
	}
	_ = resp.Body.Close()
	return nil, fmt.Errorf("the server offers %d bytes (%s), expected %d", size, resp.Header.Get("Content-Type"), r.Size)
}

// contentRange reads a header such as "bytes 100-199/200". The start of one
// that cannot be read is -1, as is a total that the server does not know.
func contentRange(header string) (start, total int64) {
	var end int64
	n, _ := fmt.Sscanf(header, "bytes %d-%d/%d", &start, &end, &total)
	switch {
	case n < 2 || start < 0:
		return -1, -1
	case n == 2 || total < 0: // "*", or nonsense
		return start, -1
	}
	return start, total
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
