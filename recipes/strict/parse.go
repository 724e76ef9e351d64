package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// MaxSize is the largest file Parse takes, in bytes.
const MaxSize = 1 << 20

// Parse reads a file's data and applies overrides ("a.b=c", in order) to it.
// The error, an Errors, is for what is not one YAML mapping at all; everything
// else waits for Document.Err.
func Parse(file string, data []byte, overrides []string) (*Document, error) {
	d := &Document{file: file}
	root := d.parseFile(data)
	if root != nil {
		for i, o := range overrides {
			d.override(root, o, i+1)
		}
	}
	if root == nil {
		d.errs.sort()
		return nil, d.errs
	}
	d.top = &Section{doc: d, node: root, place: Place{File: file}}
	return d, nil
}

// parseFile returns the file's mapping, nil if there is none.
func (d *Document) parseFile(data []byte) *node {
	const help = "expected one YAML mapping, lines of \"key: value\""
	fail := func(p Place, format string, args ...any) *node {
		d.fail(p, "", format, args...)
		return nil
	}
	whole := Place{File: d.file}
	if len(data) > MaxSize {
		return fail(whole, "found more than %d bytes, %s", MaxSize, help)
	}
	if at, what := notText(data); at >= 0 {
		return fail(placeOf(d.file, data, at), "found %s, expected UTF-8 text; save the file as UTF-8", what)
	}
	docs, err := documents(data)
	if err != nil {
		line, message := explain(data, err)
		return fail(Place{File: d.file, Line: line, Column: 1}, "%s", message)
	}
	if len(docs) == 0 {
		what := "an empty file"
		if len(bytes.TrimSpace(data)) > 0 {
			what = "only comments"
		}
		return fail(whole, "found %s, %s", what, help)
	}
	if len(docs) > 1 {
		fail(Place{File: d.file, Line: docs[1].Line, Column: docs[1].Column},
			"found the beginning of a second document, expected one document a file; remove it, or the --- that begins it")
	}
	c := converter{doc: d, origin: Recipe, place: func(n *yaml.Node) Place {
		return Place{File: d.file, Line: n.Line, Column: n.Column}
	}}
	root := c.convert(docs[0].Content[0], "", 0)
	switch {
	case root.kind == broken:
		return nil
	case root.kind == null:
		return fail(root.place, "found nothing, %s", help)
	case root.kind == text && joined.MatchString(root.value):
		return fail(root.place, "found %s, %s; a space is missing after the colon", root.describe(), help)
	case root.kind != mapping:
		return fail(root.place, "found %s, %s", root.describe(), help)
	}
	return root
}

// documents returns the first two documents of data.
func documents(data []byte) (docs []*yaml.Node, err error) {
	defer func() { // the library's parser is big, and the text may be hostile
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: the parser failed on it: %v", r)
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for len(docs) < 2 {
		n := new(yaml.Node)
		if err := decoder.Decode(n); errors.Is(err, io.EOF) {
			return docs, nil
		} else if err != nil {
			return docs, err
		}
		docs = append(docs, n)
	}
	return docs, nil
}

// notText returns where data stops being printable UTF-8 and what is there, or -1.
func notText(data []byte) (int, string) {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return i, fmt.Sprintf("the byte 0x%02x", data[i])
		case unicode.IsControl(r) && !strings.ContainsRune("\t\n\r\u0085", r):
			return i, fmt.Sprintf("the control character 0x%02x", r)
		}
		i += size
	}
	return -1, ""
}

func placeOf(file string, data []byte, offset int) Place {
	before := data[:offset]
	return Place{
		File:   file,
		Line:   bytes.Count(before, []byte("\n")) + 1,
		Column: utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1,
	}
}

var (
	joined  = regexp.MustCompile(`^[\s\-]*[A-Za-z_][A-Za-z0-9_]*:[^\s:/]`)
	numbers = regexp.MustCompile(`^yaml: line (\d+): `)
	tabbed  = regexp.MustCompile(`(?m)^ *\t`)
)

// advice says what is usually behind a message of the YAML library.
var advice = []struct{ message, do string }{
	{"could not find expected ':'", `write "key: value"`},
	{"did not find expected key", "indent this line like the keys it belongs with"},
	{"mapping values are not allowed", `only one "key: value" fits a line, and the lines below a value must not be deeper than it; quote text that contains ": "`},
	{"cannot start any token", "quote text that begins with one of @ ` %"},
	{"did not find expected ',' or ']'", "close the [ or add the comma"},
	{"did not find expected ',' or '}'", "close the { or add the comma"},
	{"unexpected end of stream", "close the quotes"},
	{"unknown anchor", "quote text that begins with *"},
	{"expected alphabetic or numeric character", "quote text that begins with * or &"},
	{"expected comment or line break", "quote text that begins with > or |"},
	{"expected <document start>", "indent this line like the lines above it"},
}

// explain turns an error of the YAML library into a line number and a message.
func explain(data []byte, err error) (int, string) {
	message := strings.TrimPrefix(numbers.ReplaceAllString(err.Error(), ""), "yaml: ")
	lines := bytes.SplitAfter(data, []byte("\n"))
	line := failingLine(lines, err)
	content := func(line int) string { return clip(strings.TrimSpace(string(lines[line-1]))) }

	if at := tabbed.FindIndex(data); at != nil {
		line = bytes.Count(data[:at[1]], []byte("\n")) + 1
		return line, fmt.Sprintf("found a tab at the beginning of %q, expected spaces; YAML is indented by spaces alone", content(line))
	}
	for _, l := range []int{line - 1, line} { // the line above is blamed on this one
		if l >= 1 && joined.Match(lines[l-1]) {
			return l, fmt.Sprintf("found %q, expected a space after the colon", content(l))
		}
	}
	do := "see that its indentation, quotes and brackets match"
	for _, a := range advice {
		if strings.Contains(message, a.message) {
			do = a.do
			break
		}
	}
	return line, fmt.Sprintf("found %q, which is not YAML (%s); %s", content(line), message, do)
}

// failingLine returns the line after the longest run of whole lines that is
// valid YAML. The library's own number is often that of the enclosing mapping,
// and missing in the first line.
func failingLine(lines [][]byte, err error) int {
	const work = 2 << 20 // bytes parsed at most
	size := 0
	for _, l := range lines {
		size += len(l)
	}
	if size*len(lines) > work {
		line := 0
		if m := numbers.FindStringSubmatch(err.Error()); m != nil {
			line, _ = strconv.Atoi(m[1])
		}
		return min(max(line, 1), len(lines))
	}
	for n := len(lines) - 1; n > 0; n-- {
		if _, err := documents(bytes.Join(lines[:n], nil)); err == nil {
			return n + 1
		}
	}
	return 1
}

// converter turns the library's nodes into ours and refuses what has no place
// in a recipe.
type converter struct {
	doc    *Document
	origin Origin
	place  func(*yaml.Node) Place
}

// No schema is deeper, and the stack is finite. No key is longer, and each value
// of a list takes a path of its own, with all keys around it.
const (
	deepest = 32  // mappings and lists inside each other
	longest = 200 // bytes of a key
)

func (c *converter) convert(n *yaml.Node, path string, depth int) *node {
	out := &node{place: c.place(n), origin: c.origin}
	refuse := func(format string, args ...any) *node {
		c.doc.fail(out.place, path, format, args...)
		out.kind = broken
		return out
	}
	switch {
	case n.Kind == yaml.AliasNode:
		return refuse("found the alias *%s, expected a value; write it out (quote text that begins with *)", clip(n.Value))
	case n.Anchor != "":
		return refuse("found the anchor &%s, expected a value; anchors and aliases are not supported", clip(n.Anchor))
	case n.Style&yaml.TaggedStyle != 0:
		return refuse("found the tag %s, expected a value; tags are not supported (quote text that begins with !)", clip(n.Tag))
	case depth > deepest:
		return refuse("found more than %d mappings and lists inside each other, expected a recipe", deepest)
	}
	switch n.Kind {
	case yaml.ScalarNode:
		out.value = n.Value
		out.quoted = n.Style != 0
		out.kind = text
		if !out.quoted {
			out.kind = classify(n.Value)
		}
	case yaml.SequenceNode:
		out.kind = list
		for i, item := range n.Content {
			out.items = append(out.items, c.convert(item, fmt.Sprintf("%s[%d]", path, i), depth+1))
		}
	case yaml.MappingNode:
		out.kind = mapping
		first := map[string]Place{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, place := n.Content[i], c.place(n.Content[i])
			switch at, again := first[key.Value]; {
			case key.Kind != yaml.ScalarNode || key.Style&yaml.TaggedStyle != 0 || key.Anchor != "":
				c.doc.fail(place, path, "found a key that is not a plain word, expected \"key: value\"")
			case len(key.Value) > longest:
				c.doc.fail(place, path, "found a key of %d bytes, expected a word of %d at most", len(key.Value), longest)
			case key.Value == "<<" && key.Style == 0:
				c.doc.fail(place, path, "found the merge key <<, expected a key; write its values out")
			case again:
				c.doc.fail(place, join(path, key.Value), "found twice, expected once; the first is at %s", at)
			default:
				first[key.Value] = place
				out.pairs = append(out.pairs, &pair{key.Value, place, c.convert(n.Content[i+1], join(path, key.Value), depth+1)})
			}
		}
	}
	return out
}

// join returns the dotted key of a key in the mapping at path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
