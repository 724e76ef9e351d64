package rundir

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/imori-ml/imori/internal/fuzztest"
)

func metrics(t *testing.T, d *Dir) *Log {
	t.Helper()
	l, err := d.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func appendLines(t *testing.T, l *Log, iterations ...int) {
	t.Helper()
	for _, n := range iterations {
		if err := l.Append(n, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func lines(iterations ...int) string {
	var b strings.Builder
	for _, n := range iterations {
		b.WriteString(`{"iteration":` + strconv.Itoa(n) + "}\n")
	}
	return b.String()
}

func TestLogLine(t *testing.T) {
	d := create(t)
	l := metrics(t, d)
	fields := []Field{
		{"z/loss", 0.1}, {"a", float32(0.1)}, {"nan", math.NaN()}, {"inf", math.Inf(-1)}, {"tiny", 5e-324}, {"big", 1e300},
		{"zero", math.Copysign(0, -1)}, {"n", 3}, {"m", int64(math.MinInt64)}, {"s", "<é\">\n"}, {"b", true},
	}
	if err := l.Append(50, fields); err != nil {
		t.Fatal(err)
	}
	want := `{"iteration":50,"z/loss":0.1,"a":0.1,"nan":null,"inf":null,"tiny":5e-324,"big":1e+300,"zero":-0,"n":3,` +
		`"m":-9223372036854775808,"s":"<é\">\n","b":true}` + "\n"
	got := readFile(t, filepath.Join(d.Path(), metricsFile))
	if got != want {
		t.Errorf("got  %s want %s", got, want)
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(got), &object); err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		if v, ok := f.Value.(float64); ok && !math.IsNaN(v) && !math.IsInf(v, 0) {
			if math.Float64bits(object[f.Key].(float64)) != math.Float64bits(v) {
				t.Errorf("%s: %v was read back as %v", f.Key, v, object[f.Key])
			}
		}
	}
	wantError(t, l.Append(50, []Field{{"x", 1}, {"x", 2}}), `key "x" occurs twice`)
	wantError(t, l.Append(50, []Field{{"iteration", 1}}), `key "iteration" occurs twice`)
	wantError(t, l.Append(50, []Field{{"x", []int{1}}}), "a []int cannot be logged")
	wantError(t, l.Append(49, nil), "iteration 49 after 50", "TruncateAfter")
	if again := readFile(t, filepath.Join(d.Path(), metricsFile)); again != want {
		t.Errorf("a refused line left %q", again)
	}
}

func TestLogEnds(t *testing.T) {
	for _, c := range []struct{ name, before, after string }{
		{"none", "", ""},
		{"whole", lines(1, 2), lines(1, 2)},
		{"torn", lines(1) + `{"iteration":2,"x":0.`, lines(1)},
		{"torn at once", `{"iter`, ""},
		{"newline lost", lines(1) + `{"iteration":2}`, lines(1, 2)},
		{"zeros of a lost block", lines(1) + "\x00\x00\x00", lines(1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := create(t)
			writeFile(t, filepath.Join(d.Path(), metricsFile), c.before)
			appendLines(t, metrics(t, d), 7)
			if got := readFile(t, filepath.Join(d.Path(), metricsFile)); got != c.after+lines(7) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestTruncateAfter(t *testing.T) {
	for _, c := range []struct {
		name, before string
		after        int
		want         string
	}{
		{"none", "", 5, ""},
		{"all stay", lines(1, 2, 2), 2, lines(1, 2, 2)},
		{"some go", lines(1, 2, 3, 4), 2, lines(1, 2)},
		{"between", lines(10, 20, 30), 25, lines(10, 20)},
		{"all go", lines(1, 2), 0, ""},
		{"torn", lines(1, 2) + `{"it`, 2, lines(1, 2)},
		{"unreadable behind", lines(1, 2) + "\x00\x00\n" + lines(3), 2, lines(1, 2)},
		{"no object", lines(1) + "[]\n{}\n7\n", 1, lines(1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := create(t)
			path := filepath.Join(d.Path(), metricsFile)
			writeFile(t, path, c.before)
			l := metrics(t, d)
			if err := l.TruncateAfter(c.after); err != nil {
				t.Fatal(err)
			}
			if got := readFile(t, path); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			appendLines(t, l, c.after+1)
			if got := readFile(t, path); got != c.want+lines(c.after+1) {
				t.Errorf("then %q", got)
			}
		})
	}
}

// TestNewest: what a log will have is told before it is cut, and then while lines are added, written or not.
func TestNewest(t *testing.T) {
	d := create(t)
	newest := func(l *Log, upTo, want int) {
		t.Helper()
		if l != nil && l.Newest() != want {
			t.Errorf("the newest line is of %d, expected %d", l.Newest(), want)
		}
		if got, err := d.LastLogged(upTo); got != want || err != nil {
			t.Errorf("up to %d: got %d, %v, expected %d", upTo, got, err, want)
		}
	}
	newest(nil, 9, -1)
	path := filepath.Join(d.Path(), metricsFile)
	writeFile(t, path, lines(2, 4, 6)+"junk\n"+lines(8))
	for upTo, want := range []int{-1, -1, 2, 2, 4, 4, 6, 6} {
		newest(nil, upTo, want)
	}
	_, err := d.LastLogged(8)
	wantError(t, err, path+": line 4 is unreadable")
	l := metrics(t, d)
	for _, upTo := range []int{7, 5, 1} {
		if err := l.TruncateAfter(upTo); err != nil {
			t.Fatal(err)
		}
		newest(l, upTo, []int{5: 4, 7: 6, 1: -1}[upTo])
	}
	appendLines(t, l, 3)
	newest(l, 3, 3)
	l.file = &badFile{logFile: l.file, take: 0}
	wantError(t, l.Append(5, nil), "no space left")
	if l.Newest() != 5 {
		t.Errorf("with a late line: %d", l.Newest())
	}
	if err := l.TruncateAfter(5); err != nil || l.Newest() != 5 {
		t.Errorf("cut behind it: %d, %v", l.Newest(), err)
	}
	if err := l.TruncateAfter(4); err != nil || l.Newest() != 3 {
		t.Errorf("cut before it: %d, %v", l.Newest(), err)
	}
}

func TestTruncateAfterRefuses(t *testing.T) {
	for before, want := range map[string]string{
		lines(1) + "junk\n" + lines(2): "line 2 is unreadable or of a later iteration, but line 3 is of iteration 2",
		lines(1, 9, 2):                 "line 2 is unreadable or of a later iteration, but line 3 is of iteration 2: mend line 2 by hand",
	} {
		d := create(t)
		path := filepath.Join(d.Path(), metricsFile)
		writeFile(t, path, before)
		wantError(t, metrics(t, d).TruncateAfter(2), path, want)
		if got := readFile(t, path); got != before {
			t.Errorf("changed to %q", got)
		}
	}
}

// TestLongLines: a line that no run writes is unreadable, and not held in memory, whatever is in it.
func TestLongLines(t *testing.T) {
	long := lines(2)[:len(lines(2))-1] + strings.Repeat(" ", 2*longestLine)
	for _, c := range []struct{ name, before, after string }{
		{"alone", long + "\n", ""},
		{"without a newline", lines(1) + long, lines(1)},
		{"with a newline", lines(1) + long + "\n", lines(1)},
		{"behind what stays", lines(1) + long + "\n" + lines(3), lines(1)},
		{"that ends like a line", lines(1) + strings.Repeat("x", 2*longestLine) + lines(2), lines(1)},
	} {
		d := create(t)
		path := filepath.Join(d.Path(), metricsFile)
		writeFile(t, path, c.before)
		fuzztest.Bounded(t, 16*longestLine, func() {
			if err := metrics(t, d).TruncateAfter(2); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		})
		if got := readFile(t, path); got != c.after {
			t.Errorf("%s: %d bytes stay", c.name, len(got))
		}
	}
	d := create(t)
	path := filepath.Join(d.Path(), metricsFile)
	writeFile(t, path, lines(1)+long+"\n"+lines(2))
	wantError(t, metrics(t, d).TruncateAfter(2), "line 2 is unreadable")
	wantError(t, metrics(t, d).Append(3, []Field{{"x", long}}), fmt.Sprint("expected at most ", longestLine))
	if err := os.Truncate(path, 1<<40); err != nil { // takes no room
		t.Skip(err)
	}
	fuzztest.Bounded(t, 16*longestLine, func() {
		_, err := ReadMetrics(path)
		wantError(t, err, path+fmt.Sprintf(": line 2 is damaged: it has more than %d bytes", longestLine))
	})
}

func TestLogsAreOpenedOnce(t *testing.T) {
	d := create(t)
	l := metrics(t, d)
	if metrics(t, d) != l {
		t.Error("two logs of one file")
	}
	timing, err := d.Timing()
	if err != nil || timing == l {
		t.Errorf("got %v, %v", timing, err)
	}
	appendLines(t, timing, 3)
	if got := names(t, d.Path()); got != ".lock checkpoints metrics.jsonl samples timing.jsonl" {
		t.Error(got)
	}
	d.Close()
	wantError(t, l.Append(1, nil), "its run folder is closed")
	wantError(t, l.TruncateAfter(1), "its run folder is closed")
	if err := os.Mkdir(filepath.Join(d.Path(), "x"), 0o777); err != nil {
		t.Fatal(err)
	}
	_, err = openLog(filepath.Join(d.Path(), "x"))
	wantError(t, err, "is a directory")
}

func FuzzLog(f *testing.F) {
	target := fuzztest.New(f)
	for _, seed := range []string{"", lines(1, 2, 3), lines(1) + `{"itera`, "\x00\n\n{}", `{"iteration":1e2}`, lines(9, 1)} {
		target.Add([]byte(seed), 2)
	}
	path := filepath.Join(f.TempDir(), "log")
	target.Fuzz(func(t *testing.T, b []byte, after int) {
		writeFile(t, path, string(b))
		var l *Log
		var err error
		fuzztest.Bounded(t, 1<<16+1024*len(b), func() { // a line may be a byte
			if l, err = openLog(path); err == nil {
				err = l.TruncateAfter(after)
			}
		})
		if l == nil {
			t.Fatal(err)
		}
		defer l.close()
		if err != nil || after == math.MaxInt {
			return
		}
		appendLines(t, l, after+1)
		got := readFile(t, path)
		kept := strings.TrimSuffix(got, lines(after+1))
		if kept == got || !strings.HasPrefix(string(b)+"\n", kept) {
			t.Fatalf("%q became %q", b, got)
		}
		for line := range strings.Lines(kept) {
			if n, ok := iterationOf([]byte(line)); !ok || n > after || !strings.HasSuffix(line, "\n") {
				t.Fatalf("kept %q", line)
			}
		}
	})
}
