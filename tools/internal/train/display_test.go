package train

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/trainer"
)

// clock is a time that tests set forward.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func (c *clock) pass(d time.Duration) { c.t = c.t.Add(d) }

func testDisplay(out *bytes.Buffer) (*display, *clock) {
	c := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	d := newDisplay(out)
	d.now = c.now
	return d, c
}

func at(n, total int, metrics ...trainer.Metric) trainer.Progress {
	return trainer.Progress{
		Iteration: n, Total: total, ImagesPerSecond: 128,
		Remaining: time.Duration(total-n) * time.Second / 2, Metrics: metrics,
	}
}

func TestPlainDisplay(t *testing.T) {
	var out bytes.Buffer
	d, _ := testDisplay(&out)
	d.Started(trainer.Info{})
	for n := 1; n < 50; n++ {
		d.Progress(at(n, 1000))
	}
	d.Progress(at(50, 1000, trainer.Metric{Name: "critic/loss", Value: -0.123456}, trainer.Metric{Name: "generator/loss", Value: 2}))
	d.Warn("the disk is full")
	d.Finished(trainer.Summary{})
	want := "estimate: 8 min 10 s for the remaining 980 iterations, until 2026-01-02 03:12\n" +
		"iteration   50/1000  128 images/s  critic/loss -0.1235  generator/loss 2  7 min 55 s left\n" +
		"warning: the disk is full\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestHealthLine(t *testing.T) {
	figures := []trainer.Metric{
		{Name: "discriminator/diversity", Value: 0.8345}, {Name: "discriminator/accuracy_real", Value: 0.78125},
		{Name: "discriminator/accuracy_generated", Value: 1}, {Name: "discriminator/grad_norm", Value: 0.3123},
		{Name: "generator/grad_norm", Value: 1.2e-5},
	}
	all := append([]trainer.Metric{{Name: "discriminator/loss", Value: 1}}, figures...)
	var out bytes.Buffer
	d, _ := testDisplay(&out)
	d.Progress(at(1, 10, all...)) // without a picture there is no line
	d.Saved(trainer.SavedPicture, "2.png")
	p := at(2, 10)
	p.Health = figures
	d.Progress(p)
	p.Iteration = 3
	d.Progress(p) // said once
	d.Saved(trainer.SavedPicture, "4.png")
	d.Progress(at(4, 10)) // a resumed run has none yet
	want := "iteration  1/10  128 images/s  discriminator/loss 1  5 s left\n" +
		"health    diversity 0.83 of the data's   discriminator right on 78 % of real, 100 % of generated   gradients discriminator 0.31, generator 1.2e-05\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}

	out.Reset()
	d.live, d.size = true, func() int { return 80 }
	d.Progress(at(5, 10, all...))
	d.Saved(trainer.SavedPicture, "6.png")
	p.Iteration = 6
	d.Progress(p)
	if end := " left\x1b[K\n" + strings.Split(want, "\n")[1] + "\n"; !strings.HasSuffix(out.String(), end) {
		t.Errorf("below the live line: got %q, want %q at the end", out.String(), end)
	}

	several := []trainer.Metric{{Name: "both/grad_norm_encoder", Value: 1}, {Name: "both/grad_norm_decoder", Value: 2.345}}
	if got, want := healthLine(several), "health    gradients encoder 1, decoder 2.3"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNoEstimateForShortRuns(t *testing.T) {
	var out bytes.Buffer
	d, _ := testDisplay(&out)
	d.Started(trainer.Info{Iteration: 900})
	for n := 901; n <= 1000; n++ {
		d.Progress(at(n, 1000))
	}
	if out.Len() > 0 {
		t.Errorf("got %q, want nothing", out.String())
	}
}

func TestLiveDisplay(t *testing.T) {
	var out bytes.Buffer
	d, c := testDisplay(&out)
	width := 40
	d.live, d.size = true, func() int { return width }
	d.Started(trainer.Info{})
	for n := range 5 {
		c.pass(50 * time.Millisecond)
		d.Progress(at(n+1, 1000))
	}
	if draws := strings.Count(out.String(), "\r"); draws == 0 || draws > 2 {
		t.Errorf("%d draws in 250 ms, want 1 or 2", draws)
	}
	out.Reset()
	d.Progress(at(6, 1000, trainer.Metric{Name: "discriminator/loss", Value: 1}))
	line := strings.TrimSuffix(strings.TrimPrefix(out.String(), "\r"), "\x1b[K")
	if len(line) != width-1 || strings.Contains(line, "\n") {
		t.Errorf("the line %q has %d columns, want %d: one more would scroll", line, len(line), width-1)
	}
	out.Reset()
	d.say("saved")
	if out.String() != "\r\x1b[Ksaved\n" {
		t.Errorf("a message over the live line: got %q", out.String())
	}
	out.Reset()
	d.Finished(trainer.Summary{})
	if out.Len() > 0 {
		t.Errorf("the end of a line that is not there: got %q", out.String())
	}
	d.Progress(at(1000, 1000))
	if !strings.HasSuffix(out.String(), "\n") {
		t.Errorf("the last iteration's line has no end: %q", out.String())
	}
}

func TestTransfer(t *testing.T) {
	var out bytes.Buffer
	d, c := testDisplay(&out)
	for done := int64(0); done <= 100; done++ {
		c.pass(time.Second / 2)
		d.transfer("a.tar.gz", done<<20, 100<<20)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) > 7 || lines[len(lines)-1] != "a.tar.gz: 100 of 100 MiB, 100 %" {
		t.Errorf("got %q", lines)
	}
}

func TestScanned(t *testing.T) {
	var out bytes.Buffer
	d, c := testDisplay(&out)
	for done := 1; done <= 5; done++ {
		c.pass(time.Second)
		d.scanned(done, 5)
	}
	if out.Len() > 0 {
		t.Errorf("a short check printed %q", out.String())
	}
	c.pass(time.Minute) // what happened long ago makes nothing due
	for done := 1; done <= 25; done++ {
		d.scanned(done, 25)
		c.pass(time.Second)
	}
	if want := "looking at the files: 11 of 25\nlooking at the files: 21 of 25\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}

	out.Reset()
	d.live, d.size = true, func() int { return 40 }
	for done := 1; done <= 20; done++ {
		c.pass(50 * time.Millisecond)
		d.scanned(done, 20)
	}
	if draws := strings.Count(out.String(), "\r"); draws < 5 || draws > 7 || !strings.HasSuffix(out.String(), "20 of 20\x1b[K\n") {
		t.Errorf("%d draws in a second: %q", draws, out.String())
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
		if got := cli.Duration(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

func TestFigures(t *testing.T) {
	for v, want := range map[float64]string{0.00012346: "0.0001235", 1.5: "1.5", 999.96: "1000", 12345.6: "12346", -2.5e-9: "-2.5e-09"} {
		if got := cli.Figure(v); got != want {
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
