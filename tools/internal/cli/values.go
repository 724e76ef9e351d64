package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxNumbers keeps a slip such as 0-1000000000 from filling the memory.
const maxNumbers = 1 << 20

// Numbers is a flag's value that lists whole numbers of 0 and more: "0-15,42".
type Numbers struct {
	List []int64
	text string
}

// Set parses a list.
func (n *Numbers) Set(text string) error {
	var list []int64
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		first, err := strconv.ParseInt(low, 10, 64)
		last, errLast := strconv.ParseInt(high, 10, 64)
		if err != nil || errLast != nil || first < 0 || last < first {
			return fmt.Errorf("found %q, expected whole numbers and ranges, such as 0-15,42", part)
		}
		if last-first >= maxNumbers || int64(len(list))+last-first >= maxNumbers {
			return fmt.Errorf("%q are more than %d numbers", part, maxNumbers)
		}
		for i := range last - first + 1 { // a loop up to the greatest number would not end
			list = append(list, first+i)
		}
	}
	n.List, n.text = list, text
	return nil
}

func (n *Numbers) String() string { return n.text }

// Type is what help calls such a value.
func (n *Numbers) Type() string { return "list" }

// Ints returns the numbers as ints.
func (n *Numbers) Ints() []int {
	ints := make([]int, len(n.List))
	for i, v := range n.List {
		ints[i] = int(v)
	}
	return ints
}

// Point is a flag's value of real numbers: "-2,2".
type Point struct {
	Values []float64
	text   string
}

// NewPoint is a point with a default; "" is none.
func NewPoint(text string) *Point {
	p := &Point{}
	if text == "" {
		return p
	}
	if err := p.Set(text); err != nil {
		panic(err)
	}
	return p
}

// Set parses a point, which may be in parentheses.
func (p *Point) Set(text string) error {
	var values []float64
	inner, closed := strings.CutSuffix(text, ")")
	if strings.HasPrefix(text, "(") != closed {
		return fmt.Errorf("found %q, expected numbers such as -2,2", text)
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(inner, "("), ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil || v-v != 0 {
			return fmt.Errorf("found %q, expected numbers such as -2,2", text)
		}
		values = append(values, v)
	}
	p.Values, p.text = values, text
	return nil
}

func (p *Point) String() string { return p.text }

// Type is what help calls such a value.
func (p *Point) Type() string { return "point" }

// Classes finds classes by name or number in a list such as "3,cat"; "" is all of them.
func Classes(text string, names []string) ([]int64, error) {
	var classes []int64
	if text == "" {
		for i := range names {
			classes = append(classes, int64(i))
		}
		return classes, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		class := slices.Index(names, part) // a name first: the classes of MNIST are called 0 to 9
		if class < 0 {
			n, err := strconv.Atoi(part)
			if err != nil || n < 0 || n >= len(names) {
				return nil, Wrong(fmt.Errorf("there is no class %q, expected one of %s, or a number from 0 to %d",
					part, strings.Join(names, ", "), len(names)-1))
			}
			class = n
		}
		classes = append(classes, int64(class))
	}
	return classes, nil
}
