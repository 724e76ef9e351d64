package looks

import (
	"encoding/csv"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer/rundir"
)

// readCSV returns the rows below the head.
func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) == 0 || fmt.Sprint(rows[0]) != "[index file mse mae]" {
		t.Fatalf("%s: %v, %v", path, rows, err)
	}
	return rows[1:]
}

// reconstructed are test images of a run, the reconstructions, and the errors, worked out here.
func reconstructed(t *testing.T, folder string, indices ...int) (images, again []float32, mse, mae float64) {
	t.Helper()
	r := open(t, folder)
	d, _, err := r.Data(t.Context())
	if err == nil {
		d, err = datasets.Pick(d, indices)
	}
	if err != nil {
		t.Fatal(err)
	}
	err = r.Do(func() error {
		m, err := r.Reconstructor()
		if err != nil {
			return err
		}
		b, err := r.Batch(d)
		if err == nil {
			images, again = torchx.Float32s(b.Images), torchx.Float32s(m.Reconstruct(b.Images))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range images {
		difference := float64(again[i] - images[i])
		mse += difference * difference / float64(len(images))
		mae += math.Abs(difference) / float64(len(images))
	}
	return images, again, mse, mae
}

func near(text string, want float64) bool {
	got, err := strconv.ParseFloat(text, 64)
	return err == nil && math.Abs(got-want) < 1e-5
}

func TestReconstruct(t *testing.T) {
	folder := run(t, tinyVAE)
	out := mustType(t, "reconstruct "+folder)
	if got := lastLine(out); got != "wrote runs/tiny/views/reconstructions.png" {
		t.Errorf("it ends with %q", got)
	}
	expect(t, out, "model   vae of tiny, iteration 2\n", "data    40 test images of digits\n", "image  mse", "38 ")
	if size := readPNG(t, "runs/tiny/views/reconstructions.png").Bounds().Size(); size != rundir.GridSize(64, 8, 8, 8) {
		t.Errorf("the picture is %v", size)
	}

	out = mustType(t, "reconstruct "+folder+" -images 5,22,7 -columns 2 -out x.png -csv x.csv")
	images, again, mse, mae := reconstructed(t, folder, 5, 22, 7)
	expect(t, out, fmt.Sprintf("shown   mse %.4g, mae %.4g on average over 3 images; worst mse ", mse, mae), "wrote x.csv\nwrote x.png\n")
	picture := readPNG(t, "x.png") // the first two images, what is left of them, the third, what is left of it
	if size := picture.Bounds().Size(); size != rundir.GridSize(8, 8, 8, 2) {
		t.Errorf("the picture is %v", size)
	}
	middle := 8*4 + 4 // a pixel, of which each side is magnified by 8
	for i, want := range []float32{images[middle], images[64+middle], again[middle], again[64+middle], images[128+middle], 0x22/127.5 - 1, again[128+middle]} {
		if got := grey(picture, 2+i%2*66+4*8, 2+i/2*66+4*8); math.Abs(float64(got-level(want))) > 1 {
			t.Errorf("tile %d: %d, want %d", i, got, level(want))
		}
	}
	rows := readCSV(t, "x.csv")
	_, _, mse, mae = reconstructed(t, folder, 22)
	if len(rows) != 3 || rows[1][0] != "22" || rows[1][1] != "" || !near(rows[1][2], mse) || !near(rows[1][3], mae) {
		t.Errorf("rows %v, want mse %g and mae %g", rows, mse, mae)
	}

	out = mustType(t, "reconstruct "+folder+" -count 2 -all -csv all.csv")
	expect(t, out, "on average over 2 images; ", "\nall     mse ", "on average over 40 images; ")
	rows = readCSV(t, "all.csv")
	if len(rows) != 40 || rows[22][0] != "22" || !near(rows[22][2], mse) {
		t.Errorf("%d rows, and %v", len(rows), rows[22])
	}
	if out := mustType(t, "reconstruct "+folder+" -count 33"); len(out) > 400 {
		t.Errorf("33 errors are listed:\n%s", out)
	}
}

func TestReconstructFolder(t *testing.T) {
	folder := run(t, tinyVAE)
	photo := func(side int, v uint8) []byte {
		m := image.NewRGBA(image.Rect(0, 0, side, side))
		for i := range side * side {
			m.Set(i%side, i/side, color.RGBA{v, v, v, 255})
		}
		return encode(t, m)
	}
	writeFiles(t, map[string][]byte{"photos/b.png": photo(8, 10), "photos/a/2.png": photo(9, 20), "photos/a/1.png": photo(7, 250)})
	out := mustType(t, "reconstruct "+folder+" -data photos -csv x.csv -out x.png")
	expect(t, out, "data    3 images of photos; 2 images were scaled to 8x8\n", "image  mse ", "photos/a/1.png\n")
	rows := readCSV(t, "x.csv")
	if len(rows) != 3 || rows[0][1] != "photos/a/1.png" || rows[2][1] != "photos/b.png" || rows[2][0] != "2" {
		t.Errorf("rows %v", rows)
	}
	picture := readPNG(t, "x.png")
	for i, want := range []int{250, 20, 10} {
		if got := grey(picture, 2+i*66, 2); got != want {
			t.Errorf("image %d begins with %d, want %d", i, got, want)
		}
	}
	out = mustType(t, "reconstruct "+folder+" -data photos -images 2")
	expect(t, out, "\n2 ", "photos/b.png\n", "worst mse ", ", of image 2\n")
}

func TestReconstructRefuses(t *testing.T) {
	folder := run(t, strings.Replace(tinyVAE, "count: 40", "count: 20000", 1))
	writeFiles(t, map[string][]byte{"file": {}, "bad/x.png": []byte("text"), "norun/x": {}})
	if err := os.Mkdir("empty", 0o777); err != nil {
		t.Fatal(err)
	}
	at := "reconstruct " + folder
	mustRefuse(t, []refusal{
		{"reconstruct", 2, "RUN is missing: imori reconstruct RUN"},
		{at + " photos", 2, `unexpected argument "photos"`},
		{"reconstruct nowhere", 1, "no such file"},
		{"reconstruct norun", 1, "norun is not the folder of a run"},
		{at + " -count 3 -images 1", 2, "-count and -images exclude each other"},
		{at + " -count 0", 2, "-count: found 0, expected 1 to"},
		{at + " -images x", 2, "expected whole numbers and ranges"},
		{at + " -images 3,20000", 2, "-images: dataset digits has no sample 20000, expected 0 to 19999"},
		{at + " -columns -1", 2, "-columns: found -1"},
		{at + " -data empty", 1, "empty holds no image, expected files that end in"},
		{at + " -data nowhere", 1, "the folder nowhere does not exist"},
		{at + " -data bad", 1, "bad/x.png: its content (text/plain; charset=utf-8) is none of JPEG, PNG"},
		{at + " -out x.gif", 2, "-out: found the file x.gif, expected a name that ends in .png"},
		{at + " -csv x.txt", 2, "-csv: found the file x.txt, expected a name that ends in .csv"},
		{at + " -out file/x.png", 1, "file is a file, expected a folder to write into"},
		{at + " -out new/x.png -csv file/x.csv", 1, "file is a file, expected a folder to write into"},
		{at + " -count 20000 -columns 1000", 2, "pixels, expected 64 million at most; ask for fewer with -count"},
	})
	flip(t, folder+"/checkpoints/00000002/vae.safetensors")
	mustRefuse(t, []refusal{{at, 1, "vae.safetensors"}})
}

func TestReconstructOfAnotherModel(t *testing.T) {
	mustRefuse(t, []refusal{{"reconstruct " + run(t, tinyGAN), 1, "model gan reconstructs no images; what it can do: make images from latents"}})
}

// An image whose error is not a number is the worst, whatever comes behind it.
func TestSummaryOfNaN(t *testing.T) {
	nan := float32(math.NaN())
	e := &imageErrors{mse: []float32{1, 3, nan, 2, nan}, mae: []float32{1, 1, nan, 1, nan}}
	if got := e.summary(); !strings.HasSuffix(got, "worst mse NaN, of image 2") {
		t.Errorf("got %s", got)
	}
}
