package torchx

import (
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

// BenchmarkTensor is what a tensor costs by itself, in scopes of a hundred: a view has no memory of its own.
func BenchmarkTensor(b *testing.B) {
	b.ReportAllocs()
	var x torch.Tensor
	Scoped(func() {
		x = Full(0, torch.Float, "cpu", 1)
		NoGrad(func() {
			for n := b.N; n > 0; n -= 100 {
				Scoped(func() {
					for range min(n, 100) {
						Detach(x)
					}
				})
			}
		})
	})
}
