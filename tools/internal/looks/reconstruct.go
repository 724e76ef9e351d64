package looks

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"
	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
	"github.com/imori-ml/imori/trainer"
)

// maxListed is how many images' errors are printed.
const maxListed = 32

// reconstruction is the command reconstruct.
type reconstruction struct {
	model   cli.ModelFlags
	picture picture
	chosen  cli.Chosen
	data    string
	csv     string
	all     bool
}

// NewReconstruct makes the command.
func NewReconstruct() *cobra.Command {
	r := &reconstruction{}
	c := &cobra.Command{
		Use:   "reconstruct RUN",
		Short: "show images above what an autoencoder makes of them, with the errors",
		Long: `Makes a picture of images, each above its reconstruction by a trained model, and prints the errors: the mean squared and
the mean absolute one over an image's values, which are -1 to 1. The images are the test images of the run's recipe, or those
of any folder.`,
		Example: `imori reconstruct runs/convae_imori/20261123-101500
imori reconstruct runs/vae_mnist/20261123-101500 -images 0-7,42 -all
imori reconstruct runs/convae_imori/20261123-101500 -data photos -out photos.png -csv errors.csv`,
		Args: cli.Args("RUN"),
		RunE: func(c *cobra.Command, args []string) error { return r.run(c, args[0]) },
	}
	r.chosen.Add(c, 32, "images")
	f := c.Flags()
	f.StringVar(&r.data, "data", "", "take the images of this `folder`, scaled to the model's size (default the recipe's test images)")
	f.BoolVar(&r.all, "all", false, "measure the error over all images, not only over those shown")
	r.picture.add(c, "reconstructions", "default 8")
	f.StringVar(&r.csv, "csv", "", "write the error of each image shown, or with -all of each image, to this CSV `file`")
	cli.CompleteFolder(c, "data")
	r.model.Add(c)
	return c
}

func (r *reconstruction) run(c *cobra.Command, path string) error {
	if err := r.chosen.Check(c); err != nil {
		return err
	}
	if err := r.picture.check(); err != nil {
		return err
	}
	if err := cli.CheckExtension("csv", r.csv, ".csv"); err != nil {
		return err
	}
	run, err := r.model.Open(c, path)
	if err != nil {
		return err
	}
	m, err := run.Reconstructor()
	if err != nil {
		return err
	}
	d, what, err := r.open(c, run)
	if err != nil {
		return err
	}
	indices, some, err := r.chosen.Of(d)
	if err != nil {
		return err
	}
	return run.Do(func() error { return r.make(c, run, m, d, what, indices, some) })
}

// open opens the images, and says what they are.
func (r *reconstruction) open(c *cobra.Command, run *trained.Run) (d datasets.Dataset, what string, err error) {
	if r.data != "" {
		d, err = run.Folder(c.Context(), r.data)
		return d, counted(d, "image", "of "+r.data), err
	}
	d, test, err := run.Data(c.Context())
	return d, recipeData(d, test, "image"), err
}

// make makes the picture, measures, and writes.
func (r *reconstruction) make(c *cobra.Command, run *trained.Run, m models.Reconstructor, d datasets.Dataset, what string, indices []int, some datasets.Dataset) (err error) {
	blocks, err := r.picture.newBlocks(run.Info, len(indices), 2)
	if err != nil {
		return err
	}
	var files cli.Outputs
	defer files.Discard()
	out := r.picture.Path(run.Path)
	file, err := files.Create(out)
	if err != nil {
		return err
	}
	table, err := files.CreateIf(r.csv)
	if err != nil {
		return err
	}

	shown := newErrors(some, indices)
	at := 0
	err = run.Each(some, batchSize, func(b trainer.Batch) error {
		again := m.Reconstruct(b.Images)
		shown.add(b.Images, again)
		n := int(torchx.Shape(again)[0])
		for i, row := range []torch.Tensor{b.Images, again} {
			blocks.drawAll(i, at, n, torchx.Float32s(row))
		}
		at += n
		return c.Context().Err()
	})
	if err != nil {
		return err
	}
	all := shown
	if r.all {
		all = newErrors(d, nil)
		err = run.Each(d, batchSize, func(b trainer.Batch) error {
			all.add(b.Images, m.Reconstruct(b.Images))
			return c.Context().Err()
		})
		if err != nil {
			return err
		}
	}
	if table != nil {
		if err := all.writeCSV(table); err != nil {
			return err
		}
	}
	if err := cli.Encode(file, blocks.image()); err != nil {
		return err
	}
	if err := files.Commit(); err != nil {
		return err
	}
	r.report(c, run, d, what, shown, all)
	cli.Wrote(c, r.csv, out)
	return nil
}

func (r *reconstruction) report(c *cobra.Command, run *trained.Run, d datasets.Dataset, what string, shown, all *imageErrors) {
	printRun(c, run)
	out := c.OutOrStdout()
	printData(c, d, what)
	if len(shown.mse) <= maxListed {
		shown.print(out)
	}
	fmt.Fprintf(out, "shown   %s\n", shown.summary())
	if r.all {
		fmt.Fprintf(out, "all     %s\n", all.summary())
	}
}

// imageErrors are the errors of images of a dataset.
type imageErrors struct {
	d        datasets.Dataset
	indices  []int // what the images are called; nil: their place in d
	mse, mae []float32
}

func newErrors(d datasets.Dataset, indices []int) *imageErrors {
	return &imageErrors{d: d, indices: indices}
}

// add adds the errors of the next images.
func (e *imageErrors) add(images, again torch.Tensor) {
	difference := torchx.Sub(again, images)
	e.mse = append(e.mse, torchx.Float32s(torchx.Mean(torchx.Square(difference), 1, 2, 3))...)
	e.mae = append(e.mae, torchx.Float32s(torchx.Mean(torchx.Abs(difference), 1, 2, 3))...)
}

// index is what an image is called.
func (e *imageErrors) index(i int) int {
	if e.indices == nil {
		return i
	}
	return e.indices[i]
}

// print lists the errors, and the files where there are any.
func (e *imageErrors) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i := range e.mse {
		file := cli.Printable(cli.FileName(e.d, i))
		if i == 0 {
			fmt.Fprint(w, "image\tmse\tmae", tabbed(file, "file"), "\n")
		}
		fmt.Fprintf(w, "%d\t%.4g\t%.4g%s\n", e.index(i), e.mse[i], e.mae[i], tabbed(file, file))
	}
	w.Flush() //nolint:errcheck // printing
}

// tabbed is a column where there are files.
func tabbed(file, text string) string {
	if file == "" {
		return ""
	}
	return "\t" + text
}

func (e *imageErrors) summary() string {
	worst := 0
	for i, v := range e.mse {
		if v != v { // NaN: nothing is worse
			worst = i
			break
		}
		if v > e.mse[worst] {
			worst = i
		}
	}
	return fmt.Sprintf("mse %.4g, mae %.4g on average over %d images; worst mse %.4g, of image %d",
		mean(e.mse), mean(e.mae), len(e.mse), e.mse[worst], e.index(worst))
}

func (e *imageErrors) writeCSV(f *atomicfile.File) error {
	w := csv.NewWriter(f)
	number := func(v float32) string { return strconv.FormatFloat(float64(v), 'g', -1, 32) }
	rows := [][]string{{"index", "file", "mse", "mae"}}
	for i := range e.mse {
		rows = append(rows, []string{strconv.Itoa(e.index(i)), cli.FileName(e.d, i), number(e.mse[i]), number(e.mae[i])})
	}
	return w.WriteAll(rows)
}

func mean(values []float32) float64 {
	sum := 0.0
	for _, v := range values {
		sum += float64(v)
	}
	return sum / float64(len(values))
}
