package trainer

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// ResidentMemory returns how many bytes of memory the process holds now, and the most it has held. Where the system does
// not say (it is Linux that does), both are what Go alone has taken, without libtorch.
func ResidentMemory() (now, peak int64) {
	if f, err := os.Open("/proc/self/status"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			key, value, _ := strings.Cut(lines.Text(), ":")
			switch key {
			case "VmRSS":
				now = kibibytes(value)
			case "VmHWM":
				peak = kibibytes(value)
			}
		}
	}
	if now == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		now = int64(m.Sys)
	}
	return now, max(now, peak)
}

// kibibytes parses "   1234 kB"; 0 if it is something else.
func kibibytes(s string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(s, "kB")), 10, 64)
	return n << 10
}
