// Package regular opens files that may be anything, as whoever owns the folder may have put a named pipe or a link to a
// device there: the one is waited for, and the other read, for ever.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Open opens a regular file, or a link to one, for reading. The error for anything else is an *fs.PathError, as all others.
func Open(path string) (*os.File, error) {
	info, err := os.Stat(path) // before it is opened: that waits where it is a pipe
	if err != nil {
		return nil, err
	}
	if err := Check(path, info); err != nil {
		return nil, err
	}
	return os.Open(path)
}

// Check is an error, an *fs.PathError, for what is no regular file.
func Check(path string, info fs.FileInfo) error {
	what := ""
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		what = "a directory"
	case mode&fs.ModeSymlink != 0:
		what = "a link"
	case mode&fs.ModeNamedPipe != 0:
		what = "a named pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	default:
		what = "a device"
	}
	return &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("it is %s, not a regular file: remove it, or put the right file there", what)}
}

// ErrLong is the error of Read for a file that is too long.
var ErrLong = errors.New("it is too long")

// Read reads a whole regular file. One of more than limit bytes is ErrLong, and not held in memory.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%w: it has more than %d bytes", ErrLong, limit)}
	}
	return b, nil
}
