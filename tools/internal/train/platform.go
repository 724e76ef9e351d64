package train

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

// platform says how well the machine is supported, and why not better.
func platform() string {
	return describePlatform(runtime.GOOS, runtime.GOARCH, cpu.X86.HasAVX2)
}

func describePlatform(goos, goarch string, avx2 bool) string {
	name := goos + "/" + goarch
	switch {
	case goos == "linux" && goarch == "amd64" && avx2:
		return name + " with AVX2: supported"
	case goos == "linux" && goarch == "amd64":
		return name + " without AVX2: supported, but slow, for libtorch's fast kernels need AVX2"
	case goos == "linux" && goarch == "arm64":
		return name + ": supported, but slow, for nothing here is tuned for it and oneDNN has fewer fast kernels there"
	case goos == "darwin":
		return name + ": supported, but slow, for training runs on the processor alone; the GPU of a Mac is not used"
	}
	return name + ": not supported, for nothing here was ever tried on it; use Linux or macOS on amd64 or arm64"
}
