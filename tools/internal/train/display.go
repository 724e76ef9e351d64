package train

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/trainer"
)

const (
	estimateAfter = 20              // iterations of this process before its speed is believed
	estimateFrom  = 2 * time.Minute // shorter runs need no estimate
	redrawEvery   = 200 * time.Millisecond
	tellEvery     = 10 * time.Second // where the line cannot be drawn over
)

// display shows how a run goes: a trainer.Observer. On a terminal one line is drawn over and over; elsewhere every logged
// iteration is a line. There are no colours to switch off. Its methods may be called from several goroutines.
type display struct {
	mu   sync.Mutex
	out  io.Writer
	live bool
	size func() int // columns of the terminal
	now  func() time.Time

	first     int              // iterations done before
	metrics   []trainer.Metric // of the newest logged iteration
	picture   string           // the newest one's path
	pictured  bool             // by the iteration whose progress comes next
	drawn     time.Time
	onScreen  bool // a live line stands there, without its end
	estimated bool
}

func newDisplay(out io.Writer) *display {
	d := &display{out: out, now: time.Now}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		d.live = true
		d.size = func() int {
			if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
				return width
			}
			return 80
		}
	}
	return d
}

// Started remembers where the run goes on.
func (d *display) Started(info trainer.Info) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.first = info.Iteration
}

// Progress is called after each iteration.
func (d *display) Progress(p trainer.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.estimated && p.Iteration-d.first >= estimateAfter {
		d.estimated = true
		if p.Remaining >= estimateFrom {
			d.print(fmt.Sprintf("estimate: %s for the remaining %d iterations, until %s",
				cli.Duration(p.Remaining), p.Total-p.Iteration, d.now().Add(p.Remaining).Format("2006-01-02 15:04")))
		}
	}
	if len(p.Metrics) > 0 {
		d.metrics = shown(p.Metrics)
	}
	last := p.Iteration == p.Total
	switch {
	case d.live && (len(p.Metrics) > 0 || last || d.now().Sub(d.drawn) >= redrawEvery):
		d.drawn = d.now()
		d.over(d.text(p))
	case !d.live && len(p.Metrics) > 0:
		fmt.Fprintln(d.out, d.text(p))
	}
	if line := healthLine(p.Health); d.pictured && line != "" {
		d.finishLine()
		d.print(line)
	}
	d.pictured = false
	if last {
		d.finishLine()
	}
}

// shown leaves out what has a line of its own, and the details, which metrics.jsonl has.
func shown(metrics []trainer.Metric) []trainer.Metric {
	return slices.DeleteFunc(slices.Clone(metrics), func(m trainer.Metric) bool {
		return strings.Contains(m.Name, ".") || trainer.IsHealth(m.Name)
	})
}

// Saved reports checkpoints; pictures are too many.
func (d *display) Saved(kind trainer.SavedKind, path string) {
	switch kind {
	case trainer.SavedCheckpoint:
		d.say("saved %s", path)
	case trainer.SavedPicture:
		d.mu.Lock()
		defer d.mu.Unlock()
		d.picture, d.pictured = path, true
	}
}

// Warn prints what is no error.
func (d *display) Warn(message string) { d.say("warning: %s", message) }

// Finished is called at the end of a run.
func (d *display) Finished(trainer.Summary) { d.endLine() }

// endLine leaves the live line where it is, if there is one.
func (d *display) endLine() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.finishLine()
}

// say prints a line of its own.
func (d *display) say(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.print(fmt.Sprintf(format, args...))
}

// scanned shows how far the check of a folder's files is. Where lines cannot be drawn over, a short one needs none.
func (d *display) scanned(done, total int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.live && done == 1 {
		d.drawn = d.now()
	}
	last := d.live && done == total
	if d.due(last) {
		d.show(fmt.Sprintf("looking at the files: %d of %d", done, total))
	}
	if last {
		d.finishLine()
	}
}

// transfer shows a download.
func (d *display) transfer(file string, done, total int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.due(done == total) {
		return
	}
	text := fmt.Sprintf("%s: %d MiB", file, done>>20)
	if total > 0 {
		text = fmt.Sprintf("%s: %d of %d MiB, %d %%", file, done>>20, total>>20, 100*done/total)
	}
	d.show(text)
}

// due says whether it is time to show again how far something is; the last time it always is.
func (d *display) due(last bool) bool {
	every := redrawEvery
	if !d.live {
		every = tellEvery
	}
	if !last && d.now().Sub(d.drawn) < every {
		return false
	}
	d.drawn = d.now()
	return true
}

// show draws the live line, or prints a line where there is none.
func (d *display) show(text string) {
	if d.live {
		d.over(text)
	} else {
		fmt.Fprintln(d.out, text)
	}
}

// finishLine goes on below the live line.
func (d *display) finishLine() {
	if d.onScreen {
		fmt.Fprintln(d.out)
		d.onScreen = false
	}
}

func (d *display) print(line string) {
	if d.onScreen {
		fmt.Fprint(d.out, "\r\x1b[K")
		d.onScreen = false
	}
	fmt.Fprintln(d.out, line)
}

// over draws the live line, cut to one row, for a longer one could not be drawn over.
func (d *display) over(text string) {
	if r, width := []rune(text), d.size()-1; len(r) > width {
		text = string(r[:max(width, 0)])
	}
	fmt.Fprint(d.out, "\r"+text+"\x1b[K")
	d.onScreen = true
}

func (d *display) text(p trainer.Progress) string {
	parts := []string{
		fmt.Sprintf("iteration %*d/%d", len(strconv.Itoa(p.Total)), p.Iteration, p.Total),
		cli.Figure(p.ImagesPerSecond) + " images/s",
	}
	for _, m := range d.metrics {
		parts = append(parts, m.Name+" "+cli.Figure(m.Value))
	}
	if p.Iteration < p.Total {
		parts = append(parts, cli.Duration(p.Remaining)+" left")
	}
	return strings.Join(parts, "  ")
}
