package looks

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/trainer/rundir"
)

func TestSample(t *testing.T) {
	folder := run(t, tinyGAN)
	out := mustType(t, "sample "+folder)
	if got := lastLine(out); got != "wrote runs/tiny/views/samples.png" {
		t.Errorf("it ends with %q", got)
	}
	expect(t, out, "model   gan of tiny, iteration 2\n", "images  64\n")
	if size := readPNG(t, "runs/tiny/views/samples.png").Bounds().Size(); size != rundir.GridSize(64, 8, 8, 8) {
		t.Errorf("the picture is %v", size)
	}

	mustType(t, "sample runs/tiny/checkpoints/latest -seeds 0-4 -npy all.npy -out a/all.png -columns 2")
	header, all := readNPY(t, "all.npy")
	if header != "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 1, 8, 8,), }" || len(all) != 5*64 {
		t.Errorf("%d values, header %s", len(all), header)
	}
	picture := readPNG(t, "a/all.png")
	if size := picture.Bounds().Size(); size != image.Pt(2*66+2, 3*66+2) {
		t.Errorf("the picture is %v", size)
	}
	if got, want := grey(picture, 2, 2+66), level(all[2*64]); got != want { // the third image begins the second row
		t.Errorf("a pixel is %d, want %d", got, want)
	}
	mustType(t, "sample "+folder+" -count 5 -npy five.npy")
	if _, five := readNPY(t, "five.npy"); !slices.Equal(five, all) {
		t.Error("-count 5 is not -seeds 0-4")
	}
	mustType(t, "sample "+folder+" -seeds 3,99 -npy three.npy -truncation 10000")
	if _, three := readNPY(t, "three.npy"); !slices.Equal(three[:64], all[3*64:4*64]) || slices.Equal(three[64:], three[:64]) {
		t.Error("the image of seed 3 depends on the other seeds")
	}
	mustType(t, "sample "+folder+" -count 5 -npy near.npy -truncation 0.1")
	if _, near := readNPY(t, "near.npy"); slices.Equal(near, all) {
		t.Error("-truncation changes nothing")
	}

	out = mustType(t, "sample "+folder+" -seeds 0-1,123456 -each one")
	if got := names(t, "one"); got != "seed-00000.png seed-00001.png seed-123456.png" || lastLine(out) != "wrote one" {
		t.Errorf("%s: it wrote %s", lastLine(out), got)
	}
	one := readPNG(t, "one/seed-00001.png")
	if _, isGrey := one.(*image.Gray); !isGrey || one.Bounds().Size() != image.Pt(8, 8) {
		t.Errorf("the image is a %T of %v", one, one.Bounds())
	}
	for i := range 64 {
		if got, want := grey(one, i%8, i/8), level(all[64+i]); got != want {
			t.Fatalf("pixel %d is %d, want %d", i, got, want)
		}
	}
	mustType(t, "sample "+folder+" -count 1 -each both/each -out both/both.png -npy both/both.npy")
	if got := names(t, "both"); got != "both.npy both.png each/seed-00000.png" {
		t.Errorf("it wrote %s", got)
	}
}

func TestSampleClasses(t *testing.T) {
	folder := run(t, tinyCGAN)
	out := mustType(t, "sample "+folder+" -npy all.npy")
	expect(t, out, "images  100, 10 of each class, from top to bottom: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9\n")
	if size := readPNG(t, "runs/tiny/views/samples.png").Bounds().Size(); size != rundir.GridSize(100, 16, 16, 10) {
		t.Errorf("the picture is %v", size)
	}
	_, all := readNPY(t, "all.npy")
	const area = 16 * 16
	image := func(class, seed int) []float32 { i := class*10 + seed; return all[i*area : (i+1)*area] }
	if slices.Equal(image(3, 1), image(4, 1)) || slices.Equal(image(3, 1), image(3, 2)) {
		t.Error("class or seed does not count")
	}

	mustType(t, "sample "+folder+" -classes 7,3 -seeds 2,0,1 -npy some.npy -columns 2 -out some.png")
	_, some := readNPY(t, "some.npy")
	if want := slices.Concat(image(7, 2), image(7, 0), image(7, 1), image(3, 2), image(3, 0), image(3, 1)); !slices.Equal(some, want) {
		t.Error("other images than before")
	}
	picture := readPNG(t, "some.png") // two rows for each class, and the second ends with nothing
	if size := picture.Bounds().Size(); size != rundir.GridSize(8, 16, 16, 2) {
		t.Errorf("the picture is %v", size)
	}
	for i, want := range []int{level(image(7, 2)[0]), level(image(7, 0)[0]), level(image(7, 1)[0]), 0x22, level(image(3, 2)[0])} {
		if got := grey(picture, 2+i%2*66, 2+i/2*66); got != want {
			t.Errorf("tile %d begins with %d, want %d", i, got, want)
		}
	}
	mustType(t, "sample "+folder+" -classes 7 -count 2 -each each")
	if got := names(t, "each"); got != "7-seed-00000.png 7-seed-00001.png" {
		t.Errorf("it wrote %s", got)
	}
	mustType(t, "sample "+folder+" -classes 7 -count 9 -out square.png")
	if size := readPNG(t, "square.png").Bounds().Size(); size != rundir.GridSize(9, 16, 16, 3) {
		t.Errorf("nine of one class are a picture of %v", size)
	}
	if got := plain("../a\\b\n"); got != ".._a_b_" {
		t.Errorf("a class is called %q in a file's name", got)
	}
}

func TestSampleRefuses(t *testing.T) {
	folder := run(t, tinyGAN)
	writeFiles(t, map[string][]byte{"file": {}, "folder.png/x": {}, "norun/x": {}})
	at := "sample " + folder
	mustRefuse(t, []refusal{
		{"sample", 2, "RUN is missing: imori sample RUN"},
		{"sample nowhere", 1, "cannot open run folder: stat nowhere: no such file"},
		{"sample norun", 1, "norun is not the folder of a run"},
		{"sample file", 1, "file is a file, expected the folder of a run"},
		{at + " -count 3 -seeds 1", 2, "-count and -seeds exclude each other"},
		{at + " -count 0", 2, "-count: found 0, expected 1 to"},
		{at + " -count many", 2, "many"},
		{at + " -seeds 3-1", 2, `found "3-1", expected whole numbers and ranges`},
		{at + " -truncation 0", 2, "-truncation: found 0, expected 0.01 or more"},
		{at + " -truncation nan", 2, "-truncation: found NaN"},
		{at + " -columns -1", 2, "-columns: found -1"},
		{at + " -classes 3", 2, "model gan knows no classes"},
		{at + " -out x.jpg", 2, "-out: found the file x.jpg, expected a name that ends in .png"},
		{at + " -npy x.png", 2, "-npy: found the file x.png, expected a name that ends in .npy"},
		{at + " -count 1000000", 2, "pixels, expected 64 million at most; ask for fewer, or for files with -each"},
		{at + " -out file/x.png", 1, "file is a file, expected a folder to write into"},
		{at + " -out folder.png", 1, "cannot write folder.png: it is a folder"},
		{at + " -out new/x.png -each file", 1, "file is a file, expected a folder"},
		{at + " -each new/each -npy file/x.npy", 1, "file is a file"},
		{at + " -checkpoint 7", 1, "has no checkpoint of iteration 7, expected one of [2]"},
		{at + " -device cuda:77", 2, "cuda:77"},
		{at + " -truncation 0.001", 2, "-truncation: found 0.001, expected 0.01 or more"},
		{at + " -seeds 7,7 -each each", 2, "-each: seed 7 is asked for twice, for one file, each/seed-00007.png"},
		{at + " -each each -out ./each/seed-00001.png", 2, "-each: -out and seed 1 would be one file, each/seed-00001.png"},
	})
	flip(t, folder+"/checkpoints/00000002/generator.safetensors")
	mustRefuse(t, []refusal{{at, 1, "generator.safetensors"}})
}

func TestSampleRefusesClasses(t *testing.T) {
	at := "sample " + run(t, tinyCGAN)
	mustRefuse(t, []refusal{
		{at + " -classes cat", 2, `-classes: there is no class "cat", expected one of 0, 1,`},
		{at + " -count 200000", 2, "200000 seeds of 10 classes are 2000000 images, expected 1048576 at most"},
	})
}

// Classes of other names may make files of one name.
func TestSampleNames(t *testing.T) {
	s := &sampling{each: "each"}
	p := &plan{seeds: []int64{1}, classes: []int64{0, 1}, names: []string{"a/b", "a_b"}, total: 2, columns: 1, lines: 1, perFile: true}
	err := s.checkNames(&trained.Run{Path: "x"}, p)
	if err == nil || err.Error() != "-each: class a/b, seed 1 and class a_b, seed 1 would be one file, each/a_b-seed-00001.png" {
		t.Errorf("got %v", err)
	}
}

func TestSampleOfAnotherModel(t *testing.T) {
	pairs := strings.NewReplacer("DIRECTION", "to_target", "DATASET", "{type: digits, outlines: true, size: 8, count: 8}").Replace(tinyPix2Pix)
	mustRefuse(t, []refusal{{"sample " + run(t, pairs), 1, "model pix2pix makes no images from latents; what it can do: translate images"}})
}

// TestInterrupted: what is interrupted leaves nothing behind.
func TestInterrupted(t *testing.T) {
	folder := run(t, tinyVAE)
	before := tree(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, command := range []string{"sample", "reconstruct"} {
		var out bytes.Buffer
		status := cli.Run(ctx, newRoot(), []string{command, folder, "-out", "new/x.png"}, &out, &out)
		if want := "imori " + command + ": interrupted\n"; status != cli.ExitInterrupted || out.String() != want || tree(t) != before {
			t.Errorf("%s: status %d, %s\n%s", command, status, out.String(), tree(t))
		}
	}
}

// TestNumpy: numpy reads what is written.
func TestNumpy(t *testing.T) {
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import numpy").Run() != nil {
		t.Skip("there is no numpy")
	}
	folder := run(t, tinyGAN)
	mustType(t, "sample "+folder+" -count 3 -npy x.npy")
	_, values := readNPY(t, "x.npy")
	out, err := exec.Command(python, "-c", `import numpy
x = numpy.load("x.npy")
print(x.dtype, x.shape, x.flags.c_contiguous, "%.6f" % x[2, 0, 7, 6])`).CombinedOutput()
	if want := fmt.Sprintf("float32 (3, 1, 8, 8) True %.6f\n", values[3*64-2]); err != nil || string(out) != want {
		t.Errorf("numpy reads %s, want %s (%v)", out, want, err)
	}
}
