package torchx

import (
	"runtime"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	r := NewReport()
	if r.Libtorch == "" || r.CPU == "" || r.Threads < 1 || !strings.Contains(r.String(), r.Libtorch) {
		t.Errorf("the report is %+v", r)
	}
	if runtime.GOARCH == "amd64" {
		slow := Report{ReferenceBLAS: true, CPU: "DEFAULT", OwnKernels: true}.Warnings()
		if len(slow) != 2 || !strings.Contains(slow[0], "apt-get install libopenblas0-openmp") || !strings.Contains(slow[1], "AVX2") {
			t.Errorf("warnings are %q", slow)
		}
	}
	if runtime.GOOS == "linux" {
		if w := (Report{CPU: "AVX512"}).Warnings(); len(w) != 1 || !strings.Contains(w[0], "without OpenMP") {
			t.Errorf("warnings are %q", w)
		}
	}
	better := Report{CPU: "AVX2", BLASCore: "Prescott", OwnKernels: true}
	if core := better.BetterBLASCore(); core != "SkylakeX" && core != "Haswell" {
		t.Errorf("instead of Prescott's kernels: %q", core)
	} else if w := better.Warnings(); len(w) != 1 || !strings.Contains(w[0], "OPENBLAS_CORETYPE="+core) {
		t.Errorf("Prescott's kernels on a CPU with AVX2: %q", w)
	}
	for _, r := range []Report{{CPU: "DEFAULT", BLASCore: "Prescott"}, {CPU: "AVX2", BLASCore: "Zen"}, {CPU: "AVX2"}} {
		if core := r.BetterBLASCore(); core != "" {
			t.Errorf("%+v: %q", r, core)
		}
	}
	if w := (Report{CPU: "AVX512", OwnKernels: true}).Warnings(); len(w) != 0 {
		t.Errorf("warnings are %q", w)
	}
}

func TestIsReferenceBLAS(t *testing.T) {
	for path, want := range map[string]bool{
		"/usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11.0":          true,
		"/usr/lib/aarch64-linux-gnu/blas/libblas.so.3":              true,
		"/usr/lib/x86_64-linux-gnu/openblas-openmp/libblas.so.3":    false,
		"/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so": false,
		"/opt/libtorch/lib/libtorch_cpu.so":                         false,
		"":                                                          false,
	} {
		if got := isReferenceBLAS(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestResolveDevice(t *testing.T) {
	for _, c := range []struct {
		in   string
		gpus int
		want string // the device, or part of the error
	}{
		{"cpu", 0, "cpu"}, {"cpu", 2, "cpu"}, {"auto", 0, "cpu"}, {"auto", 2, "cuda:0"},
		{"cuda", 1, "cuda:0"}, {"cuda:1", 2, "cuda:1"},
		{"cuda", 0, "libtorch 1.13 finds no CUDA device"}, {"cuda:0", 0, "use cpu or auto"},
		{"cuda:7", 2, "cuda:0 to cuda:1"}, {"cuda:2", 2, "out of range"},
		{"cuda:", 2, "number of a GPU"}, {"cuda:-1", 2, "number of a GPU"}, {"cuda:07", 9, "number of a GPU"},
		{"cuda:99999999999999999999", 2, "number of a GPU"},
		{"gpu", 2, "expected auto, cpu, cuda or cuda:N"}, {"", 0, "expected auto, cpu, cuda or cuda:N"},
	} {
		device, reason, err := resolveDevice(c.in, c.gpus, "1.13")
		if err != nil {
			if !strings.Contains(err.Error(), c.want) || device != "" {
				t.Errorf("%q with %d: %v, expected %q", c.in, c.gpus, err, c.want)
			}
		} else if device != c.want || reason == "" {
			t.Errorf("%q with %d: %s because %q, expected %s", c.in, c.gpus, device, reason, c.want)
		}
	}
}

func TestThreads(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	t.Setenv("OMP_NUM_THREADS", "3,2")
	if n := DefaultThreads(); n != 3 {
		t.Errorf("OMP_NUM_THREADS=3,2 gives %d threads", n)
	}
	for _, value := range []string{"", "0", "many"} {
		t.Setenv("OMP_NUM_THREADS", value)
		if n := DefaultThreads(); n < 1 || n > runtime.NumCPU() {
			t.Errorf("OMP_NUM_THREADS=%q gives %d threads", value, n)
		}
	}
	runtime.LockOSThread() // the number is the thread's, and others must not be left with it
	defer runtime.UnlockOSThread()
	before := Threads()
	defer SetThreads(before)
	SetThreads(1)
	if n := Threads(); n != 1 {
		t.Errorf("there are %d threads", n)
	}
}

func TestCheckBuild(t *testing.T) {
	if err := checkBuild("abc", "abc"); err != nil {
		t.Error(err)
	}
	if err := checkBuild("abc", "def"); err == nil || !strings.Contains(err.Error(), "go run github.com/imori-ml/imori/tools/setup") {
		t.Errorf("the error is %v", err)
	}
}
