package torchx

import torch "github.com/wangkuiyi/gotorch"

// OneHot returns N×classes of dtype for N int64 labels: 1 in the label's column, 0 elsewhere. A label out of range gets a
// row of zeros. The labels stay on their device.
func OneHot(labels torch.Tensor, classes int64, dtype int8) torch.Tensor {
	shape := Shape(labels)
	if len(shape) != 1 || labels.Dtype() != torch.Long || classes < 1 {
		fail("one-hot", []torch.Tensor{labels}, "expected N int64 labels and at least 1 class, found %d classes", classes)
	}
	column := make([]float64, classes)
	for i := range column {
		column[i] = float64(i)
	}
	device := Device(labels)
	classesRow := To(FromFloat64(column, 1, classes), device, dtype)
	// Whole numbers differ by 0 or by at least 1.
	distance := Abs(Sub(To(Reshape(labels, shape[0], 1), device, dtype), classesRow))
	return Clamp(AddScalar(Neg(distance), 1), 0, 1)
}
