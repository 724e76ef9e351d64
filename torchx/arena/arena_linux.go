package arena

import "C" // tune_linux.c
