package looks

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer/rundir"
)

// palette has the colours of the classes sky, land and sea.
var palette = color.Palette{color.RGBA{10, 20, 30, 255}, color.RGBA{200, 20, 30, 255}, color.RGBA{90, 220, 30, 255}}

func photo(t *testing.T, side, seed int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		m.Set(i%side, i/side, color.RGBA{uint8(i * seed), uint8(i * 3), uint8(200 - i), 255})
	}
	return encode(t, m)
}

func mask(t *testing.T, side, seed int) []byte {
	m := image.NewPaletted(image.Rect(0, 0, side, side), palette)
	for i := range m.Pix {
		m.Pix[i] = uint8(max(0, (i/5*seed)%5-2))
	}
	return encode(t, m)
}

// pairs makes a run of pix2pix that was trained on photos and class maps.
func pairs(t *testing.T, direction string) (folder string) {
	t.Helper()
	t.Chdir(t.TempDir())
	files := map[string][]byte{}
	for i, name := range []string{"train/1", "train/2", "test/a/3", "test/b/4", "test/b/5"} {
		side := 8
		if i == 4 {
			side = 16
		}
		files["data/photos/"+name+".png"], files["data/masks/"+name+".png"] = photo(t, side, i), mask(t, side, i+1)
	}
	writeFiles(t, files)
	return train(t, strings.NewReplacer("DIRECTION", direction, "DATASET",
		"{type: paired, images: data/photos, targets: data/masks, target: classes, target_classes: [sky, land, sea], size: 8, classes: none}").Replace(tinyPix2Pix))
}

// classesIn are the class numbers of a PNG.
func classesIn(t *testing.T, path string) []uint8 {
	t.Helper()
	m, ok := readPNG(t, path).(*image.Paletted)
	if !ok || fmt.Sprint(m.Palette) != fmt.Sprint(palette) {
		t.Fatalf("%s is no class map in the colours of the targets", path)
	}
	return m.Pix
}

func TestTranslateToClasses(t *testing.T) {
	folder := pairs(t, "to_target")
	out := mustType(t, "translate "+folder+" -each maps")
	if got := lastLine(out); got != "wrote runs/tiny/views/translations.png" {
		t.Errorf("it ends with %q", got)
	}
	expect(t, out, "model   pix2pix of tiny, iteration 1\n", "data    3 test pairs of paired; 1 image was scaled to 8x8\n", "wrote maps\n")
	if got := names(t, "maps"); got != "a/3.png b/4.png b/5.png" {
		t.Fatalf("it wrote %s", got)
	}

	// What it prints, counted here from the files.
	right, all, sky := 0, 0, 0
	var intersection, union [3]float64
	for _, name := range []string{"a/3", "b/4", "b/5"} {
		found, whole := classesIn(t, "maps/"+name+".png"), classesIn(t, "data/masks/test/"+name+".png")
		for i, class := range found {
			wanted := whole[i]
			if len(whole) == 256 { // every second pixel, as in the middle of two the one after is taken
				wanted = whole[(i/8*2+1)*16+i%8*2+1]
			}
			all++
			if wanted == 0 {
				sky++
			}
			if class == wanted {
				right++
				intersection[class]++
				union[class]++
			} else {
				union[class]++
				union[wanted]++
			}
		}
	}
	iou := 0.0
	for k := range union {
		iou += intersection[k] / union[k] / 3
	}
	n := float64(all)
	expect(t, out, fmt.Sprintf("pixel accuracy  %.4f (sky everywhere: %.4f)\n", float64(right)/n, float64(sky)/n),
		fmt.Sprintf("mean IoU        %.4f (sky everywhere: %.4f)\n", iou, float64(sky)/n/3))

	picture := readPNG(t, "runs/tiny/views/translations.png")
	if size := picture.Bounds().Size(); size != rundir.GridSize(9, 8, 8, 3) {
		t.Fatalf("the picture is %v", size)
	}
	input, found, wanted := readPNG(t, "data/photos/test/b/4.png"), readPNG(t, "maps/b/4.png"), readPNG(t, "data/masks/test/b/4.png")
	for row, want := range []image.Image{input, found, wanted} {
		for i := range 64 {
			x, y := i%8, i/8
			if got, want := color.RGBAModel.Convert(picture.At(2+66+x*8, 2+66*row+y*8)), color.RGBAModel.Convert(want.At(x, y)); got != want {
				t.Fatalf("row %d, pixel (%d, %d): %v, want %v", row, x, y, got, want)
			}
		}
	}

	// A folder without targets, and one with.
	out = mustType(t, "translate "+folder+" data/photos/test -each again -out x.png -images 1")
	expect(t, out, "data    3 pictures of data/photos/test; 1 image was scaled to 8x8\nwrote again\nwrote x.png\n")
	if string(classesIn(t, "again/b/4.png")) != string(classesIn(t, "maps/b/4.png")) || names(t, "again") != "a/3.png b/4.png b/5.png" {
		t.Error("a folder's pictures become other maps than the test images")
	}
	if size := readPNG(t, "x.png").Bounds().Size(); size != rundir.GridSize(2, 8, 8, 1) {
		t.Errorf("the picture is %v", size)
	}
	out = mustType(t, "translate "+folder+" data/photos/test -targets data/masks/test -count 2 -columns 1 -out y.png")
	expect(t, out, fmt.Sprintf("pixel accuracy  %.4f (sky", float64(right)/n), "data    3 pictures of data/photos/test with targets of data/masks/test; 1 image was scaled")
	if size := readPNG(t, "y.png").Bounds().Size(); size != rundir.GridSize(6, 8, 8, 1) {
		t.Errorf("the picture is %v", size)
	}

	// What was written is a folder of class maps.
	o := &datasets.PairedOptions{Images: "data/photos/test", Targets: "maps", Split: "all", Target: "classes", TargetClasses: []string{"sky", "land", "sea"},
		PictureOptions: datasets.PictureOptions{Size: 8, Channels: 3, Fit: "stretch", Classes: "none"}}
	if err := os.Remove("data/photos/test/b/5.png"); err != nil { // whose map is smaller
		t.Fatal(err)
	}
	if err := os.Remove("maps/b/5.png"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Open(t.Context(), datasets.Env{}); err != nil {
		t.Error(err)
	}
}

func TestTranslateToImages(t *testing.T) {
	folder := pairs(t, "to_image")
	out := mustType(t, "translate "+folder)
	expect(t, out, "data    3 test pairs of paired", "L1      ")

	out = mustType(t, "translate "+folder+" data/masks/test -each made -out x.png")
	expect(t, out, "data    3 class maps of data/masks/test; 1 image was scaled to 8x8\nwrote made\n")
	if got := names(t, "made"); got != "a/3.png b/4.png b/5.png" {
		t.Fatalf("it wrote %s", got)
	}
	picture, one, input := readPNG(t, "x.png"), readPNG(t, "made/b/4.png"), readPNG(t, "data/masks/test/b/4.png")
	for row, want := range []image.Image{input, one} {
		for i := range 64 {
			x, y := i%8, i/8
			if got, want := color.RGBAModel.Convert(picture.At(2+66+x*8, 2+66*row+y*8)), color.RGBAModel.Convert(want.At(x, y)); got != want {
				t.Fatalf("row %d, pixel (%d, %d): %v, want %v", row, x, y, got, want)
			}
		}
	}

	// The error, from the tensors.
	r := open(t, folder)
	d, _, err := r.Data(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l1 := 0.0
	err = r.Do(func() error {
		m, err := r.Translator()
		if err != nil {
			return err
		}
		b, err := r.Batch(d)
		if err != nil {
			return err
		}
		made, wanted := torchx.Float32s(m.Translate(b.Targets)), torchx.Float32s(b.Images)
		for i := range made {
			l1 += math.Abs(float64(made[i]-wanted[i])) / float64(len(made))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	out = mustType(t, "translate "+folder+" data/masks/test -targets data/photos/test -each paired")
	expect(t, out, fmt.Sprintf("L1      %.4g\n", l1))
	if names(t, "paired") != "a/3.png b/4.png b/5.png" {
		t.Errorf("it wrote %s", names(t, "paired"))
	}
}

// TestTranslatePictures: both sides are pictures, from no files.
func TestTranslatePictures(t *testing.T) {
	for _, direction := range []string{"to_target", "to_image"} {
		folder := run(t, strings.NewReplacer("DIRECTION", direction, "DATASET", "{type: digits, outlines: true, size: 8, count: 8}").Replace(tinyPix2Pix))
		writeFiles(t, map[string][]byte{"outlines/1.png": photo(t, 8, 1)})
		expect(t, mustType(t, "translate "+folder+" outlines -each made"), "1 picture of outlines\n", "wrote made\n")
		if made, isGrey := readPNG(t, "made/1.png").(*image.Gray); !isGrey || made.Rect.Size() != image.Pt(8, 8) {
			t.Errorf("%s: it made a picture of another kind", direction)
		}
		if direction == "to_target" {
			mustType(t, "translate "+folder+" -each all -count 1")
			if got := names(t, "all"); !strings.HasPrefix(got, "00000.png 00001.png ") || !strings.HasSuffix(got, " 00007.png") {
				t.Errorf("it wrote %s", got)
			}
		}
	}
}

func TestTranslateRefuses(t *testing.T) {
	folder := pairs(t, "to_target")
	writeFiles(t, map[string][]byte{
		"file": {}, "bad/x.png": []byte("text"), "norun/x": {},
		"twice/x.png": photo(t, 8, 1), "twice/x.bmp": photo(t, 8, 2),
		"strange/3.png": mask(t, 8, 1), "one/3.png": photo(t, 8, 1), "odd/3.png": mask(t, 7, 1),
		"colours/3.png": photo(t, 8, 1),
	})
	if err := errors.Join(os.Mkdir("empty", 0o777), os.Symlink("one", "link")); err != nil {
		t.Fatal(err)
	}
	at := "translate " + folder
	mustRefuse(t, []refusal{
		{"translate", 2, "RUN is missing: imori translate RUN [FOLDER]"},
		{at + " a b", 2, `unexpected argument "b"`},
		{"translate nowhere", 1, "no such file"},
		{"translate norun", 1, "norun is not the folder of a run"},
		{at + " -targets one", 2, "found -targets without FOLDER"},
		{at + " -count 3 -images 1", 2, "-count and -images exclude each other"},
		{at + " -images 3", 2, "-images: dataset paired has no sample 3, expected 0 to 2"},
		{at + " empty", 1, "empty holds no image"},
		{at + " nowhere", 1, "the folder nowhere does not exist"},
		{at + " bad", 1, "bad/x.png: its content"},
		{at + " one -targets bad", 1, "there is no target for it, expected bad/3.png"},
		{at + " one -targets odd", 1, "odd/3.png: its size is 7x7, expected that of its photo"},
		{at + " one -targets colours", 1, "colours/3.png: its pixels are colours, expected a PNG with a palette"},
		{at + " one -each one", 2, "-each: one lies in one, where the pictures would be inputs the next time"},
		{at + " one -each link/x", 2, "-each: link/x lies in one"},
		{at + " one -targets strange -each strange/../strange/new", 2, "lies in strange"},
		{at + " twice -each new", 1, "what is made of twice/x.bmp and of twice/x.png would both be new/x.png"},
		{at + " -out x.jpg", 2, "expected a name that ends in .png"},
		{at + " -out file/x.png", 1, "file is a file, expected a folder to write into"},
		{at + " one -each file/new -out new/x.png", 1, "file"},
		{at + " -columns -1", 2, "-columns: found -1"},
	})
	flip(t, folder+"/checkpoints/00000001/generator.safetensors")
	mustRefuse(t, []refusal{{at, 1, "generator.safetensors"}})
}

func TestTranslateRefusesMasks(t *testing.T) {
	folder := pairs(t, "to_image")
	four := image.NewGray(image.Rect(0, 0, 8, 8))
	four.Pix[9] = 3
	writeFiles(t, map[string][]byte{"photos/x.png": photo(t, 8, 1), "four/x.png": encode(t, four)})
	mustRefuse(t, []refusal{
		{"translate " + folder + " photos", 1, "photos/x.png: its pixels are colours, expected a PNG with a palette"},
		{"translate " + folder + " four", 1, "four/x.png: pixel (1, 1) is of class 3, expected 0 to 2 (sky, land, sea)"},
	})
	if err := os.RemoveAll("data/masks/test"); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, []refusal{{"translate " + folder, 1, "data/masks"}})
}

func TestTranslateOfAnotherModel(t *testing.T) {
	mustRefuse(t, []refusal{{"translate " + run(t, tinyGAN), 1, "model gan translates no images; what it can do: make images from latents"}})
}
