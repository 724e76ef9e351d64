package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// clock is a time that tests set forward.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func (c *clock) pass(d time.Duration) { c.t = c.t.Add(d) }

func testProgress(out *bytes.Buffer, last int) (*progress, *clock) {
	c := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	p := newProgress(out, last, 64)
	p.now = c.now
	return p, c
}

func TestPlainProgress(t *testing.T) {
	var out bytes.Buffer
	p, c := testProgress(&out, 1000)
	p.start(0)
	for n := 1; n <= 50; n++ {
		c.pass(500 * time.Millisecond)
		p.iteration(n)
	}
	p.logged(50, []value{{"critic", -0.123456}, {"generator", 2}})
	p.end()
	want := "estimate: 8 min 10 s for the remaining 980 iterations, until 2026-01-02 03:12\n" +
		"iteration   50/1000  128 images/s  critic -0.1235  generator 2  7 min 55 s left\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestNoEstimateForShortRuns(t *testing.T) {
	var out bytes.Buffer
	p, c := testProgress(&out, 100)
	p.start(0)
	for n := 1; n <= 100; n++ {
		c.pass(10 * time.Millisecond)
		p.iteration(n)
	}
	if out.Len() > 0 {
		t.Errorf("got %q, want nothing", out.String())
	}
}

func TestResumedProgressCountsItsOwnIterations(t *testing.T) {
	var out bytes.Buffer
	p, c := testProgress(&out, 1010)
	p.start(1000)
	c.pass(time.Second)
	p.logged(1001, nil)
	if want := "iteration 1001/1010  64 images/s  9 s left\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestLiveProgress(t *testing.T) {
	var out bytes.Buffer
	p, c := testProgress(&out, 1000)
	width := 40
	p.live, p.size = true, func() int { return width }
	p.start(0)
	for n := range 5 {
		c.pass(50 * time.Millisecond)
		p.iteration(n + 1)
	}
	if draws := strings.Count(out.String(), "\r"); draws == 0 || draws > 2 {
		t.Errorf("%d draws in 250 ms, want 1 or 2", draws)
	}
	out.Reset()
	p.logged(6, []value{{"discriminator", 1}, {"generator", 1}})
	line := strings.TrimSuffix(strings.TrimPrefix(out.String(), "\r"), "\x1b[K")
	if len(line) != width-1 || strings.Contains(line, "\n") {
		t.Errorf("the line %q has %d columns, want %d: one more would scroll", line, len(line), width-1)
	}
	out.Reset()
	p.say("saved")
	if out.String() != "\r\x1b[Ksaved\n" {
		t.Errorf("a message over the live line: got %q", out.String())
	}
	out.Reset()
	p.end()
	if out.Len() > 0 {
		t.Errorf("the end of a line that is not there: got %q", out.String())
	}
}

func TestTransfer(t *testing.T) {
	var out bytes.Buffer
	p, c := testProgress(&out, 1)
	for done := int64(0); done <= 100; done++ {
		c.pass(time.Second / 2)
		p.transfer("a.tar.gz", done<<20, 100<<20)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) > 7 || lines[len(lines)-1] != "a.tar.gz: 100 of 100 MiB, 100 %" {
		t.Errorf("got %q", lines)
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                            "0 s",
		59*time.Second + 600*1e6:     "1 min 00 s",
		3599 * time.Second:           "59 min 59 s",
		26*time.Hour + 5*time.Minute: "26 h 05 min",
		24 * 10 * time.Hour:          "10 days 0 h",
	} {
		if got := short(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

func TestFigures(t *testing.T) {
	for v, want := range map[float64]string{0.00012346: "0.0001235", 1.5: "1.5", 999.96: "1000", 12345.6: "12346", -2.5e-9: "-2.5e-09"} {
		if got := figures(v); got != want {
			t.Errorf("%v: got %q, want %q", v, got, want)
		}
	}
}

func TestDescribePlatform(t *testing.T) {
	tests := []struct {
		goos, goarch string
		avx2         bool
		want         string
	}{
		{"linux", "amd64", true, "linux/amd64 with AVX2: supported"},
		{"linux", "amd64", false, "without AVX2: supported, but slow"},
		{"linux", "arm64", false, "linux/arm64: supported, but slow"},
		{"darwin", "arm64", false, "darwin/arm64: supported, but slow"},
		{"windows", "amd64", true, "not supported"},
	}
	for _, test := range tests {
		if got := describePlatform(test.goos, test.goarch, test.avx2); !strings.Contains(got, test.want) {
			t.Errorf("%s/%s: got %q, want %q", test.goos, test.goarch, got, test.want)
		}
	}
}
