package curves

import (
	"slices"
	"strings"

	"github.com/imori-ml/imori/trainer/rundir"
)

// kind is what a panel shows, which decides on its scale.
type kind int

const (
	losses    kind = iota // of any size and sign
	measured              // on test images, or on training images
	shares                // 0 to 1
	gradients             // norms: sizes that differ by magnitudes
	rates                 // learning rates
)

// panel is a part of the picture: curves that share their axes.
type panel struct {
	title   string
	kind    kind
	metrics []string // as the legend names them, in order of appearance
	curves  []curve
}

// curve is a series of a run in a panel.
type curve struct {
	run, metric int // indices; the metric's in panel.metrics
	points      []rundir.Point
}

// arrange sorts what the runs have into panels: phases in order of appearance, the rest behind them.
func arrange(runs []Run) []*panel {
	var panels []*panel
	for r, run := range runs {
		for _, s := range run.Series {
			if strings.Contains(s.Name, ".") {
				continue // a detail
			}
			title, kind, metric := sortIn(s.Name)
			i := slices.IndexFunc(panels, func(p *panel) bool { return p.title == title && p.kind == kind })
			if i < 0 {
				i = len(panels)
				panels = append(panels, &panel{title: title, kind: kind})
			}
			panels[i].add(r, metric, s.Points)
		}
	}
	slices.SortStableFunc(panels, func(a, b *panel) int { return int(a.kind) - int(b.kind) })
	return panels
}

func (p *panel) add(run int, metric string, points []rundir.Point) {
	m := slices.Index(p.metrics, metric)
	if m < 0 {
		m = len(p.metrics)
		p.metrics = append(p.metrics, metric)
	}
	p.curves = append(p.curves, curve{run, m, points})
}

// sortIn says into which panel a metric goes, and what it is called there.
func sortIn(name string) (title string, k kind, metric string) {
	phase, short, ok := strings.Cut(name, "/")
	if !ok {
		return "metrics", losses, words(name)
	}
	norm, isNorm := strings.CutPrefix(short, "grad_norm")
	switch {
	case phase == "lr":
		return "learning rate", rates, words(short)
	case phase == "test" || phase == "train":
		return phase + " images", measured, words(short)
	case isNorm:
		return "norm of gradients", gradients, words(phase + norm)
	case strings.HasPrefix(short, "accuracy"):
		return "accuracy and diversity", shares, words(phase + " " + short)
	case short == "diversity":
		return "accuracy and diversity", shares, words(short)
	default:
		return words(phase), losses, words(short)
	}
}

func words(name string) string { return strings.ReplaceAll(name, "_", " ") }
