package latent

import (
	"context"
	"encoding/csv"
	"fmt"
	"image"
	"image/gif"
	"io"
	"slices"
	"time"

	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
	"github.com/imori-ml/imori/trainer/rundir"
)

// begin begins the picture, and another file unless its name is empty.
func (o *command) begin(files *cli.Outputs, run *trained.Run, another string) (picture, other *atomicfile.File, err error) {
	if picture, err = files.Create(o.picture.Path(run.Path)); err != nil {
		return nil, nil, err
	}
	other, err = files.CreateIf(another)
	return picture, other, err
}

const frameTime = 40 * time.Millisecond

// writeLoop writes an animation that goes to the last picture and back again.
func writeLoop(ctx context.Context, to *atomicfile.File, n int, frame func(i int) *image.RGBA) error {
	g, err := rundir.Animation(n, frameTime, func(i int) (*image.RGBA, error) { return frame(i), ctx.Err() })
	if err != nil {
		return fmt.Errorf("cannot make %s: %w", to.Path(), err)
	}
	if n > 2 {
		back := slices.Clone(g.Image[1 : n-1])
		slices.Reverse(back)
		g.Image, g.Delay = append(g.Image, back...), append(g.Delay, g.Delay[1:n-1]...)
	}
	return cli.Fill(to, func(w io.Writer) error { return gif.EncodeAll(w, g) })
}

func writeCSV(to *atomicfile.File, rows [][]string) error {
	return cli.Fill(to, func(w io.Writer) error { return csv.NewWriter(w).WriteAll(rows) })
}

// titleOf begins the title of a picture.
func titleOf(run *trained.Run) string {
	return fmt.Sprintf("%s, iteration %d", run.Recipe.Name, run.Iteration)
}
