package cli

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/imori-ml/imori/datasets"
)

// limitMemory lets no more memory be taken than there is now. Linux gives out more, and kills the process once it is used:
// what libtorch is refused is an error that names the shapes, and a run saves what it has.
func limitMemory() {
	if _, err := os.Stat("/dev/nvidiactl"); err == nil {
		return // CUDA takes addresses for the device's memory, which are not of this one
	}
	if left, known := datasets.AvailableMemory(); known {
		limitData(left)
	}
}

// limitData lets so many bytes be taken in addition; a limit that is lower stays.
func limitData(left int64) {
	var limit syscall.Rlimit
	taken := dataTaken()
	if taken < 0 || syscall.Getrlimit(syscall.RLIMIT_DATA, &limit) != nil {
		return
	}
	if most := uint64(taken + left); most < limit.Cur {
		limit.Cur = most
		_ = syscall.Setrlimit(syscall.RLIMIT_DATA, &limit) // without it all is as before
	}
}

// dataTaken is what the limit counts; -1 if the system does not say.
func dataTaken() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	_, figure, _ := strings.Cut(string(status), "\nVmData:")
	words := strings.Fields(figure)
	if len(words) == 0 {
		return -1
	}
	kib, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil {
		return -1
	}
	return kib << 10
}
