package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	estimateAfter = 20              // iterations of this process before its speed is believed
	estimateFrom  = 2 * time.Minute // shorter runs need no estimate
	redrawEvery   = 200 * time.Millisecond
)

// value is a named number of an iteration: a loss, an estimate.
type value struct {
	name string
	v    float64
}

// progress shows how a run goes. On a terminal one line is drawn over and over; elsewhere every logged iteration is a
// line. There are no colours to switch off. Its methods may be called from several goroutines.
type progress struct {
	mu   sync.Mutex
	out  io.Writer
	live bool
	size func() int // columns of the terminal
	now  func() time.Time

	last      int // the run's last iteration
	perLine   int // images an iteration
	started   bool
	first     int // the iteration at begin
	begin     time.Time
	values    []value // of the newest logged iteration
	drawn     time.Time
	onScreen  bool
	estimated bool
}

// newProgress makes a progress of a run of iterations up to last, which take so many images each.
func newProgress(out io.Writer, last, images int) *progress {
	p := &progress{out: out, last: last, perLine: images, now: time.Now}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		p.live = true
		p.size = func() int {
			if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
				return width
			}
			return 80
		}
	}
	return p
}

// start is called before the first iteration, with the number of those done before.
func (p *progress) start(done int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started, p.first, p.begin = true, done, p.now()
}

// iteration is called after each iteration.
func (p *progress) iteration(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.estimated && n-p.first >= estimateAfter {
		p.estimated = true
		if left := p.left(n); left >= estimateFrom {
			p.print(fmt.Sprintf("estimate: %s for the remaining %d iterations, until %s",
				short(left), p.last-n, p.now().Add(left).Format("2006-01-02 15:04")))
		}
	}
	if p.live && p.now().Sub(p.drawn) >= redrawEvery {
		p.draw(n)
	}
}

// logged is called with the values of an iteration that is logged.
func (p *progress) logged(n int, values []value) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.values = values
	if p.live {
		p.draw(n)
	} else {
		fmt.Fprintln(p.out, p.text(n))
	}
}

// say prints a line of its own.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.print(fmt.Sprintf(format, args...))
}

// transfer shows a download.
func (p *progress) transfer(file string, done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	every := redrawEvery
	if !p.live {
		every = 10 * time.Second
	}
	if done != total && p.now().Sub(p.drawn) < every {
		return
	}
	text := fmt.Sprintf("%s: %d MiB", file, done>>20)
	if total > 0 {
		text = fmt.Sprintf("%s: %d of %d MiB, %d %%", file, done>>20, total>>20, 100*done/total)
	}
	p.drawn = p.now()
	if p.live {
		p.over(text)
	} else {
		fmt.Fprintln(p.out, text)
	}
}

// end leaves the live line as it is and goes on below it.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.onScreen {
		fmt.Fprintln(p.out)
		p.onScreen = false
	}
}

func (p *progress) print(line string) {
	if p.onScreen {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.onScreen = false
	}
	fmt.Fprintln(p.out, line)
}

func (p *progress) draw(n int) {
	p.drawn = p.now()
	p.over(p.text(n))
}

// over draws the live line, cut to one row, for a longer one could not be drawn over.
func (p *progress) over(text string) {
	if r, width := []rune(text), p.size()-1; len(r) > width {
		text = string(r[:max(width, 0)])
	}
	fmt.Fprint(p.out, "\r"+text+"\x1b[K")
	p.onScreen = true
}

func (p *progress) text(n int) string {
	parts := []string{fmt.Sprintf("iteration %*d/%d", len(strconv.Itoa(p.last)), n, p.last)}
	if elapsed := p.now().Sub(p.begin); n > p.first && elapsed > 0 {
		parts = append(parts, fmt.Sprintf("%s images/s", figures(float64((n-p.first)*p.perLine)/elapsed.Seconds())))
	}
	for _, v := range p.values {
		parts = append(parts, v.name+" "+figures(v.v))
	}
	if n < p.last {
		parts = append(parts, short(p.left(n))+" left")
	}
	return strings.Join(parts, "  ")
}

// left is the time that the remaining iterations take at the mean speed so far.
func (p *progress) left(n int) time.Duration {
	if n <= p.first {
		return 0
	}
	seconds := p.now().Sub(p.begin).Seconds() / float64(n-p.first) * float64(p.last-n)
	return time.Duration(min(seconds, math.MaxInt64/2e9) * float64(time.Second))
}

// figures prints a number with four significant digits.
func figures(v float64) string {
	if v >= 1000 && v < 1e7 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// short prints a duration with the two units that matter.
func short(d time.Duration) string {
	switch s := int(d.Round(time.Second).Seconds()); {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	case s < 48*3600:
		return fmt.Sprintf("%d h %02d min", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%d days %d h", s/86400, s/3600%24)
	}
}
