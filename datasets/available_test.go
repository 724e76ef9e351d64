package datasets

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestAvailableMemory(t *testing.T) {
	before := idleHeap
	defer func() { idleHeap = before }()
	idleHeap = func() int64 { return 1 << 10 }
	limits := func(most string) string {
		return "Limit                     Soft Limit           Hard Limit           Units     \nMax cpu time              7                    unlimited            seconds   \n" +
			"Max address space         " + most + "               unlimited            bytes     \nMax file locks            9                    unlimited            locks     \n"
	}
	machine := "MemTotal:       9000 kB\nMemAvailable:   1000 kB\nSwapFree:         24 kB\nHugePages_Total: 0\n"
	for name, test := range map[string]struct {
		files map[string]string
		want  int64 // 0: not known
	}{
		"machine":    {map[string]string{"proc/meminfo": machine}, 1024 << 10},
		"not said":   {map[string]string{"proc/meminfo": "MemTotal: 9000 kB\n"}, 0},
		"no proc":    {nil, 0},
		"no limit":   {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 1024 << 10},
		"high limit": {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "9999999999\n"}, 1024 << 10},
		"version 2": {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n",
			"sys/fs/cgroup/a/memory.max": "500\n", "sys/fs/cgroup/a/memory.current": "300\n",
			"sys/fs/cgroup/a/memory.stat": "anon 200\nactive_file 60\ninactive_file 40\n"}, 300},
		"version 1": {map[string]string{"proc/self/cgroup": "5:devices:/\n4:memory:/elsewhere/c\n0::/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "500\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "450\n", "sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 50\n"}, 100},
		"ulimit -v":             {map[string]string{"proc/meminfo": machine, "proc/self/limits": limits("100000"), "proc/self/status": "VmPeak:\t 99 kB\nVmSize:\t 90 kB\n"}, 100000 - 89<<10},
		"ulimit -v, used up":    {map[string]string{"proc/self/limits": limits("100000"), "proc/self/status": "VmSize:\t 900 kB\n"}, 0},
		"no ulimit -v":          {map[string]string{"proc/meminfo": machine, "proc/self/limits": limits("unlimited"), "proc/self/status": "VmSize:\t 90 kB\n"}, 1024 << 10},
		"other limits, or none": {map[string]string{"proc/meminfo": machine, "proc/self/limits": "Limit\nMax cpu time 7 7 s\n"}, 1024 << 10},
		"used up":               {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "500\n", "sys/fs/cgroup/memory.current": "700\n"}, 0},
	} {
		root := t.TempDir()
		for file, text := range test.files {
			file = filepath.Join(root, file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, []byte(text), 0o666)); err != nil {
				t.Fatal(err)
			}
		}
		got, known := availableMemory(root)
		if known != (test.want > 0 || strings.HasSuffix(name, "used up")) || known && got != test.want {
			t.Errorf("%s: got %d, %v, expected %d", name, got, known, test.want)
		}
	}
}

// lacking makes the machine one of n bytes; -1: it does not say.
func lacking(t *testing.T, n int64) {
	before := available
	available = func() (int64, bool) { return n, n >= 0 }
	t.Cleanup(func() { available = before })
}

// vast says that its pictures are of that height and width.
type vast struct{ counting, side int }

func (d vast) Info() Info {
	return Info{Name: "vast", Channels: 3, Height: d.side, Width: d.side, Target: &Target{Channels: 1}}
}
func (d vast) Len() int                { return d.counting }
func (d vast) Read(int, *Sample) error { return errors.New("there are none") }

func TestLoaderFitsIntoMemory(t *testing.T) {
	const sample = 4*(3+1)*100*100 + 16
	for _, test := range []struct {
		left        int64
		data        vast
		size, ahead int
		want        string // "": it fits
	}{
		{4*10*sample + 8*7, vast{7, 100}, 10, 3, ""},
		{4*10*sample + 8*7 - 1, vast{7, 100}, 10, 3, "not enough memory: 4 batches of 10 samples, each of 3x100x100 with a target of 1x100x100, would take 7 MiB, 6 MiB are available"},
		{1 << 40, vast{7, 30000}, 65536, 0, "MiB, 1048576 MiB are available"},
		{-1, vast{7, 100}, 10, 3, ""},
		{-1, vast{7, 30000}, math.MaxInt, 3, "MiB, more than any machine has"},
		{1 << 62, vast{7, 30000}, 1, math.MaxInt, "not enough memory"},
		{1 << 30, vast{1 << 40, 1}, 1, 1, "the order of 1099511627776 samples"},
	} {
		lacking(t, test.left)
		l, err := NewLoader(test.data, LoaderOptions{BatchSize: test.size, Ahead: test.ahead, Workers: 1})
		if err == nil {
			l.Close()
		}
		if (err == nil) != (test.want == "") || err != nil && (!errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: error is %v", test, err)
		}
	}
}

func TestStorageFitsIntoMemory(t *testing.T) {
	lacking(t, 1000)
	if _, err := newBulk(1000); err != nil {
		t.Error(err)
	}
	if _, err := newBulk(1001); !errors.Is(err, ErrMemory) {
		t.Errorf("error is %v", err)
	}
}

// TestAddressSpaceIsLimited: a limit of the process counts, which Go's own memory has to live with, too.
func TestAddressSpaceIsLimited(t *testing.T) {
	if os.Getenv("DATASETS_TEST_LIMITED") != "" {
		if _, err := NewLoader(vast{7, 10000}, LoaderOptions{BatchSize: 2, Ahead: 1}); !errors.Is(err, ErrMemory) {
			t.Errorf("error is %v", err)
		}
		return
	}
	if taken := figures("/proc/self/status")["VmSize"] << 10; taken == 0 || taken > 2e9 {
		t.Skipf("the process has %d bytes of addresses: it is no Linux, or the race detector takes them", taken)
	}
	c := exec.Command("sh", "-c", "ulimit -v 4000000 && exec \"$0\" -test.run '^TestAddressSpaceIsLimited$'", os.Args[0])
	c.Env = append(os.Environ(), "DATASETS_TEST_LIMITED=1")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
