package torchx

import (
	"os"
	"runtime"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

// TestMain collects garbage at the end: what LeakSanitizer finds a pointer to in Go's heap is no leak to it, and what Go
// has not collected yet may hold the last one.
func TestMain(m *testing.M) {
	status := m.Run()
	runtime.GC()
	os.Exit(status)
}

// TestDeliberateFault is what make asan runs to see that its sanitizers are at work: each fault must end in a report.
func TestDeliberateFault(t *testing.T) {
	switch fault := os.Getenv("IMORI_DELIBERATE_FAULT"); fault {
	case "":
		t.Skip("IMORI_DELIBERATE_FAULT is not set, as by make asan")
	case "leak":
		for range 100 { // the stack may still point to the last one
			torch.NewDevice("cpu") // which nothing frees
		}
	case "use-after-free":
		g := NewGenerator("cpu", 1)
		stale := *g
		g.Close()
		stale.Uniform(0, 1, 1)
	default:
		t.Fatalf("IMORI_DELIBERATE_FAULT is %q, expected leak or use-after-free", fault)
	}
}
