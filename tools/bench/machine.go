package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/imori-ml/imori/torchx"
)

// machine is what figures depend on.
type machine struct {
	CPU         string            `json:"cpu"`
	Flags       []string          `json:"flags"` // of those that matter for matrix products
	Cores       int               `json:"cores"`
	Libtorch    string            `json:"libtorch"`
	BLAS        string            `json:"blas"`
	Capability  string            `json:"cpu_capability"` // what libtorch's own kernels use
	Environment map[string]string `json:"environment"`    // of what changes threads and kernels
	Go          string            `json:"go"`
}

var (
	cpuFlags  = []string{"avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "bf16", "sve"}
	variables = []string{"OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_PROC_BIND", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE",
		"MKL_NUM_THREADS", "ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "GOMAXPROCS", "GOGC"}
)

func newMachine() machine {
	r := torchx.NewReport()
	info, _ := os.ReadFile("/proc/cpuinfo") // what it does not tell stays empty
	m := machine{
		CPU: cpuField(string(info), "model name"), Flags: []string{}, Cores: runtime.NumCPU(), Libtorch: r.Libtorch, BLAS: r.BLAS,
		Capability: r.CPU, Environment: map[string]string{}, Go: runtime.Version(),
	}
	all := strings.Fields(cpuField(string(info), "flags") + " " + cpuField(string(info), "Features"))
	for _, flag := range cpuFlags {
		if slices.Contains(all, flag) {
			m.Flags = append(m.Flags, flag)
		}
	}
	for _, v := range os.Environ() {
		if name, value, _ := strings.Cut(v, "="); slices.Contains(variables, name) {
			m.Environment[name] = value
		}
	}
	return m
}

// cpuField returns the first value of that name in /proc/cpuinfo's text.
func cpuField(info, name string) string {
	for line := range strings.Lines(info) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// String is a line.
func (m machine) String() string {
	return fmt.Sprintf("%s (%s), %d cores, libtorch %s, BLAS %s", m.CPU, strings.Join(m.Flags, " "), m.Cores, m.Libtorch, m.BLAS)
}
