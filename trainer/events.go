package trainer

import (
	"fmt"

	"github.com/imori-ml/imori/trainer/tensorboard"
)

// events repeats a run's figures and pictures in an event file for TensorBoard. That is an extra: after an error the run
// goes on without. A nil one does nothing.
type events struct {
	dir    string
	first  int64 // iteration that this process begins with
	warn   func(message string)
	writer *tensorboard.Writer // nil until there is something to write
	failed bool
}

// openEvents is for a trainer that has its folder and its checkpoint.
func (t *Trainer) openEvents() {
	if t.TensorBoard && t.dir != nil {
		t.events = &events{dir: t.Dir, first: int64(t.logged()) + 1, warn: t.observer.Warn}
	}
}

// write flushes what f adds, so that TensorBoard sees it. The first error is the last: it is reported, and ends the file.
func (e *events) write(f func(w *tensorboard.Writer) error) {
	if e == nil || e.failed {
		return
	}
	var err error
	if e.writer == nil {
		e.writer, err = tensorboard.Create(e.dir, e.first)
	}
	if err == nil {
		err = f(e.writer)
	}
	if err == nil {
		err = e.writer.Flush()
	}
	if err != nil {
		e.failed = true
		e.warn(fmt.Sprintf("the run goes on without TensorBoard: %v", err))
	}
}

// timingPrefix is what the names of figures of timing.jsonl begin with in TensorBoard.
const timingPrefix = "timing/"

// log adds a line of metrics.jsonl under the names that it has there, and the figures of timing.jsonl that make a curve.
func (e *events) log(iteration int, metrics []Metric, imagesPerSecond float64, rss int64) {
	e.write(func(w *tensorboard.Writer) error {
		all := append(metrics[:len(metrics):len(metrics)],
			Metric{timingPrefix + "images_per_second", imagesPerSecond}, Metric{timingPrefix + "rss_bytes", float64(rss)})
		for _, m := range all {
			if err := w.Scalar(int64(iteration), m.Name, float32(m.Value)); err != nil {
				return err
			}
		}
		return nil
	})
}

// preview adds the grids, each by its name, and the histograms.
func (e *events) preview(iteration int, p *Preview) {
	e.write(func(w *tensorboard.Writer) error {
		for _, picture := range p.pictures {
			if err := w.Image(int64(iteration), "preview/"+picture.name, picture.grid); err != nil {
				return err
			}
		}
		for _, h := range p.histograms {
			if err := w.Histogram(int64(iteration), "latent/"+h.name, h.values); err != nil {
				return err
			}
		}
		return nil
	})
}

// close closes the file, if there is one.
func (e *events) close() {
	if e == nil || e.writer == nil {
		return
	}
	if err := e.writer.Close(); err != nil && !e.failed {
		e.warn(fmt.Sprintf("the end of TensorBoard's file may be missing: %v", err))
	}
	e.writer = nil
}
