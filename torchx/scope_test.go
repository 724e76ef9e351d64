package torchx

import (
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	torch "github.com/wangkuiyi/gotorch"
)

// freed tells whether t was freed, by the error that its use gives.
func freed(t *testing.T, x torch.Tensor) bool {
	t.Helper()
	err := Try(func() { Shape(x) })
	if err != nil && !strings.Contains(err.Error(), "used after it was freed") {
		t.Fatalf("the error is %q", err)
	}
	return err != nil
}

func TestScopeFrees(t *testing.T) {
	var temporary, kept, keptAll, inner, outer torch.Tensor
	one := func() torch.Tensor { return FromFloat32([]float32{1}, 1) }
	before := LiveTensors()
	scoped(t, func() {
		outer = one()
		Scoped(func() {
			temporary, inner = one(), Keep(one())
			keptAll = one()
			KeepAll(keptAll)
			Scoped(func() { kept = Keep(Keep(one())) }) // to the scope around it, once
			if freed(t, kept) || freed(t, inner) {
				t.Error("kept tensors are gone")
			}
		})
		if !freed(t, temporary) || !freed(t, kept) {
			t.Error("the inner scope left its tensors")
		}
		if freed(t, inner) || freed(t, outer) || freed(t, keptAll) {
			t.Error("the inner scope took tensors of others")
		}
	})
	if !freed(t, inner) || !freed(t, outer) || freed(t, keptAll) {
		t.Error("the outer scope ended wrongly")
	}
	if got := LiveTensors(); got > before+1 {
		t.Errorf("%d tensors are left, one was kept", got-before)
	}
	Free(keptAll, torch.Tensor{})
	if !freed(t, keptAll) {
		t.Error("Free did not free")
	}
	Free(keptAll) // again
	noTensors(t)
}

func TestScopeEndsWhicheverWay(t *testing.T) {
	var x torch.Tensor
	err := Try(func() {
		Scoped(func() {
			x = Full(1, torch.Float, "cpu")
			MatMul(x, x)
		})
	})
	if err == nil || !freed(t, x) {
		t.Errorf("after a panic: error %v", err)
	}
	done := make(chan bool)
	go func() {
		defer close(done)
		Scoped(func() {
			NoGrad(func() {
				x = Full(1, torch.Float, "cpu")
				runtime.Goexit()
			})
		})
	}()
	<-done
	if !freed(t, x) {
		t.Error("the end of a goroutine left the scope's tensors")
	}
}

func TestNoGrad(t *testing.T) {
	scoped(t, func() {
		x := leaf(2)
		_ = Try(func() {
			NoGrad(func() {
				if RequiresGrad(Exp(x)) || gradEnabled() {
					t.Error("NoGrad records")
				}
				NoGrad(func() {})
				if gradEnabled() {
					t.Error("the inner NoGrad ended the outer one")
				}
				panic("error")
			})
		})
		if !RequiresGrad(Exp(x)) || !gradEnabled() {
			t.Error("NoGrad did not end with the panic")
		}
		if RequiresGrad(Detach(Exp(x))) {
			t.Error("Detach does not detach")
		}
	})
}

// Temporaries that Go no longer knows of must live as long as C++ needs them, however often the collector runs.
func TestFinalizersUnderLoad(t *testing.T) {
	seconds := 3.0
	if testing.Short() {
		seconds = 1
	}
	if s := os.Getenv("IMORI_STRESS_SECONDS"); s != "" {
		var err error
		if seconds, err = strconv.ParseFloat(s, 64); err != nil {
			t.Fatalf("IMORI_STRESS_SECONDS: %v", err)
		}
	}
	stop, stopped := make(chan bool), make(chan bool)
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	defer func() { close(stop); <-stopped; noTensors(t) }()

	const n = 16
	for end := time.Now().Add(time.Duration(seconds * float64(time.Second))); time.Now().Before(end); {
		scoped(t, func() {
			for range 20 {
				// Each product is n times the one before: n^3 in the end, from temporaries alone.
				ones := func() torch.Tensor { return AddScalar(Full(0, torch.Double, "cpu", n, n), 1) }
				x := ones()
				SetRequiresGrad(x, true)
				loss := Mean(MatMul(MatMul(Clone(x), ones()), MatMul(ones(), ones())))
				if got := Item(loss); got != n*n*n {
					t.Fatalf("the mean is %v", got)
				}
				g := Gradients(loss, []torch.Tensor{x}, false)[0]
				if got := Item(Sum(g)); math.Abs(got-n*n*n) > 1e-6 { // the loss is linear in x = 1
					t.Fatalf("the gradient's sum is %v", got)
				}
			}
		})
	}
}
