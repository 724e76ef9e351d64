// Package arena makes glibc's allocator keep large blocks of memory from one training iteration to the next, for the whole
// process: by default it gives them back to the kernel, and each iteration pays for getting them again, up to half of its
// time in a small model.
//
// It is imported for its effect, by programs that train:
//
//	import _ "github.com/imori-ml/imori/torchx/arena"
//
// It also asks Linux for large pages for the first 512 MiB of that memory, which are addresses until they are used.
//
// It acts at the start of the process, before there are threads. Elsewhere than on Linux with glibc it does nothing.
package arena
