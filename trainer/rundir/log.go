package rundir

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/imori-ml/imori/internal/regular"
	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
)

// Log is a file of JSON objects, one a line: {"iteration":50,"critic/loss":0.25}. A line is in the file, whole, when
// Append returns without an error, and on the disk at the latest with the next checkpoint.
type Log struct {
	// syncing is held while the file is put on the disk, or closed, before mu. A slow disk does not keep Append waiting.
	syncing sync.Mutex

	mu       sync.Mutex
	file     logFile
	size     int64  // of the whole lines; more in the file is the rest of a failed Append
	torn     bool   // there is more, which could not be cut off
	last     int    // iteration of the last line that this process knows of
	newest   int    // that of the last line, late ones too; -1: there is none, or the log was not cut yet
	late     []byte // lines that could not be written yet
	unsynced []byte // the file's last lines, which may not be on the disk yet: the bytes up to size
	broken   error  // of the disk, which has said that it lost something
}

// mostUnsynced bounds the memory that lines take until they are on the disk, should there be no checkpoint for long.
const mostUnsynced = 1 << 20 // bytes

// logFile is what a log needs of its *os.File.
type logFile interface {
	io.ReaderAt
	io.WriteCloser
	Name() string
	Stat() (os.FileInfo, error)
	Sync() error
	Truncate(size int64) error
}

// Field is one figure of a line.
type Field struct {
	Key   string
	Value any // float64, float32, int, int64, string or bool
}

// Metrics opens metrics.jsonl, which two equal runs write alike, byte for byte.
func (d *Dir) Metrics() (*Log, error) { return d.openLog(&d.metrics, metricsFile) }

// Timing opens timing.jsonl, for wall-clock figures.
func (d *Dir) Timing() (*Log, error) { return d.openLog(&d.timing, timingFile) }

// openLog opens each log once, so that there is one idea of its end.
func (d *Dir) openLog(l **Log, name string) (*Log, error) {
	if err := d.Writable(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if *l == nil {
		opened, err := openLog(filepath.Join(d.path, name))
		if err != nil {
			return nil, fmt.Errorf("cannot open log: %w", err)
		}
		*l = opened
	}
	return *l, nil
}

func openLog(path string) (*Log, error) {
	f, err := openOwn(path, os.O_APPEND)
	if err != nil {
		return nil, err
	}
	l := &Log{file: f, newest: -1}
	err = l.mendEnd()
	if err == nil {
		err = f.Sync() // what a process left that was killed
	}
	if err == nil {
		err = atomicfile.SyncDir(filepath.Dir(path)) // for the name, should it be new
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return l, nil
}

// mendEnd drops what follows the last newline: a line torn by a crash. An editor may have dropped the newline alone.
func (l *Log) mendEnd() error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	lines := l.lines()
	for {
		line, err := lines.nextOrRest()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if line[len(line)-1] == '\n' {
			l.size = lines.end
		} else if _, ok := iterationOf(line); ok {
			_, err := l.file.Write([]byte("\n"))
			l.size = lines.end + 1
			return err
		}
	}
	if l.size < info.Size() {
		return l.file.Truncate(l.size)
	}
	return nil
}

// longestLine is that of a log in bytes: what is longer is damage, and not held in memory.
const longestLine = 16 << 20

var errLongLine = fmt.Errorf("it has more than %d bytes", longestLine)

// lineReader walks over the lines of a file.
type lineReader struct {
	r    *bufio.Reader
	line []byte
	end  int64 // of the last line read
}

func (l *Log) lines() *lineReader {
	return &lineReader{r: bufio.NewReader(io.NewSectionReader(l.file, 0, math.MaxInt64))}
}

// next returns a line with its newline, which the last one may lack, for use until the next call; io.EOF behind it, and
// errLongLine in the middle of a line that is too long.
func (r *lineReader) next() ([]byte, error) {
	r.line = r.line[:0]
	for {
		part, err := r.r.ReadSlice('\n')
		r.end += int64(len(part))
		r.line = append(r.line, part...)
		switch {
		case len(r.line) > longestLine:
			return nil, errLongLine
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(r.line) > 0:
			err = nil
		}
		return r.line, err
	}
}

// nextOrRest is next, but of a line that is too long it returns the last byte, which is unreadable as a line.
func (r *lineReader) nextOrRest() ([]byte, error) {
	line, err := r.next()
	if err != errLongLine {
		return line, err
	}
	last := r.line[len(r.line)-1]
	for last != '\n' {
		part, err := r.r.ReadSlice('\n')
		r.end += int64(len(part))
		if len(part) > 0 {
			last = part[len(part)-1]
		}
		if err == io.EOF {
			break
		}
		if err != nil && err != bufio.ErrBufferFull {
			return nil, err
		}
	}
	return []byte{last}, nil
}

func iterationOf(line []byte) (int, bool) {
	var object struct{ Iteration *int }
	if json.Unmarshal(line, &object) != nil || object.Iteration == nil || *object.Iteration < 0 {
		return 0, false
	}
	return *object.Iteration, true
}

// Append adds a line: "iteration" first, then the fields in the order given. Floats are written so that they read back
// exactly; NaN and infinities, which JSON has not, as null. Iterations may repeat but not fall.
//
// A line that the disk does not take, which is an error of *fs.PathError, is not lost: it is kept in memory and written
// before the next one, and a checkpoint is saved only behind it.
func (l *Log) Append(iteration int, fields []Field) error {
	if err := l.append(iteration, fields); err != nil {
		return err
	}
	l.mu.Lock()
	much := len(l.unsynced) > mostUnsynced
	l.mu.Unlock()
	if much && l.syncing.TryLock() { // else that is being done
		defer l.syncing.Unlock()
		return l.flush()
	}
	return nil
}

func (l *Log) append(iteration int, fields []Field) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return errors.New("cannot append to a log: its run folder is closed")
	}
	if iteration < l.last {
		return fmt.Errorf("%s: iteration %d after %d: call TruncateAfter when a run goes back", l.file.Name(), iteration, l.last)
	}
	line, err := encodeLine(iteration, fields)
	if err != nil {
		return fmt.Errorf("%s: %w", l.file.Name(), err)
	}
	l.late = append(l.late, line...)
	l.last, l.newest = iteration, iteration
	return l.write()
}

// write writes the lines that are not in the file yet: all of them or none.
func (l *Log) write() error {
	if len(l.late) == 0 {
		return nil
	}
	if err := l.cutTorn(); err != nil {
		return fmt.Errorf("cannot append to log: %w", err)
	}
	if _, err := l.file.Write(l.late); err != nil {
		l.torn = true // a full disk takes part of a line
		if cut := l.cutTorn(); cut != nil {
			return fmt.Errorf("cannot append to log: %w; %w", err, cut)
		}
		return fmt.Errorf("cannot append to log: %w", err)
	}
	l.size += int64(len(l.late))
	l.unsynced = append(l.unsynced, l.late...)
	l.late = l.late[:0]
	return nil
}

// cutTorn removes what a failed write left, behind which no line may come. Should the process end before that succeeds, the
// next opening does it.
func (l *Log) cutTorn() error {
	if !l.torn {
		return nil
	}
	if err := l.file.Truncate(l.size); err != nil {
		return fmt.Errorf("the half of a line at its end cannot be cut off: %w", err)
	}
	l.torn = false
	return nil
}

func encodeLine(iteration int, fields []Field) ([]byte, error) {
	b := strconv.AppendInt([]byte(`{"iteration":`), int64(iteration), 10)
	seen := map[string]bool{"iteration": true}
	for _, f := range fields {
		if seen[f.Key] {
			return nil, fmt.Errorf("key %q occurs twice in a line", f.Key)
		}
		seen[f.Key] = true
		b = append(appendJSON(append(b, ','), f.Key), ':')
		switch v := f.Value.(type) {
		case float64:
			b = appendFloat(b, v, 64)
		case float32:
			b = appendFloat(b, float64(v), 32)
		case int, int64, string, bool:
			b = appendJSON(b, v)
		default:
			return nil, fmt.Errorf("key %q: a %T cannot be logged, expected a float, an int, a string or a bool", f.Key, v)
		}
	}
	b = append(b, '}', '\n')
	if len(b) > longestLine {
		return nil, fmt.Errorf("a line of %d bytes, expected at most %d", len(b), longestLine)
	}
	return b, nil
}

func appendFloat(b []byte, v float64, bits int) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, v, 'g', -1, bits)
}

// appendJSON is for values that always encode.
func appendJSON(b []byte, v any) []byte {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return append(b, bytes.TrimSuffix(text.Bytes(), []byte("\n"))...)
}

// TruncateAfter drops the lines of later iterations, and whatever a crash left behind them: what a run does that goes on
// from an earlier iteration. It is one cut, so that a crash leaves the file as it was or as it should be.
func (l *Log) TruncateAfter(iteration int) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return errors.New("cannot cut a log: its run folder is closed")
	}
	l.dropLate(iteration)
	err := l.cutTorn() // whole lines of it are late ones, too
	var end int64
	var newest int
	if err == nil {
		end, newest, err = l.lines().upTo(iteration, l.file.Name())
	}
	if err == nil {
		err = l.file.Truncate(end)
	}
	if err == nil {
		l.unsynced = l.unsynced[:max(0, int64(len(l.unsynced))-max(0, l.size-end))]
		l.size, l.last = end, iteration
		l.newest = newestOf(l.late, newest)
		err = l.synced(l.file.Sync(), len(l.unsynced))
	}
	if err != nil {
		return fmt.Errorf("cannot cut log after iteration %d: %w", iteration, err)
	}
	return nil
}

// dropLate keeps those late lines that are not of a later iteration.
func (l *Log) dropLate(iteration int) {
	end := 0
	for line := range bytes.Lines(l.late) {
		if n, _ := iterationOf(line); n > iteration {
			break
		}
		end += len(line)
	}
	l.late = l.late[:end]
}

// newestOf is the iteration of the last of some lines, or else what is given.
func newestOf(lines []byte, otherwise int) int {
	for line := range bytes.Lines(lines) {
		otherwise, _ = iterationOf(line)
	}
	return otherwise
}

// Newest is the iteration of the last line, one that the disk does not take yet included; -1: there is none. It is for a log
// that was cut (TruncateAfter).
func (l *Log) Newest() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest
}

// LastLogged is what Newest will be of metrics.jsonl, once it is cut after an iteration. It leaves the file as it is.
func (d *Dir) LastLogged(iteration int) (int, error) {
	f, err := regular.Open(filepath.Join(d.path, metricsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	defer f.Close()
	lines := &lineReader{r: bufio.NewReader(f)}
	_, newest, err := lines.upTo(iteration, f.Name())
	return newest, err
}

// upTo finds where the lines up to an iteration end, and the iteration of the last of them, -1 if there is none. After a loss of power the lines behind the last checkpoint may be
// anything; one that is unreadable before it, or out of order, is not ours to drop.
func (r *lineReader) upTo(iteration int, name string) (end int64, newest int, err error) {
	newest = -1
	cut := 0 // the first line that goes
	for number := 1; ; number++ {
		line, err := r.nextOrRest()
		if err == io.EOF {
			return end, newest, nil
		}
		if err != nil {
			return 0, -1, err
		}
		n, ok := iterationOf(line)
		switch {
		case (!ok || n > iteration) && cut == 0:
			cut = number
		case ok && n <= iteration && cut != 0:
			return 0, -1, fmt.Errorf("%s: line %d is unreadable or of a later iteration, but line %d is of iteration %d: mend line %d by hand",
				name, cut, number, n, cut)
		}
		if cut == 0 {
			end, newest = r.end, n
		}
	}
}

// sync puts the log on the disk, late lines too.
func (l *Log) sync() error {
	l.syncing.Lock() // so that the file is not closed meanwhile
	defer l.syncing.Unlock()
	return l.flush()
}

// flush is for who holds syncing.
func (l *Log) flush() error {
	l.mu.Lock()
	f := l.file
	var err error
	if f != nil {
		err = l.write()
	}
	n := len(l.unsynced)
	l.mu.Unlock()
	if f == nil || err != nil {
		return err
	}
	err = f.Sync() // others append meanwhile
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced(err, n)
}

// synced takes note of what Sync said of the first n bytes of the unsynced lines. A failure is said once, and what was not
// written may be out of memory then, so that the next Sync finds nothing to do: all lines since the last success are late
// again. A full disk may take them another time. One that fails otherwise stays a failing one.
func (l *Log) synced(err error, n int) error {
	if err == nil {
		l.unsynced = append([]byte(nil), l.unsynced[n:]...) // the rest is short, and its memory is given back
		return l.broken
	}
	l.late = append(l.unsynced, l.late...)
	l.size -= int64(len(l.unsynced))
	l.unsynced, l.torn = nil, true
	err = fmt.Errorf("cannot put log on the disk: %w", err)
	if !IsFull(err) && l.broken == nil {
		l.broken = err
	}
	return err
}

func (l *Log) close() error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	err := l.flush()
	l.mu.Lock()
	defer l.mu.Unlock()
	err = errors.Join(err, l.file.Close())
	l.file = nil
	return err
}
