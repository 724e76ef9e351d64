package datasets

import (
	"image"
	"image/color"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMasks(t *testing.T) {
	root := t.TempDir()
	writeFiles(t, root, map[string][]byte{
		"b.png":       maskOf(t, 4, 0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2), // scaled
		"a/1.png":     maskOf(t, 2, 0, 1, 2, 0),
		".hidden.png": {},
	})
	for _, limit := range []int{1, 0} { // kept, and decoded each time
		o := MasksOptions{Root: root, Classes: []string{"x", "y", "z"}, PictureOptions: small("").PictureOptions}
		o.CacheMiB = limit
		d, err := o.Open(t.Context(), Env{})
		if err != nil {
			t.Fatal(err)
		}
		if in := d.Info(); in.Channels != 3 || in.Height != 2 || in.Width != 2 || in.Target != nil || d.Len() != 2 {
			t.Errorf("%d samples, %+v", d.Len(), in)
		}
		if n := d.(Scaled).Scaled(); n != 1 {
			t.Errorf("%d were scaled", n)
		}
		for i, want := range [][]float32{
			{1, -1, -1, 1, -1, 1, -1, -1, -1, -1, 1, -1},
			{1, -1, -1, -1, -1, 1, -1, -1, -1, -1, 1, 1},
		} {
			if s := readImage(t, d, i); !slices.Equal(s.Image, want) {
				t.Errorf("sample %d is %v, want %v", i, s.Image, want)
			}
		}
		if name := d.(Named).FileName(1); name != filepath.Join(root, "b.png") {
			t.Errorf("sample 1 is %s", name)
		}
	}
	for _, test := range []struct {
		classes []string
		want    string
	}{
		{[]string{"x", "y"}, "2 of 2 files cannot be used"},
		{[]string{"x", "y"}, "b.png: pixel (0, 2) is of class 2, expected 0 to 1 (x, y)"},
		{nil, "target_classes has 0 names"},
	} {
		o := MasksOptions{Root: root, Classes: test.classes, PictureOptions: small("").PictureOptions}
		if _, err := o.Open(t.Context(), Env{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("classes %v: got %v", test.classes, err)
		}
	}
}

func TestScaled(t *testing.T) {
	root := t.TempDir()
	writeFiles(t, root, map[string][]byte{"1.png": photoOf(t, 2, 2, 1), "2.png": photoOf(t, 3, 2, 1), "3.png": photoOf(t, 2, 1, 1)})
	o := small(root)
	d, err := o.Open(t.Context(), Env{})
	if err != nil {
		t.Fatal(err)
	}
	if n := d.(Scaled).Scaled(); n != 2 {
		t.Errorf("%d were scaled, want 2", n)
	}
}

// TestMask: what is written is read again.
func TestMask(t *testing.T) {
	target := Target{Channels: 3, Classes: []string{"x", "y", "z"}, Palette: []color.RGBA{{1, 2, 3, 255}, {9, 8, 7, 255}, {1, 2, 3, 255}}}
	data := encode(t, "png", target.Mask([]int64{0, 1, 2, 2, 1, 0}, 3))
	m, err := decodeMask(data)
	if err != nil || !slices.Equal(m.numbers, []byte{0, 1, 2, 2, 1, 0}) || m.size != image.Pt(3, 2) {
		t.Fatalf("got %+v, %v", m, err)
	}
	for i, c := range target.Palette {
		if m.palette[i] != c {
			t.Errorf("class %d has the colour %v, want %v", i, m.palette[i], c)
		}
	}
}
