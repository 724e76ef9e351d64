package looks

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
	"github.com/imori-ml/imori/trainer/rundir"
)

const (
	defaultSamples  = 64
	defaultOfClass  = 10  // of each class
	maxClasses      = 100 // unless they are named
	maxClassColumns = 20
)

// sampling is the command sample.
type sampling struct {
	model      cli.ModelFlags
	picture    picture
	count      int
	seeds      cli.Numbers
	classes    string
	truncation float64
	each, npy  string
}

// NewSample makes the command.
func NewSample() *cobra.Command {
	s := &sampling{}
	c := &cobra.Command{
		Use:   "sample RUN",
		Short: "make images of latents with a trained model",
		Long: `Makes a picture of images that a trained model generates.

The latent of each image comes from a seed, a whole number. The same model makes the same image of a seed, whatever else is
asked for. Of a model with classes, each row of the picture is a class, and each column a seed.

With -truncation, latents stay nearer the middle: the images are more typical, and less various. Where latents are normal,
numbers that lie more than so many standard deviations from the middle are drawn again; where they are uniform, it is the part
of their range that they are drawn from. 0.5 to 1 are usual, 0.01 is the least.`,
		Example: `imori sample runs/dcgan_mnist/20261123-101500
imori sample runs/dcgan_mnist/20261123-101500 -seeds 0-15,42 -columns 4 -out sixteen.png
imori sample runs/cgan_cifar10/20261123-101500 -classes cat,dog -count 20
imori sample runs/vae_mnist/20261123-101500 -count 10000 -each generated -npy generated.npy`,
		Args: cli.Args("RUN"),
		RunE: func(c *cobra.Command, args []string) error { return s.run(c, args[0]) },
	}
	f := c.Flags()
	f.IntVar(&s.count, "count", 0, "make this many images, of seeds 0, 1 and so on (default 64; 10 of each class)")
	f.Var(&s.seeds, "seeds", "make the images of these seeds: a `list` such as 0-15,42")
	f.StringVar(&s.classes, "classes", "", "show these classes: `names` or numbers, such as 3,cat (default all, at most 100)")
	f.Float64Var(&s.truncation, "truncation", 0, "keep the numbers of latents within this `bound`, 0.01 or more, such as 0.7 (default as in training)")
	s.picture.add(c, "samples", "default a square; 20 at most where there are classes")
	f.StringVar(&s.each, "each", "", "write each image as a PNG of its own into this `folder`, and the picture only with -out")
	f.StringVar(&s.npy, "npy", "", "also write the images to this .npy `file`: N x channels x height x width, float32, -1 to 1")
	cli.CompleteFolder(c, "each")
	s.model.Add(c)
	return c
}

func (s *sampling) run(c *cobra.Command, path string) error {
	if err := s.check(c); err != nil {
		return err
	}
	run, err := s.model.Open(c, path)
	if err != nil {
		return err
	}
	return run.Do(func() error {
		m, err := run.Sampler()
		if err != nil {
			return err
		}
		p, err := s.plan(c, run, m)
		if err != nil {
			return err
		}
		return s.make(c, run, m, p)
	})
}

// check checks what can be checked without the run.
func (s *sampling) check(c *cobra.Command) error {
	given := c.Flags().Changed
	switch {
	case given("count") && given("seeds"):
		return cli.Wrong(errors.New("-count and -seeds exclude each other: -count 16 is -seeds 0-15"))
	case given("truncation") && !(s.truncation >= trained.MinTruncation):
		return cli.Wrong(fmt.Errorf("-truncation: found %g, expected %g or more", s.truncation, trained.MinTruncation))
	}
	if given("count") {
		if err := cli.CheckCount(s.count); err != nil {
			return err
		}
	}
	if err := s.picture.check(); err != nil {
		return err
	}
	return cli.CheckExtension("npy", s.npy, ".npy")
}

// plan is the images to make, class by class.
type plan struct {
	seeds         []int64
	classes       []int64 // nil for a model without
	names         []string
	columns       int
	lines         int // that a class takes; 0 without classes
	total         int
	grid, perFile bool
}

func (s *sampling) plan(c *cobra.Command, run *trained.Run, m models.Sampler) (*plan, error) {
	p := &plan{seeds: s.seeds.List, names: run.Info.Classes, columns: s.picture.columns, perFile: s.each != ""}
	p.grid = !p.perFile || s.picture.Given()
	conditional := m.Classes() > 0
	if p.seeds == nil {
		n := s.count
		if n == 0 {
			n = defaultSamples
			if conditional {
				n = defaultOfClass
			}
		}
		for i := range n {
			p.seeds = append(p.seeds, int64(i))
		}
	}
	p.total = len(p.seeds)
	if !conditional && s.classes != "" {
		return nil, cli.Wrong(fmt.Errorf("-classes: run %s: model %s knows no classes; it makes images of seeds alone", run.Path, run.Recipe.Model.Type))
	}
	if conditional {
		classes, err := cli.Classes(s.classes, run.Info.Classes)
		if err != nil {
			return nil, fmt.Errorf("-classes: %w", err)
		}
		if s.classes == "" && len(classes) > maxClasses {
			c.PrintErrf("these are the first %d of %d classes; -classes chooses others\n", maxClasses, len(classes))
			classes = classes[:maxClasses]
		}
		p.classes = classes
		p.total *= len(classes)
		p.columns = p.classColumns()
		p.lines = (len(p.seeds) + p.columns - 1) / p.columns
	}
	if p.total > cli.MaxCount {
		return nil, cli.Wrong(fmt.Errorf("%d seeds of %d classes are %d images, expected %d at most", len(p.seeds), len(p.classes), p.total, cli.MaxCount))
	}
	if err := s.checkNames(run, p); err != nil {
		return nil, err
	}
	if p.grid {
		return p, s.picture.checkSize(run.Info, p.tiles(), p.columns, "ask for fewer, or for files with -each")
	}
	return p, nil
}

// checkNames refuses files of -each that would have one name, or that of another output.
func (s *sampling) checkNames(run *trained.Run, p *plan) error {
	if !p.perFile {
		return nil
	}
	taken := map[string]string{}
	if p.grid {
		taken[filepath.Clean(s.picture.Path(run.Path))] = "-out"
	}
	if s.npy != "" {
		taken[filepath.Clean(s.npy)] = "-npy"
	}
	for i := range p.total {
		class, seed, _ := p.image(i)
		what := fmt.Sprintf("seed %d", seed)
		if p.classes != nil {
			what = fmt.Sprintf("class %s, seed %d", p.names[class], seed)
		}
		path := filepath.Join(s.each, p.fileName(class, seed))
		if other, ok := taken[path]; ok {
			if other == what {
				return cli.Wrong(fmt.Errorf("-each: %s is asked for twice, for one file, %s", what, path))
			}
			return cli.Wrong(fmt.Errorf("-each: %s and %s would be one file, %s", other, what, path))
		}
		taken[path] = what
	}
	return nil
}

// classColumns is a square for one class, and a row for each of several.
func (p *plan) classColumns() int {
	switch n := len(p.seeds); {
	case p.columns > 0:
		return min(p.columns, n)
	case len(p.classes) > 1:
		return min(n, maxClassColumns)
	default:
		return rundir.SquareColumns(n)
	}
}

// tiles is how many the picture has, with those that end a class's last line.
func (p *plan) tiles() int {
	if p.classes == nil {
		return p.total
	}
	return len(p.classes) * p.lines * p.columns
}

// image i is of this class (0 without classes) and seed, and is drawn on this tile.
func (p *plan) image(i int) (class, seed int64, tile int) {
	if p.classes == nil {
		return 0, p.seeds[i], i
	}
	k, j := i/len(p.seeds), i%len(p.seeds)
	return p.classes[k], p.seeds[j], k*p.lines*p.columns + j
}

// fileName is what the file of an image is called.
func (p *plan) fileName(class, seed int64) string {
	name := fmt.Sprintf("seed-%05d.png", seed)
	if p.classes != nil {
		name = plain(p.names[class]) + "-" + name
	}
	return name
}

// make makes the images and writes them.
func (s *sampling) make(c *cobra.Command, run *trained.Run, m models.Sampler, p *plan) (err error) {
	var files cli.Outputs
	defer files.Discard()
	in := run.Info
	var grid, npy *atomicfile.File
	var tiles *rundir.Tiles
	if p.grid {
		if grid, err = files.Create(s.picture.Path(run.Path)); err != nil {
			return err
		}
		tiles = rundir.NewTiles(p.tiles(), in.Height, in.Width, p.columns)
	}
	if p.perFile {
		if err := files.MakeFolder(s.each); err != nil {
			return err
		}
	}
	if s.npy != "" {
		if npy, err = files.Create(s.npy); err == nil {
			err = npyHeader(npy, p.total, in.Channels, in.Height, in.Width)
		}
		if err != nil {
			return err
		}
	}

	for i := range p.total {
		if err := c.Context().Err(); err != nil {
			return err
		}
		class, seed, tile := p.image(i)
		values := s.generate(run, m, class, seed)
		if tiles != nil {
			tiles.Draw(tile, values)
		}
		if p.perFile {
			if err := files.PNG(filepath.Join(s.each, p.fileName(class, seed)), onePicture(values, in.Channels, in)); err != nil {
				return err
			}
		}
		if npy != nil {
			if err := npyValues(npy, values); err != nil {
				return err
			}
		}
	}
	if grid != nil {
		if err := cli.Encode(grid, tiles.Image); err != nil {
			return err
		}
	}
	if err := files.Commit(); err != nil {
		return err
	}
	s.report(c, run, p)
	return nil
}

// generate makes one image. Of several at a time, each would depend in its last bits on how many there are, and where it
// stands among them: sums of matrices are added up in another order.
func (s *sampling) generate(run *trained.Run, m models.Sampler, class, seed int64) (values []float32) {
	torchx.Scoped(func() {
		labels := torch.Tensor{}
		if m.Classes() > 0 {
			labels = run.Labels([]int64{class})
		}
		values = torchx.Float32s(m.Generate(run.Latents(m, []int64{seed}, s.truncation), labels))
	})
	return values
}

func (s *sampling) report(c *cobra.Command, run *trained.Run, p *plan) {
	printRun(c, run)
	of := ""
	if p.classes != nil {
		var names []string
		for _, class := range p.classes {
			names = append(names, p.names[class])
		}
		of = fmt.Sprintf(", %d of each class, from top to bottom: %s", len(p.seeds), strings.Join(names, ", "))
	}
	fmt.Fprintf(c.OutOrStdout(), "images  %d%s\n", p.total, of)
	cli.Wrote(c, s.npy, s.each)
	if p.grid {
		cli.Wrote(c, s.picture.Path(run.Path))
	}
}
