package spin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// queue is the one in which threads stand in line for processors.
type queue struct {
	folder  string // of the threads, /proc/self/task
	threads map[string]times
}

// times are what a thread has had of its life.
type times struct{ worked, waited time.Duration }

// look returns for what share of its time since the last look, worked or in line, a thread stood in line: of those that
// worked for a tenth of an interval, the one that did so most. It fails where Linux does not count that.
func (q *queue) look() (share float64, err error) {
	folder, err := os.Open(q.folder)
	if err != nil {
		return 0, err
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return 0, err
	}
	found := make(map[string]times, len(names))
	for _, name := range names {
		now, err := thread(filepath.Join(q.folder, name, "schedstat"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return 0, err
		}
		found[name] = now
		before, ok := q.threads[name]
		worked, waited := now.worked-before.worked, now.waited-before.waited
		if all := worked + waited; ok && all > 0 && worked >= interval/10 {
			share = max(share, float64(waited)/float64(all))
		}
	}
	if len(found) == 0 {
		return 0, fmt.Errorf("%s: no thread has a schedstat", q.folder)
	}
	q.threads = found
	return share, nil
}

// thread reads what Linux counts of one: nanoseconds of work, nanoseconds in line, and a number of no interest here.
func thread(path string) (times, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return times{}, err
	}
	var t times
	var turns uint64
	if _, err := fmt.Sscanf(string(content), "%d %d %d", &t.worked, &t.waited, &turns); err != nil {
		return times{}, fmt.Errorf("%s: found %q, expected three numbers: %w", path, content, err)
	}
	return t, nil
}
