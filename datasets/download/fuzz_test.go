package download

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/imori-ml/imori/internal/fuzztest"
)

// FuzzContentRange: any header gives an offset that it says, or none.
func FuzzContentRange(f *testing.F) {
	target := fuzztest.New(f)
	for _, header := range []string{"bytes 100-199/200", "bytes 5-9/*", "bytes */200", "bytes 5", "bytes -7-9/20", "bytes 5-9/-3", "bytes 99999999999999999999-1/2", "lines 1-2/3", ""} {
		target.Add(header)
	}
	target.Fuzz(func(t *testing.T, header string) {
		fuzztest.Bounded(t, 1<<16+64*len(header), func() {
			start, total := contentRange(header)
			if start < -1 || total < -1 || start == -1 && total != -1 {
				t.Errorf("got %d, %d", start, total)
			}
			for _, n := range []int64{start, total} {
				if n > 0 && !strings.Contains(header, strconv.FormatInt(n, 10)) {
					t.Errorf("got %d, %d", start, total)
				}
			}
		})
	})
}

// server answers without a network.
type server func(r *http.Request) *http.Response

func (s server) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := s(r)
	answer.Request = r
	return answer, nil
}

// serving is a server of data, and of parts of it.
func serving(data []byte) server {
	return func(r *http.Request) *http.Response {
		w := httptest.NewRecorder()
		http.ServeContent(w, r, "f", time.Time{}, bytes.NewReader(data))
		return w.Result()
	}
}

// FuzzFetch: whatever an earlier transfer has left, and whatever the server answers, there is the published file or none.
// What is left then does not keep it from an honest server.
func FuzzFetch(f *testing.F) {
	const size = 1000 // of the published file
	whole := payload[:size]
	sum := sha256.Sum256(whole)
	target := fuzztest.New(f)
	target.Add([]byte{}, 200, "", int64(size), whole)
	target.Add([]byte{}, 200, "", int64(size), whole[:300])
	target.Add([]byte{}, 200, "", int64(-1), whole)
	target.Add([]byte{}, 200, "", int64(-1), append(bytes.Clone(whole), "and more"...))
	target.Add(whole[:400], 206, "bytes 400-999/1000", int64(600), whole[400:])
	target.Add(whole[:400], 206, "bytes 400-999/*", int64(600), whole[400:600])
	target.Add(whole[:400], 206, "bytes 400-1999/2000", int64(600), whole[400:])
	target.Add(whole[:400], 206, "bytes 0-999/1000", int64(size), whole)
	target.Add(whole[:400], 200, "", int64(size), whole)
	target.Add(whole[:400], 416, "bytes */300", int64(0), []byte{})
	target.Add(whole, 200, "", int64(size), whole)
	target.Add(bytes.Repeat([]byte{'x'}, size), 200, "", int64(size), whole)
	target.Add(bytes.Repeat([]byte{'x'}, 400), 206, "bytes 400-999/1000", int64(600), whole[400:])
	target.Add(append(bytes.Clone(whole), "and more"...), 302, "", int64(0), []byte{})
	target.Fuzz(func(t *testing.T, left []byte, status int, contentRange string, length int64, body []byte) {
		strange := server(func(*http.Request) *http.Response {
			return &http.Response{
				StatusCode: status, Status: strconv.Itoa(status), ContentLength: length,
				Header: http.Header{"Content-Range": {contentRange}}, Body: io.NopCloser(bytes.NewReader(body)),
			}
		})
		r := Request{
			URLs: []string{"http://mirror/f"}, Dest: filepath.Join(t.TempDir(), "f"),
			Size: size, SHA256: hex.EncodeToString(sum[:]),
		}
		leave(t, r, left)
		fuzztest.Bounded(t, 8<<20+64*(len(left)+len(body)), func() {
			r.Client = &http.Client{Transport: strange}
			if err := Fetch(t.Context(), r); err == nil {
				expectWhole(t, r.Dest, whole)
				return
			}
			if _, err := os.Lstat(r.Dest); err == nil {
				t.Error("an error, but a file is there")
			}
			r.Client = &http.Client{Transport: serving(whole)}
			if err := Fetch(t.Context(), r); err != nil {
				t.Error(err)
			}
			expectWhole(t, r.Dest, whole)
		})
	})
}

// expectWhole wants the published file and nothing else in its folder.
func expectWhole(t *testing.T, path string, want []byte) {
	t.Helper()
	if got, _ := os.ReadFile(path); !bytes.Equal(got, want) {
		t.Errorf("found %q", got)
	}
	if got := tree(t, filepath.Dir(path)); got != filepath.Base(path) {
		t.Errorf("in the folder is %q", got)
	}
}
