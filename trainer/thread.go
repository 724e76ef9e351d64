package trainer

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/imori-ml/imori/torchx"
)

var (
	errClosed = errors.New("the trainer is closed")
	// A job called runtime.Goexit, as a test's FailNow does.
	errEnded = errors.New("the trainer's goroutine was ended by what ran on it")
)

// thread is a goroutine on an operating system thread of its own. The scopes, the gradient mode and the number of threads
// of libtorch belong to a thread, so everything that one trainer does with tensors happens here.
type thread struct {
	mu    sync.Mutex // held while a job runs
	jobs  chan func()
	ended chan struct{} // closed when the goroutine is gone
	over  error         // why there are no more jobs: errClosed or errEnded; nil: there may be
}

func newThread() *thread {
	th := &thread{jobs: make(chan func()), ended: make(chan struct{})}
	go func() {
		defer close(th.ended)
		// Never unlocked: the thread ends with the goroutine, and libtorch's settings with the thread.
		runtime.LockOSThread()
		for job := range th.jobs {
			job()
		}
	}()
	return th
}

// do runs f on the thread, in a scope, and waits for it. Errors of tensors come back as errors. Any other panic is a
// mistake in the program: it goes on in the caller, with the stack of its origin.
func (th *thread) do(f func() error) error {
	th.mu.Lock()
	defer th.mu.Unlock()
	if th.over != nil {
		return th.over
	}
	var err error
	var origin *originPanic
	returned := false
	done := make(chan struct{})
	th.jobs <- func() {
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				origin = &originPanic{r, debug.Stack()}
			}
		}()
		err = try(func() (err error) {
			torchx.Scoped(func() { err = f() })
			return err
		})
		returned = true
	}
	<-done
	if origin != nil {
		panic(origin)
	}
	if !returned {
		<-th.ended
		th.over = errEnded
		return errEnded
	}
	return err
}

// close ends the thread once the running job is done.
func (th *thread) close() {
	th.mu.Lock()
	defer th.mu.Unlock()
	if th.over == nil {
		th.over = errClosed
		close(th.jobs)
	}
	<-th.ended
}

// originPanic is a panic of another goroutine.
type originPanic struct {
	value any
	stack []byte
}

func (p *originPanic) Error() string {
	return fmt.Sprintf("%v\n\non the trainer's thread:\n%s", p.value, p.stack)
}

// failure is the panic by which a method without an error result, such as Step.Batch, ends what called it; try makes an
// error of it.
type failure struct{ err error }

func fail(err error) { panic(failure{err}) }

// try is torchx.Try for a function with an error, and for failures.
func try(f func() error) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r.err
		default:
			panic(r)
		}
	}()
	if tensorErr := torchx.Try(func() { err = f() }); tensorErr != nil {
		return tensorErr
	}
	return err
}
