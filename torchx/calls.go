package torchx

// What C is given is on the stack then: no C function of ours keeps a pointer of Go's, or calls Go. These are the ones that
// training calls all the time, and that take pointers to other than a new handle.

// #cgo noescape ix_cat
// #cgo noescape ix_conv2d
// #cgo noescape ix_conv_transpose2d
// #cgo noescape ix_from_data
// #cgo noescape ix_full
// #cgo noescape ix_gradients
// #cgo noescape ix_info
// #cgo noescape ix_item
// #cgo noescape ix_optimizer_step
// #cgo noescape ix_random
// #cgo noescape ix_reduce
// #cgo noescape ix_to_data
// #cgo noescape ix_view
// #cgo nocallback ix_cat
// #cgo nocallback ix_conv2d
// #cgo nocallback ix_conv_transpose2d
// #cgo nocallback ix_from_data
// #cgo nocallback ix_full
// #cgo nocallback ix_gradients
// #cgo nocallback ix_info
// #cgo nocallback ix_item
// #cgo nocallback ix_optimizer_step
// #cgo nocallback ix_random
// #cgo nocallback ix_reduce
// #cgo nocallback ix_to_data
// #cgo nocallback ix_view
// #include "imori.h"
import "C"
