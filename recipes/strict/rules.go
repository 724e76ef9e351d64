package strict

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// rules are a parsed check tag.
type rules struct {
	min, max float64 // inclusive
	gt, lt   float64 // exclusive
	oneof    []string
	nonempty bool

	ascending bool // of a list: no number is below the one before it
}

// parseRules parses a check tag and panics on one that it does not know: a tag
// is part of the program.
func parseRules(tag string) rules {
	inf := math.Inf(1)
	r := rules{min: -inf, max: inf, gt: -inf, lt: inf}
	if tag == "" {
		return r
	}
	for _, rule := range strings.Split(tag, ",") {
		name, value, _ := strings.Cut(rule, "=")
		limit := func(at *float64) {
			f, err := strconv.ParseFloat(value, 64)
			if err != nil {
				panic(fmt.Sprintf("strict: check:%q: %q is not a number", tag, value))
			}
			*at = f
		}
		switch name {
		case "min":
			limit(&r.min)
		case "max":
			limit(&r.max)
		case "gt":
			limit(&r.gt)
		case "lt":
			limit(&r.lt)
		case "oneof":
			r.oneof = strings.Split(value, "|")
		case "nonempty":
			r.nonempty = true
		case "ascending":
			r.ascending = true
		default:
			panic(fmt.Sprintf("strict: check:%q: unknown rule %q", tag, name))
		}
	}
	return r
}

// number checks f; what names its type.
func (r rules) number(f float64, what string) *problem {
	among := r.oneof == nil || slices.ContainsFunc(r.oneof, func(s string) bool {
		known, err := strconv.ParseFloat(s, 64)
		return err == nil && known == f
	})
	if among && f >= r.min && f <= r.max && f > r.gt && f < r.lt {
		return nil
	}
	return &problem{expected: r.wanted(what)}
}

// wanted adds the range to the name of a type: "a number above 0 and below 1".
func (r rules) wanted(what string) string {
	if r.oneof != nil {
		return r.choices()
	}
	finite := func(f float64) bool { return !math.IsInf(f, 0) }
	write := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	var limits []string
	switch {
	case finite(r.min) && finite(r.max):
		limits = append(limits, "from "+write(r.min)+" to "+write(r.max))
	case finite(r.min):
		limits = append(limits, "of at least "+write(r.min))
	case finite(r.max):
		limits = append(limits, "of at most "+write(r.max))
	}
	if finite(r.gt) {
		limits = append(limits, "above "+write(r.gt))
	}
	if finite(r.lt) {
		limits = append(limits, "below "+write(r.lt))
	}
	if limits == nil {
		return what
	}
	return what + " " + strings.Join(limits, " and ")
}

// choices names what oneof allows.
func (r rules) choices() string {
	if len(r.oneof) == 1 {
		return r.oneof[0]
	}
	return "one of " + strings.Join(r.oneof, ", ")
}

// text checks s.
func (r rules) text(s string) *problem {
	if r.nonempty && s == "" {
		return &problem{expected: "text that is not empty"}
	}
	if r.oneof != nil && !slices.Contains(r.oneof, s) {
		p := &problem{expected: r.choices()}
		if near := Nearest(s, r.oneof); near != "" {
			p.hint = "did you mean " + near + "?"
		}
		return p
	}
	return nil
}
