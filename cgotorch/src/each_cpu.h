// Includes the file that IMORI_EACH_CPU names once for each kind of processor; a .cc file has one of them. There
//
//	IMORI_CPU              is a namespace, in which all must be that vectors are in
//	IMORI_VECTOR           is how many numbers of float32 they have
//	IMORI_HALVES           is 1 where there are also those of bfloat16
//	IMORI_FOR_CPU          stands before a function: the compiler makes it for this processor
//	IMORI_FOR_CPU_INLINED  stands before one that is part of those that call it
//
// Files of this kind have no pragma once, and say so. See cpu.h for which processor's functions are to be called.
#include "for_avx512.h"
#include IMORI_EACH_CPU
#include "for_avx2.h"
#include IMORI_EACH_CPU

#undef IMORI_CPU
#undef IMORI_VECTOR
#undef IMORI_HALVES
#undef IMORI_FOR_CPU
#undef IMORI_FOR_CPU_INLINED
#undef IMORI_EACH_CPU
