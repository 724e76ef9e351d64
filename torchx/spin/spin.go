// Package spin limits how long OpenMP's threads look for new work before they sleep. GCC's library lets them look for
// milliseconds by default, in which a neighbour that has taken one of the processors keeps the others waiting.
//
// It is imported for its effect, by programs that train:
//
//	import _ "github.com/imori-ml/imori/torchx/spin"
//
// Such a program starts itself anew with GOMP_SPINCOUNT=2000 in its environment, some 10 microseconds, unless that says
// already how threads wait (GOMP_SPINCOUNT or OMP_WAIT_POLICY): OpenMP reads the environment while it is loaded, and
// nothing changes it later. The number of the process stays. It happens before libtorch's own start, and so costs 0.2 s, for
// which the libraries are found and linked a second time. On systems other than Linux the package does nothing.
package spin
