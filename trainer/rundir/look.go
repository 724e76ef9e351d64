package rundir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/imori-ml/imori/internal/regular"
)

// Seen is how a run stands as a reader finds it, beside whoever trains it.
type Seen struct {
	// Status is of now: the iteration is the newest one logged, the seconds include the process that trains, or died.
	Status
	// Killed: the run's last process died without saying so. The state is Interrupted.
	Killed bool
	// Checkpoint is the iteration of the checkpoint from which the run can go on, its newest one; -1: it has none.
	Checkpoint int
}

// IsRun tells whether a folder is that of a run. An empty one, left of a run that failed before it began, is not.
func IsRun(folder string) bool {
	if _, err := os.Stat(filepath.Join(folder, statusFile)); err == nil {
		return true
	}
	d, err := Open(folder)
	return err == nil && d.holdsRun() != ""
}

// Look says how the run in a folder stands, and leaves the folder as it is. Iterations are those of its recipe, 0 if it
// has none; they count for runs that have no status.json, as it was not always written. The error is about a folder that
// is no run, cannot be read or has a damaged status.json; what can be told without it is returned beside the error.
func Look(folder string, iterations int) (Seen, error) {
	if !IsRun(folder) {
		if _, err := os.Stat(folder); err != nil {
			return Seen{}, fmt.Errorf("cannot look at run: %w", err)
		}
		return Seen{}, fmt.Errorf("%s is not the folder of a run", folder)
	}
	status, statusErr := readStatus(folder)
	locked, err := locked(folder)
	if err != nil {
		return Seen{Checkpoint: -1}, err
	}
	if statusErr == nil && status.State == Running && !locked {
		status, statusErr = readStatus(folder) // it may have ended between the two looks
	}
	seen := Seen{Status: status, Checkpoint: newestCheckpoint(folder)}
	if statusErr != nil {
		seen.Status = withoutStatus(folder)
		seen.Iterations = iterations
		seen.Iteration = max(seen.Iteration, seen.Checkpoint)
		switch {
		case locked:
			seen.State = Running
		case iterations > 0 && seen.Checkpoint == iterations:
			seen.State = Finished
		default:
			seen.State = Interrupted
		}
		if errors.Is(statusErr, fs.ErrNotExist) {
			statusErr = nil
		}
		return seen, statusErr
	}
	if seen.State != Running {
		return seen, nil
	}
	logged, _, at := lastLine(filepath.Join(folder, metricsFile))
	seen.Iteration = max(seen.Iteration, logged)
	if locked {
		seen.add(time.Since(seen.began()).Seconds())
		return seen, nil
	}
	seen.State, seen.Killed, seen.Ended = Interrupted, true, at
	seen.add(secondsOf(folder, status.Iteration))
	return seen, nil
}

// locked tells whether a process writes to the run. The shared lock is had at once or not at all, and given back at once;
// takeLock waits for it.
func locked(folder string) (bool, error) {
	f, err := regular.Open(filepath.Join(folder, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot tell whether a process trains: %w", err)
	}
	defer f.Close() // and the lock with it
	switch err := flock(f, syscall.LOCK_SH); {
	case err == nil:
		return false, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return true, nil
	default:
		return false, fmt.Errorf("cannot tell whether a process trains: %s: %w", f.Name(), err)
	}
}

// newestCheckpoint is the iteration of the checkpoint that the run goes on from; -1: there is none.
func newestCheckpoint(folder string) int {
	d := Dir{path: folder}
	iterations, err := d.Checkpoints()
	if err != nil {
		return -1
	}
	return d.current(iterations)
}

// withoutStatus gathers what the other files tell of a run that has no status.json. Its state is left open.
func withoutStatus(folder string) Status {
	var s Status
	var logged time.Time
	s.Iteration, _, logged = lastLine(filepath.Join(folder, metricsFile))
	s.Seconds = secondsOf(folder, 0)
	// The recipe is written once, when a run begins.
	if info, err := os.Stat(filepath.Join(folder, recipeFile)); err == nil {
		s.Started = info.ModTime()
	} else if !logged.IsZero() {
		s.Started = logged.Add(-time.Duration(s.Seconds * float64(time.Second)))
	} else if info, err := os.Stat(folder); err == nil {
		s.Started = info.ModTime()
	}
	s.Started = s.Started.Truncate(time.Second)
	return s
}

// secondsOf is how long the process trained that went on from an iteration, as far as it was logged.
func secondsOf(folder string, from int) float64 {
	iteration, line, _ := lastLine(filepath.Join(folder, timingFile))
	var figures struct{ Seconds float64 }
	if iteration <= from || json.Unmarshal(line, &figures) != nil {
		return 0 // it logged nothing, and the last line is of the process before it
	}
	return min(max(0, figures.Seconds), maxSeconds)
}

// lastLine returns the last whole line of a log, its iteration, and when the log was written last; zeros if there is none.
func lastLine(path string) (iteration int, line []byte, at time.Time) {
	f, err := regular.Open(path)
	if err != nil {
		return 0, nil, time.Time{}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, nil, time.Time{}
	}
	for size := int64(1 << 16); ; size *= 2 { // enough for most last lines; the longest are of thousands of figures
		from := max(0, info.Size()-size)
		tail, err := io.ReadAll(io.NewSectionReader(f, from, size))
		if err != nil {
			return 0, nil, time.Time{}
		}
		if n, line := lastOf(tail, from == 0); line != nil {
			return n, line, info.ModTime()
		}
		if from == 0 || size > longestLine {
			return 0, nil, time.Time{}
		}
	}
}

// lastOf returns the last whole line of a log's end, and its iteration; nil if there is none. Unless that is all of the log,
// its first line may be a part of one.
func lastOf(tail []byte, all bool) (iteration int, line []byte) {
	for len(tail) > 0 {
		begin := bytes.LastIndexByte(tail[:len(tail)-1], '\n') + 1
		if begin == 0 && !all {
			break
		}
		if n, ok := iterationOf(tail[begin:]); ok {
			return n, tail[begin:]
		}
		tail = tail[:begin]
	}
	return 0, nil
}
