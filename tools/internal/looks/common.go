// Package looks has the commands that show what a trained model makes: sample, reconstruct and translate.
package looks

import (
	"fmt"
	"image"
	"image/draw"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/trainer/rundir"
)

// batchSize is how many images are looked at at a time.
const batchSize = 16

// picture is where a command's picture goes, and its form.
type picture struct {
	cli.Picture
	columns int
}

func (p *picture) add(c *cobra.Command, name, columns string) {
	p.Add(c, name+".png")
	c.Flags().IntVar(&p.columns, "columns", 0, "images in a row ("+columns+")")
}

func (p *picture) check() error {
	if p.columns < 0 {
		return cli.Wrong(fmt.Errorf("-columns: found %d, expected 1 or more", p.columns))
	}
	return p.Check()
}

// checkSize refuses a picture of n images that would fill the memory.
func (p *picture) checkSize(info datasets.Info, n, columns int, advice string) error {
	size := rundir.GridSize(n, info.Height, info.Width, columns)
	if size.X*size.Y <= cli.MaxPixels {
		return nil
	}
	return cli.Wrong(fmt.Errorf("a picture of %d images would have %dx%d pixels, expected %d million at most; %s",
		n, size.X, size.Y, cli.MaxPixels>>20, advice))
}

// blocks lays rows of images out, each image below the one of the row before: so many to a line, then the next lines.
type blocks struct {
	tiles         *rundir.Tiles
	columns, rows int
}

// columns that blocks have unless told otherwise, as in the previews of training.
const blockColumns = 8

func (p *picture) newBlocks(info datasets.Info, n, rows int) (*blocks, error) {
	columns := p.columns
	if columns == 0 {
		columns = blockColumns
	}
	columns = min(columns, n)
	lines := (n + columns - 1) / columns
	if err := p.checkSize(info, lines*rows*columns, columns, "ask for fewer with -count"); err != nil {
		return nil, err
	}
	return &blocks{rundir.NewTiles(lines*rows*columns, info.Height, info.Width, columns), columns, rows}, nil
}

// drawAll draws n images of a row, from image first on.
func (b *blocks) drawAll(row, first, n int, values []float32) {
	size := len(values) / n
	for k := range n {
		i := first + k
		b.tiles.Draw((i/b.columns*b.rows+row)*b.columns+i%b.columns, values[k*size:(k+1)*size])
	}
}

func (b *blocks) image() image.Image { return b.tiles.Image }

// onePicture is an image as a file of its own holds it: with a pixel for each of its own, and grey where it has one channel.
func onePicture(values []float32, channels int, in datasets.Info) image.Image {
	colours := rundir.Picture(values, channels, in.Height, in.Width)
	if channels != 1 {
		return colours
	}
	grey := image.NewGray(colours.Rect)
	draw.Draw(grey, grey.Rect, colours, image.Point{}, draw.Src)
	return grey
}

// printRun says whose pictures these are.
func printRun(c *cobra.Command, run *trained.Run) {
	weights := ""
	if run.Averaged {
		weights = ", averaged weights"
	}
	fmt.Fprintf(c.OutOrStdout(), "model   %s of %s, iteration %d%s\n", run.Recipe.Model.Type, run.Recipe.Name, run.Iteration, weights)
}

// counted says how many things of a kind there are, such as 24 pictures of photos.
func counted(d datasets.Dataset, kind, rest string) string {
	if d == nil {
		return "" // there is an error
	}
	if d.Len() != 1 {
		kind += "s"
	}
	return fmt.Sprintf("%d %s %s", d.Len(), kind, rest)
}

// recipeData says what the recipe's data are.
func recipeData(d datasets.Dataset, test bool, kind string) string {
	switch {
	case d == nil:
		return ""
	case test:
		return counted(d, "test "+kind, "of "+d.Info().Name)
	}
	return counted(d, kind, "of "+d.Info().Name+" that the model was trained on, as there are no test images")
}

func printData(c *cobra.Command, d datasets.Dataset, what string) {
	fmt.Fprintf(c.OutOrStdout(), "data    %s%s\n", what, scaled(d))
}

// scaled says how many pictures of a folder are shown in another size than their own; "" for none.
func scaled(d datasets.Dataset) string {
	of, ok := d.(datasets.Scaled)
	if !ok || of.Scaled() == 0 {
		return ""
	}
	in := d.Info()
	were := "images were"
	if of.Scaled() == 1 {
		were = "image was"
	}
	return fmt.Sprintf("; %d %s scaled to %dx%d", of.Scaled(), were, in.Width, in.Height)
}

// plain makes a name, such as a class's, fit to be part of a file's.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == filepath.Separator || r < ' ' {
			return '_'
		}
		return r
	}, name)
}
