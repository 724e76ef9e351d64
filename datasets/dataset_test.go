package datasets

import (
	"image/color"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestRegistry(t *testing.T) {
	if names := Names(); !slices.Equal(names, []string{"cifar10", "digits", "folder", "imori", "mnist", "paired"}) {
		t.Fatalf("names %v", names)
	}
	want := map[string]Options{
		"cifar10": &CIFAR10Options{Root: "data/cifar10", Split: "train", Download: true},
		"digits":  &DigitsOptions{Size: 32, Channels: 1, Count: 10_000, Distortion: 1, Split: "train"},
		"folder":  &FolderOptions{Root: "data/images", Split: "train", PictureOptions: defaultPictures},
		"imori":   &ImoriOptions{Root: "data/imori", Split: "train", Size: 64, Channels: 3, Download: true},
		"mnist":   &MNISTOptions{Root: "data/mnist", Split: "train", Download: true},
		"paired": &PairedOptions{Images: "data/pairs/images", Targets: "data/pairs/targets", Split: "train", Target: "picture", TargetClasses: []string{},
			TargetChannels: 3, PictureOptions: PictureOptions{Size: 64, Channels: 3, Fit: "stretch", Classes: "auto", CacheMiB: 1024}},
	}
	for name, defaults := range want {
		p, ok := Lookup(name)
		if !ok || p.Name != name || p.About == "" || strings.Contains(p.About, "\n") {
			t.Fatalf("%s: %+v", name, p)
		}
		a, b := p.Options(), p.Options()
		if !reflect.DeepEqual(a, defaults) {
			t.Errorf("%s: defaults %+v, want %+v", name, a, defaults)
		}
		if a == b {
			t.Errorf("%s: two recipes share one set of options", name)
		}
		for _, f := range reflect.VisibleFields(reflect.TypeOf(a).Elem()) {
			if f.Tag.Get("yaml") == "" || f.Tag.Get("doc") == "" && !f.Anonymous {
				t.Errorf("%s: %s has no yaml or doc tag", name, f.Name)
			}
		}
	}
	if _, ok := Lookup("imagenet"); ok {
		t.Error("an unknown name is found")
	}
	fresh := func() Options { return &DigitsOptions{} }
	for _, bad := range []Plugin{{Options: fresh}, {Name: "digits", Options: fresh}, {Name: "no options"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was registered", bad)
				}
			}()
			Register(bad)
		}()
	}
}

// TestPaint: each pixel gets its class's colour, in three planes.
func TestPaint(t *testing.T) {
	target := &Target{Channels: 2, Classes: []string{"sky", "newt"}, Palette: []color.RGBA{{0, 51, 255, 255}, {255, 102, 0, 7}}}
	got := make([]float32, 9)
	target.Paint(got, []int64{1, 0, 1})
	want := []float32{1, -1, 1, -0.2, -0.6, -0.2, -1, 1, -1}
	for i, v := range got {
		if math.Abs(float64(v-want[i])) > 1e-6 {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	for _, bad := range []func(){
		func() { target.Paint(got, []int64{0, 1}) },
		func() { target.Paint(got, []int64{0, 1, 2}) },
		func() { target.Paint(got, []int64{0, -1, 0}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			bad()
		}()
	}
}

// TestReseed: words that differ anywhere, in order or in number name different streams.
func TestReseed(t *testing.T) {
	seen := map[uint64][]uint64{}
	var words []uint64
	for _, a := range []uint64{0, 1, 2, 1 << 63} {
		for _, b := range []uint64{0, 1, 2, 1 << 63} {
			for _, c := range []uint64{0, 1, 2, 1 << 32} {
				for n := 1; n <= 3; n++ {
					words = []uint64{a, b, c}[:n]
					var src rand.PCG
					reseed(&src, words...)
					first := src.Uint64()
					if old, ok := seen[first]; ok && !slices.Equal(old, words) {
						t.Fatalf("%v and %v name one stream", old, words)
					}
					seen[first] = slices.Clone(words)
				}
			}
		}
	}
}

func TestUnpack(t *testing.T) {
	got := make([]float32, 4)
	unpack(got, []byte{0, 127, 128, 255})
	if got[0] != -1 || got[3] != 1 || got[1] >= 0 || got[2] <= 0 || got[1] != -got[2] {
		t.Errorf("%v, want -1 to 1, symmetrical", got)
	}
}
