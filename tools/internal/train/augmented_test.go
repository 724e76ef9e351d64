package train

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"slices"
	"testing"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/trainer"
)

// halves are pairs whose image is light on the left and whose target says so: as a map of two classes or as a picture.
type halves struct {
	samples int
	classes bool
}

var light, dark = color.RGBA{0xff, 0x80, 0, 0xff}, color.RGBA{0, 0, 0xff, 0xff}

func (d halves) Info() datasets.Info {
	info := datasets.Info{Name: "halves", Channels: 3, Height: 64, Width: 64, Target: &datasets.Target{Channels: 1}}
	if d.classes {
		info.Target = &datasets.Target{Channels: 2, Classes: []string{"dark", "light"}, Palette: []color.RGBA{dark, light}}
	}
	return info
}

func (d halves) Len() int { return d.samples }

func (d halves) Read(_ int, s *datasets.Sample) error {
	for i := range s.Image {
		s.Image[i] = -1
		if i%64 < 32 {
			s.Image[i] = 1
		}
	}
	for i := range s.Target {
		s.Target[i] = s.Image[i%(64*64)]
		if d.classes && i < 64*64 {
			s.Target[i] *= -1 // the first class is the dark half
		}
	}
	return nil
}

func picture(t *testing.T, path string) image.Image {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// tile returns the colours in the middles of the left and right half of a tile of 64 pixels.
func tile(img image.Image, row, column int) [2]color.RGBA {
	var c [2]color.RGBA
	for i := range c {
		r, g, b, _ := img.At(2+66*column+16+32*i, 2+66*row+32).RGBA()
		c[i] = color.RGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 0xff}
	}
	return c
}

func TestShowAugmentedPairs(t *testing.T) {
	t.Chdir(t.TempDir())
	white, black := color.RGBA{0xff, 0xff, 0xff, 0xff}, color.RGBA{0, 0, 0, 0xff}
	for _, test := range []struct {
		data   halves
		target [2]color.RGBA
	}{
		{halves{3, true}, [2]color.RGBA{light, dark}},
		{halves{20, false}, [2]color.RGBA{white, black}},
	} {
		options := trainer.Options{Dataset: test.data, Augment: []datasets.Augmentation{&datasets.Flip{P: 0.5}}}
		if err := showAugmented(options, "a.png", &bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
		img := picture(t, "a.png")
		samples := min(test.data.samples, 8)
		if want := image.Rect(0, 0, 2+66*8, 2+66*2*samples); img.Bounds() != want {
			t.Errorf("the picture is %v, want %v", img.Bounds(), want)
		}
		flipped := 0
		for sample := range samples {
			for column := range 8 {
				photo, target := tile(img, 2*sample, column), tile(img, 2*sample+1, column)
				mirrored := photo == [2]color.RGBA{black, white}
				if mirrored {
					flipped++
					slices.Reverse(target[:])
				}
				if !mirrored && photo != [2]color.RGBA{white, black} || target != test.target || mirrored && column == 0 {
					t.Errorf("sample %d, column %d: photo %v, target %v", sample, column, photo, target)
				}
			}
		}
		if flipped < samples || flipped > 6*samples {
			t.Errorf("%d of %d are flipped, want about half", flipped, 7*samples)
		}
	}
}

func TestShowAugmented(t *testing.T) {
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	expect(t, mustType(t, "-recipe tiny.yaml -show-augmented plain.png"), "dataset.augment is empty", "plain.png")
	out := mustType(t, "-recipe tiny.yaml -set dataset.augment=[flip,rotate] -show-augmented a.png")
	expect(t, out, "8 samples, each as it is and as epochs 1 to 7 see it: a.png\n")
	mustType(t, "-recipe tiny.yaml -set dataset.augment=[flip,rotate] -show-augmented b.png -set train.iterations=9")
	if got := files(t); got != "a.png b.png plain.png tiny.yaml" {
		t.Errorf("it left %s", got)
	}
	if read(t, "a.png") != read(t, "b.png") {
		t.Error("the same recipe gives another picture")
	}
	mustType(t, "-recipe tiny.yaml -set dataset.augment=[flip,rotate] -show-augmented b.png -set train.seed=2")
	if read(t, "a.png") == read(t, "b.png") || read(t, "a.png") == read(t, "plain.png") {
		t.Error("another seed, or no augmentation, gives the same picture")
	}
	if img := picture(t, "a.png"); img.Bounds() != image.Rect(0, 0, 2+66*8, 2+66*8) {
		t.Errorf("the picture is %v", img.Bounds())
	}
}
