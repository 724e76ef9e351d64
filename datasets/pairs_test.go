package datasets

import (
	"context"
	"encoding/binary"
	"image"
	"image/color"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// smallPairs are options for tests: 2x2 grey images.
func smallPairs(root string) PairedOptions {
	return PairedOptions{
		Images: filepath.Join(root, "images"), Targets: filepath.Join(root, "targets"), Split: "train",
		Target: "classes", TargetClasses: []string{"background", "newt"}, TargetChannels: 1, PictureOptions: small("").PictureOptions,
	}
}

func photoOf(t testing.TB, width, height int, v uint8) []byte {
	return encode(t, "png", paint(image.NewGray(image.Rect(0, 0, width, height)), color.Gray{v}))
}

func TestPairedClasses(t *testing.T) {
	root := t.TempDir()
	writeFiles(t, root, map[string][]byte{
		"images/b/1.png": photoOf(t, 2, 2, 20), "images/a/1.png": photoOf(t, 2, 2, 10), "images/a/2.bmp": encode(t, "bmp", paint(image.NewGray(image.Rect(0, 0, 4, 2)), color.Gray{30})),
		"targets/b/1.png": maskOf(t, 2, 1, 0, 0, 0), "targets/a/1.png": maskOf(t, 2, 0, 1, 1, 0), "targets/a/2.PNG": maskOf(t, 4, 0, 0, 1, 1, 0, 0, 0, 0),
	})
	o := smallPairs(root)
	info, got := shades(t, &o, Env{})
	if got != "10:0 30:0 20:1" || !slices.Equal(info.Classes, []string{"a", "b"}) || info.Name != "paired" {
		t.Errorf("samples %s, info %+v", got, info)
	}
	grey := color.RGBA{1, 2, 3, 255}
	if want := (&Target{Channels: 2, Classes: o.TargetClasses, Palette: []color.RGBA{grey, grey}}); !reflect.DeepEqual(info.Target, want) {
		t.Errorf("target %+v", info.Target)
	}
	for _, limit := range []int{1, 0} { // kept, and decoded each time
		o.CacheMiB = limit
		d, err := o.Open(t.Context(), Env{})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range [][]float32{{1, -1, -1, 1, -1, 1, 1, -1}, {1, -1, 1, 1, -1, 1, -1, -1}, {-1, 1, 1, 1, 1, -1, -1, -1}} {
			if s := readImage(t, d, i); !slices.Equal(s.Target, want) {
				t.Errorf("target %d is %v, want %v", i, s.Target, want)
			}
		}
	}
	if o.Test() != nil {
		t.Error("there is a test part")
	}

	// Grey class maps have no colours of their own.
	root = t.TempDir()
	writeFiles(t, root, map[string][]byte{"images/1.png": photoOf(t, 2, 2, 20), "targets/1.png": photoOf(t, 2, 2, 2)})
	o = smallPairs(root)
	o.TargetClasses = []string{"x", "y", "z"}
	info, _ = shades(t, &o, Env{})
	if want := []color.RGBA{{0, 0, 0, 255}, {128, 0, 0, 255}, {0, 128, 0, 255}}; !slices.Equal(info.Target.Palette, want) || info.Classes != nil {
		t.Errorf("info %+v, palette %v", info, info.Target.Palette)
	}
}

func TestPairedPictures(t *testing.T) {
	root := t.TempDir()
	sky := encode(t, "png", paint(image.NewNRGBA(image.Rect(0, 0, 9, 9)), color.NRGBA{0, 255, 51, 255})) // of another size
	writeFiles(t, root, map[string][]byte{
		"images/train/1.png": photoOf(t, 2, 2, 20), "targets/train/1.png": sky,
		"images/test/7.png": photoOf(t, 2, 2, 70), "targets/test/7.bmp": photoOf(t, 1, 1, 255),
	})
	o := smallPairs(root)
	o.Target, o.TargetChannels = "picture", 3
	info, got := shades(t, &o, Env{})
	if !reflect.DeepEqual(info.Target, &Target{Channels: 3}) || info.Channels != 1 || got != "20:0" {
		t.Errorf("samples %s, info %+v, target %+v", got, info, info.Target)
	}
	d, err := o.Open(t.Context(), Env{})
	if err != nil {
		t.Fatal(err)
	}
	if s := readImage(t, d, 0); !slices.Equal(s.Target, []float32{-1, -1, -1, -1, 1, 1, 1, 1, toUnit[51], toUnit[51], toUnit[51], toUnit[51]}) {
		t.Errorf("target %v", s.Target)
	}
	if _, got := shades(t, o.Test(), Env{}); got != "70:0" {
		t.Errorf("test samples %s", got)
	}
}

// TestPairedTrainAlone: without test pairs, train is still what is in the folders train.
func TestPairedTrainAlone(t *testing.T) {
	root := t.TempDir()
	writeFiles(t, root, map[string][]byte{
		"images/train/x/1.png": photoOf(t, 2, 2, 20), "targets/train/x/1.png": maskOf(t, 2, 0, 1, 0, 1), "images/old.png": nil,
	})
	o := smallPairs(root)
	if info, got := shades(t, &o, Env{}); got != "20:0" || !slices.Equal(info.Classes, []string{"x"}) || o.Test() != nil {
		t.Errorf("samples %s, info %+v, test %v", got, info, o.Test())
	}
	writeFiles(t, root, map[string][]byte{"images/test/x/1.png": nil})
	expectError(t, &o, "has the folder test, expected both or neither")
}

// TestPairedReport: everything that is wrong with the pairs is in one error.
func TestPairedReport(t *testing.T) {
	root := t.TempDir()
	turned := withExif(encode(t, "jpg", paint(image.NewGray(image.Rect(0, 0, 6, 4)), color.Gray{9})), tiff(binary.BigEndian, 3, 6))
	files := map[string][]byte{
		"a": maskOf(t, 2, 0, 1, 0, 1), "b": maskOf(t, 2, 0, 0, 0, 7), "c": photoOf(t, 2, 2, 255), "d": maskOf(t, 2, 0, 1),
		"e": encode(t, "png", image.NewRGBA(image.Rect(0, 0, 2, 2))), "f": encode(t, "jpg", image.NewGray(image.Rect(0, 0, 2, 2))), "g": nil,
		"h": maskOf(t, 2, 1, 1, 1, 9), "i": maskOf(t, 6, make([]byte, 24)...),
	}
	for name, data := range files {
		photo := photoOf(t, 2, 2, 1)
		switch name {
		case "h":
			photo = photo[:40]
		case "i":
			photo = turned
		}
		writeFiles(t, root, map[string][]byte{"images/x/" + name + ".png": photo, "targets/x/" + name + ".png": data})
	}
	writeFiles(t, root, map[string][]byte{
		"images/x/alone.jpg": turned, "targets/y/a.png": files["a"], "images/x/a.gif": encode(t, "gif", image.NewPaletted(image.Rect(0, 0, 2, 2), color.Palette{color.Black})), "targets/x/b.bmp": files["b"],
	})
	o := smallPairs(root)
	want := "dataset paired: 13 of 22 files cannot be used; mend them or take them away:" +
		"\n  ROOT/images/x/a.png: only its extension tells it from ROOT/images/x/a.gif" +
		"\n  ROOT/images/x/alone.jpg: there is no target for it, expected ROOT/targets/x/alone.png or another extension" +
		"\n  ROOT/images/x/h.png: it is no usable PNG: it is truncated" +
		"\n  ROOT/targets/x/b.bmp: pixel (1, 1) is of class 7, expected 0 to 1 (background, newt)" +
		"\n  ROOT/targets/x/b.png: only its extension tells it from ROOT/targets/x/b.bmp" +
		"\n  ROOT/targets/x/c.png: pixel (0, 0) is of class 255, expected 0 to 1 (background, newt)" +
		"\n  ROOT/targets/x/d.png: its size is 2x1, expected that of its photo (turned upright), 2x2" +
		"\n  ROOT/targets/x/e.png: its pixels are colours, expected a PNG with a palette, or grey with 8 bits at most, whose pixels are class numbers" +
		"\n  ROOT/targets/x/f.png: it is a JPEG, expected a PNG, whose pixels are class numbers" +
		"\n  ROOT/targets/x/g.png: it is empty" +
		"\n  ROOT/targets/x/h.png: pixel (1, 1) is of class 9, expected 0 to 1 (background, newt)" +
		"\n  ROOT/targets/x/i.png: its size is 6x4, expected that of its photo (turned upright), 4x6" +
		"\n  ROOT/targets/y/a.png: there is no image for it, expected ROOT/images/y/a.jpg or another extension"
	_, err := o.Open(t.Context(), Env{})
	if err == nil {
		t.Fatal("no error")
	}
	if got := strings.ReplaceAll(err.Error(), root, "ROOT"); got != want {
		t.Errorf("error\n%s\nwant\n%s", got, want)
	}
}

func TestPairedErrors(t *testing.T) {
	root := t.TempDir()
	writeFiles(t, root, map[string][]byte{"images/train/1.png": photoOf(t, 2, 2, 1), "images/test/1.png": photoOf(t, 2, 2, 1), "targets/1.png": maskOf(t, 1, 0)})
	for want, change := range map[string]func(o *PairedOptions){
		"one of " + root + "/images and " + root + "/targets has the folder train, expected both or neither": func(o *PairedOptions) {},
		"target_classes has 0 names, expected 2 to 256":                                                      func(o *PairedOptions) { o.TargetClasses = nil },
		`target is "mask", expected classes or picture`:                                                      func(o *PairedOptions) { o.Target = "mask" },
		"target_channels is 2, expected 1 or 3":                                                              func(o *PairedOptions) { o.Target, o.TargetChannels = "picture", 2 },
		"channels is 2, expected 1 or 3":                                                                     func(o *PairedOptions) { o.Channels = 2 },
		"missing does not exist; put the images there":                                                       func(o *PairedOptions) { o.Targets = "missing"; o.Split = "all" },
		"3 of 3 files cannot be used":                                                                        func(o *PairedOptions) { o.Split = "all" },
		`split is "dev", expected train, test or all`:                                                        func(o *PairedOptions) { o.Split = "dev"; o.Targets = o.Images },
		"targets has no test images; put them into " + root + "/targets/test":                                func(o *PairedOptions) { o.Split = "test"; o.Images = o.Targets },
	} {
		o := smallPairs(root)
		change(&o)
		expectError(t, &o, "dataset paired: ", want)
	}
	o := smallPairs(root)
	if o.Test() != nil {
		t.Error("there is a test part of half the pairs")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o.Targets = o.Images
	if _, err := o.Open(ctx, Env{}); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("error %v", err)
	}
}
