package torchx

import (
	"slices"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

func TestOneHot(t *testing.T) {
	scoped(t, func() {
		hot := OneHot(FromInt64([]int64{2, 0, 1, 3, -1}, 5), 3, torch.Double)
		want := []float64{0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}
		if shape := Shape(hot); !slices.Equal(shape, []int64{5, 3}) || !slices.Equal(Float64s(hot), want) {
			t.Errorf("got %v of shape %v, want %v", Float64s(hot), shape, want)
		}
		if hot.Dtype() != torch.Double || OneHot(FromInt64([]int64{1}, 1), 2, torch.Float).Dtype() != torch.Float {
			t.Error("the dtype is another than asked for")
		}
		for name, f := range map[string]func(){
			"of floats":  func() { OneHot(FromFloat32([]float32{1}, 1), 2, torch.Float) },
			"of a table": func() { OneHot(FromInt64([]int64{1}, 1, 1), 2, torch.Float) },
			"of nothing": func() { OneHot(FromInt64([]int64{1}, 1), 0, torch.Float) },
		} {
			if err := Try(f); err == nil || !strings.Contains(err.Error(), "expected N int64 labels") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
