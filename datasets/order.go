package datasets

import "math/rand/v2"

// order is the endless sequence of samples: one permutation of the dataset after
// another, each a function of (seed, epoch) alone.
type order struct {
	seed    uint64
	inOrder bool  // permute nothing
	epoch   int64 // of perm
	perm    []int
	next    int // position in perm
	src     rand.PCG
}

// place is a sample's turn in an epoch.
type place struct {
	epoch int64
	index int
}

// newOrder is the sequence over n samples from the given position on.
func newOrder(n int, seed int64, inOrder bool, start int64) *order {
	o := &order{seed: uint64(seed), inOrder: inOrder, epoch: start / int64(n), next: int(start % int64(n)), perm: make([]int, n)}
	o.permute()
	return o
}

func (o *order) permute() {
	for i := range o.perm {
		o.perm[i] = i
	}
	if o.inOrder {
		return
	}
	reseed(&o.src, o.seed, streamShuffle, uint64(o.epoch))
	rng := rand.New(&o.src)
	rng.Shuffle(len(o.perm), func(i, j int) { o.perm[i], o.perm[j] = o.perm[j], o.perm[i] })
}

// take fills dst with the next places.
func (o *order) take(dst []place) {
	for i := range dst {
		if o.next == len(o.perm) {
			o.epoch, o.next = o.epoch+1, 0
			o.permute()
		}
		dst[i] = place{o.epoch, o.perm[o.next]}
		o.next++
	}
}
