package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/imori-ml/imori/internal/fuzztest"
)

// listOf is a list that parses.
func listOf(t *testing.T, text string) *Numbers {
	t.Helper()
	n := &Numbers{}
	if err := n.Set(text); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPrintable(t *testing.T) {
	for name, want := range map[string]string{"a b/ä.png": "a b/ä.png", "写真\u30001.png": "写真\u30001.png", "": "", "a\nb": `"a\nb"`, "\x1b[31mred": `"\x1b[31mred"`, "a\xff": `"a\xff"`} {
		if got := Printable(name); got != want {
			t.Errorf("%q: got %s", name, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]string{"3": "[3]", "0-3,42": "[0 1 2 3 42]", "7,7, 1-1": "[7 7 1]"} {
		n := &Numbers{}
		if err := n.Set(text); err != nil || fmt.Sprint(n.Ints()) != want || n.String() != text {
			t.Errorf("%s: got %v, %v; want %s", text, n.List, err, want)
		}
	}
	for _, text := range []string{"", "a", "3-1", "-1", "1-", "1,,2", "1.5", "0-99999999999", "0-600000,0-600000"} {
		n := listOf(t, "1")
		if err := n.Set(text); err == nil || !slices.Equal(n.List, []int64{1}) {
			t.Errorf("%q: got %d numbers and no error", text, len(n.List))
		}
	}
}

func TestPoint(t *testing.T) {
	for text, want := range map[string]string{"-2,2": "[-2 2]", "(1, .5)": "[1 0.5]", "3": "[3]"} {
		p := NewPoint("")
		if err := p.Set(text); err != nil || fmt.Sprint(p.Values) != want {
			t.Errorf("%s: got %v, %v; want %s", text, p.Values, err, want)
		}
	}
	for _, text := range []string{"", "a,1", "1,", "(1,2", "1,2)", "NaN,1", "1,Inf"} {
		if err := NewPoint("").Set(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func TestClasses(t *testing.T) {
	names := []string{"cat", "dog", "0"}
	for text, want := range map[string]string{"": "[0 1 2]", "dog,cat": "[1 0]", "0": "[2]", "1": "[1]"} {
		if got, err := Classes(text, names); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q: got %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"cow", "3", "-1", "cat,"} {
		if _, err := Classes(text, names); err == nil || !strings.Contains(err.Error(), "expected one of cat, dog, 0") {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func FuzzNumbers(f *testing.F) {
	target := fuzztest.New(f)
	for _, text := range []string{"3", "0-3,42", "7,7, 1-1", "3-1", "-1", "1,,2", "0-99999999999", "9223372036854775807", "0-600000,0-600000", "9223372036854775806-9223372036854775807"} {
		target.Add(text)
	}
	target.Fuzz(func(t *testing.T, text string) {
		n := listOf(t, "1")
		var err error
		fuzztest.Bounded(t, 64<<20+256*len(text), func() { err = n.Set(text) }) // as many as are allowed
		switch {
		case err != nil && !slices.Equal(n.List, []int64{1}):
			t.Errorf("%q: an error, but %d numbers", text, len(n.List))
		case err == nil && (len(n.List) < 1 || len(n.List) > maxNumbers || slices.Min(n.List) < 0):
			t.Errorf("%q: %d numbers", text, len(n.List))
		}
		again := listOf(t, n.String())
		if !slices.Equal(again.List, n.List) {
			t.Errorf("%q: %q is another list", text, n)
		}
	})
}

func FuzzPoint(f *testing.F) {
	target := fuzztest.New(f)
	for _, text := range []string{"-2,2", "(1, .5)", "3", "", "1,", "(1,2", "1,2)", "NaN,1", "1,Inf", "1e309", "()", "0x1p-2,1_0"} {
		target.Add(text)
	}
	target.Fuzz(func(t *testing.T, text string) {
		p := NewPoint("1")
		var err error
		fuzztest.Bounded(t, 1<<16+256*len(text), func() { err = p.Set(text) })
		if err != nil && !slices.Equal(p.Values, []float64{1}) {
			t.Errorf("%q: an error, but %v", text, p.Values)
		}
		var printed []string
		for _, v := range p.Values {
			printed = append(printed, strconv.FormatFloat(v, 'g', -1, 64))
		}
		again := NewPoint(strings.Join(printed, ","))
		if !slices.Equal(again.Values, p.Values) || !slices.Equal(NewPoint(p.String()).Values, p.Values) {
			t.Errorf("%q: read back as %v", text, again.Values)
		}
	})
}

func FuzzClasses(f *testing.F) {
	target := fuzztest.New(f)
	for _, text := range []string{"", "dog,cat", "0", "1", "cow", "3", "-1", "cat,", "+1", strings.Repeat("0,", 99)} {
		target.Add(text)
	}
	names := []string{"cat", "dog", "0"}
	target.Fuzz(func(t *testing.T, text string) {
		fuzztest.Bounded(t, 1<<16+256*len(text), func() {
			classes, err := Classes(text, names)
			for _, class := range classes {
				if err != nil || class < 0 || int(class) >= len(names) {
					t.Errorf("%q: class %d, %v", text, class, err)
				}
			}
		})
	})
}
