package download

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// ranger serves the payload in parts, as most servers do, and remembers what it was asked for.
type ranger struct {
	*httptest.Server
	most   int                                    // bytes an answer ends after; 0: it does not
	answer func(http.ResponseWriter, string) bool // if not nil, it may answer in the server's place

	mu     sync.Mutex
	asked  []string // the Range of each request
	served int      // bytes
}

func newRanger(t *testing.T) *ranger {
	s := &ranger{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// requests returns the Range of each request so far.
func (s *ranger) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *ranger) sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served
}

func (s *ranger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Header.Get("Range"))
	s.mu.Unlock()
	if s.answer != nil && s.answer(w, r.Header.Get("Range")) {
		return
	}
	http.ServeContent(&cutter{w, s, s.most}, r, "file", time.Time{}, bytes.NewReader(payload))
}

// cutter ends an answer early.
type cutter struct {
	http.ResponseWriter
	s    *ranger
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	if c.s.most > 0 {
		if c.left == 0 {
			return 0, errors.New("cut")
		}
		b = b[:min(len(b), c.left)]
		c.left -= len(b)
	}
	n, err := c.ResponseWriter.Write(b)
	c.s.mu.Lock()
	c.s.served += n
	c.s.mu.Unlock()
	return n, err
}

// leave puts data where a transfer that was cut would have left it.
func leave(t *testing.T, r Request, data []byte) {
	t.Helper()
	mustWrite(t, r.partPath(), data)
}

func TestFetchGoesOn(t *testing.T) {
	server := newRanger(t)
	server.most = 300_000
	r := published(filepath.Join(t.TempDir(), "f"), server.URL)
	var last int64
	r.Progress = func(done, _ int64) {
		if done < last {
			t.Errorf("progress went from %d to %d", last, done)
		}
		last = done
	}
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	expectPayload(t, r.Dest)
	if want := []string{"", "bytes=300000-", "bytes=600000-", "bytes=900000-"}; !slices.Equal(server.requests(), want) {
		t.Errorf("asked for %q, want %q", server.requests(), want)
	}
	server.Close() // it has counted all then
	if server.sent() != len(payload) {
		t.Errorf("the server sent %d bytes, want %d, none of them twice", server.sent(), len(payload))
	}
}

func TestFetchGivesUpOnAServerThatCutsAlways(t *testing.T) {
	server := newRanger(t)
	server.most = 1000
	r := published(filepath.Join(t.TempDir(), "f"), server.URL)
	err := Fetch(t.Context(), r)
	if err == nil || !strings.Contains(err.Error(), "was cut after 10000 of 950000 bytes") || len(server.requests()) != maxTransfers {
		t.Errorf("%d requests, error %v", len(server.requests()), err)
	}
	expectPart(t, filepath.Dir(r.Dest))
	whole := newRanger(t)
	r.URLs = []string{whole.URL}
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	expectPayload(t, r.Dest)
	if got := whole.requests(); !slices.Equal(got, []string{"bytes=10000-"}) {
		t.Errorf("the next call asked for %q", got)
	}
}

func TestFetchGoesOnAtTheNextMirror(t *testing.T) {
	cut, server := serve(t), newRanger(t)
	r := published(filepath.Join(t.TempDir(), "f"), cut.URL+"/cut", server.URL)
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	expectPayload(t, r.Dest)
	if want := []string{"bytes=475000-"}; !slices.Equal(server.requests(), want) {
		t.Errorf("asked for %q, want %q", server.requests(), want)
	}
}

// TestFetchIgnoredRange: a server that sends all nevertheless is no trouble, and what is there outlives a shorter one.
func TestFetchIgnoredRange(t *testing.T) {
	server := serve(t)
	r := published(filepath.Join(t.TempDir(), "f"), server.URL+"/cut")
	most := len(payload) * 3 / 4
	leave(t, r, payload[:most])
	if err := Fetch(t.Context(), r); err == nil {
		t.Fatal("no error")
	}
	if got, _ := os.ReadFile(r.partPath()); !bytes.Equal(got, payload[:most]) {
		t.Errorf("%d bytes of a part are left, want the %d that were there", len(got), most)
	}
	next := newRanger(t)
	r.URLs = append(r.URLs, next.URL)
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	expectPayload(t, r.Dest)
	if got := next.requests(); !slices.Equal(got, []string{"bytes=712500-"}) {
		t.Errorf("the next mirror was asked for %q", got)
	}
	os.Remove(r.Dest)
	leave(t, r, payload[:most])
	r.URLs = []string{server.URL + "/good"}
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	expectPayload(t, r.Dest)
}

func TestFetchWhatIsLeft(t *testing.T) {
	wrong := bytes.Repeat([]byte("other version\n"), 1000)
	for name, test := range map[string]struct {
		part []byte
		want []string // requests
	}{
		"nothing":             {nil, []string{""}},
		"the beginning":       {payload[:1000], []string{"bytes=1000-"}},
		"all but a byte":      {payload[:len(payload)-1], []string{"bytes=949999-"}},
		"all":                 {payload, nil}, // killed before the file had its name
		"more than all":       {append(bytes.Clone(payload), 'x'), []string{""}},
		"other bytes":         {wrong, []string{"bytes=14000-", ""}},
		"as many other bytes": {bytes.Repeat([]byte{1}, len(payload)), []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			server := newRanger(t)
			r := published(filepath.Join(t.TempDir(), "f"), server.URL)
			leave(t, r, test.part)
			if err := Fetch(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			expectPayload(t, r.Dest)
			if !slices.Equal(server.requests(), test.want) {
				t.Errorf("asked for %q, want %q", server.requests(), test.want)
			}
		})
	}
}

func TestFetchStrangeParts(t *testing.T) {
	partial := func(contentRange string, body []byte) func(http.ResponseWriter, string) bool {
		return func(w http.ResponseWriter, asked string) bool {
			if asked == "" {
				return false
			}
			if contentRange != "" {
				w.Header().Set("Content-Range", contentRange)
			}
			w.WriteHeader(http.StatusPartialContent)
			send(w, body)
			return true
		}
	}
	again := []string{"bytes=1000-", ""}
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter, string) bool
		want   []string
		fails  string // "": it does not
	}{
		"no total":         {partial("bytes 1000-949999/*", payload[1000:]), again[:1], ""},
		"another start":    {partial("bytes 0-949999/950000", payload), again, ""},
		"no range":         {partial("", payload[1000:]), again, ""},
		"not a range":      {partial("lines 3-4", payload[1000:]), again, ""},
		"another version":  {partial("bytes 1000-1999/2000", payload[:1000]), again[:1], "offers 2000 bytes"},
		"wrong bytes":      {partial("bytes 1000-949999/950000", payload[:len(payload)-1000]), again, ""},
		"more than it has": {partial("bytes 1000-949999/950000", payload), again, ""},
		"not satisfiable": {func(w http.ResponseWriter, asked string) bool {
			if asked != "" {
				http.Error(w, "no", http.StatusRequestedRangeNotSatisfiable)
			}
			return asked != ""
		}, again, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := newRanger(t)
			server.answer = test.answer
			r := published(filepath.Join(t.TempDir(), "f"), server.URL)
			leave(t, r, payload[:1000])
			err := Fetch(t.Context(), r)
			if !slices.Equal(server.requests(), test.want) {
				t.Errorf("asked for %q, want %q", server.requests(), test.want)
			}
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) {
					t.Errorf("error %v, want %q", err, test.fails)
				}
				expectPart(t, filepath.Dir(r.Dest))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			expectPayload(t, r.Dest)
		})
	}
}

// TestFetchOtherVersions: parts of other versions are never used, and removed; the like of them is not touched.
func TestFetchOtherVersions(t *testing.T) {
	server := newRanger(t)
	dir := t.TempDir()
	r := published(filepath.Join(dir, "f"), server.URL)
	old := r
	old.SHA256 = strings.Repeat("5", 64)
	leave(t, old, payload[:1000])
	others := []string{".f.txt", ".g." + old.SHA256[:16] + ".part", "f." + old.SHA256[:16] + ".part"}
	for _, name := range others {
		mustWrite(t, filepath.Join(dir, name), nil)
	}
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if want := []string{""}; !slices.Equal(server.requests(), want) {
		t.Errorf("asked for %q, want %q", server.requests(), want)
	}
	if got, want := tree(t, dir), strings.Join(others, " ")+" f"; !sameWords(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	// A part that is needed no more goes too.
	leave(t, r, payload[:1000])
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got, want := tree(t, dir), strings.Join(others, " ")+" f"; !sameWords(got, want) {
		t.Errorf("then found %q, want %q", got, want)
	}
}

func sameWords(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// TestFetchUnsizedIsNotKept: of an answer without a size, nobody knows whether it is the beginning of the file.
func TestFetchUnsizedIsNotKept(t *testing.T) {
	server := newRanger(t)
	server.answer = func(w http.ResponseWriter, _ string) bool {
		w.(http.Flusher).Flush()
		send(w, []byte("<html>please log in</html>"))
		return true
	}
	for _, earlier := range [][]byte{nil, payload[:1000]} { // a page may have been written over its beginning
		r := published(filepath.Join(t.TempDir(), "f"), server.URL)
		if earlier != nil {
			leave(t, r, earlier)
		}
		if err := Fetch(t.Context(), r); err == nil || !strings.Contains(err.Error(), "was cut after 26 of 950000 bytes") {
			t.Errorf("error %v", err)
		}
		expectEmpty(t, filepath.Dir(r.Dest))
	}
}

func TestContentRange(t *testing.T) {
	for header, want := range map[string][2]int64{
		"bytes 100-199/200": {100, 200}, "bytes 0-0/1": {0, 1}, "bytes 5-9/*": {5, -1},
		"": {-1, -1}, "bytes */200": {-1, -1}, "bytes 5": {-1, -1}, "lines 1-2/3": {-1, -1}, "bytes 99999999999999999999-1/2": {-1, -1},
		"bytes -7-9/20": {-1, -1}, "bytes 5-9/-3": {5, -1},
	} {
		if start, total := contentRange(header); [2]int64{start, total} != want {
			t.Errorf("%q: got %d, %d, want %v", header, start, total, want)
		}
	}
}

// gate serves the payload when it is told to.
func gate(t *testing.T) (url string, reached, open chan struct{}) {
	reached, open = make(chan struct{}, 100), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(payload)))
		send(w, payload[:1000])
		w.(http.Flusher).Flush()
		reached <- struct{}{}
		select {
		case <-open:
			send(w, payload[1000:])
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, reached, open
}

// TestFetchAtOnce: of many that want a file, one downloads it.
func TestFetchAtOnce(t *testing.T) {
	url, reached, open := gate(t)
	r := published(filepath.Join(t.TempDir(), "f"), url)
	const n = 8
	waiting := make(chan string, n)
	r.Logf = func(format string, args ...any) { waiting <- fmt.Sprintf(format, args...) }
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			if err := Fetch(t.Context(), r); err != nil {
				t.Error(err)
			}
		})
	}
	<-reached
	for range n - 1 {
		if got := <-waiting; got != "waiting for another process to download f" {
			t.Errorf("got %q", got)
		}
	}
	if _, err := os.Stat(r.Dest); err == nil {
		t.Error("the file is there before all of it came")
	}
	close(open)
	group.Wait()
	expectPayload(t, r.Dest)
	if len(reached) > 0 {
		t.Errorf("%d more transfers than needed", len(reached))
	}
}

// TestFetchTakesOver: who waits goes on where the other one gave up.
func TestFetchTakesOver(t *testing.T) {
	url, reached, _ := gate(t)
	server := newRanger(t)
	first := published(filepath.Join(t.TempDir(), "f"), url)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- Fetch(ctx, first) }()
	<-reached
	second := published(first.Dest, server.URL)
	second.Logf = func(string, ...any) { cancel() } // it waits
	if err := Fetch(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("the first one: %v", err)
	}
	expectPayload(t, first.Dest)
	if len(server.requests()) != 1 || (server.requests()[0] != "bytes=1000-" && server.requests()[0] != "") {
		t.Errorf("asked for %q", server.requests())
	}
}

func TestFetchWaitingEnds(t *testing.T) {
	url, reached, open := gate(t)
	r := published(filepath.Join(t.TempDir(), "f"), url)
	first := make(chan error, 1)
	go func() { first <- Fetch(t.Context(), r) }()
	<-reached
	why := errors.New("the user pressed Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	second := r
	second.Logf = func(string, ...any) { cancel(why) }
	if err := Fetch(ctx, second); !errors.Is(err, why) {
		t.Errorf("error %v, want the cause of the cancellation", err)
	}
	close(open)
	if err := <-first; err != nil {
		t.Errorf("the one that was waited for: %v", err)
	}
	expectPayload(t, r.Dest)
}
