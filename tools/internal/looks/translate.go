package looks

import (
	"context"
	"errors"
	"fmt"
	"image"

	"github.com/spf13/cobra"
	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// translation is the command translate.
type translation struct {
	model   cli.ModelFlags
	picture picture
	chosen  cli.Chosen
	folder  string // of the inputs; "": the recipe's test pairs
	targets string
	each    string
}

// NewTranslate makes the command.
func NewTranslate() *cobra.Command {
	t := &translation{}
	c := &cobra.Command{
		Use:   "translate RUN [FOLDER]",
		Short: "show pictures, what pix2pix makes of them, and what was wanted",
		Long: `Makes a picture of inputs, what a trained model makes of each below it, and, where there are targets, what was wanted
below that. The inputs are the test pairs of the run's recipe, or the pictures of any folder, scaled to the model's size. Class
maps are shown in their colours; as inputs they are PNGs whose pixels are class numbers.

Over all pairs it prints, for class maps, pixel accuracy and mean IoU (intersection over union), beside those of the most
frequent class everywhere; for pictures, the mean absolute error (L1) of their values, which are -1 to 1.`,
		Example: `imori translate runs/pix2pix_imori/20261123-101500
imori translate runs/pix2pix_imori/20261123-101500 photos -each maps
imori translate runs/pix2pix_imori/20261123-101500 photos -targets masks -out compared.png`,
		Args: cli.Args("RUN", "[FOLDER]"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				t.folder = args[1]
			}
			return t.run(c, args[0])
		},
	}
	t.chosen.Add(c, 16, "inputs")
	f := c.Flags()
	f.StringVar(&t.targets, "targets", "", "what is wanted of FOLDER's inputs: a `folder` with files of the same names, but for the extension")
	t.picture.add(c, "translations", "default 8")
	f.StringVar(&t.each, "each", "", "write what is made of every input as a PNG into this `folder`, named after the input; class maps with class numbers as pixels")
	cli.CompleteFolder(c, "targets", "each")
	t.model.Add(c)
	return c
}

func (t *translation) run(c *cobra.Command, path string) error {
	if t.targets != "" && t.folder == "" {
		return cli.Usage(errors.New("found -targets without FOLDER, whose pictures they are the targets of"))
	}
	if err := t.chosen.Check(c); err != nil {
		return err
	}
	if err := t.picture.check(); err != nil {
		return err
	}
	run, err := t.model.Open(c, path)
	if err != nil {
		return err
	}
	m, err := run.Translator()
	if err != nil {
		return err
	}
	d, what, err := t.open(c.Context(), run, m)
	if err != nil {
		return err
	}
	indices, some, err := t.chosen.Of(d)
	if err != nil {
		return err
	}
	var names []string
	if t.each != "" {
		root := t.folder
		if t.targets != "" && !m.ToTarget() { // the files of pairs are those of their images
			root = t.targets
		}
		if names, err = t.eachNames(d, root); err != nil {
			return err
		}
	}
	w := &translating{translation: t, c: c, run: run, m: m, d: d, indices: indices, some: some, names: names}
	w.from, w.to = m.Sides()
	return run.Do(func() error {
		if err := w.make(); err != nil {
			return err
		}
		printRun(c, run)
		printData(c, d, what)
		w.report()
		return nil
	})
}

// open opens the inputs, with targets if there are any, and says what they are.
func (t *translation) open(ctx context.Context, run *trained.Run, m models.Translator) (d datasets.Dataset, what string, err error) {
	if t.folder == "" {
		d, test, err := run.Data(ctx)
		if err == nil {
			err = fitsPairs(run, d)
		}
		return d, recipeData(d, test, "pair"), err
	}
	target := run.Info.Target
	form := "picture"
	if target.Classes != nil {
		form = "classes"
	}
	pictures, kind, of := run.Pictures(), "picture", "of "+t.folder
	if t.targets != "" {
		o := &datasets.PairedOptions{
			Images: t.folder, Targets: t.targets, Split: "all",
			Target: form, TargetClasses: target.Classes, TargetChannels: target.Channels, PictureOptions: pictures,
		}
		if !m.ToTarget() {
			o.Images, o.Targets = o.Targets, o.Images
		}
		d, err = run.Open(ctx, o)
		return d, counted(d, kind, of+" with targets of "+t.targets), err
	}
	switch {
	case m.ToTarget():
		d, err = run.Folder(ctx, t.folder)
	case form == "classes":
		kind = "class map"
		d, err = run.Open(ctx, &datasets.MasksOptions{Root: t.folder, Classes: target.Classes, PictureOptions: pictures})
	default:
		pictures.Channels = target.Channels
		d, err = run.Open(ctx, &datasets.FolderOptions{Root: t.folder, Split: "all", PictureOptions: pictures})
	}
	return d, counted(d, kind, of), err
}

// fitsPairs says whether the recipe's pairs are still what the model was trained on.
func fitsPairs(run *trained.Run, d datasets.Dataset) error {
	is, was := d.Info().Target, run.Info.Target
	if is != nil && is.Channels == was.Channels {
		return nil
	}
	channels := 0
	if is != nil {
		channels = is.Channels
	}
	return fmt.Errorf("run %s: the targets of %s have %d channels, expected %d as in training", run.Path, d.Info().Name, channels, was.Channels)
}

// translating is one run of the command, with all that it has opened.
type translating struct {
	*translation
	c        *cobra.Command
	run      *trained.Run
	m        models.Translator
	from, to datasets.Target
	d, some  datasets.Dataset // all inputs, and those shown
	indices  []int            // of some in d
	names    []string         // of the files of -each

	score *models.Segmentation // over all pairs; nil: the targets are pictures, or there are none
	l1    float64              // over all pairs
}

// hasTargets says whether what is made can be measured.
func (w *translating) hasTargets() bool { return w.d.Info().Target != nil }

// pair returns what is given, and what is wanted where there are targets.
func (w *translating) pair(b trainer.Batch) (input, output torch.Tensor) {
	if w.hasTargets() {
		return w.m.Pair(b)
	}
	return b.Images, torch.Tensor{}
}

func (w *translating) make() error {
	rows := 2
	if w.hasTargets() {
		rows = 3
	}
	blocks, err := w.picture.newBlocks(w.run.Info, len(w.indices), rows)
	if err != nil {
		return err
	}
	var files cli.Outputs
	defer files.Discard()
	file, err := files.Create(w.picture.Path(w.run.Path))
	if err != nil {
		return err
	}
	if w.each != "" {
		if err := files.MakeFolder(w.each); err != nil {
			return err
		}
	}
	if err := w.draw(blocks); err != nil {
		return err
	}
	if w.hasTargets() || w.each != "" {
		if err := w.goThrough(&files); err != nil {
			return err
		}
	}
	if err := cli.Encode(file, blocks.image()); err != nil {
		return err
	}
	return files.Commit()
}

// draw draws the inputs shown.
func (w *translating) draw(to *blocks) error {
	at := 0
	return w.run.Each(w.some, batchSize, func(b trainer.Batch) error {
		input, output := w.pair(b)
		n := int(torchx.Shape(input)[0])
		draw := func(row int, side datasets.Target, x torch.Tensor) {
			to.drawAll(row, at, n, torchx.Float32s(models.Pictures(side, x)))
		}
		draw(0, w.from, input)
		draw(1, w.to, w.m.Translate(input))
		if w.hasTargets() {
			draw(2, w.to, output)
		}
		at += n
		return w.c.Context().Err()
	})
}

// goThrough translates every input, to measure and to write files.
func (w *translating) goThrough(files *cli.Outputs) error {
	if w.hasTargets() && w.to.Classes != nil {
		w.score = models.NewSegmentation(len(w.to.Classes))
	}
	at := 0
	return w.run.Each(w.d, batchSize, func(b trainer.Batch) error {
		input, output := w.pair(b)
		made := w.m.Translate(input)
		n := int(torchx.Shape(made)[0])
		switch {
		case w.score != nil:
			w.score.Add(models.ClassesOf(made), models.ClassesOf(output))
		case w.hasTargets():
			w.l1 += torchx.Item(torchx.L1(made, output)) * float64(n) / float64(w.d.Len())
		}
		if w.each != "" {
			for i, picture := range w.pictures(made) {
				if err := files.PNG(w.names[at+i], picture); err != nil {
					return err
				}
			}
		}
		at += n
		return w.c.Context().Err()
	})
}

// pictures are what -each writes: pictures, or class maps whose pixels are the classes' numbers.
func (w *translating) pictures(made torch.Tensor) []image.Image {
	in := w.run.Info
	pictures := make([]image.Image, torchx.Shape(made)[0])
	area := in.Height * in.Width
	if w.to.Classes != nil {
		classes := models.ClassesOf(made)
		for i := range pictures {
			pictures[i] = w.to.Mask(classes[i*area:(i+1)*area], in.Width)
		}
		return pictures
	}
	values := torchx.Float32s(made)
	size := w.to.Channels * area
	for i := range pictures {
		pictures[i] = onePicture(values[i*size:(i+1)*size], w.to.Channels, in)
	}
	return pictures
}

func (w *translating) report() {
	out := w.c.OutOrStdout()
	switch {
	case w.score != nil:
		constant, class := w.score.Constant()
		fmt.Fprintf(out, "pixel accuracy  %.4f (%s everywhere: %.4f)\n", w.score.PixelAccuracy(), w.to.Classes[class], constant.PixelAccuracy())
		fmt.Fprintf(out, "mean IoU        %.4f (%s everywhere: %.4f)\n", w.score.MeanIoU(), w.to.Classes[class], constant.MeanIoU())
	case w.hasTargets():
		fmt.Fprintf(out, "L1      %.4g\n", w.l1)
	}
	cli.Wrote(w.c, w.each, w.picture.Path(w.run.Path))
}
