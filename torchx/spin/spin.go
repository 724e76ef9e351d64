// Package spin limits how long OpenMP's threads look for new work before they sleep. GCC's library lets them look for
// milliseconds by default, in which a neighbour that has taken one of the processors keeps the others waiting.
//
// It is imported for its effect, by programs that train:
//
//	import _ "github.com/imori-ml/imori/torchx/spin"
//
// Such a program finds GOMP_SPINCOUNT=2000 in its environment, some 10 microseconds, unless that says already how threads
// wait (GOMP_SPINCOUNT or OMP_WAIT_POLICY). OpenMP reads the environment while it is loaded, so this happens before any
// library starts: in the place of the variable _, which shells set, or, where there is none, by starting the program anew,
// with the same number of the process, for 0.2 s in which its libraries are found and linked a second time. A debugger of
// such a program does best to set one of the variables itself.
//
// On systems other than Linux, and with musl, the package does nothing. It is for programs, not for shared libraries.
package spin
