package datasets

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// readRegular reads a whole file of at most limit bytes. Its errors leave out the path.
func readRegular(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path) // opening a named pipe would wait for ever
	if err == nil {
		switch {
		case !info.Mode().IsRegular():
			return nil, errors.New("it is not a regular file")
		case info.Size() == 0:
			return nil, errors.New("it is empty")
		case info.Size() > limit:
			return nil, fmt.Errorf("it has %d bytes, expected at most %d", info.Size(), limit)
		}
		var data []byte
		if data, err = os.ReadFile(path); err == nil {
			return data, nil
		}
	}
	return nil, withoutPath(err)
}

// withoutPath strips the operation and the path, which whoever reports names.
func withoutPath(err error) error {
	if at := (*os.PathError)(nil); errors.As(err, &at) {
		return at.Err
	}
	return err
}

// unreadable words what the system says of a file or folder that is there.
func unreadable(path string, err error) error {
	return fmt.Errorf("%s cannot be read: %w; give it, and the folders that it is in, the rights that this needs, or correct the path", path, withoutPath(err))
}

// cut says in words that a file ended too early.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is truncated")
	}
	return err
}
