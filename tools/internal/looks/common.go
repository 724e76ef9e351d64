// Package looks has the commands that show what a trained model makes: sample, reconstruct and translate.
package looks

import (
	"errors"
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

// maxImages is what -count may be, and maxPixels how large a picture.
const (
	maxImages = 1 << 20
	maxPixels = 64 << 20
)

// picture is where a command's picture goes, and its form.
type picture struct {
	out     string
	columns int
}

func (p *picture) add(c *cobra.Command, name, columns string) {
	f := c.Flags()
	f.StringVar(&p.out, "out", "", "write the picture to this PNG `file` (default RUN/views/"+name+".png)")
	f.IntVar(&p.columns, "columns", 0, "images in a row ("+columns+")")
}

func (p *picture) check() error {
	if p.columns < 0 {
		return cli.Wrong(fmt.Errorf("-columns: found %d, expected 1 or more", p.columns))
	}
	return cli.CheckExtension("out", p.out, ".png")
}

// path is where the picture goes.
func (p *picture) path(run *trained.Run, name string) string {
	if p.out != "" {
		return p.out
	}
	return filepath.Join(run.Path, "views", name+".png")
}

// checkSize refuses a picture of n images that would fill the memory.
func (p *picture) checkSize(info datasets.Info, n, columns int, advice string) error {
	size := rundir.GridSize(n, info.Height, info.Width, columns)
	if size.X*size.Y <= maxPixels {
		return nil
	}
	return cli.Wrong(fmt.Errorf("a picture of %d images would have %dx%d pixels, expected %d million at most; %s",
		n, size.X, size.Y, maxPixels>>20, advice))
}

// chosen are the images of some data that are looked at.
type chosen struct {
	count  int
	images cli.Numbers
}

func (o *chosen) add(c *cobra.Command, count int, what string) {
	f := c.Flags()
	f.IntVar(&o.count, "count", count, "show this many "+what+", evenly spread over all")
	f.Var(&o.images, "images", "show those of these numbers, from 0 on: a `list` such as 0-7,42")
}

func (o *chosen) check(c *cobra.Command) error {
	if c.Flags().Changed("count") && o.images.List != nil {
		return cli.Wrong(errors.New("found -count and -images, expected one of them"))
	}
	return checkCount(o.count)
}

func checkCount(n int) error {
	if n < 1 || n > maxImages {
		return cli.Wrong(fmt.Errorf("-count: found %d, expected 1 to %d", n, maxImages))
	}
	return nil
}

// of are the chosen indices of a dataset.
func (o *chosen) of(d datasets.Dataset) (indices []int, some datasets.Dataset, err error) {
	indices = datasets.Evenly(o.count, d.Len())
	if o.images.List != nil {
		indices = o.images.Ints()
	}
	if some, err = datasets.Pick(d, indices); err != nil {
		err = cli.Wrong(fmt.Errorf("-images: %w", err))
	}
	return indices, some, err
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

// recipeData says what the recipe's data are.
func recipeData(d datasets.Dataset, test bool, what string) string {
	if d == nil {
		return "" // there is an error
	}
	if test {
		return "test " + what + " of " + d.Info().Name
	}
	return what + " of " + d.Info().Name + " that the model was trained on, as there are no test images"
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

// fileName is the file that a sample comes from, or "".
func fileName(d datasets.Dataset, i int) string {
	if named, ok := d.(datasets.Named); ok {
		return named.FileName(i)
	}
	return ""
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

func wrote(c *cobra.Command, path string) { fmt.Fprintf(c.OutOrStdout(), "wrote %s\n", path) }
