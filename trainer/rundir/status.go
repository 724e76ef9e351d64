package rundir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/imori-ml/imori/internal/regular"
)

const (
	statusFile = "status.json"
	maxStatus  = 1 << 20 // bytes; the longest part is an error's message
	maxSeconds = 1e9     // 30 years; sums of larger ones are not finite, or no time.Duration
)

// RunState is how a run stands.
type RunState string

// What a run can be.
const (
	Running     RunState = "running"     // a process is training it
	Finished    RunState = "finished"    // it has all its iterations
	Interrupted RunState = "interrupted" // it was stopped, or its process was killed: it can go on
	Failed      RunState = "failed"      // an error ended it
)

// RunStates lists them.
var RunStates = []RunState{Running, Finished, Interrupted, Failed}

// Status is what status.json says of a run: written when a process begins to train it and when that process stops.
// What has happened in between, a kill among it, is for Look to find out.
type Status struct {
	State      RunState  `json:"state"`
	Iteration  int       `json:"iteration"`        // completed when this was written
	Iterations int       `json:"iterations"`       // of the whole run; 0: not known
	Error      string    `json:"error,omitempty"`  // why it failed
	Started    time.Time `json:"started"`          // its first process
	Resumed    time.Time `json:"resumed,omitzero"` // its newest process, where that is not the first
	Ended      time.Time `json:"ended,omitzero"`
	Seconds    float64   `json:"seconds"` // trained by the processes that have ended
}

// began is when the newest process began.
func (s *Status) began() time.Time {
	if s.Resumed.IsZero() {
		return s.Started
	}
	return s.Resumed
}

// add counts seconds of training. A clock may have been set back, or far ahead.
func (s *Status) add(seconds float64) {
	s.Seconds = min(s.Seconds+max(0, seconds), maxSeconds)
}

// Begin says in status.json that this process trains the run from an iteration on. A run that has been trained before
// keeps its beginning and its seconds.
func (d *Dir) Begin(iteration, iterations int) error {
	if err := d.Writable(); err != nil {
		return err
	}
	now := time.Now().Truncate(time.Second)
	s := Status{State: Running, Iteration: iteration, Iterations: iterations, Started: now}
	switch before, err := d.past(iteration); {
	case err != nil:
		d.logf("what the run's earlier processes took is lost: %v", err)
	case !before.Started.IsZero():
		s.Started, s.Resumed, s.Seconds = before.Started, now, before.Seconds
	}
	d.mu.Lock()
	d.status = s
	d.mu.Unlock()
	return d.writeStatus(s)
}

// past is what earlier processes left; no Started: there were none.
func (d *Dir) past(iteration int) (Status, error) {
	s, err := readStatus(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && iteration == 0:
		return Status{}, nil
	case errors.Is(err, fs.ErrNotExist):
		return withoutStatus(d.path), nil
	case err == nil && s.State == Running: // it was killed
		s.add(secondsOf(d.path, s.Iteration))
	}
	return s, err
}

// End says in status.json that this process stopped after an iteration. The reason is for the state Failed, else nil.
func (d *Dir) End(state RunState, iteration int, reason error) error {
	if err := d.Writable(); err != nil {
		return err
	}
	d.mu.Lock()
	s := d.status
	d.mu.Unlock()
	now := time.Now()
	s.State, s.Iteration = state, iteration
	s.Ended = now.Truncate(time.Second)
	s.add(now.Sub(s.began()).Seconds())
	if reason != nil {
		s.Error = reason.Error()
	}
	return d.writeStatus(s)
}

func (d *Dir) writeStatus(s Status) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = d.write(filepath.Join(d.path, statusFile), func(w io.Writer) error {
			_, err := w.Write(append(b, '\n'))
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("cannot write the status of run %s: %w", d.path, err)
	}
	return nil
}

// readStatus reads status.json; fs.ErrNotExist if there is none.
func readStatus(folder string) (Status, error) {
	path := filepath.Join(folder, statusFile)
	b, err := regular.Read(path, maxStatus)
	if err != nil && !errors.Is(err, regular.ErrLong) {
		return Status{}, err
	}
	var s Status
	if err == nil {
		s, err = decodeStatus(b)
	}
	if err != nil {
		return Status{}, fmt.Errorf("%s is damaged: %w; resuming the run writes it anew", path, err)
	}
	return s, nil
}

// decodeStatus parses status.json. Keys that it does not know are of a later version, and no harm.
func decodeStatus(b []byte) (Status, error) {
	var s Status
	if err := json.Unmarshal(b, &s); err != nil {
		return s, err
	}
	switch {
	case !slices.Contains(RunStates, s.State):
		return s, fmt.Errorf("its state is %.40q, expected one of %v", s.State, RunStates)
	case s.Iteration < 0 || s.Iterations < 0 || s.Seconds < 0:
		return s, fmt.Errorf("iteration %d of %d, %g seconds: expected none below 0", s.Iteration, s.Iterations, s.Seconds)
	case s.Seconds > maxSeconds:
		return s, fmt.Errorf("%g seconds, expected at most %g", s.Seconds, maxSeconds)
	case s.Started.IsZero():
		return s, errors.New("it does not say when the run started")
	}
	return s, nil
}
