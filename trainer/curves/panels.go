package curves

import (
	"fmt"
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

// A picture shows no more than fits in memory and can be read, whatever a log has.
const (
	maxPanels  = 40
	maxMetrics = 28 // of a panel: as many as there are colours with dashes
)

// panel is a part of the picture: curves that share their axes.
type panel struct {
	title   string
	kind    kind
	metrics []string // as the legend names them, in order of appearance
	curves  []curve
	index   map[string]int // in metrics, by name; from maxMetrics on they are left out
}

// curve is a series of a run in a panel.
type curve struct {
	run, metric int // indices; the metric's in panel.metrics
	points      []rundir.Point
}

// arrange sorts what the runs have into panels: phases in order of appearance, the rest behind them. It tells how many phases
// are left out.
func arrange(runs []Run) (panels []*panel, more int) {
	index := map[string]*panel{}
	for r, run := range runs {
		for _, s := range run.Series {
			if strings.Contains(s.Name, ".") {
				continue // a detail
			}
			title, kind, metric := sortIn(s.Name)
			key := fmt.Sprint(kind, title)
			p := index[key]
			if p == nil {
				p = &panel{title: title, kind: kind}
				index[key] = p
				panels = append(panels, p)
			}
			p.add(r, metric, s.Points)
		}
	}
	slices.SortStableFunc(panels, func(a, b *panel) int { return int(a.kind) - int(b.kind) })
	if more = len(panels) - maxPanels; more <= 0 {
		return panels, 0
	}
	// All that could be too many are phases: of the other kinds there is a panel or two.
	phases := slices.IndexFunc(panels, func(p *panel) bool { return p.kind != losses })
	if phases < 0 {
		phases = len(panels)
	}
	return slices.Delete(panels, phases-more, phases), more
}

func (p *panel) add(run int, metric string, points []rundir.Point) {
	if p.index == nil {
		p.index = map[string]int{}
	}
	m, ok := p.index[metric]
	if !ok {
		m = len(p.index)
		p.index[metric] = m
		if m < maxMetrics {
			p.metrics = append(p.metrics, metric)
		}
	}
	if m < maxMetrics {
		p.curves = append(p.curves, curve{run, m, points})
	}
}

// more is how many metrics the panel leaves out.
func (p *panel) more() int { return max(0, len(p.index)-maxMetrics) }

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
