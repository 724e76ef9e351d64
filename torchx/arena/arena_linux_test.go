package arena_test

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	_ "github.com/imori-ml/imori/torchx/arena"
)

// Further arenas of glibc begin and end at multiples of pieces, and grow by pages. Go's heap does the first, but grows by
// chunks.
const (
	pieces = 64 << 20
	chunks = 4 << 20
)

// Threads that ask libc for a user, for which it allocates memory, would get an arena each.
func TestOneArena(t *testing.T) {
	const threads = 8
	var here, done sync.WaitGroup
	here.Add(threads)
	for i := range threads {
		done.Go(func() {
			runtime.LockOSThread() // this one and no other, until it ends
			_, err := user.LookupId(strconv.Itoa(1 << 20 * i))
			here.Done()
			here.Wait()
			if unknown := user.UnknownUserIdError(0); err != nil && !errors.As(err, &unknown) {
				t.Error(err)
			}
		})
	}
	done.Wait()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	var before struct{ first, end uint64 } // what lies before in memory and can be accessed
	for _, line := range strings.Split(string(maps), "\n") {
		var first, end uint64
		var access string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &first, &end, &access); n != 3 {
			continue
		}
		used := before.end == first && before.first%pieces == 0
		if access == "rw-p" {
			before.first, before.end = first, end
		}
		// The part that is not used yet cannot be accessed.
		if used && access == "---p" && end%pieces == 0 && first%chunks != 0 {
			t.Errorf("a further arena: %s", line)
		}
	}
}

// TestLargePages: the heap asks for them, where Linux has them and glibc takes the thresholds.
func TestLargePages(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage/enabled"); err != nil {
		t.Skip(err)
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	heap := false
	for _, line := range strings.Split(string(smaps), "\n") {
		fields := strings.Fields(line)
		switch {
		case len(fields) >= 5 && strings.Contains(fields[0], "-"):
			heap = fields[len(fields)-1] == "[heap]"
		case heap && len(fields) > 0 && fields[0] == "VmFlags:" && slices.Contains(fields, "hg"):
			return
		}
	}
	t.Error("no part of the heap asks for large pages")
}
