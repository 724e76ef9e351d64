package strict

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// override applies "a.b=c", the order-th one, to the tree. The value is YAML
// and replaces what was there as a whole, mappings and lists too. Mappings on
// the way are made; those that the schema lacks are found by the decoding.
func (d *Document) override(root *node, s string, order int) {
	place := Place{Override: s, order: order}
	path, value, found := strings.Cut(s, "=")
	path = strings.TrimSpace(path)
	keys := strings.Split(path, ".")
	for _, k := range keys {
		if !found || k == "" {
			d.fail(place, "", "found %q, expected key=value, such as train.iterations=100", clip(s))
			return
		}
	}
	if len(path) > longest {
		d.fail(place, "", "found a key of %d bytes, expected %d at most, such as train.iterations=100", len(path), longest)
		return
	}
	leaf := d.parseValue(value, path, place)
	if leaf == nil {
		return
	}

	parent := root
	for i, k := range keys[:len(keys)-1] {
		p := parent.find(k)
		if p == nil {
			p = &pair{k, place, &node{kind: mapping, place: place, origin: Override}}
			parent.pairs = append(parent.pairs, p)
		}
		parent = p.value
		if parent.kind == broken {
			return
		}
		if parent.kind != mapping {
			d.fail(place, strings.Join(keys[:i+1], "."), "found %s (at %s), expected a mapping that could have a key %q",
				parent.describe(), parent.place, clip(keys[i+1]))
			return
		}
	}
	last := keys[len(keys)-1]
	if p := parent.find(last); p != nil {
		p.place, p.value = place, leaf
		return
	}
	parent.pairs = append(parent.pairs, &pair{last, place, leaf})
}

// parseValue parses an override's value; nil: an error was reported.
func (d *Document) parseValue(value, path string, place Place) *node {
	fail := func(format string, args ...any) *node {
		d.fail(place, path, format, args...)
		return nil
	}
	data := []byte(value)
	if len(data) > MaxSize {
		return fail("found more than %d bytes, expected a value", MaxSize)
	}
	if at, what := notText(data); at >= 0 {
		return fail("found %s, expected UTF-8 text", what)
	}
	docs, err := documents(data)
	if err != nil {
		_, message := explain(data, err)
		return fail("%s", message)
	}
	switch len(docs) {
	case 0:
		return &node{kind: null, place: place, origin: Override}
	case 1:
		c := converter{doc: d, origin: Override, place: func(*yaml.Node) Place { return place }}
		return c.convert(docs[0].Content[0], path, 0)
	}
	return fail("found a second document, expected one value")
}
