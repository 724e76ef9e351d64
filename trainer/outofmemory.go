package trainer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/imori-ml/imori/torchx"
)

// ErrOutOfMemory is wrapped by the error of whatever the memory of the device was too small for.
var ErrOutOfMemory = errors.New("out of memory")

// memoryError is an ErrOutOfMemory that says what helps.
type memoryError struct {
	text string
	err  error
}

func (e *memoryError) Error() string   { return e.text }
func (e *memoryError) Unwrap() []error { return []error{ErrOutOfMemory, e.err} }

// work is what memory is needed for: it decides what helps.
type work int

const (
	forBatches work = iota // iterations
	forOthers              // all else: networks and what trains them, loading them, previews, checkpoints
)

// try is try with advice in errors of too little memory. The innermost one counts.
func (t *Trainer) try(what work, f func() error) error { return t.adviseOnMemory(what, try(f)) }

// do runs f on the trainer's thread, in a scope, with such advice.
func (t *Trainer) do(what work, f func() error) error {
	return t.thread.do(func() error { return t.try(what, f) })
}

// adviseOnMemory says what helps against an error, if that is one of too little memory.
func (t *Trainer) adviseOnMemory(what work, err error) error {
	var failed *torchx.Error
	if errors.Is(err, ErrOutOfMemory) || !errors.As(err, &failed) || !isOutOfMemory(failed.Message) {
		return err
	}
	text := err.Error()
	if _, size, ok := strings.Cut(failed.Message, "you tried to allocate "); ok { // behind a place in libtorch's source
		text = strings.Replace(text, failed.Message, "it needs "+size, 1)
	}
	return &memoryError{fmt.Sprintf("%v on %s: %s; %s", ErrOutOfMemory, t.info.Device, text, t.advice(what)), err}
}

func (t *Trainer) advice(what work) string {
	if what == forOthers {
		return "that depends on no minibatch: try smaller networks, train.ema 0 if it is set, or end what else takes memory"
	}
	of := t.Dataset.Info()
	return fmt.Sprintf("it had minibatches of %d images of %dx%dx%d: %s", t.BatchSize, of.Channels, of.Height, of.Width, smallerBatches)
}

const smallerBatches = "try a smaller train.batch_size, with train.accumulate for the gradients of as many"

// isOutOfMemory knows the words of libtorch's allocators and of the standard library.
func isOutOfMemory(message string) bool {
	message = strings.ToLower(message)
	for _, words := range []string{"out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "bad_alloc"} {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}
