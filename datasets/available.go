package datasets

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// ErrMemory is wrapped by the error of a loader or a dataset that needs more memory than there is. Go itself would end the
// program.
var ErrMemory = errors.New("not enough memory")

// addressSpace is more than any machine's memory and less than what Go's make takes for a mistake.
const addressSpace = 1 << 47

// available is availableMemory but for tests.
var available = func() (int64, bool) { return availableMemory("/") }

// checkMemory is an ErrMemory if what takes that many bytes does not fit into what the process may still take. The bytes
// are a float64 as that cannot overflow.
func checkMemory(what string, bytes float64) error {
	fits := func() (most int64, known, ok bool) {
		if most, known = available(); !known {
			most = addressSpace
		}
		return most, known, bytes <= float64(min(most, addressSpace))
	}
	most, known, ok := fits()
	if !ok {
		debug.FreeOSMemory() // there may be garbage, such as the batches of a loader that is closed
		most, known, ok = fits()
	}
	if ok {
		return nil
	}
	found := "more than any machine has"
	if known {
		found = fmt.Sprintf("%d MiB are available", most>>20)
	}
	return fmt.Errorf("%w: %s would take %.0f MiB, %s", ErrMemory, what, math.Ceil(bytes/(1<<20)), found)
}

// AvailableMemory is how many bytes the process may still take; false: the system does not say.
func AvailableMemory() (bytes int64, known bool) { return available() }

// availableMemory is how many bytes the process may still take: what the machine has left, its swap included, or what the
// limits of the process itself and of its control groups leave, if that is less. false: the system does not say, as only
// Linux does. root is "/".
func availableMemory(root string) (bytes int64, known bool) {
	bytes = math.MaxInt64
	machine := figures(path.Join(root, "proc/meminfo"))
	if left, ok := machine["MemAvailable"]; ok {
		bytes, known = (left+machine["SwapFree"])<<10, true
	}
	if left, ok := addressSpaceLeft(root); ok {
		bytes, known = min(bytes, left), true
	}
	groups, err := os.ReadFile(path.Join(root, "proc/self/cgroup"))
	if err != nil {
		return bytes, known
	}
	for line := range strings.Lines(string(groups)) { // 0::/a/b of version 2, 4:memory:/a/b of version 1
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 || fields[1] != "" && fields[1] != "memory" {
			continue
		}
		v := cgroup2
		if fields[1] != "" {
			v = cgroup1
		}
		// A limit of any group above counts too. In a container the path may be that outside of it: the top is its own.
		for folder := path.Join("/", fields[2]); ; folder = path.Dir(folder) {
			if left, ok := v.left(path.Join(root, v.folder, folder)); ok {
				bytes, known = min(bytes, left), true
			}
			if folder == "/" {
				break
			}
		}
	}
	return bytes, known
}

// addressSpaceLeft is what the limit of ulimit -v leaves; false: there is none.
func addressSpaceLeft(root string) (int64, bool) {
	limits, err := os.ReadFile(path.Join(root, "proc/self/limits"))
	if err != nil {
		return 0, false
	}
	_, limit, _ := strings.Cut(string(limits), "\nMax address space")
	words := strings.Fields(limit)
	if len(words) == 0 {
		return 0, false
	}
	most, err := strconv.ParseInt(words[0], 10, 64) // no limit is "unlimited"
	if err != nil {
		return 0, false
	}
	taken := figures(path.Join(root, "proc/self/status"))["VmSize"]<<10 - idleHeap()
	return max(0, most-taken), true
}

// idleHeap is how many bytes of addresses Go has and does not use, such as those of a loader that is closed: it takes them
// first, and gives none back.
var idleHeap = func() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapIdle)
}

// cgroup says what a version of control groups calls its files, and what of their contents can be dropped.
type cgroup struct{ folder, limit, usage, active, inactive string }

var (
	cgroup1 = cgroup{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_active_file", "total_inactive_file"}
	cgroup2 = cgroup{"sys/fs/cgroup", "memory.max", "memory.current", "active_file", "inactive_file"}
)

// left is how much of a group's limit is not used, or used for files alone, which the kernel gives up; false: no limit.
func (v cgroup) left(folder string) (int64, bool) {
	number := func(name string) (int64, bool) {
		b, err := os.ReadFile(path.Join(folder, name))
		n, parseErr := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // no limit is "max"
		return n, err == nil && parseErr == nil
	}
	limit, limited := number(v.limit)
	usage, _ := number(v.usage)
	of := figures(path.Join(folder, "memory.stat"))
	return max(0, limit-max(0, usage-of[v.active]-of[v.inactive])), limited
}

// figures reads lines of a name and a number; nil if there are none.
func figures(file string) map[string]int64 {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	all := map[string]int64{}
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		if n, err := strconv.ParseInt(words[1], 10, 64); err == nil {
			all[strings.TrimSuffix(words[0], ":")] = n
		}
	}
	return all
}
