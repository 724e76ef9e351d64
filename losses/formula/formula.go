// Package formula makes the numbers that tests and the golden values of PyTorch
// share, so that neither side stores or copies the other's. It is for tests.
// models/testdata/golden/README.md defines the formula and has test vectors.
package formula

// Values returns the first n elements of tag, shift + scale*(2 unit - 1) with
// unit in [0, 1), rounded to float32. With scale 1 and shift 0 they are uniform
// on [-1, 1).
func Values(tag string, n int, scale, shift float64) []float32 {
	values := make([]float32, n)
	Fill(values, tag, 0, scale, shift)
	return values
}

// Fill sets dst to the elements of tag from the one with index first on.
func Fill(dst []float32, tag string, first int, scale, shift float64) {
	h := fnv1a64(tag)
	for i := range dst {
		unit := float64(mix(h+uint64(first+i)*0x9E3779B97F4A7C15)>>40) / (1 << 24)
		dst[i] = float32(shift + float64(scale*(2*unit-1))) // the conversion forbids a fused multiply-add
	}
}

func fnv1a64(text string) uint64 {
	h := uint64(0xCBF29CE484222325)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 0x100000001B3
	}
	return h
}

// mix is splitmix64's finaliser.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
