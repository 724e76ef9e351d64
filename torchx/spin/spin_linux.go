package spin

import "C" // preinit_linux.c
