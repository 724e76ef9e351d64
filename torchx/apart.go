package torchx

// #include "imori.h"
import "C"

// Apart measures, in a tenth of a millisecond, whether the threads that libtorch uses for this one run on parts of a chip that
// share no cache, as the cores of an EPYC or of larger Ryzens do beyond the first eight or sixteen, or on several chips. What one
// of them has read takes another ten times as long to change, so that memory is written in another way there, with the same
// results: optimisers look for themselves, once a second, and the last answer holds for the process. It is false for one thread,
// on CPUs without AVX2 and FMA, and where imori's own kernels are off (see [Report]).
func Apart() bool { return C.ix_measure_apart() != 0 }

// asIfApart runs f as where that is so, or not, for the whole process.
func asIfApart(is bool, f func()) {
	before := C.ix_set_apart(flag(is))
	defer C.ix_set_apart(before)
	f()
}
