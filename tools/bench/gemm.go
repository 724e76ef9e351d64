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
	gemmTries = 12
)

// measureGEMM prints the best speed of several products of square matrices.
func measureGEMM(precision string, out io.Writer) error {
	g := gemm{Precision: precision}
	err := torchx.Try(func() {
		torchx.Scoped(func() {
			torchx.SetThreads(threads)
			a := torchx.Normal(0, 1, "cpu", gemmSide, gemmSide)
			b := torchx.Normal(0, 1, "cpu", gemmSide, gemmSide)
			if precision == "bf16" {
				a, b = torchx.To(a, "cpu", torch.BFloat16), torchx.To(b, "cpu", torch.BFloat16)
			}
			for range gemmTries {
				began := time.Now()
				torchx.Free(torchx.MatMul(a, b))
				g.Gflops = max(g.Gflops, 2*gemmSide*gemmSide*gemmSide/time.Since(began).Seconds()/1e9)
			}
		})
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(g)
}
