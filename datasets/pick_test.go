package datasets

import (
	"context"
	"slices"
	"strings"
	"testing"
)

func TestPick(t *testing.T) {
	whole, err := (&DigitsOptions{Size: 8, Channels: 1, Count: 20, Split: "test"}).Open(context.Background(), Env{})
	if err != nil {
		t.Fatal(err)
	}
	some, err := Pick(whole, []int{7, 3, 7})
	if err != nil || some.Len() != 3 {
		t.Fatal(some, err)
	}
	read := func(d Dataset, i int) Sample {
		s := Sample{Image: make([]float32, 64)}
		if err := d.Read(i, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for i, of := range []int{7, 3, 7} {
		got, want := read(some, i), read(whole, of)
		if !slices.Equal(got.Image, want.Image) || got.Label != want.Label {
			t.Errorf("sample %d is not %d of the whole", i, of)
		}
	}
	if name := some.(Named).FileName(0); name != "" {
		t.Errorf("a drawn digit has the file %s", name)
	}
	if err := some.Read(3, &Sample{Image: make([]float32, 64)}); err == nil {
		t.Error("read a sample that was not picked")
	}
	for _, i := range []int{-1, 20} {
		if _, err := Pick(whole, []int{0, i}); err == nil || !strings.Contains(err.Error(), "expected 0 to 19") {
			t.Errorf("sample %d: %v", i, err)
		}
	}
}

func TestPickNames(t *testing.T) {
	root := t.TempDir()
	writeFiles(t, root, map[string][]byte{"a.png": shade(t, "png", 1), "b.png": shade(t, "png", 2)})
	o := small(root)
	d, err := o.Open(t.Context(), Env{})
	if err != nil {
		t.Fatal(err)
	}
	some, err := Pick(d, []int{1})
	if err != nil || !strings.HasSuffix(some.(Named).FileName(0), "b.png") {
		t.Error(some, err)
	}
}

func TestEvenly(t *testing.T) {
	for _, test := range []struct {
		n, length int
		want      []int
	}{{3, 12, []int{0, 6, 8}}, {5, 3, []int{0, 1, 2}}, {2, 2, []int{0, 1}}, {4, 0, []int{}}} {
		if got := Evenly(test.n, test.length); !slices.Equal(got, test.want) {
			t.Errorf("%d of %d: got %v, want %v", test.n, test.length, got, test.want)
		}
	}
	digits := map[int]bool{}
	for _, i := range Evenly(16, 10_000) {
		digits[i%10] = true
	}
	if len(digits) < 8 {
		t.Errorf("of ten classes that take turns it picked %d", len(digits))
	}
}
