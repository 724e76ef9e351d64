package datasets

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func mustMatcher(t testing.TB, size int) *DigitMatcher {
	t.Helper()
	m, err := NewDigitMatcher(size)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestDigitMatcher: what is a digit is near, and what is none is not. The limits
// are shares of 100 pictures, with some room around what was measured.
func TestDigitMatcher(t *testing.T) {
	for _, size := range []int{16, 32} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			m := mustMatcher(t, size)
			draws := mustDigits(t, DigitsOptions{Size: size, Channels: 1, Count: 1000, Seed: 99, Distortion: 1, Split: "test"})
			rng := rand.New(rand.NewPCG(1, uint64(size)))
			digit := func() []float32 { return readImage(t, draws, rng.IntN(draws.Len())).Image }
			paper := func() []float32 { return slices.Repeat([]float32{-1}, size*size) }
			blobs := func(n int) []float32 {
				v := paper()
				for range n {
					addBlob(v, size, rng)
				}
				return v
			}
			mean := func(n int) []float32 {
				v := make([]float32, size*size)
				for range n {
					for i, x := range digit() {
						v[i] += x / float32(n)
					}
				}
				return v
			}

			right, near := 0, 0
			for i := range draws.Len() {
				s := readImage(t, draws, i)
				got, similarity, ok := m.Match(s.Image)
				if int64(got) == s.Label {
					right++
				}
				if ok {
					near++
				}
				if similarity < -1 || similarity > 1.0001 || ok != (similarity >= m.Threshold()) {
					t.Fatalf("similarity %v, near %v, threshold %v", similarity, ok, m.Threshold())
				}
			}
			t.Logf("threshold %.3f; of 1000 draws %d right, %d near", m.Threshold(), right, near)
			if right < 995 || near < 965 {
				t.Errorf("of 1000 draws %d were classified right and %d near", right, near)
			}

			for _, c := range []struct {
				name      string
				low, high int // how many of 100 may be near
				picture   func() []float32
			}{
				{"blank", 0, 0, paper},
				{"grey", 0, 0, func() []float32 { return make([]float32, size*size) }},
				{"too faint to see", 0, 0, func() []float32 {
					v := digit()
					for i := range v {
						v[i] *= 0.05
					}
					return v
				}},
				{"not a number", 0, 0, func() []float32 { return slices.Repeat([]float32{float32(math.NaN())}, size*size) }},
				{"infinite", 0, 0, func() []float32 { v := paper(); v[3] = float32(math.Inf(1)); return v }},
				{"one pixel", 0, 0, func() []float32 { v := paper(); v[rng.IntN(len(v))] = 1; return v }},
				{"noise", 0, 0, func() []float32 {
					v := paper()
					for i := range v {
						v[i] = rng.Float32()*2 - 1
					}
					return v
				}},
				{"mean of 100", 0, 0, func() []float32 { return mean(100) }},
				{"mean of 3", 0, 15, func() []float32 { return mean(3) }},
				{"blob", 0, 0, func() []float32 { return blobs(1) }},
				{"three blobs", 0, 0, func() []float32 { return blobs(3) }},
				{"halves of two", 0, 20, func() []float32 { v := digit(); copy(v[len(v)/2:], digit()[len(v)/2:]); return v }},
				{"negative", 0, 0, func() []float32 {
					v := digit()
					for i := range v {
						v[i] = -v[i]
					}
					return v
				}},
				// What a person still reads.
				{"dim", 95, 100, func() []float32 {
					v := digit()
					for i := range v {
						v[i] = v[i]/2 - 0.5
					}
					return v
				}},
				{"noisy", 95, 100, func() []float32 {
					v := digit()
					for i := range v {
						v[i] = max(-1, min(1, v[i]+0.15*float32(rng.NormFloat64())))
					}
					return v
				}},
				{"wobbly", 60, 100, func() []float32 { return wobbly(digit(), size, rng) }},
			} {
				near, highest := 0, 0.0
				for range 100 {
					_, similarity, ok := m.Match(c.picture())
					highest = max(highest, similarity)
					if ok {
						near++
					}
				}
				t.Logf("%s: %d near, up to %.2f", c.name, near, highest)
				if near < c.low || near > c.high {
					t.Errorf("%s: %d of 100 are near, want %d to %d", c.name, near, c.low, c.high)
				}
			}
		})
	}
}

// addBlob puts a random soft ellipse into a picture.
func addBlob(v []float32, size int, rng *rand.Rand) {
	side := float64(size)
	x0, y0 := (0.25+0.5*rng.Float64())*side, (0.25+0.5*rng.Float64())*side
	long, short := (0.05+0.2*rng.Float64())*side, (0.05+0.2*rng.Float64())*side
	sin, cos := math.Sincos(3 * rng.Float64())
	for i := range v {
		x, y := float64(i%size)-x0, float64(i/size)-y0
		a, b := (x*cos+y*sin)/long, (y*cos-x*sin)/short
		v[i] = max(v[i], float32(2*math.Exp(-a*a-b*b)-1))
	}
}

// wobbly displaces the pixels by waves of a thirty-second of the side.
func wobbly(image []float32, size int, rng *rand.Rand) []float32 {
	out := slices.Repeat([]float32{-1}, size*size)
	phaseX, phaseY := 2*math.Pi*rng.Float64(), 2*math.Pi*rng.Float64()
	for i := range out {
		x, y := i%size, i/size
		wave := func(phase float64, at int) float64 {
			return float64(size) / 32 * math.Sin(phase+float64(at)/float64(size)*3*math.Pi)
		}
		fromX := int(math.Round(float64(x) + wave(phaseX, y)))
		fromY := int(math.Round(float64(y) + wave(phaseY, x)))
		if fromX >= 0 && fromX < size && fromY >= 0 && fromY < size {
			out[i] = image[fromY*size+fromX]
		}
	}
	return out
}

func TestDigitMatcherAtOddSizes(t *testing.T) {
	for _, size := range []int{8, 100} {
		m := mustMatcher(t, size)
		draws := mustDigits(t, DigitsOptions{Size: size, Channels: 1, Count: 200, Seed: 4, Distortion: 1, Split: "train"})
		right, near := 0, 0
		for i := range draws.Len() {
			s := readImage(t, draws, i)
			digit, _, ok := m.Match(s.Image)
			if int64(digit) == s.Label {
				right++
			}
			if ok {
				near++
			}
		}
		t.Logf("size %d: threshold %.3f, of 200 draws %d right, %d near", size, m.Threshold(), right, near)
		if right < 195 || near < 185 {
			t.Errorf("size %d: of 200 draws %d right, %d near", size, right, near)
		}
	}
}

func TestDigitMatcherRefuses(t *testing.T) {
	for _, size := range []int{7, 257} {
		if _, err := NewDigitMatcher(size); err == nil {
			t.Errorf("size %d is accepted", size)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("an image of another size is accepted")
		}
	}()
	(&DigitMatcher{size: 16}).Match(make([]float32, 15*15))
}

func TestReduce(t *testing.T) {
	got := reduce([]float32{
		1, 2, 3,
		4, 5, 6,
		7, 8, 9,
	}, 3, 2) // each of the four covers 1.5 x 1.5 pixels
	want := []float32{(1 + 2*0.5 + 4*0.5 + 5*0.25) / 2.25, (3 + 2*0.5 + 6*0.5 + 5*0.25) / 2.25, (7 + 8*0.5 + 4*0.5 + 5*0.25) / 2.25, (9 + 8*0.5 + 6*0.5 + 5*0.25) / 2.25}
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > 1e-6 {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	// Drawing small and drawing large and reducing are the same.
	large, small := newDigitPen(96, 1, 1), newDigitPen(32, 1, 1)
	for i := range 20 {
		a, b := make([]byte, 96*96), make([]byte, 32*32)
		large.draw(a, 1, streamDigits, i)
		small.draw(b, 1, streamDigits, i)
		image := make([]float32, 96*96)
		unpack(image, a)
		for k, v := range reduce(image, 96, 32) {
			if math.Abs(float64(v-toUnit[b[k]])) > 0.04 {
				t.Fatalf("digit %d, pixel %d: %v reduced, %v drawn", i, k, v, toUnit[b[k]])
			}
		}
	}
}

func BenchmarkDigitMatcher(b *testing.B) {
	m := mustMatcher(b, 32)
	image := readImage(b, mustDigits(b, DigitsOptions{Size: 32, Channels: 1, Count: 10, Distortion: 1, Split: "test"}), 3).Image
	for b.Loop() {
		m.Match(image)
	}
}

func BenchmarkNewDigitMatcher(b *testing.B) {
	for b.Loop() {
		mustMatcher(b, 32)
	}
}
