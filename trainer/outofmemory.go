package trainer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/imori-ml/imori/torchx"
)

// ErrOutOfMemory is wrapped by the error of an iteration for which the memory of the device was too small.
var ErrOutOfMemory = errors.New("out of memory")

// adviseOnMemory says what helps against an error, if that is one of too little memory.
func (t *Trainer) adviseOnMemory(err error) error {
	var failed *torchx.Error
	if !errors.As(err, &failed) || !isOutOfMemory(failed.Message) {
		return err
	}
	plain := *failed
	if _, size, ok := strings.Cut(failed.Message, "you tried to allocate "); ok { // behind a place in libtorch's source
		plain.Message = "it needs " + size
	}
	of := t.Dataset.Info()
	return fmt.Errorf("%w on %s: %w; it had minibatches of %d images of %dx%dx%d: try a smaller batch_size, with accumulate for the gradients of as many",
		ErrOutOfMemory, t.info.Device, &plain, t.BatchSize, of.Channels, of.Height, of.Width)
}

// isOutOfMemory knows the words of libtorch's allocators and of the standard library.
func isOutOfMemory(message string) bool {
	message = strings.ToLower(message)
	for _, words := range []string{"out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory"} {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}
