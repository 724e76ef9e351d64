//go:build unix

package download

import (
	"errors"
	"os"
	"syscall"
)

// openOwn opens or makes a file of this package, and follows no link that somebody has put in its place.
func openOwn(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o644)
}

// tryLock takes the lock of a file or folder unless somebody has it. The system
// releases it with the file, and when the process ends, however it ends.
func tryLock(f *os.File) (locked bool, err error) {
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, err
		}
	}
}
