package datasets

import "runtime"

// bulk is memory for the bytes of a whole dataset, outside of Go's heap where
// the system allows. The garbage collector waits until the heap has doubled:
// with a dataset in it, hundreds of megabytes of garbage would pile up first,
// among them what freed tensors leave behind.
//
// The memory goes when the bulk is collected: whoever uses bytes ends with
// runtime.KeepAlive of the bulk.
type bulk struct{ bytes []byte }

// newBulk returns n zeros, or an ErrMemory.
func newBulk(n int) (*bulk, error) {
	if n == 0 {
		return &bulk{}, nil
	}
	if err := checkMemory("the samples in memory", float64(n)); err != nil {
		return nil, err
	}
	if mapped, unmap := mapMemory(n); mapped != nil {
		b := &bulk{mapped}
		runtime.AddCleanup(b, unmap, mapped)
		return b, nil
	}
	return &bulk{make([]byte, n)}, nil
}
