package cli

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
)

// Picture is where the picture of a command goes: the flag -out.
type Picture struct{ out, name string }

// Add adds the flag. name is that of the file in the folder views of a run, where the picture goes without it.
func (p *Picture) Add(c *cobra.Command, name string) {
	p.name = name
	c.Flags().StringVar(&p.out, "out", "", "write the picture to this PNG `file` (default RUN/views/"+name+")")
}

// Check refuses a file of another kind.
func (p *Picture) Check() error { return CheckExtension("out", p.out, ".png") }

// Given tells whether the flag was given.
func (p *Picture) Given() bool { return p.out != "" }

// Path is where the picture of a run goes.
func (p *Picture) Path(run string) string {
	if p.out != "" {
		return p.out
	}
	return filepath.Join(run, "views", p.name)
}

// MaxPixels is how large a picture may be.
const MaxPixels = 64 << 20

// Wrote says what was written; "" is nothing.
func Wrote(c *cobra.Command, paths ...string) {
	for _, path := range paths {
		if path != "" {
			fmt.Fprintf(c.OutOrStdout(), "wrote %s\n", path)
		}
	}
}
