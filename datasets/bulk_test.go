package datasets

import (
	"runtime"
	"testing"
)

// TestBulk: the memory can be used, does not count as Go's heap, and goes.
func TestBulk(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const size = 64 << 20
	before := heap()
	b, err := newBulk(size)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.bytes) != size || b.bytes[0] != 0 || b.bytes[size-1] != 0 {
		t.Fatalf("%d bytes, expected %d zeros", len(b.bytes), size)
	}
	b.bytes[0], b.bytes[size-1] = 1, 2
	if runtime.GOOS != "windows" {
		if grown := int64(heap()) - int64(before); grown > size/2 {
			t.Errorf("the heap grew by %d bytes", grown)
		}
	}
	if b.bytes[0] != 1 || b.bytes[size-1] != 2 {
		t.Error("the collector took the memory while it was in use")
	}
	runtime.KeepAlive(b)
	if empty, err := newBulk(0); err != nil || len(empty.bytes) != 0 {
		t.Errorf("%v, %v, expected no bytes", empty, err)
	}
}
