package torchx

// #include "imori.h"
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Report describes what training runs on.
type Report struct {
	Libtorch      string // version
	BLAS          string // the file that matrix products come from; empty if unknown
	ReferenceBLAS bool   // it is the slow one that Debian installs
	BLASCore      string // the CPU whose kernels OpenBLAS uses: SkylakeX, Haswell, ...; empty for another library
	Threads       int    // of libtorch, on this thread
	CPU           string // the instructions that libtorch uses: AVX2, AVX512, DEFAULT, ...
	OwnKernels    bool   // imori's library was compiled with OpenMP, which its own kernels need
	CUDADevices   int
}

// NewReport asks libtorch and the system.
func NewReport() Report {
	blas := C.GoString(C.ix_blas_library())
	return Report{
		Libtorch:      C.GoString(C.ix_libtorch_version()),
		BLAS:          blas,
		ReferenceBLAS: isReferenceBLAS(blas),
		BLASCore:      C.GoString(C.ix_blas_core()),
		Threads:       Threads(),
		CPU:           C.GoString(C.ix_cpu_capability()),
		OwnKernels:    C.ix_own_kernels() != 0,
		CUDADevices:   int(C.ix_cuda_devices()),
	}
}

func isReferenceBLAS(file string) (is bool) {
	withString(file, func(c *C.char) { is = C.ix_reference_blas(c) != 0 })
	return is
}

// String is one line for a log.
func (r Report) String() string {
	blas := r.BLAS
	if blas == "" {
		blas = "unknown"
	}
	if r.BLASCore != "" {
		blas += " for " + r.BLASCore
	}
	return fmt.Sprintf("libtorch %s, BLAS %s, CPU %s, threads %d, CUDA devices %d", r.Libtorch, blas, r.CPU, r.Threads, r.CUDADevices)
}

// Warnings says what makes this machine slower than it could be, and what to do.
func (r Report) Warnings() []string {
	var warnings []string
	if r.ReferenceBLAS {
		warnings = append(warnings, "libtorch uses the reference BLAS, some fifty times slower than OpenBLAS: run apt-get install libopenblas0-openmp")
	}
	if core := r.BetterBLASCore(); core != "" {
		warnings = append(warnings, fmt.Sprintf("OpenBLAS does not know this CPU and takes it for one of 2004: libtorch's matrix products are several times slower; "+
			"run export OPENBLAS_CORETYPE=%s before", core))
	}
	if runtime.GOARCH == "amd64" && !strings.HasPrefix(r.CPU, "AVX2") && !strings.HasPrefix(r.CPU, "AVX512") {
		warnings = append(warnings, fmt.Sprintf("libtorch does not use AVX2 (it reports %s): training will be slow; "+
			"use a CPU that has it, or unset ATEN_CPU_CAPABILITY if that is set", r.CPU))
	}
	if runtime.GOOS == "linux" && !r.OwnKernels {
		warnings = append(warnings, "imori's library was compiled without OpenMP, so that its own kernels are off and training is slower: "+
			"install g++ and run go run github.com/imori-ml/imori/tools/setup")
	}
	return warnings
}

// BetterBLASCore is the value of OPENBLAS_CORETYPE that gives OpenBLAS kernels for this CPU where it took those that it has
// for any: a CPU newer than OpenBLAS, of a maker whose others it knows. It is empty where it did well.
func (r Report) BetterBLASCore() string {
	switch {
	case r.BLASCore != "Prescott" || !strings.HasPrefix(r.CPU, "AVX"):
		return ""
	case floatKernels() == 2:
		return "SkylakeX"
	}
	return "Haswell"
}

// MaxThreads is how many threads there may be at most: 4 for each processor of this process, or 256. OpenMP ends the process if
// it cannot start one, and thousands on few processors wait for each other for minutes.
func MaxThreads() int { return max(256, 4*runtime.NumCPU()) }

// SetThreads sets how many threads libtorch uses for operations called from this thread. It panics if n is below 1, or
// above MaxThreads.
func SetThreads(n int) {
	if n < 1 || n > MaxThreads() {
		fail("set threads", nil, "the number of threads is %d, expected at least 1 and, with %d processors, at most %d", n, runtime.NumCPU(), MaxThreads())
	}
	check("set threads", C.ix_set_num_threads(C.int32_t(n)))
}

// Threads returns how many threads libtorch uses for operations called from this thread.
func Threads() int { return int(C.ix_num_threads()) }

// LimitSpinning makes OpenMP's threads look for new work for some microseconds only before they sleep, instead of GCC's
// milliseconds, or undoes that. See torchx/spin, which does so when processors are scarce. It does nothing where the
// environment has a GOMP_SPINCOUNT or an OMP_WAIT_POLICY that is shorter, or OpenMP is not GCC's.
func LimitSpinning(on bool) { check("limit spinning", C.ix_limit_spinning(flag(on))) }

// DefaultThreads is OMP_NUM_THREADS, but at most MaxThreads, or, without it, the number of cores that this process may use.
func DefaultThreads() int {
	first, _, _ := strings.Cut(os.Getenv("OMP_NUM_THREADS"), ",") // a list gives nested levels their own
	if n, err := strconv.Atoi(strings.TrimSpace(first)); err == nil && n > 0 {
		return min(n, MaxThreads())
	}
	// Below the number of cores GOMAXPROCS is a container's limit, beyond which threads only wait for each other.
	return min(runtime.NumCPU(), runtime.GOMAXPROCS(0))
}

// ResolveDevice makes a device's name, as libtorch takes it, of what a user wrote: auto (the first GPU, or the CPU without
// one), cpu, cuda or cuda:N. The reason says for a log why it is that one.
func ResolveDevice(s string) (device, reason string, err error) {
	return resolveDevice(s, int(C.ix_cuda_devices()), C.GoString(C.ix_libtorch_version()))
}

func resolveDevice(s string, gpus int, libtorch string) (device, reason string, err error) {
	number, isNumbered := strings.CutPrefix(s, "cuda:")
	switch {
	case s == "cpu":
		return "cpu", "asked for", nil
	case s == "auto" && gpus == 0:
		return "cpu", fmt.Sprintf("libtorch %s finds no CUDA device", libtorch), nil
	case s == "auto":
		return "cuda:0", fmt.Sprintf("the first of %d CUDA devices", gpus), nil
	case s != "cuda" && !isNumbered:
		return "", "", fmt.Errorf("device %q is unknown, expected auto, cpu, cuda or cuda:N", s)
	}
	index := 0
	if isNumbered {
		// ParseUint takes no sign; Itoa tells 7 from 07.
		n, err := strconv.ParseUint(number, 10, 15)
		if err != nil || strconv.Itoa(int(n)) != number {
			return "", "", fmt.Errorf("device %q is unknown, expected the number of a GPU after cuda:, such as cuda:0", s)
		}
		index = int(n)
	}
	if gpus == 0 {
		return "", "", fmt.Errorf("device %q cannot be used: libtorch %s finds no CUDA device, so it is a build for the CPU or this machine "+
			"has no GPU with a driver; use cpu or auto, or set LIBTORCH to a libtorch with CUDA and run %s", s, libtorch, setupCommand)
	}
	if index >= gpus {
		return "", "", fmt.Errorf("device %q is out of range: there are %d CUDA devices, cuda:0 to cuda:%d", s, gpus, gpus-1)
	}
	return fmt.Sprintf("cuda:%d", index), "asked for", nil
}
