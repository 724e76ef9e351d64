package download

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const slowStall = 750 * time.Millisecond

var payload = bytes.Repeat([]byte("what was published\n"), 50_000) // ~ 1 MB

// serve answers the paths that the tests name their mirrors by.
func serve(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { send(w, payload) })
	mux.HandleFunc("/labelled-gzip", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip") // as some servers label .gz files
		send(w, payload)
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/good", http.StatusFound) })
	mux.HandleFunc("/circle", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/circle", http.StatusFound) })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) })
	mux.HandleFunc("/forbidden", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	mux.HandleFunc("/portal", func(w http.ResponseWriter, _ *http.Request) { send(w, []byte("<html>please log in</html>")) })
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(payload)))
		send(w, payload[:len(payload)/2])
	})
	mux.HandleFunc("/short-chunked", func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush() // no Content-Length: only the checks on arrival can tell
		send(w, payload[:len(payload)/2])
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil && send(w, payload) {
		}
	})
	mux.HandleFunc("/wrong", func(w http.ResponseWriter, _ *http.Request) {
		send(w, append([]byte("W"), payload[1:]...))
	})
	mux.HandleFunc("/silent", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(payload)))
		send(w, payload[:100])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) { // for 3 stalls, and never silent for half of one
		w.Header().Set("Content-Length", fmt.Sprint(len(payload)))
		for chunk := range slices.Chunk(payload, len(payload)/8+1) {
			send(w, chunk)
			w.(http.Flusher).Flush()
			select {
			case <-time.After(slowStall * 2 / 5):
			case <-r.Context().Done():
				return
			}
		}
	})
	mux.HandleFunc("/mute", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// send says whether the client still listens.
func send(w http.ResponseWriter, data []byte) bool {
	_, err := w.Write(data)
	return err == nil
}

func mustWrite(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func published(dest string, urls ...string) Request {
	s256, m5 := sha256.Sum256(payload), md5.Sum(payload)
	return Request{
		URLs: urls, Dest: dest, Size: int64(len(payload)),
		SHA256: hex.EncodeToString(s256[:]), MD5: hex.EncodeToString(m5[:]),
		Stall: time.Minute,
	}
}

func TestFetchFromBadMirrors(t *testing.T) {
	t.Parallel()
	server := serve(t)
	for path, want := range map[string]string{
		"/broken":        "500 Internal Server Error",
		"/forbidden":     "403 Forbidden",
		"/nothing-there": "404 Not Found",
		"/circle":        "redirects",
		"/portal":        "offers 26 bytes (text/html; charset=utf-8), expected 950000",
		"/cut":           "was cut after 475000 of 950000 bytes (unexpected EOF)",
		"/short-chunked": "was cut after 475000 of 950000 bytes",
		"/endless":       "sends more than the expected 950000 bytes",
		"/wrong":         "wrong checksum: sha256 is",
		"/silent":        "the server sent nothing for 500ms",
		"/mute":          "the server sent nothing for 500ms",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			dest := filepath.Join(dir, "file.tar.gz")
			bad := published(dest, server.URL+path)
			if strings.Contains(want, "sent nothing") {
				bad.Stall = time.Second / 2
			}
			err := Fetch(t.Context(), bad)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q lacks %q", err, want)
			}
			if end := "and put it at " + dest; !strings.HasSuffix(err.Error(), end) {
				t.Errorf("error %q does not end by %q", err, end)
			}
			if strings.Count(err.Error(), server.URL+path) != 2 || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q: want one line that names the mirror once, and once more in the advice", err)
			}
			if path == "/cut" || path == "/silent" {
				expectPart(t, dir)
			} else {
				expectEmpty(t, dir)
			}
			// The same mirror with a good one behind it is no error at all.
			bad.URLs = append(bad.URLs, server.URL+"/good")
			if err := Fetch(t.Context(), bad); err != nil {
				t.Errorf("with a good mirror second: %v", err)
			}
			expectPayload(t, dest)
		})
	}
}

func TestFetchRefusedConnection(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	url := server.URL
	server.Close()
	dir := t.TempDir()
	err := Fetch(t.Context(), published(filepath.Join(dir, "f"), url+"/f"))
	if err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error %v, want connection refused", err)
	}
	expectEmpty(t, dir)
}

func TestFetch(t *testing.T) {
	server := serve(t)
	for _, path := range []string{"/good", "/moved", "/labelled-gzip"} {
		dest := filepath.Join(t.TempDir(), "new", "folder", "file")
		r := published(dest, server.URL+path)
		var last, total int64
		r.Progress = func(d, n int64) {
			if d < last {
				t.Errorf("%s: progress went from %d to %d", path, last, d)
			}
			last, total = d, n
		}
		if err := Fetch(t.Context(), r); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		expectPayload(t, dest)
		if last != r.Size || total != r.Size {
			t.Errorf("%s: progress ended at %d of %d, want %d", path, last, total, r.Size)
		}
	}
}

func TestFetchWithEitherChecksum(t *testing.T) {
	server := serve(t)
	for _, field := range []func(*Request) *string{
		func(r *Request) *string { return &r.SHA256 },
		func(r *Request) *string { return &r.MD5 },
	} {
		r := published(filepath.Join(t.TempDir(), "f"), server.URL+"/good")
		sum := *field(&r)
		r.SHA256, r.MD5 = "", ""
		if err := Fetch(t.Context(), r); err == nil {
			t.Error("a request without a checksum is accepted")
		}
		*field(&r) = strings.Repeat("0", len(sum))
		if err := Fetch(t.Context(), r); err == nil || !strings.Contains(err.Error(), "wrong checksum") {
			t.Errorf("error %v, want a wrong checksum", err)
		}
		*field(&r) = strings.ToUpper(sum)
		if err := Fetch(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
}

// TestFetchSlowly: only silence ends a transfer, however long it takes.
func TestFetchSlowly(t *testing.T) {
	t.Parallel()
	server := serve(t)
	r := published(filepath.Join(t.TempDir(), "f"), server.URL+"/slow")
	r.Stall = slowStall
	began := time.Now()
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	expectPayload(t, r.Dest)
	if took := time.Since(began); took < 5*slowStall/2 {
		t.Errorf("it took %v, which shows nothing", took)
	}
}

func TestFetchLocalFile(t *testing.T) {
	none := "http://127.0.0.1:1/none" // nothing listens there
	dest := filepath.Join(t.TempDir(), "file")
	if err := Fetch(t.Context(), published(dest)); err == nil || !strings.Contains(err.Error(), dest+" is missing") {
		t.Errorf("no file, no mirror: error %v", err)
	}
	for _, bad := range []struct {
		name, want string
		data       []byte
	}{
		{"short", "has 3 bytes, expected 950000", []byte("abc")},
		{"changed", "wrong checksum", append([]byte("W"), payload[1:]...)},
	} {
		mustWrite(t, dest, bad.data)
		err := Fetch(t.Context(), published(dest, none))
		if err == nil || !strings.Contains(err.Error(), bad.want) || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%s: error %v, want %q and advice", bad.name, err, bad.want)
		}
		if got, _ := os.ReadFile(dest); !bytes.Equal(got, bad.data) {
			t.Errorf("%s: the user's file was changed", bad.name)
		}
	}
	mustWrite(t, dest, payload)
	if err := Fetch(t.Context(), published(dest, none)); err != nil {
		t.Errorf("right file in place: %v", err)
	}
	os.Remove(dest)
	if err := os.Mkdir(dest, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Fetch(t.Context(), published(dest, none)); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder in place: error %v", err)
	}
}

func TestFetchUnwritable(t *testing.T) {
	server := serve(t)
	file := filepath.Join(t.TempDir(), "file")
	mustWrite(t, file, nil)
	err := Fetch(t.Context(), published(filepath.Join(file, "dest"), server.URL+"/good"))
	if err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("error %v, want not a directory", err)
	}
}

func TestFetchCancelled(t *testing.T) {
	server := serve(t)
	why := errors.New("the user pressed Ctrl-C")
	dir := t.TempDir()
	ctx, cancel := context.WithCancelCause(t.Context())
	r := published(filepath.Join(dir, "f"), server.URL+"/silent", server.URL+"/good")
	r.Progress = func(int64, int64) { cancel(why) }
	if err := Fetch(ctx, r); !errors.Is(err, why) {
		t.Errorf("error %v, want the cause of the cancellation", err)
	}
	expectPart(t, dir)
}

func expectEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s was left behind", e.Name())
	}
}

// expectPart: nothing but the beginning of the file is there, not by its name.
func expectPart(t *testing.T, dir string) {
	t.Helper()
	parts, _ := filepath.Glob(filepath.Join(dir, ".*.part"))
	if entries, _ := os.ReadDir(dir); len(entries) != 1 || len(parts) != 1 {
		t.Fatalf("found %v, want a part alone", entries)
	}
	if got, _ := os.ReadFile(parts[0]); len(got) == 0 || len(got) == len(payload) || !bytes.HasPrefix(payload, got) {
		t.Errorf("the part holds %d bytes, want some of the beginning", len(got))
	}
}

func expectPayload(t *testing.T, path string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, payload) {
		t.Errorf("%s: %d bytes, error %v, want what was published", path, len(got), err)
	}
	entries, _ := os.ReadDir(filepath.Dir(path))
	if len(entries) != 1 {
		t.Errorf("%d entries beside the file, want it alone", len(entries))
	}
}
