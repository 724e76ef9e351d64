package strict

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Place is where a value was written: in a file or in an override.
type Place struct {
	File         string
	Line, Column int    // from 1; 0: the file as a whole
	Override     string // "a.b=c"; then File, Line and Column are empty
	order        int    // of the override on the command line, from 1; 0: in the file
}

// String returns "file:line:column", or "-set a.b=c".
func (p Place) String() string {
	switch {
	case p.order > 0:
		return "-set " + clip(p.Override)
	case p.Line == 0:
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Error is one thing wrong with one value.
type Error struct {
	Place   Place
	Key     string // dotted; "" for the file as a whole
	Message string
}

func (e *Error) Error() string {
	if e.Key == "" {
		return e.Place.String() + ": " + e.Message
	}
	return e.Place.String() + ": " + clip(e.Key) + ": " + e.Message
}

// Errors is everything wrong with a document, in the order of its lines;
// overrides come last, in their own order.
type Errors []*Error

// shown bounds what Errors prints: nobody reads more, and a file that is no
// recipe at all has thousands.
const shown = 20

// Error returns one line an error.
func (es Errors) Error() string {
	var lines []string
	for i, e := range es {
		if i == shown {
			lines = append(lines, fmt.Sprintf("... and %d more", len(es)-shown))
			break
		}
		lines = append(lines, e.Error())
	}
	return strings.Join(lines, "\n")
}

func (es Errors) sort() {
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(
			cmp.Compare(a.Place.order, b.Place.order),
			cmp.Compare(a.Place.Line, b.Place.Line),
			cmp.Compare(a.Place.Column, b.Place.Column),
		)
	})
}

// clip makes text from outside fit for one line of a message.
func clip(s string) string {
	const most = 60
	clipped := false
	if r := []rune(s); len(r) > most {
		s, clipped = string(r[:most]), true
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		s = strings.Trim(strconv.Quote(s), `"`)
	}
	if clipped {
		s += "..."
	}
	return s
}
