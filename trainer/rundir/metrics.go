package rundir

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/imori-ml/imori/internal/regular"
)

// Series is one figure over the iterations of a run.
type Series struct {
	Name   string // "critic/loss"
	Points []Point
}

// Point is a figure at an iteration.
type Point struct {
	Iteration int
	Value     float64 // NaN where the log has null, for it does not tell NaN from infinities
}

// ReadRunMetrics is ReadMetrics of a run's folder. A run that has logged nothing yet has no series.
func ReadRunMetrics(folder string) ([]Series, error) { return readRunMetrics(folder, false) }

// ReadLastMetrics is ReadRunMetrics with the last point of each series alone.
func ReadLastMetrics(folder string) ([]Series, error) { return readRunMetrics(folder, true) }

func readRunMetrics(folder string, lastOnly bool) ([]Series, error) {
	series, err := readMetrics(filepath.Join(folder, metricsFile), lastOnly)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return series, err
}

// ReadMetrics reads a log such as metrics.jsonl, also while a run appends to it: the series in the order in which their
// names appear first, their points in the order of the lines. Values that are no numbers are passed over. A last line
// that was torn by a crash, or is being written, does not count; any other damage is an error.
func ReadMetrics(path string) ([]Series, error) { return readMetrics(path, false) }

func readMetrics(path string, lastOnly bool) ([]Series, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read metrics: %w", err)
	}
	defer f.Close()
	m := metricsReader{index: map[string]int{}, lastOnly: lastOnly}
	lines := &lineReader{r: bufio.NewReader(f)}
	for number := 1; ; number++ {
		line, err := lines.next()
		if err == io.EOF {
			return m.series, nil
		}
		if err == errLongLine {
			return nil, fmt.Errorf("%s: line %d is damaged: %w", path, number, err)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read metrics: %w", err)
		}
		whole := line[len(line)-1] == '\n'
		if !whole && !json.Valid(line) {
			return m.series, nil
		}
		if err := m.add(line); err != nil {
			return nil, fmt.Errorf("%s: line %d is damaged: %w", path, number, err)
		}
	}
}

type metricsReader struct {
	series []Series
	index  map[string]int // in series, by name
	last   int            // iteration

	lastOnly bool // points
}

// add takes a line: {"iteration":50,"critic/loss":0.25}.
func (m *metricsReader) add(line []byte) error {
	if !json.Valid(line) {
		return fmt.Errorf("%.60q is no JSON object", bytes.TrimSpace(line))
	}
	d := json.NewDecoder(bytes.NewReader(line)) // by tokens, for a map would lose the order
	d.UseNumber()
	if t, _ := d.Token(); t != json.Delim('{') {
		return fmt.Errorf("%.60q is no JSON object", bytes.TrimSpace(line))
	}
	seen := map[string]bool{}
	iteration := -1
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name := t.(string) // JSON has no other keys
		if seen[name] {
			return fmt.Errorf("it has %q twice", name)
		}
		seen[name] = true
		if t, err = d.Token(); err != nil {
			return err
		}
		if len(seen) == 1 {
			if iteration, err = m.iteration(name, t); err != nil {
				return err
			}
			continue
		}
		if err := m.addValue(name, iteration, t); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	if iteration < 0 {
		return errors.New(`it is empty, expected "iteration" first`)
	}
	m.last = iteration
	return nil
}

func (m *metricsReader) iteration(name string, value json.Token) (int, error) {
	if name != "iteration" {
		return 0, fmt.Errorf(`it begins with %.40q, expected "iteration"`, name)
	}
	number, _ := value.(json.Number)
	n, err := strconv.Atoi(number.String())
	if err != nil || n < 0 {
		return 0, fmt.Errorf("its iteration is %v, expected a whole number from 0 on", value)
	}
	if n < m.last {
		return 0, fmt.Errorf("iteration %d comes after %d", n, m.last)
	}
	return n, nil
}

func (m *metricsReader) addValue(name string, iteration int, value json.Token) error {
	v := math.NaN()
	switch value := value.(type) {
	case json.Number:
		var err error
		if v, err = value.Float64(); err != nil {
			return err
		}
	case json.Delim:
		return fmt.Errorf("a list or an object, expected a number")
	case string, bool:
		return nil
	}
	at, ok := m.index[name]
	if !ok {
		at = len(m.series)
		m.index[name] = at
		m.series = append(m.series, Series{Name: name})
	}
	if m.lastOnly {
		m.series[at].Points = m.series[at].Points[:0]
	}
	m.series[at].Points = append(m.series[at].Points, Point{iteration, v})
	return nil
}
