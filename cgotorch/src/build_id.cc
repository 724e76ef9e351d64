// The only file that is compiled anew whenever any other changes.
#include "imori.h"

#ifndef IMORI_BUILD_ID
#define IMORI_BUILD_ID "unknown"
#endif

const char *ix_build_id(void) { return IMORI_BUILD_ID; }
