package torchx

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	torch "github.com/wangkuiyi/gotorch"
)

// TestLimitSpinning: threads that have no work for some milliseconds at a time look for it all the while, but not while
// that is limited. How OpenMP's threads wait, its environment says; so this is about a process without.
func TestLimitSpinning(t *testing.T) {
	if os.Getenv("IMORI_SPIN") == "" {
		c := exec.Command(os.Args[0], "-test.run=^TestLimitSpinning$", "-test.v")
		c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
			return strings.HasPrefix(v, "GOMP_SPINCOUNT=") || strings.HasPrefix(v, "OMP_WAIT_POLICY=")
		})
		c.Env = append(c.Env, "IMORI_SPIN=1")
		if output, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, output)
		}
		return
	}
	if !NewReport().OwnKernels {
		t.Skip("without OpenMP there are no threads that spin for work of ours")
	}
	if DefaultThreads() < 2 || runtime.GOOS != "linux" {
		t.Skip("one thread has nobody to wait for")
	}
	runtime.LockOSThread() // OpenMP's threads belong to one
	defer runtime.UnlockOSThread()
	defer SetThreads(Threads())
	SetThreads(2)
	idle := func() time.Duration { // what the process works while this thread sleeps
		var before, after syscall.Rusage
		var all time.Duration
		for range 50 {
			Scoped(func() { torch.Ones([]int64{1 << 18}, false) })
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
			time.Sleep(time.Millisecond)
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
			all += time.Duration(after.Utime.Nano() - before.Utime.Nano())
		}
		return all
	}
	free := idle()
	LimitSpinning(true)
	time.Sleep(50 * time.Millisecond) // until there are the threads that limit it
	limited := idle()
	LimitSpinning(false)
	time.Sleep(50 * time.Millisecond)
	again := idle()
	t.Logf("threads without work look for it for %v, limited for %v, afterwards for %v", free, limited, again)
	if free < 25*time.Millisecond {
		t.Skip("threads sleep at once here")
	}
	if limited > free/2 || again < free/4 {
		t.Error("limited it is to be less than a half, afterwards as before")
	}
}
