package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// host is the machine as the search for libtorch sees it. Tests point root at a folder of their own.
type host struct {
	root         string // "/"
	goos, goarch string
	env          func(string) string
}

func thisHost() host {
	return host{root: "/", goos: runtime.GOOS, goarch: runtime.GOARCH, env: os.Getenv}
}

// path is an absolute path of the host.
func (h host) path(p string) string { return filepath.Join(h.root, p) }

// check refuses platforms on which nothing of this was ever built.
func (h host) check() error {
	switch h.goos + "/" + h.goarch {
	case "linux/amd64", "linux/arm64", "darwin/arm64", "darwin/amd64":
		return nil
	}
	return fmt.Errorf("%s/%s is not supported: libtorch and the C++ of imori are built for Linux and macOS on amd64 "+
		"and arm64; use one of those, or a container", h.goos, h.goarch)
}

// triplet is Debian's name for the architecture, in /usr/lib/<triplet>.
func (h host) triplet() string {
	return map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[h.goarch]
}

// shared is the file name of a shared library: libc10.so, libc10.dylib.
func (h host) shared(name string) string {
	if h.goos == "darwin" {
		return "lib" + name + ".dylib"
	}
	return "lib" + name + ".so"
}

// slowCPU says why training will be slow on this processor; "" if there is no reason to think so.
func (h host) slowCPU() string {
	if h.goos != "linux" || h.goarch != "amd64" {
		return ""
	}
	info, err := os.ReadFile(h.path("/proc/cpuinfo"))
	if err != nil {
		return ""
	}
	flags := regexp.MustCompile(`(?m)^flags\s*:.*$`).Find(info)
	if flags == nil || regexp.MustCompile(`\bavx2\b`).Match(flags) {
		return ""
	}
	return "this processor has no AVX2: everything works, several times slower than on one that has"
}

// bytesPerCompiler is what one C++ compiler working on libtorch's headers may need.
const bytesPerCompiler = 3 << 29

// jobs is how many compilers run at a time: one a core, fewer where memory is short.
func (h host) jobs() int {
	n := runtime.GOMAXPROCS(0)
	for _, available := range []int64{
		h.fileNumber("/proc/meminfo", `MemAvailable:\s+(\d+) kB`, 1024),
		h.fileNumber("/sys/fs/cgroup/memory.max", `^(\d+)\n?$`, 1),
	} {
		if available > 0 {
			n = min(n, int(available/bytesPerCompiler))
		}
	}
	return max(n, 1)
}

// fileNumber is a number in a file of the host, times unit; 0 if it cannot be read.
func (h host) fileNumber(path, pattern string, unit int64) int64 {
	data, err := os.ReadFile(h.path(path))
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(pattern).FindSubmatch(data)
	if m == nil {
		return 0
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil || n > (1<<62)/unit {
		return 0
	}
	return n * unit
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// firstLine is the first line of a program's output.
func firstLine(s []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(s)), "\n")
	return strings.TrimSpace(line)
}
