package runs

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/trainer/rundir"
)

// filter says which runs are listed.
type filter struct{ state, recipe string }

func (f filter) takes(r *run) bool {
	if f.state != "" && string(r.state()) != f.state {
		return false
	}
	if f.recipe == "" {
		return true
	}
	matches, _ := path.Match(f.recipe, r.recipeName()) // checked before
	return matches
}

// states lists what -state may be.
func states() []string {
	var names []string
	for _, s := range rundir.RunStates {
		names = append(names, string(s))
	}
	return append(names, string(damaged))
}

// printTable lists runs for a reader.
func printTable(out io.Writer, runs []*run) {
	rows := [][]string{{"RUN", "RECIPE", "MODEL", "STATE", "ITERATION", "STARTED", "TOOK", "LAST LOSSES"}}
	notes := []string{""}
	for _, r := range runs {
		rows = append(rows, []string{
			r.path, r.recipeName(), r.model(), string(r.state()), r.progress(), started(r.seen.Started), cli.Duration(r.took()), r.losses(),
		})
		notes = append(notes, r.note())
	}
	for i, line := range align(rows) {
		fmt.Fprintln(out, line)
		if notes[i] != "" {
			fmt.Fprintln(out, "  "+notes[i])
		}
	}
}

// progress is "850/1500", and "850" for a run that does not say how far it goes.
func (r *run) progress() string {
	if r.seen.Iterations == 0 {
		return fmt.Sprint(r.seen.Iteration)
	}
	return fmt.Sprintf("%d/%d", r.seen.Iteration, r.seen.Iterations)
}

// losses are the last ones, of each phase.
func (r *run) losses() string {
	var parts []string
	for _, m := range r.last() {
		if phase, ok := strings.CutSuffix(m.name, "/loss"); ok {
			parts = append(parts, phase+" "+figure(m.value))
		}
	}
	return strings.Join(parts, ", ")
}

// figure prints a value of a log, which has null for all that is not finite.
func figure(v float64) string {
	if math.IsNaN(v) {
		return "not finite"
	}
	return cli.Figure(v)
}

func started(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04")
}

// align makes columns of cells, "-" for empty ones.
func align(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 1)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var lines []string
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			if cell == "" {
				cell = "-"
			}
			line += cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2)
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}

// listed is a run in the output of -json.
type listed struct {
	Path       string              `json:"path"`
	Recipe     string              `json:"recipe"` // "" if it has none
	Model      string              `json:"model"`
	State      rundir.RunState     `json:"state"`
	Note       string              `json:"note,omitempty"`
	Iteration  int                 `json:"iteration"`
	Iterations int                 `json:"iterations"` // 0: not known
	Checkpoint *int                `json:"checkpoint"` // null: none yet
	Started    time.Time           `json:"started"`
	Ended      time.Time           `json:"ended,omitzero"`
	Seconds    float64             `json:"seconds"`
	Metrics    map[string]*float64 `json:"metrics"` // the last values; null: not finite
}

// printJSON lists runs for a program.
func printJSON(out io.Writer, runs []*run) error {
	all := []listed{}
	for _, r := range runs {
		l := listed{
			Path: r.path, Recipe: r.recipeName(), Model: r.model(), State: r.state(), Note: r.note(),
			Iteration: r.seen.Iteration, Iterations: r.seen.Iterations,
			Started: r.seen.Started, Ended: r.seen.Ended, Seconds: r.seen.Seconds, Metrics: map[string]*float64{},
		}
		if r.seen.Checkpoint >= 0 {
			l.Checkpoint = &r.seen.Checkpoint
		}
		for _, m := range r.last() {
			l.Metrics[m.name] = nil
			if !math.IsNaN(m.value) {
				l.Metrics[m.name] = &m.value
			}
		}
		all = append(all, l)
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(all)
}
