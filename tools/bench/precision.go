package main

import "github.com/imori-ml/imori/trainer"

// setPrecision asks the trainer for a precision, which refuses those that it does not know.
func setPrecision(c *trainer.Config, precision string) error {
	c.Precision = precision
	return c.Check()
}
