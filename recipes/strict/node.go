package strict

import (
	"fmt"
	"strconv"
)

type kind int

const (
	null kind = iota
	boolean
	number
	text
	list
	mapping
	broken // already reported
)

// node is a YAML value with its place, freed of what recipes do not use:
// anchors, tags, documents.
type node struct {
	kind   kind
	value  string // of a scalar, as written
	quoted bool
	items  []*node // of a list
	pairs  []*pair // of a mapping
	place  Place
	origin Origin
}

type pair struct {
	key   string
	place Place // of the key
	value *node
}

// find returns the pair of a key, nil if there is none. n may be nil.
func (n *node) find(key string) *pair {
	if n == nil {
		return nil
	}
	for _, p := range n.pairs {
		if p.key == key {
			return p
		}
	}
	return nil
}

// describe says what a node is, for "found ...".
func (n *node) describe() string {
	switch n.kind {
	case null:
		if n.value == "" {
			return "nothing"
		}
		return n.value
	case text:
		s := strconv.Quote(clip(n.value))
		if n.quoted && n.value != "" && classify(n.value) != text {
			s += " in quotes, which is text"
		}
		return s
	case list:
		if len(n.items) == 1 {
			return "a list of 1 value"
		}
		return fmt.Sprintf("a list of %d values", len(n.items))
	case mapping:
		return "a mapping"
	}
	return clip(n.value)
}

// Origin says where a value comes from.
type Origin int

// The places a value can come from.
const (
	Default  Origin = iota // not given
	Recipe                 // the file
	Override               // -set
)

func (o Origin) String() string { return [...]string{"default", "recipe", "override"}[o] }
