package rundir

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imori-ml/imori/internal/fuzztest"
)

// logSeeds are logs: good ones, cut ones, and such as only damage makes.
var logSeeds = []string{
	lines(1, 2, 3), lines(1) + `{"itera`, "", "\n", "\x00\x00\x00\n", lines(9, 1), lines(-1), `{"iteration":7}`,
	"{\"iteration\":1,\"critic/loss\":0.25,\"n\":3}\n{\"iteration\":5,\"n\":null,\"critic/loss\":-1e-300}\n{\"iteration\":5,\"new\":0}\n",
	"{\"iteration\":1,\"text\":\"<é\\\">\\n\",\"on\":true}\n", "{\"iteration\":1,\"a\":1,\"a\":2}\n", "{\"iteration\":1,\"a\":[[[[1]]]]}\n",
	"{\"iteration\":99999999999999999999}\n", "{\"iteration\":1e2}\n", "{\"iteration\":1,\"a\":1e999}\n", "[]\n{}\n7\n", "{\"Iteration\":3}\n", ` "x"y`,
}

// FuzzMetrics: what is read of a log is in order, and the last values are those of all. A log that grows, or is cut anywhere,
// tells the same of the lines that it has.
func FuzzMetrics(f *testing.F) {
	target := fuzztest.New(f)
	for _, seed := range logSeeds {
		target.Add([]byte(seed), len(seed)/2)
	}
	folder := f.TempDir()
	path := filepath.Join(folder, metricsFile)
	read := func(t *testing.T, b []byte) (series []Series, err error) {
		writeFile(t, path, string(b))
		fuzztest.Bounded(t, 1<<17+300*len(b), func() { series, err = ReadRunMetrics(folder) }) // a line may be 16 bytes
		return series, err
	}
	target.Fuzz(func(t *testing.T, b []byte, cut int) {
		series, err := read(t, b)
		last, lastErr := ReadLastMetrics(folder)
		if fmt.Sprint(err) != fmt.Sprint(lastErr) {
			t.Fatalf("all: %v, the last ones: %v", err, lastErr)
		}
		if err != nil {
			return
		}
		var newest []Series
		for _, s := range series {
			if len(s.Points) == 0 || s.Points[0].Iteration < 0 || !slices.IsSortedFunc(s.Points, func(p, q Point) int { return p.Iteration - q.Iteration }) {
				t.Fatalf("series %q has the points %v", s.Name, s.Points)
			}
			newest = append(newest, Series{s.Name, s.Points[len(s.Points)-1:]})
		}
		if fmt.Sprint(newest) != fmt.Sprint(last) {
			t.Fatalf("the last points are %v, expected %v", last, newest)
		}
		// Half a line of a good log may be behind the last newline.
		head := b[:max(0, min(cut, bytes.LastIndexByte(b, '\n')+1))]
		fewer, err := read(t, head)
		if err != nil {
			t.Fatalf("cut to %q: %v", head, err)
		}
		if len(fewer) > len(series) {
			t.Fatalf("cut to %q it has more series", head)
		}
		for i, s := range fewer {
			all := series[i]
			if s.Name != all.Name || len(s.Points) > len(all.Points) || fmt.Sprint(s.Points) != fmt.Sprint(all.Points[:len(s.Points)]) {
				t.Fatalf("cut to %q it says %v, before %v", head, s, all)
			}
		}
	})
}

// FuzzLastLine: it is the last of the whole lines, looked for from the end on.
func FuzzLastLine(f *testing.F) {
	target := fuzztest.New(f)
	for _, seed := range logSeeds {
		target.Add([]byte(seed))
		target.Add([]byte(seed + "\n\n{}\nx"))
	}
	path := filepath.Join(f.TempDir(), "log")
	target.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return // it looks no further
		}
		writeFile(t, path, string(b))
		var got int
		var line []byte
		fuzztest.Bounded(t, 1<<18+1024*len(b), func() { got, line, _ = lastLine(path) }) // a line may be a byte
		want, wantLine := 0, []byte(nil)
		for each := range bytes.Lines(b) {
			if n, ok := iterationOf(each); ok {
				want, wantLine = n, each
			}
		}
		if got != want || !bytes.Equal(line, wantLine) || got < 0 {
			t.Fatalf("got %d in %q, expected %d in %q", got, line, want, wantLine)
		}
	})
}

// TestLastLineOfALongLog: it is found from the end of the log on.
func TestLastLineOfALongLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	writeFile(t, path, strings.Repeat(lines(3), 10_000)+lines(4)+strings.Repeat("x", 1000))
	if n, line, at := lastLine(path); n != 4 || string(line) != lines(4) || at.IsZero() {
		t.Errorf("got %d in %q of %v", n, line, at)
	}
	long := fmt.Sprintf(`{"iteration":5,"test/x":%s1}`+"\n", strings.Repeat(" ", 300_000))
	writeFile(t, path, lines(4)+long)
	if n, line, _ := lastLine(path); n != 5 || string(line) != long {
		t.Errorf("a long line: got %d in %d bytes", n, len(line))
	}
	writeFile(t, path, lines(4)+strings.Repeat("x", 200_000))
	if n, line, _ := lastLine(path); n != 4 || string(line) != lines(4) {
		t.Errorf("before a long line that is torn: got %d in %q", n, line)
	}
}
