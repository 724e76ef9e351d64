package main

import (
	"encoding/json"
	"io"
	"time"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// gemm is the speed of the machine's matrix products.
type gemm struct {
	Precision string  `json:"precision"`
	Gflops    float64 `json:"gflops"`
}

const (
	gemmSide  = 2048
	gemmRows  = 256 // of a linear layer's input: more do not stay in a cache, and are libtorch's
	gemmTries = 12
)

// measureGEMM prints the best speed of several products of matrices: libtorch's of square ones, whose BLAS may not know
// the processor, and those of a linear layer, which may have kernels of their own.
func measureGEMM(precision string, out io.Writer) error {
	g := gemm{Precision: precision}
	best := func(rows int64, multiply func() torch.Tensor) {
		for range gemmTries {
			began := time.Now()
			torchx.Free(multiply())
			g.Gflops = max(g.Gflops, 2*float64(rows)*gemmSide*gemmSide/time.Since(began).Seconds()/1e9)
		}
	}
	err := torchx.Try(func() {
		torchx.Scoped(func() {
			torchx.SetThreads(threads)
			a := torchx.Normal(0, 1, "cpu", gemmSide, gemmSide)
			b := torchx.Normal(0, 1, "cpu", gemmSide, gemmSide)
			few := torchx.Narrow(a, 0, 0, gemmRows)
			linear := func() { best(gemmRows, func() torch.Tensor { return torchx.Linear(few, b, torch.Tensor{}) }) }
			if precision == "bf16" {
				torchx.BF16(linear)
				a, b = torchx.To(a, "cpu", torch.BFloat16), torchx.To(b, "cpu", torch.BFloat16)
			} else {
				linear()
			}
			best(gemmSide, func() torch.Tensor { return torchx.MatMul(a, b) })
		})
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(g)
}
