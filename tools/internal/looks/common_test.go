package looks

import (
	"image"
	"testing"

	"github.com/imori-ml/imori/datasets"
)

func TestOnePicture(t *testing.T) {
	in := datasets.Info{Height: 16, Width: 16}
	values := make([]float32, 3*256)
	for i := range values {
		values[i] = float32(2*(i%256)-255) / 255
	}
	grey, ok := onePicture(values[:256], 1, in).(*image.Gray)
	for i := range 256 {
		if !ok || int(grey.Pix[i]) != i {
			t.Fatalf("%d is another grey", i)
		}
	}
	if _, ok := onePicture(values, 3, in).(*image.RGBA); !ok {
		t.Error("a picture in colour is not in colour")
	}
}
