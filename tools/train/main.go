// Command train trains a model as a recipe says. See -help.
package main

import (
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/tools/internal/train"
	_ "github.com/imori-ml/imori/torchx/arena" // iterations must not pay for their memory anew
	_ "github.com/imori-ml/imori/torchx/spin"  // a busy neighbour must not slow training several times
)

func main() { cli.Main(train.New()) }
