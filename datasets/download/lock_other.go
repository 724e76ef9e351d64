//go:build !unix

package download

import (
	"errors"
	"os"
)

func openOwn(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644) }

// tryLock: without locks, transfers begin at the beginning, in files of their own.
func tryLock(*os.File) (locked bool, err error) { return false, errors.ErrUnsupported }
