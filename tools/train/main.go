// Command train trains a model as a recipe says. See -help.
package main

import (
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/tools/internal/train"
)

func main() { cli.Main(train.New()) }
