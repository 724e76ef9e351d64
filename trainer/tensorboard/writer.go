// Package tensorboard writes event files, which TensorBoard shows while they grow:
//
//	w, err := tensorboard.Create("runs/first", 1)
//	if err != nil { ... }
//	err = w.Scalar(1, "critic/loss", 0.25)
//	err = w.Flush()
//
// and, in a shell, tensorboard --logdir runs. A file is a sequence of TFRecords, each an Event in the encoding of protocol
// buffers. But for the wall time of each event, what is written is a function of the calls alone.
package tensorboard

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/imori-ml/imori/trainer/tensorboard/internal/eventpb"
)

// fileVersion is what the first event of a file says.
const fileVersion = "brain.Event:2"

// Writer adds events to a file. What it is given is kept until Flush, which writes whole records in one call: a process
// that is killed leaves nothing worse than a torn last record, which readers ignore. It is for one goroutine at a time.
type Writer struct {
	file    *os.File
	pending []byte
	failed  error // of a write: what came after its rest in the file could not be read
}

// Create makes a new event file in a folder that exists. purgeFrom is the first step that the writer will be given:
// TensorBoard drops what the folder's earlier files have of it and of later ones, which an interrupted process wrote. It is
// 1 for a new run that counts from 1, and k+1 for one that goes on from step k.
func Create(dir string, purgeFrom int64) (*Writer, error) {
	name, err := newName(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot make an event file: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, fmt.Errorf("cannot make an event file: %w", err)
	}
	w := &Writer{file: f}
	err = w.add(0, &eventpb.Event{What: &eventpb.Event_FileVersion{FileVersion: fileVersion}})
	if err == nil {
		// In every file: TensorBoard takes the first such event that it meets for the beginning of the run, and purges at
		// those that follow. It drops no scalar by its step alone, as the version above says that there are such events.
		start := &eventpb.SessionLog{Status: eventpb.SessionLog_START}
		err = w.add(purgeFrom, &eventpb.Event{What: &eventpb.Event_SessionLog{SessionLog: start}})
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return w, nil
}

// newName returns events.out.tfevents.<seconds>.<host>.<process>.<number>. TensorBoard reads the files of a folder in the
// order of their names, so the seconds are more than those of all that are there, whatever the clock says.
func newName(dir string) (string, error) {
	const prefix = "events.out.tfevents."
	const mostSeconds = 9_999_999_999 // what has more digits is no time, and sorts otherwise
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	seconds := time.Now().Unix()
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name(), prefix); ok {
			digits, _, _ := strings.Cut(rest, ".")
			if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n < mostSeconds {
				seconds = max(seconds, n+1)
			}
		}
	}
	host, err := os.Hostname()
	if err != nil || host == "" || strings.ContainsRune(host, filepath.Separator) {
		host = "localhost"
	}
	return fmt.Sprintf("%s%010d.%s.%d.0", prefix, seconds, host, os.Getpid()), nil
}

// Scalar adds a point of a curve. NaN and infinities are values too.
func (w *Writer) Scalar(step int64, tag string, value float32) error {
	return w.add(step, summary(&eventpb.Summary_Value{Tag: tag, Value: &eventpb.Summary_Value_SimpleValue{SimpleValue: value}}))
}

func summary(v *eventpb.Summary_Value) *eventpb.Event {
	return &eventpb.Event{What: &eventpb.Event_Summary{Summary: &eventpb.Summary{Value: []*eventpb.Summary_Value{v}}}}
}

// add gives the event its time and step. It fails when a text in it is no UTF-8.
func (w *Writer) add(step int64, e *eventpb.Event) error {
	e.WallTime, e.Step = float64(time.Now().UnixNano())/1e9, step
	data, err := proto.Marshal(e)
	if err != nil {
		return fmt.Errorf("cannot encode an event of step %d: %w", step, err)
	}
	w.pending = appendRecord(w.pending, data)
	return nil
}

// Flush writes what was added, for readers to see. After an error the file is not written to any more.
func (w *Writer) Flush() error {
	if w.failed == nil && len(w.pending) > 0 {
		if _, err := w.file.Write(w.pending); err != nil {
			w.failed = fmt.Errorf("cannot write to the event file: %w", err)
		}
	}
	w.pending = w.pending[:0]
	return w.failed
}

// Close flushes and closes the file. Call it once.
func (w *Writer) Close() error {
	return errors.Join(w.Flush(), w.file.Close())
}
