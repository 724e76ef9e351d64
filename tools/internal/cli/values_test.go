package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestNumbers(t *testing.T) {
	for text, want := range map[string]string{"3": "[3]", "0-3,42": "[0 1 2 3 42]", "7,7, 1-1": "[7 7 1]"} {
		n := &Numbers{}
		if err := n.Set(text); err != nil || fmt.Sprint(n.Ints()) != want || n.String() != text {
			t.Errorf("%s: got %v, %v; want %s", text, n.List, err, want)
		}
	}
	for _, text := range []string{"", "a", "3-1", "-1", "1-", "1,,2", "1.5", "0-99999999999", "0-600000,0-600000"} {
		n := NewNumbers("1")
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
