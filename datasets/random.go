package datasets

import "math/rand/v2"

// The streams of this package, the word after the seed: what is drawn for one
// purpose has nothing in common with what is drawn for another. The numbers may
// not change, for the order of the samples is part of what a checkpoint relies on.
const (
	streamShuffle uint64 = iota // then the epoch
	streamAugment               // then epoch and index
	streamDigits                // the index of a digit, here and below
	streamTestDigits
	streamTemplates // of a DigitMatcher
	streamHeldOut   // to calibrate one
)

// reseed makes src the generator of the stream that the words name together,
// such as (seed, epoch, index). Streams of different words are unrelated, so
// that any of them can be drawn without drawing the others first.
func reseed(src *rand.PCG, words ...uint64) {
	var a, b uint64
	for _, w := range words {
		a = mix(a ^ w)
		b = mix(b + a)
	}
	src.Seed(a, b)
}

// mix is the finaliser of SplitMix64 (Steele et al. 2014) on the next state: a
// bijection in which every input bit changes about half of the output bits.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
