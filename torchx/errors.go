// Package torchx completes gotorch: memory by scopes, errors instead of aborts, gradients as values, and PyTorch's
// layers, optimisers and state names on gotorch's Tensor. It is the only package that uses cgo.
//
// Functions on tensors panic with *Error, so that formulas read like formulas; Try makes an error of the panic at the
// border of a package. Whatever makes tensors belongs in Scoped.
package torchx

// #cgo CFLAGS: -I${SRCDIR}/../cgotorch/src
// #cgo LDFLAGS: -lcgotorch
// #include "imori.h"
import "C"

import (
	"fmt"
	"runtime"
	"strings"

	torch "github.com/wangkuiyi/gotorch"
)

// Error is the failure of one operation on tensors.
type Error struct {
	Op      string // "conv2d"; empty if gotorch's own half reported it
	Shapes  string // of the inputs: "[16 3 32 32], [8 4 3 3]"; empty if there are none
	Message string // libtorch's, without its backtrace
}

// Error says where, on what, and why.
func (e *Error) Error() string {
	where := e.Op
	if e.Shapes != "" {
		where += " of " + e.Shapes
	}
	if where == "" {
		return e.Message
	}
	return where + ": " + e.Message
}

// Try runs f and returns the *Error that it panics with. A panic with a string, which is how gotorch's own half reports
// libtorch's errors, becomes an *Error too. Any other panic is a bug of the program and goes on.
func Try(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *Error:
			err = r
		case string:
			err = &Error{Message: firstLine(r)}
		default:
			panic(r)
		}
	}()
	f()
	return nil
}

// firstLine drops what libtorch appends for its developers, such as the table of all its backends.
func firstLine(message string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	return strings.TrimSpace(first)
}

// check panics if the C function op returned a message. The inputs give the error its shapes; passing them also keeps
// their finalizers from running before the C function is done with them.
func check(op string, message *C.char, inputs ...torch.Tensor) {
	if message != nil {
		text := firstLine(C.GoString(message))
		C.ix_free_string(message)
		panic(&Error{Op: op, Shapes: shapes(inputs), Message: text})
	}
	runtime.KeepAlive(inputs)
}

// fail panics with an error that Go's side found.
func fail(op string, inputs []torch.Tensor, format string, args ...any) {
	panic(&Error{Op: op, Shapes: shapes(inputs), Message: fmt.Sprintf(format, args...)})
}

// shapes lists the inputs' shapes for an error; it must not fail itself.
func shapes(inputs []torch.Tensor) string {
	var list []string
	for _, t := range inputs {
		if t.T == nil {
			continue // an absent bias
		}
		in, message := query(t)
		if message != nil {
			C.ix_free_string(message)
			list = append(list, "[freed]")
			continue
		}
		list = append(list, fmt.Sprint(in.shape))
	}
	return strings.Join(list, ", ")
}
