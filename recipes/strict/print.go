package strict

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// YAML prints all values, defaults included, in the order of the schema. It
// parses back to the same values.
func (d *Document) YAML() []byte { return d.print(false) }

// Annotated is YAML with a comment on each value: default, recipe or override, and what it is.
func (d *Document) Annotated() []byte { return d.print(true) }

// Entry is one value of a document.
type Entry struct {
	Key    string // dotted
	Value  string // as YAML prints it
	Doc    string // one line about it, "" if there is none
	Origin Origin
}

// Entries returns all values, in the order of the schema; of an empty list of
// mappings there are none.
func (d *Document) Entries() []Entry { return d.top.list(nil) }

func (s *Section) list(to []Entry) []Entry {
	for _, e := range s.entries {
		switch {
		case e.section != nil:
			to = e.section.list(to)
		case e.list:
			for _, item := range e.items {
				to = item.list(to)
			}
		default:
			to = append(to, Entry{join(s.path, e.key), format(e.value), e.doc, e.origin})
		}
	}
	return to
}

// line is a printed line and what its comment says.
type line struct{ text, comment string }

func (d *Document) print(annotated bool) []byte {
	lines := d.top.print(nil, "")
	width := 0
	for _, l := range lines {
		// A very long line does not push all comments out of sight.
		if w := utf8.RuneCountInString(l.text); l.comment != "" && w <= 48 {
			width = max(width, w)
		}
	}
	var out bytes.Buffer
	for _, l := range lines {
		out.WriteString(l.text)
		if annotated && l.comment != "" {
			pad := max(0, width-utf8.RuneCountInString(l.text))
			out.WriteString(strings.Repeat(" ", pad) + "  # " + l.comment)
		}
		out.WriteByte('\n')
	}
	return out.Bytes()
}

func (s *Section) print(lines []line, indent string) []line {
	for _, e := range s.entries {
		key := indent + quote(e.key) + ":"
		switch {
		case e.list && len(e.items) == 0:
			lines = append(lines, line{key + " []", e.comment()})
		case e.list:
			lines = append(lines, line{key, ""})
			for _, item := range e.items {
				lines = item.printItem(lines, indent+"  ")
			}
		case e.section == nil:
			lines = append(lines, line{key + " " + format(e.value), e.comment()})
		case len(e.section.entries) == 0:
			lines = append(lines, line{key + " {}", ""})
		default:
			lines = append(lines, line{key, ""})
			lines = e.section.print(lines, indent+"  ")
		}
	}
	return lines
}

// comment says where a value comes from and what it is.
func (e *entry) comment() string {
	if e.doc == "" {
		return e.origin.String()
	}
	return e.origin.String() + ": " + e.doc
}

// printItem prints a mapping of a list.
func (s *Section) printItem(lines []line, indent string) []line {
	if len(s.entries) == 0 {
		return append(lines, line{indent + "- {}", ""})
	}
	first := len(lines)
	lines = s.print(lines, indent+"  ")
	lines[first].text = indent + "- " + lines[first].text[len(indent)+2:]
	return lines
}

// format returns v as YAML on one line.
func format(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = format(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.String:
		return quote(v.String())
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float64:
		return formatFloat(v.Float())
	}
	panic(fmt.Sprintf("strict: cannot print a %s", v.Type()))
}

// formatFloat returns f so that every YAML library reads it as a float, and as
// the same one: with a point and a signed exponent.
func formatFloat(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		panic(fmt.Sprintf("strict: cannot print %v", f))
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	mantissa, exponent, exponential := strings.Cut(s, "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	if !exponential {
		return mantissa
	}
	return mantissa + "e" + exponent[:1] + strings.TrimLeft(exponent[1:], "0")
}

var plain = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./+-]*$`)

// reserved are the words that some YAML library takes for something else than
// text.
var reserved = []string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"}

// quote returns s as a YAML scalar, in double quotes where it needs them. Go's
// escapes are YAML's too.
func quote(s string) string {
	if plain.MatchString(s) && !slices.Contains(reserved, strings.ToLower(s)) {
		return s
	}
	return strconv.Quote(s)
}
