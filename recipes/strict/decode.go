package strict

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Validator is implemented by structs for Decode with values that may contradict
// each other. The error says what was found and what was expected.
type Validator interface{ Validate() error }

// Decode decodes the section's keys into the struct that ptr points to, whose
// fields hold the defaults. Where each is right by itself, and ptr is a
// Validator, all of them are looked at together.
func (s *Section) Decode(ptr any) {
	v := reflect.ValueOf(ptr)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("strict: Decode wants a pointer to a struct, not %T", ptr))
	}
	s.decodeStruct(v.Elem())
	if all, ok := ptr.(Validator); ok && s.Valid() {
		if err := all.Validate(); err != nil {
			s.Fail("", "%v", err)
		}
	}
}

func (s *Section) decodeStruct(v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag, tagged := field.Tag.Lookup("yaml")
		switch {
		case tag == "-", !field.IsExported() && !field.Anonymous:
			continue
		case tag == ",inline" && field.Type.Kind() == reflect.Struct:
			s.decodeStruct(v.Field(i))
			continue
		case !tagged || tag == "" || strings.Contains(tag, ","):
			panic(fmt.Sprintf("strict: the field %s.%s needs a tag such as yaml:\"key\"", v.Type(), field.Name))
		}
		s.decode(tag, v.Field(i), parseRules(field.Tag.Get("check")), field.Tag.Get("doc"))
	}
}

// decode decodes the key into v, which holds the default. It returns false if
// it reported an error.
func (s *Section) decode(key string, v reflect.Value, r rules, doc string) bool {
	switch v.Kind() {
	case reflect.Struct:
		s.Section(key, doc).decodeStruct(v)
		return true
	case reflect.Map:
		s.Section(key, doc).decodeMap(v, r)
		return true
	}
	e := &entry{key: key, doc: doc, value: v}
	s.entries = append(s.entries, e)
	p := s.node.find(key)
	if p == nil {
		return true
	}
	e.origin = p.value.origin
	before := len(s.doc.errs)
	if p.value.kind != broken {
		s.decodeValue(p.value, v, r, s.at(key))
		return len(s.doc.errs) == before
	}
	return false
}

func (s *Section) decodeMap(v reflect.Value, r rules) {
	elem := v.Type().Elem()
	values := map[string]reflect.Value{}
	for iter := v.MapRange(); iter.Next(); {
		values[iter.Key().String()] = iter.Value()
	}
	if s.node != nil {
		for _, p := range s.node.pairs {
			if _, ok := values[p.key]; !ok {
				values[p.key] = reflect.Zero(elem)
			}
		}
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	keys := make([]string, 0, len(values))
	for k := range values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		value := reflect.New(elem).Elem() // a map's own are not addressable
		value.Set(values[k])
		s.decode(k, value, r, "")
		v.SetMapIndex(reflect.ValueOf(k), value)
	}
}

// decodeValue decodes n into v, a scalar, slice or array, and reports why it
// cannot, in which case v stays as it is.
func (s *Section) decodeValue(n *node, v reflect.Value, r rules, path string) {
	fail := func(p *problem) {
		if n.kind == null && !strings.HasSuffix(path, "]") {
			p.hint = "leave the key out to have the default"
		}
		message := fmt.Sprintf("found %s, expected %s", n.describe(), p.expected)
		if p.hint != "" {
			message += "; " + p.hint
		}
		s.doc.fail(n.place, path, "%s", message)
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		if p := s.decodeList(n, v, r, path); p != nil {
			fail(p)
		}
		return
	}
	if p := decodeScalar(n, v, r); p != nil {
		fail(p)
	}
}

func (s *Section) decodeList(n *node, v reflect.Value, r rules, path string) *problem {
	elem := v.Type().Elem().Kind()
	wanted := "a list of " + plural(elem)
	if v.Kind() == reflect.Array {
		wanted = fmt.Sprintf("a list of %d %s", v.Len(), plural(elem))
	}
	switch {
	case n.kind != list:
		p := &problem{expected: wanted}
		if n.kind == text || n.kind == number || n.kind == boolean {
			item := clip(n.value)
			if elem == reflect.String && n.kind != text {
				item = strconv.Quote(item)
			}
			p.hint = "write [" + item + "]"
			if v.Kind() == reflect.Array && v.Len() != 1 {
				p.hint = "write " + format(v)
			}
		}
		return p
	case v.Kind() == reflect.Array && len(n.items) != v.Len():
		return &problem{expected: wanted}
	case r.nonempty && len(n.items) == 0:
		return &problem{expected: wanted + ", at least one"}
	}
	each := r
	each.nonempty, each.ascending = false, false
	out := reflect.New(v.Type()).Elem()
	if v.Kind() == reflect.Slice {
		out.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	}
	before := len(s.doc.errs)
	for i, item := range n.items {
		if item.kind != broken {
			s.decodeValue(item, out.Index(i), each, fmt.Sprintf("%s[%d]", path, i))
		}
	}
	if len(s.doc.errs) > before {
		return nil
	}
	if r.ascending && !ascending(out) {
		s.doc.fail(n.place, path, "found %s, expected %s in ascending order", format(out), plural(elem))
		return nil
	}
	v.Set(out)
	return nil
}

// ascending says whether no number of a list is below the one before it.
func ascending(v reflect.Value) bool {
	value := func(i int) float64 {
		if n := v.Index(i); n.CanInt() {
			return float64(n.Int())
		}
		return v.Index(i).Float()
	}
	for i := 1; i < v.Len(); i++ {
		if value(i) < value(i-1) {
			return false
		}
	}
	return true
}

func decodeScalar(n *node, v reflect.Value, r rules) *problem {
	switch v.Kind() {
	case reflect.Bool:
		b, p := toBool(n)
		if p == nil {
			v.SetBool(b)
		}
		return p
	case reflect.String:
		t, p := toString(n)
		if p == nil {
			p = r.text(t)
		} else if r.oneof != nil {
			p = &problem{expected: r.choices()}
		}
		if p == nil {
			v.SetString(t)
		}
		return p
	case reflect.Int, reflect.Int64:
		i, p := toInt(n)
		if p == nil && v.OverflowInt(i) {
			p = &problem{expected: fmt.Sprintf("a whole number that fits %d bits", v.Type().Bits())}
		}
		if p == nil {
			p = r.number(float64(i), "a whole number")
		} else if p.expected == "a whole number" {
			p.expected = r.wanted(p.expected)
		}
		if p == nil {
			v.SetInt(i)
		}
		return p
	case reflect.Float64:
		f, p := toFloat(n)
		if p == nil {
			p = r.number(f, "a number")
		} else if p.expected == "a number" {
			p.expected = r.wanted(p.expected)
		}
		if p == nil {
			v.SetFloat(f)
		}
		return p
	}
	panic(fmt.Sprintf("strict: cannot decode into a %s", v.Type()))
}

// plural names the values of a list.
func plural(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "texts"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "whole numbers"
	}
	return "numbers"
}
