package latent

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"image"
	"image/gif"
	"image/png"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/trainer/rundir"
)

// file is one to be written.
type file struct {
	path    string
	content []byte
}

// write makes files appear, all of them or none.
func write(files ...file) error {
	var out cli.Outputs
	defer out.Discard()
	for _, f := range files {
		to, err := out.Create(f.path)
		if err == nil {
			_, err = to.Write(f.content)
		}
		if err != nil {
			return err
		}
	}
	return out.Commit()
}

// say says what was written.
func say(c *cobra.Command, files ...file) {
	for _, f := range files {
		fmt.Fprintf(c.OutOrStdout(), "wrote %s\n", f.path)
	}
}

// picture is the main file of a command.
func (o *command) picture(run *trained.Run, name string, img image.Image) (file, error) {
	path := o.out
	if path == "" {
		path = filepath.Join(run.Path, "views", name)
	}
	var b bytes.Buffer
	err := png.Encode(&b, img)
	return file{path, b.Bytes()}, err
}

const frameTime = 40 * time.Millisecond

// loop is an animation that goes to the last picture and back again.
func loop(path string, n int, frame func(i int) (*image.RGBA, error)) (file, error) {
	g, err := rundir.Animation(n, frameTime, frame)
	if err != nil {
		return file{}, fmt.Errorf("cannot make %s: %w", path, err)
	}
	if n > 2 {
		back := slices.Clone(g.Image[1 : n-1])
		slices.Reverse(back)
		g.Image, g.Delay = append(g.Image, back...), append(g.Delay, g.Delay[1:n-1]...)
	}
	var b bytes.Buffer
	err = gif.EncodeAll(&b, g)
	return file{path, b.Bytes()}, err
}

func csvFile(path string, rows [][]string) (file, error) {
	var b bytes.Buffer
	err := csv.NewWriter(&b).WriteAll(rows)
	return file{path, b.Bytes()}, err
}

// titleOf begins the title of a picture.
func titleOf(run *trained.Run) string {
	return fmt.Sprintf("%s, iteration %d", run.Recipe.Name, run.Iteration)
}
