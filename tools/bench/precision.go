package main

import (
	"fmt"

	"github.com/imori-ml/imori/trainer"
)

// setPrecision asks the trainer for a precision.
func setPrecision(_ *trainer.Config, precision string) error {
	if precision != "fp32" {
		return fmt.Errorf("precision %s is not there yet", precision)
	}
	return nil
}
