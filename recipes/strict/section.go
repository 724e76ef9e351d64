package strict

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Document is a parsed file with its overrides, and, once its sections have
// been asked for all they know, the values resolved from it.
type Document struct {
	file string
	top  *Section
	errs Errors
}

// Top returns the outermost mapping.
func (d *Document) Top() *Section { return d.top }

// Err returns everything wrong with the document, an Errors, or nil. Call it
// when every key of the schema has been asked for: keys that nobody asked for
// are the unknown ones.
func (d *Document) Err() error {
	errs := slices.Clone(d.errs)
	d.top.unknown(&errs)
	if len(errs) == 0 {
		return nil
	}
	errs.sort()
	return errs
}

func (d *Document) fail(p Place, key, format string, args ...any) *Error {
	e := &Error{p, key, fmt.Sprintf(format, args...)}
	d.errs = append(d.errs, e)
	return e
}

// Section is one mapping of the document, present or not.
type Section struct {
	doc     *Document
	path    string
	node    *node // nil: not given
	place   Place // of its key
	entries []*entry
	skipped bool
	bare    bool   // a name alone, in a list, that stands for {type: name}
	instead string // the scalar where this mapping should be,
	refusal *Error // and what was said about it
}

// entry is one key of a section that the schema knows.
type entry struct {
	key, doc string
	section  *Section      // a mapping, or
	list     bool          // a list of mappings, which are
	items    []*Section    // these, or
	value    reflect.Value // a value
	origin   Origin        // of a value or a list
}

// Section returns the mapping at key, which need not be there. doc is one line
// about it.
func (s *Section) Section(key, doc string) *Section {
	sub := &Section{doc: s.doc, path: join(s.path, key), place: s.place, skipped: s.skipped}
	s.entries = append(s.entries, &entry{key: key, doc: doc, section: sub})
	p := s.node.find(key)
	if p == nil {
		return sub
	}
	sub.place = p.place
	switch p.value.kind {
	case mapping:
		sub.node = p.value
	case broken:
		sub.skipped = true
	default:
		hint := ""
		if p.value.kind == null {
			hint = "; leave the key out to have the defaults"
		}
		sub.skipped, sub.instead = true, p.value.value
		sub.refusal = s.doc.fail(p.value.place, sub.path, "found %s, expected a mapping%s", p.value.describe(), hint)
	}
	return sub
}

// Sections returns the mappings of the list at key, none if it is not there. An
// item that is a name alone stands for {type: name}. doc is one line about the
// list.
func (s *Section) Sections(key, doc string) []*Section {
	e := &entry{key: key, doc: doc, list: true}
	s.entries = append(s.entries, e)
	p := s.node.find(key)
	if p == nil || p.value.kind == broken {
		return nil
	}
	e.origin = p.value.origin
	path := join(s.path, key)
	if p.value.kind != list {
		hint := ""
		switch p.value.kind {
		case null:
			hint = "; leave the key out to have none"
		case text:
			hint = fmt.Sprintf("; write [%s]", clip(p.value.value))
		}
		s.doc.fail(p.value.place, path, "found %s, expected a list of names and mappings%s", p.value.describe(), hint)
		return nil
	}
	for i, n := range p.value.items {
		sub := &Section{doc: s.doc, path: fmt.Sprintf("%s[%d]", path, i), place: n.place, skipped: s.skipped}
		switch n.kind {
		case mapping:
			sub.node = n
		case text:
			sub.bare = true
			sub.node = &node{kind: mapping, place: n.place, origin: n.origin, pairs: []*pair{{"type", n.place, n}}}
		case broken:
			sub.skipped = true
		default:
			sub.skipped = true
			s.doc.fail(n.place, sub.path, "found %s, expected a name or a mapping with a type", n.describe())
		}
		e.items = append(e.items, sub)
	}
	return e.items
}

// at returns the dotted key of one of the section's keys.
func (s *Section) at(key string) string {
	if s.bare && key == "type" {
		return s.path // there is no such key to be seen
	}
	return join(s.path, key)
}

// Has says whether the file or an override gives the key.
func (s *Section) Has(key string) bool { return s.node.find(key) != nil }

// Type decodes the key "type", which picks what the rest of the section is: one
// of known, ordinarily initial ("": the key must be there). False means that it
// could not, that an error was reported, and that the rest of the section is not
// to be looked at. A slip of the finger is reported too, and then taken for what
// was probably meant, so that the rest is checked all the same.
func (s *Section) Type(known []string, initial string) (string, bool) {
	name := initial
	if s.skipped {
		if s.refusal != nil && slices.Contains(known, s.instead) {
			s.refusal.Message += "; write {type: " + s.instead + "}"
		}
		return "", false
	}
	if initial == "" && !s.Has("type") {
		s.Missing("type", "one of "+strings.Join(known, ", ")+s.typeAsKey(known))
		s.Skip()
		return "", false
	}
	if !s.Var("type", &name, "oneof="+strings.Join(known, "|"), "") {
		name = ""
		if n := s.node.find("type").value; n.kind == text {
			name = Nearest(n.value, known)
		}
		if name == "" {
			s.Skip()
			return "", false
		}
	}
	return name, true
}

// typeAsKey is a hint for who wrote {name: {...}} or {name: ...} for {type: name, ...}.
func (s *Section) typeAsKey(known []string) string {
	for _, k := range known {
		if s.Has(k) {
			return "; write {type: " + k + ", ...}"
		}
	}
	return ""
}

// Skip gives up on the section: none of its keys will be reported.
func (s *Section) Skip() { s.skipped = true }

// Missing reports that key has to be there, and what it should be.
func (s *Section) Missing(key, expected string) {
	if !s.skipped {
		s.doc.fail(s.place, join(s.path, key), "found nothing, expected %s", expected)
	}
}

// Fail reports that the value at key is not as expected for a reason that tags
// cannot say. key "" is the section itself.
func (s *Section) Fail(key, format string, args ...any) {
	s.doc.errs = append(s.doc.errs, s.Error(key, format, args...))
}

// Valid says whether nothing wrong has been found in the section so far.
func (s *Section) Valid() bool {
	return !s.skipped && !slices.ContainsFunc(s.doc.errs, func(e *Error) bool {
		return e.Key == s.path || strings.HasPrefix(e.Key, s.path+".")
	})
}

// Error returns what Fail reports, for use after Err.
func (s *Section) Error(key, format string, args ...any) *Error {
	place := s.place
	if p := s.node.find(key); p != nil {
		place = p.value.place
	}
	path := s.path
	if key != "" {
		path = join(s.path, key)
	}
	return &Error{place, path, fmt.Sprintf(format, args...)}
}

// Var decodes one key into *ptr, which holds the default, by the rules of a
// check tag. It returns false, after reporting the error, if it could not.
func (s *Section) Var(key string, ptr any, check, doc string) bool {
	return s.decode(key, reflect.ValueOf(ptr).Elem(), parseRules(check), doc)
}

// unknown reports the keys that nobody asked for.
func (s *Section) unknown(errs *Errors) {
	if s.skipped {
		return
	}
	known := make([]string, 0, len(s.entries))
	for _, e := range s.entries {
		known = append(known, e.key)
		if e.section != nil {
			e.section.unknown(errs)
		}
		for _, item := range e.items {
			item.unknown(errs)
		}
	}
	if s.node == nil {
		return
	}
	for _, p := range s.node.pairs {
		if !slices.Contains(known, p.key) {
			*errs = append(*errs, &Error{p.place, join(s.path, p.key), "unknown key; " + s.advise(p, known)})
		}
	}
}

// advise says what to write instead of an unknown key.
func (s *Section) advise(p *pair, known []string) string {
	if before, _, found := strings.Cut(p.key, ":"); found && slices.Contains(known, before) {
		return "a space is missing after the colon"
	}
	if before, after, found := strings.Cut(p.key, "."); found && slices.Contains(known, before) {
		return fmt.Sprintf("dots are for -set, in a file write %s: {%s: ...}", before, clip(after))
	}
	if Nearest(p.key, known) == "" {
		if homes := s.doc.top.homes(p.key, nil); homes != nil {
			return "it belongs in " + strings.Join(homes, " or ")
		}
	}
	if len(known) == 0 {
		return "nothing is known here"
	}
	return suggest(p.key, known)
}

// homes returns the paths of the sections, s and below, that have the key.
func (s *Section) homes(key string, to []string) []string {
	for _, e := range s.entries {
		for _, item := range e.items {
			to = item.homes(key, to)
		}
		switch {
		case e.section != nil:
			to = e.section.homes(key, to)
		case e.key == key && s.path == "":
			to = append(to, "the top level")
		case e.key == key:
			to = append(to, s.path)
		}
	}
	return to
}
