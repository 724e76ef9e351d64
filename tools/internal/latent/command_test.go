package latent

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/png"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/losses"
	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/recipes"
	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
	"github.com/imori-ml/imori/trainer/rundir"
)

// tiny are the models of the runs that tests look at.
var tiny = map[string]string{
	"vae":     "{type: vae, beta: 0.02, hidden: [8]}",
	"wide":    "{type: vae, beta: 0.02, hidden: [8], latent: {dim: 12}}",
	"thin":    "{type: vae, beta: 0.02, hidden: [8], latent: {dim: 1}}",
	"ae":      "{type: ae, hidden: 6}",
	"gan":     "{type: gan, z_dim: 4, generator_hidden: [8], discriminator_hidden: [8]}",
	"cgan":    "{type: cgan, z_dim: 4, generator_channels: [4], discriminator_channels: [4]}",
	"pix2pix": "{type: pix2pix, direction: to_target, channels: [4, 4], discriminator_channels: [4]}",
}

// runs is the folder of those runs.
var runs string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if runs, err = os.MkdirTemp("", "latent"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(runs)
		for name, model := range tiny {
			train(name, recipe(model))
		}
		return m.Run()
	}())
}

func recipe(model string) *recipes.Recipe {
	data, iterations, optimizer := "{type: digits, size: 8, count: 40}", 2, ""
	switch {
	case strings.Contains(model, "pix2pix"):
		data = "{type: digits, size: 8, count: 40, outlines: true}"
	case strings.Contains(model, "vae"): // until latents make a difference
		iterations, optimizer = 200, "optimizer: {vae: {type: adam, lr: 0.02}}\n"
	case strings.Contains(model, "cgan"): // until classes do
		iterations, optimizer = 100, "optimizer: {generator: {type: adam, lr: 0.02}, discriminator: {type: adam, lr: 0.01}}\n"
	}
	r, err := recipes.Parse("tiny.yaml", fmt.Appendf(nil,
		"name: tiny\nmodel: %s\ndataset: %s\n%strain: {iterations: %d, batch_size: 16, threads: 1, device: cpu}\n", model, data, optimizer, iterations), nil)
	if err != nil {
		panic(err)
	}
	return r
}

func train(name string, r *recipes.Recipe) {
	o, err := r.TrainerOptions(context.Background(), datasets.Env{})
	if err != nil {
		panic(err)
	}
	o.Dir, o.Recipe = filepath.Join(runs, name), r.YAML()
	tr, err := trainer.New(o)
	if err != nil {
		panic(err)
	}
	defer tr.Close()
	if err := tr.Run(context.Background()); err != nil {
		panic(err)
	}
}

// typed runs the command as somebody types it, words separated by spaces. A word such as RUN/vae is a run.
func typed(line string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	words := strings.Fields(strings.ReplaceAll(line, "RUN/", runs+"/"))
	status = cli.Run(context.Background(), New(), words, &out, &errs)
	return status, out.String(), errs.String()
}

func mustType(t *testing.T, line string) string {
	t.Helper()
	status, stdout, stderr := typed(line)
	if status != 0 || stderr != "" {
		t.Fatalf("latent %s: status %d\n%s%s", line, status, stdout, stderr)
	}
	return stdout
}

func readPNG(t *testing.T, path string) *image.RGBA {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return rgba(img)
}

func rgba(img image.Image) *image.RGBA {
	out := image.NewRGBA(img.Bounds())
	draw.Draw(out, out.Rect, img, out.Rect.Min, draw.Src)
	return out
}

func readGIF(t *testing.T, path string) *gif.GIF {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := gif.DecodeAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// opened gives f a run's model.
func opened(t *testing.T, name string, f func(*trained.Run)) {
	t.Helper()
	r, err := trained.Open(context.Background(), filepath.Join(runs, name), trained.Options{})
	if err == nil {
		err = r.Do(func() error { f(r); return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// generated is what a run's model makes of latents, drawn large.
func generated(t *testing.T, name string, class int64, scale int, latents ...[]float32) (tiles []*image.RGBA) {
	t.Helper()
	opened(t, name, func(r *trained.Run) {
		for _, z := range latents {
			at := torchx.FromFloat32(z, 1, int64(len(z)))
			var made torch.Tensor
			if s, ok := r.Model.(models.Sampler); ok {
				made = s.Generate(at, r.Labels([]int64{class}))
			} else {
				made = r.Model.(models.Encoder).Decode(at)
			}
			m := format{r.Info.Channels, r.Info.Height, r.Info.Width}
			tiles = append(tiles, m.tile(torchx.Float32s(made), image.Pt(scale*m.w, scale*m.h)))
		}
	})
	return tiles
}

// ofSeeds are the latents of seeds.
func ofSeeds(t *testing.T, name string, seeds ...int64) (latents [][]float32) {
	t.Helper()
	opened(t, name, func(r *trained.Run) {
		z := r.Latents(r.Model.(models.Sampler), seeds, 0)
		for _, p := range split(torchx.Float32s(z), int(torchx.Shape(z)[1])) {
			latents = append(latents, p)
		}
	})
	return latents
}

// ofImages are the latents of test images, and their classes.
func ofImages(t *testing.T, name string, indices ...int) (latents [][]float32, classes []string) {
	t.Helper()
	opened(t, name, func(r *trained.Run) {
		data, _, err := r.Data(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		some, err := datasets.Pick(data, indices)
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Batch(some)
		if err != nil {
			t.Fatal(err)
		}
		z := r.Model.(models.Encoder).Codes(b.Images)
		for _, p := range split(torchx.Float32s(z), int(torchx.Shape(z)[1])) {
			latents = append(latents, p)
		}
		for _, label := range torchx.Int64s(b.Labels) {
			classes = append(classes, data.Info().Classes[label])
		}
	})
	return latents, classes
}

// inRow wants tiles in a picture, each right of the one before.
func inRow(t *testing.T, img *image.RGBA, tiles []*image.RGBA) {
	t.Helper()
	last := image.Pt(-1, -1)
	for i, tile := range tiles {
		at, ok := find(img, tile, last.X+1)
		if !ok {
			t.Fatalf("image %d is not in the picture right of %d", i+1, last.X)
		}
		if i > 0 && at.Y != last.Y {
			t.Errorf("image %d is not beside the one before", i+1)
		}
		last = at
	}
}

func TestScatter(t *testing.T) {
	dir := t.TempDir()
	picture, table := filepath.Join(dir, "new/s.png"), filepath.Join(dir, "s.csv")
	out := mustType(t, "scatter RUN/vae -images 3,0-2 -csv "+table+" -out="+picture)
	if !strings.HasSuffix(out, "wrote "+picture+"\nwrote "+table+"\n") {
		t.Errorf("printed %s", out)
	}
	if img := readPNG(t, picture); img.Rect.Dx() != goodWidth {
		t.Errorf("the picture is %v", img.Rect)
	}
	text, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 5 || !slices.Equal(rows[0], []string{"index", "file", "class", "z1", "z2"}) {
		t.Fatalf("%v, got\n%s", err, text)
	}
	latents, classes := ofImages(t, "vae", 3, 0, 1, 2)
	for i, row := range rows[1:] {
		z1, _ := strconv.ParseFloat(row[3], 32)
		z2, _ := strconv.ParseFloat(row[4], 32)
		if row[0] != []string{"3", "0", "1", "2"}[i] || row[1] != "" || row[2] != classes[i] || !near(point{float32(z1), float32(z2)}, latents[i]) {
			t.Errorf("row %d: got %v, want %v of class %s", i, row, latents[i], classes[i])
		}
	}
}

// The KL divergences are means over all images, which batches of other sizes do not change.
func TestPrintedKL(t *testing.T) {
	picture := filepath.Join(t.TempDir(), "s.png")
	out := mustType(t, "scatter RUN/wide -out "+picture)
	opened(t, "wide", func(r *trained.Run) {
		data, _, err := r.Data(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Batch(data)
		if err != nil {
			t.Fatal(err)
		}
		kl := torchx.Float32s(losses.GaussianKL(r.Model.(models.GaussianEncoder).Encode(b.Images)))
		unused, total := 0, 0.0
		for d, v := range kl {
			total += float64(v)
			if v < 0.01 {
				unused++
			}
			if words := strings.Fields(out); !hasPair(words, dimName(d), fmt.Sprintf("%.3f", v)) {
				t.Errorf("%s has %.3f, printed\n%s", dimName(d), v, out)
			}
		}
		for _, want := range []string{fmt.Sprintf("mean over %d test images", data.Len()), fmt.Sprintf("sum %.3f, unused (KL < 0.01): %d of 12", total, unused)} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is missing in\n%s", want, out)
			}
		}
	})
	if out := mustType(t, "scatter RUN/ae -out "+picture); strings.Contains(out, "divergence") {
		t.Errorf("an encoder without Gaussians has no KL:\n%s", out)
	}
}

func hasPair(words []string, a, b string) bool {
	for i := range len(words) - 1 {
		if words[i] == a && words[i+1] == b {
			return true
		}
	}
	return false
}

// Batches of unequal size count by their images.
func TestEncodeInBatches(t *testing.T) {
	opened(t, "vae", func(r *trained.Run) {
		data, _, err := r.Data(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		s, err := spaceOf(r, "")
		if err != nil {
			t.Fatal(err)
		}
		var indices []int
		for i := range encodeBatch + 1 {
			indices = append(indices, i%data.Len())
		}
		indices[encodeBatch] = 1
		some, err := datasets.Pick(data, indices)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.encode(context.Background(), &selection{Dataset: some, indices: indices})
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Batch(some)
		if err != nil {
			t.Fatal(err)
		}
		for d, v := range torchx.Float32s(losses.GaussianKL(r.Model.(models.GaussianEncoder).Encode(b.Images))) {
			if math.Abs(got.weight[d]-float64(v)) > 1e-5 {
				t.Errorf("%s: got %g, want %g", dimName(d), got.weight[d], v)
			}
		}
		if len(got.points) != len(indices) || len(got.labels) != len(indices) {
			t.Errorf("%d points, %d labels of %d images", len(got.points), len(got.labels), len(indices))
		}
	})
}

// photo writes a picture of one colour.
func photo(t *testing.T, path string, shade uint8) {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 20, 30))
	draw.Draw(img, img.Rect, image.NewUniform(color.Gray{shade}), image.Point{}, draw.Src)
	if err := cli.WritePNG(path, img); err != nil {
		t.Fatal(err)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	photo(t, filepath.Join(dir, "photos/newt/a.png"), 9)
	photo(t, filepath.Join(dir, "photos/toad/b.png"), 200)
	table := filepath.Join(dir, "s.csv")
	columns := func() (files, classes string) {
		mustType(t, "scatter RUN/ae -data "+dir+"/photos -csv "+table+" -out "+dir+"/s.png")
		text, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows[1:] {
			files, classes = files+" "+filepath.Base(r[1]), classes+" "+r[2]
		}
		return files, classes
	}
	if files, classes := columns(); files != " a.png b.png" || classes != " newt toad" {
		t.Errorf("files%s, classes%s", files, classes)
	}
	photo(t, filepath.Join(dir, "photos/c.png"), 100) // in no folder of a class
	if files, classes := columns(); files != " c.png a.png b.png" || classes != "   " {
		t.Errorf("files%s, classes%s", files, classes)
	}
}

func TestGrid(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	if err := os.CopyFS(run, os.DirFS(filepath.Join(runs, "vae"))); err != nil {
		t.Fatal(err)
	}
	want := run + "/views/latent-grid.png"
	if out := mustType(t, "grid -size 3 -range -1,2 "+run); out != "wrote "+want+"\n" {
		t.Errorf("printed %s", out)
	}
	img := readPNG(t, want)
	// z1 grows to the right, z2 upward.
	tiles := generated(t, "vae", 0, 12, []float32{-1, 2}, []float32{2, 2}, []float32{0.5, 0.5}, []float32{-1, -1}, []float32{2, -1})
	first, ok := find(img, tiles[0], 0)
	if !ok {
		t.Fatal("the image of (-1, 2) is not in the picture")
	}
	for i, at := range []image.Point{{}, {2, 0}, {1, 1}, {0, 2}, {2, 2}} {
		if p := first.Add(at.Mul(8 * 12)); !matches(img, tiles[i], p.X, p.Y) {
			t.Errorf("image %d is not at %v", i, at)
		}
	}
}

// Two dimensions are shown of many, the others are 0.
func TestGridOfMany(t *testing.T) {
	dir := t.TempDir()
	mustType(t, "grid RUN/wide -dims 12,3 -size 2 -range 0,2 -out "+dir+"/g.png")
	at := func(z12, z3 float32) []float32 {
		z := make([]float32, 12)
		z[11], z[2] = z12, z3
		return z
	}
	inRow(t, readPNG(t, dir+"/g.png"), generated(t, "wide", 0, 12, at(0, 2), at(2, 2)))

	// Without -dims they are those of largest KL, as scatter finds them.
	var most []int
	opened(t, "wide", func(r *trained.Run) {
		data, _, _ := r.Data(context.Background())
		b, err := r.Batch(data)
		if err != nil {
			t.Fatal(err)
		}
		kl := torchx.Float32s(losses.GaussianKL(r.Model.(models.GaussianEncoder).Encode(b.Images)))
		for range 2 {
			i := slices.Index(kl, slices.Max(kl))
			most = append(most, i)
			kl[i] = -1
		}
	})
	at = func(x, y float32) []float32 {
		z := make([]float32, 12)
		z[most[0]], z[most[1]] = x, y
		return z
	}
	mustType(t, "grid RUN/wide -size 2 -range 0,2 -out "+dir+"/g.png")
	inRow(t, readPNG(t, dir+"/g.png"), generated(t, "wide", 0, 12, at(0, 2), at(2, 2)))
}

// Models that draw latents from U(-1, 1) are shown there.
func TestGridOfGAN(t *testing.T) {
	path := filepath.Join(t.TempDir(), "g.png")
	status, stdout, stderr := typed("grid RUN/cgan -size 2 -class 3 -out " + path)
	if status != 0 || !strings.Contains(stderr, "no encoder that says which dimensions matter: showing z1 and z2") {
		t.Fatalf("status %d\n%s%s", status, stdout, stderr)
	}
	inRow(t, readPNG(t, path), generated(t, "cgan", 3, 12, []float32{-1, 1, 0, 0}, []float32{1, 1, 0, 0}))
}

func TestLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.png")
	mustType(t, "line RUN/vae -from -1,2 -to 3,0 -steps 3 -out "+path)
	inRow(t, readPNG(t, path), generated(t, "vae", 0, 12, []float32{-1, 2}, []float32{1, 1}, []float32{3, 0}))
	mustType(t, "line RUN/vae -dims 2,1 -from -1,2 -to 3,0 -steps 3 -out "+path)
	inRow(t, readPNG(t, path), generated(t, "vae", 0, 12, []float32{2, -1}, []float32{1, 1}, []float32{0, 3}))
	mustType(t, "line RUN/ae -dims 6,1 -from (4,2) -to 1,2,3,4,5,6 -steps 2 -out "+path)
	inRow(t, readPNG(t, path), generated(t, "ae", 0, 12, []float32{2, 0, 0, 0, 0, 4}, []float32{1, 2, 3, 4, 5, 6}))
}

func TestInterpolate(t *testing.T) {
	dir := t.TempDir()
	path, film := dir+"/i.png", dir+"/i.gif"
	mustType(t, "interpolate RUN/cgan -seeds 5,6,7 -class 2 -steps 3 -gif "+film+" -out "+path)
	z := ofSeeds(t, "cgan", 5, 6, 7)
	img := readPNG(t, path)
	inRow(t, img, generated(t, "cgan", 2, 12, z[0], lerp(z[0], z[1], 0.5), z[1]))
	second := image.NewRGBA(image.Rect(0, 0, img.Rect.Dx(), 100))
	draw.Draw(second, second.Rect, img, image.Pt(0, img.Rect.Dy()-second.Rect.Dy()-margin), draw.Src)
	inRow(t, second, generated(t, "cgan", 2, 12, z[1], lerp(z[1], z[2], 0.5), z[2]))

	g := readGIF(t, film)
	if len(g.Image) != 4*framesPerPair || g.LoopCount != 0 || len(g.Delay) != len(g.Image) || slices.Max(g.Delay) != slices.Min(g.Delay) {
		t.Fatalf("%d frames, loops %d, delays %v", len(g.Image), g.LoopCount, g.Delay)
	}
	for i, want := range map[int][]float32{0: z[0], 15: lerp(z[0], z[1], 0.5), 30: z[1], 60: z[2], 90: z[1], 119: lerp(z[0], z[1], 1.0/30)} {
		if frame, tile := rgba(g.Image[i]), generated(t, "cgan", 2, 32, want)[0]; frame.Rect != tile.Rect || !matches(frame, tile, 0, 0) {
			t.Errorf("frame %d is another image", i)
		}
	}

	mustType(t, "interpolate RUN/wide -steps 3 -spherical -out "+path)
	z = ofSeeds(t, "wide", 1, 2)
	inRow(t, readPNG(t, path), generated(t, "wide", 0, 12, z[0], slerp(z[0], z[1], 0.5), z[1]))
}

// Models that draw no latents begin with images.
func TestInterpolateImages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "i.png")
	for line, images := range map[string][]int{"": {1, 2}, " -images 7,3": {7, 3}} {
		mustType(t, "interpolate RUN/ae -steps 3 -out "+path+line)
		z, _ := ofImages(t, "ae", images...)
		inRow(t, readPNG(t, path), generated(t, "ae", 0, 12, z[0], lerp(z[0], z[1], 0.5), z[1]))
	}
}

func TestTraverse(t *testing.T) {
	dir := t.TempDir()
	path, film := dir+"/t.png", dir+"/t.gif"
	mustType(t, "traverse RUN/vae -images 4 -dims 2,1 -range -1,2 -steps 4 -gif "+film+" -out "+path)
	z, _ := ofImages(t, "vae", 4)
	x, y := z[0][0], z[0][1]
	img := readPNG(t, path)
	rows := [][]*image.RGBA{
		generated(t, "vae", 0, 8, []float32{x, -1}, []float32{x, 0}, []float32{x, 1}, []float32{x, 2}),
		generated(t, "vae", 0, 8, []float32{-1, y}, []float32{0, y}, []float32{1, y}, []float32{2, y}),
	}
	var heights []int
	for _, row := range rows {
		inRow(t, img, row)
		at, _ := find(img, row[0], 0)
		heights = append(heights, at.Y)
	}
	if heights[0] >= heights[1] {
		t.Error("z1 is above z2, which was asked for first")
	}
	g := readGIF(t, film)
	if len(g.Image) != 2*framesPerPair-2 {
		t.Fatalf("%d frames", len(g.Image))
	}
	for i, v := range map[int]float32{0: -1, framesPerPair - 1: 2} {
		inRow(t, rgba(g.Image[i]), generated(t, "vae", 0, 16, []float32{x, v}, []float32{v, y}))
	}
}

// By default it is the latent of seed 1, in up to ten dimensions, those of largest KL first.
func TestTraverseDefaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.png")
	mustType(t, "traverse RUN/wide -steps 2 -out "+path)
	wide := readPNG(t, path)
	status, _, stderr := typed("traverse RUN/gan -steps 3 -out " + path)
	if status != 0 || stderr != "" { // it has four, which are all shown
		t.Fatalf("status %d: %s", status, stderr)
	}
	z := ofSeeds(t, "gan", 1)[0]
	inRow(t, readPNG(t, path), generated(t, "gan", 0, 8, point(z).with(3, -1), point(z).with(3, 0), point(z).with(3, 1)))

	opened(t, "wide", func(r *trained.Run) {
		s, err := spaceOf(r, "")
		if err != nil {
			t.Fatal(err)
		}
		images, err := (&source{}).open(context.Background(), r, &cli.Chosen{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.encode(context.Background(), images)
		if err != nil {
			t.Fatal(err)
		}
		begin := ofSeeds(t, "wide", 1)[0]
		last := -1
		for i, d := range c.ranked() {
			tile := generated(t, "wide", 0, 8, point(begin).with(d, -3))[0]
			at, ok := find(wide, tile, 0)
			if ok != (i < 10) || ok && at.Y <= last {
				t.Errorf("%s, %d by KL, is at %v, %v", dimName(d), i+1, at, ok)
			}
			last = at.Y
		}
	})
}

// A trained model may outlive its data.
func TestWithoutData(t *testing.T) {
	dir := t.TempDir()
	run := filepath.Join(dir, "run")
	if err := os.CopyFS(run, os.DirFS(filepath.Join(runs, "wide"))); err != nil {
		t.Fatal(err)
	}
	r, err := recipes.Parse("lost.yaml", []byte("name: lost\nmodel: "+tiny["wide"]+"\ndataset: {type: folder, root: "+dir+"/nowhere, size: 8}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := rundir.Open(run)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Lock(); err != nil {
		t.Fatal(err)
	}
	c, err := d.LatestCheckpoint()
	if err != nil {
		t.Fatal(err)
	}
	if c.State.Extra["recipe"], err = json.Marshal(string(r.YAML())); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.SaveCheckpoint(c), d.Close()); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := typed("traverse " + run)
	if status != 0 || !strings.Contains(stderr, "nowhere") || !strings.Contains(stderr, "showing z1 to z10") {
		t.Errorf("traverse: status %d, %s", status, stderr)
	}
	status, _, stderr = typed("scatter " + run)
	if status != cli.ExitFailed || !strings.Contains(stderr, "nowhere does not exist") {
		t.Errorf("scatter: status %d, %s", status, stderr)
	}
}

func TestDiverged(t *testing.T) {
	opened(t, "ae", func(r *trained.Run) {
		s, err := spaceOf(r, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range r.Model.Networks() {
			for _, p := range torchx.Parameters(n.Module) {
				torchx.Copy(p, torchx.MulScalar(p, math.Inf(1)))
			}
		}
		images, err := (&source{}).open(context.Background(), r, &cli.Chosen{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.decode(context.Background(), []point{make(point, s.dims)}, image.Pt(8, 8)); err == nil || !strings.Contains(err.Error(), "holds NaN or an infinite number") {
			t.Errorf("decode: got %v", err)
		}
		if _, err := s.encode(context.Background(), images); err == nil || !strings.Contains(err.Error(), "the latent of image 0 holds NaN or an infinite number") {
			t.Errorf("got %v", err)
		}
	})
}

func TestWrong(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("file", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("folder.png", 0o777); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		line   string
		status int
		want   string
	}{
		{"scatter", 2, "RUN is missing: latent scatter RUN"},
		{"scatter nowhere", 1, "nowhere: no such file"},
		{"scater", 2, "did you mean scatter?"},
		{"scatter RUN/gan", 1, "model gan finds no latents of images; what it can do: make images from latents"},
		{"line RUN/cgan", 1, "model cgan finds no latents of images"},
		{"grid RUN/pix2pix", 1, "model pix2pix makes no images from latents; what it can do: translate images"},
		{"interpolate RUN/pix2pix", 1, "what it can do: translate images"},
		{"traverse RUN/pix2pix", 1, "what it can do: translate images"},

		{"scatter RUN/vae -dims 1,3", 2, "-dims: there is no dimension 3: a latent of this run has 2, numbered from 1"},
		{"scatter RUN/vae -dims 0,1", 2, "-dims: there is no dimension 0"},
		{"scatter RUN/vae -dims 1", 2, "-dims: found 1 dimensions, expected two"},
		{"grid RUN/vae -dims 1,1", 2, "-dims: dimension 1 is given twice"},
		{"traverse RUN/wide -dims 5-13", 2, "there is no dimension 13"},
		{"grid RUN/thin", 1, "one dimension, expected two or more; imori latent traverse shows it"},
		{"line RUN/thin", 1, "one dimension, expected two or more"},

		{"scatter RUN/vae -count -1", 2, "-count: found -1, expected 1 to"},
		{"scatter RUN/vae -count 0", 2, "-count: found 0, expected 1 to"},
		{"scatter RUN/vae -threads -2", 2, "-threads: found -2, expected 1 to "},
		{"scatter RUN/vae -threads 100000", 2, "-threads: found 100000"},
		{"scatter RUN/vae -device tpu", 2, `-device: device "tpu" is unknown`},
		{"scatter RUN/vae -checkpoint -1", 2, "-checkpoint: found -1, expected an iteration"},
		{"scatter RUN/vae -count 3 -images 1", 2, "-count and -images exclude each other"},
		{"scatter RUN/vae -images 0-100000", 2, "-images: dataset digits has no sample"},
		{"scatter RUN/vae -data nowhere", 1, "the folder nowhere does not exist"},
		{"scatter RUN/vae -data folder.png", 1, "folder.png holds no image"},
		{"scatter RUN/vae -csv x.txt", 2, "-csv: found the file x.txt, expected a name that ends in .csv"},
		{"scatter RUN/vae -out x.jpg", 2, "-out: found the file x.jpg"},
		{"scatter RUN/vae -out file/x.png", 1, "file is a file, expected a folder"},
		{"scatter RUN/vae -out new/a/x.png -csv file/a/x.csv", 1, "cannot make the folder file/a"},
		{"scatter RUN/vae -out new/x.png -csv new/x.png/x.csv", 1, "new/x.png"},
		{"scatter RUN/vae -out folder.png", 1, "cannot write folder.png: it is a folder"},
		{"scatter RUN/vae -checkpoint 7", 1, "has no checkpoint of iteration 7"},

		{"line RUN/vae -from 1,2,3", 2, "-from: found 3 numbers, expected 2, for z1 and z2\n"},
		{"line RUN/wide -to 1", 2, "-to: found 1 numbers, expected 2, for z"},
		{"line RUN/vae -to x", 2, `found "x", expected numbers such as -2,2`},
		{"line RUN/vae -from 1,1 -to 1,1", 2, "-from and -to: found the same point twice, 1,1"},
		{"line RUN/vae -to 1,1e39", 2, "-to: found 1e+39, expected numbers from -1000000 to 1000000"},
		{"line RUN/vae -from -2e6,0", 2, "-from: found -2e+06"},
		{"line RUN/vae -steps 1", 2, "-steps: found 1, expected 2 to 100"},

		{"grid RUN/vae -size 1", 2, "-size: found 1, expected 2 to 100"},
		{"grid RUN/vae -range 1,-1", 2, "-range: found 1,-1, expected two numbers, the lower one first"},
		{"grid RUN/vae -range 1e17,1.0001e17", 2, "-range: found 1e+17, expected numbers from"},
		{"grid RUN/vae -range 1,1.00000001", 2, "-range: found 1,1.00000001, expected numbers that differ as float32"},
		{"traverse RUN/vae -range -1e39,1", 2, "-range: found -1e+39"},
		{"grid RUN/wide -dims 1,2 -data folder.png", 2, "-data: with -dims nothing is measured"},
		{"grid RUN/vae -data folder.png", 2, "-data: nothing is measured on images"},
		{"grid RUN/vae -range 3", 2, "-range: found 3"},
		{"grid RUN/vae -class 3", 2, "-class: model vae makes images without regard to classes"},
		{"grid RUN/cgan -class 10", 2, `-class: there is no class "10"`},
		{"grid RUN/cgan -class 1,2", 2, `-class: found 2 classes in "1,2", expected one`},
		{"grid RUN/gan -data folder.png", 2, "-data: this model has no encoder"},

		{"interpolate RUN/gan -seeds 1", 2, "-seeds: found 1, expected 2 to 20"},
		{"interpolate RUN/gan -seeds 1-30", 2, "-seeds: found 30, expected 2 to 20"},
		{"interpolate RUN/gan -images 1,2", 2, "-images: run"},
		{"interpolate RUN/ae -seeds 1,2", 2, "model ae makes no images from latents"},
		{"interpolate RUN/vae -seeds 1,2 -images 3,4", 2, "-seeds and -images exclude each other"},
		{"interpolate RUN/vae -seeds 1,2 -data folder.png", 2, "-data: latents of seeds need no images"},
		{"interpolate RUN/vae -gif x.png", 2, "-gif: found the file x.png"},
		{"interpolate RUN/vae -gif file/x.gif", 1, "file is a file, expected a folder"},
		{"interpolate RUN/vae -steps 101", 2, "-steps: found 101"},
		{"traverse RUN/wide -seeds 1-20", 2, "10 dimensions of 20 latents are 200 rows, expected up to 100"},
		{"traverse RUN/vae -images 99999", 2, "-images: dataset digits has no sample 99999"},
	}
	for _, test := range tests {
		status, stdout, stderr := typed(test.line)
		if status != test.status || !strings.Contains(stderr, test.want) || stdout != "" {
			t.Errorf("latent %s: status %d, want %d and %q:\n%s%s", test.line, status, test.status, test.want, stdout, stderr)
		}
	}
	for _, folder := range []string{".", runs} {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if name := d.Name(); name == "views" || name == "new" || strings.HasPrefix(name, "x.") || strings.HasPrefix(name, "latent-") {
				t.Errorf("left behind: %s", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("stopped"))
	var out, errs bytes.Buffer
	if status := cli.Run(ctx, New(), []string{"scatter", runs + "/vae", "-out", "x.png"}, &out, &errs); status != cli.ExitInterrupted {
		t.Errorf("status %d: %s", status, errs.String())
	}
	if _, err := os.Stat("x.png"); err == nil {
		t.Error("it wrote a picture")
	}
}

// What takes long ends with the context: decoding, too.
func TestDecodeInterrupted(t *testing.T) {
	opened(t, "vae", func(r *trained.Run) {
		s, err := spaceOf(r, "")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := s.decode(ctx, []point{{0, 0}}, image.Pt(8, 8)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if _, err := s.decode(context.Background(), make([]point, 10000), image.Pt(100, 100)); err == nil || !strings.Contains(err.Error(), "expected 64 million pixels at most") {
			t.Errorf("got %v", err)
		}
		r.Info.Height, r.Info.Width = 128, 256
		if got := s.batch(decodeBatch); got != 4 {
			t.Errorf("%d images of 256x128 at once", got)
		}
	})
}

// Dimensions that were chosen by measuring come with what was measured.
func TestMeasuredIsPrinted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.png")
	for line, want := range map[string]bool{
		"grid RUN/wide -size 2":               true,
		"grid RUN/wide -size 2 -dims 1,2":     false,
		"traverse RUN/wide -steps 2":          true,
		"traverse RUN/wide -steps 2 -dims 3":  false,
		"line RUN/wide -steps 2":              true,
		"line RUN/wide -steps 2 -dims 1,2":    false,
		"line RUN/vae -steps 2":               false,
		"grid RUN/vae -size 2":                false,
		"traverse RUN/vae -images 1 -steps 2": false,
	} {
		if out := mustType(t, line+" -out "+path); strings.Contains(out, "KL divergence of a dimension") != want {
			t.Errorf("%s: printed\n%s", line, out)
		}
	}
}

// Traverse begins with images of a folder, and ranks dimensions on the same.
func TestTraverseFolder(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		photo(t, fmt.Sprintf("%s/photos/%d.png", dir, i), uint8(100*i))
	}
	out := mustType(t, "traverse RUN/wide -steps 2 -data "+dir+"/photos -images 0 -out "+dir+"/t.png")
	if !strings.Contains(out, "mean over 3 images of "+dir+"/photos") {
		t.Errorf("printed\n%s", out)
	}
}
