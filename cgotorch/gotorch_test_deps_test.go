package cgotorch_test

// gotorch's own test packages run against our library as part of `make test`. These imports keep what those tests need
// in this module's go.mod and go.sum.
import (
	_ "github.com/stretchr/testify/assert"
	_ "github.com/x448/float16"
)
