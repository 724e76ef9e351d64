package torchx

// #include "imori.h"
import "C"

import (
	"fmt"
	"os"

	"github.com/imori-ml/imori/cgotorch"
)

const setupCommand = "go run github.com/imori-ml/imori/tools/setup"

// A library of other sources may crash at any call, so a program with one must not get as far as main.
func init() {
	if err := checkBuild(C.GoString(C.ix_build_id()), cgotorch.BuildID()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func checkBuild(library, sources string) error {
	if library == sources {
		return nil
	}
	return fmt.Errorf("libcgotorch.so was built from other sources (%s) than this program (%s); run: %s", library, sources, setupCommand)
}
