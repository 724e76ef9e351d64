package strict

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

var (
	decimal = regexp.MustCompile(`^[-+]?([0-9]+(_[0-9]+)*\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$`)
	based   = regexp.MustCompile(`^[-+]?0(x[0-9a-fA-F]+|o[0-7]+|b[01]+)$`)
	octal   = regexp.MustCompile(`^[-+]?0[0-9_]+$`)
	endless = regexp.MustCompile(`^[-+]?\.(inf|Inf|INF|nan|NaN|NAN)$`)
)

// classify says what a plain (unquoted) scalar is. The YAML library's own
// resolution is not used: it takes 5e-5 for text in one version and not in
// another.
func classify(s string) kind {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return null
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return boolean
	}
	if decimal.MatchString(s) || based.MatchString(s) || endless.MatchString(s) {
		return number
	}
	return text
}

// problem is why a scalar is not what was wanted: what was expected, and
// perhaps what to do.
type problem struct{ expected, hint string }

func toBool(n *node) (bool, *problem) {
	if n.kind == boolean {
		return strings.EqualFold(n.value, "true"), nil
	}
	p := &problem{expected: "true or false"}
	if n.kind == text {
		switch strings.ToLower(n.value) {
		case "true", "false":
			p.hint = "leave the quotes out"
		case "yes", "y", "on":
			p.hint = "write true"
		case "no", "n", "off":
			p.hint = "write false"
		}
	}
	return false, p
}

func toString(n *node) (string, *problem) {
	switch n.kind {
	case text:
		return n.value, nil
	case number, boolean:
		return "", &problem{"text", fmt.Sprintf("to mean it as text, quote it: %q", clip(n.value))}
	}
	return "", &problem{expected: "text"}
}

func toFloat(n *node) (float64, *problem) {
	const expected = "a number"
	if n.kind != number {
		return 0, &problem{expected, unquote(n)}
	}
	switch {
	case endless.MatchString(n.value):
		return 0, &problem{expected: "a finite number"}
	case octal.MatchString(n.value):
		return 0, octalProblem(n, expected)
	case based.MatchString(n.value):
		i, err := strconv.ParseInt(n.value, 0, 64)
		if err != nil {
			return 0, &problem{expected: "a number that fits 64 bits"}
		}
		return float64(i), nil
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(n.value, "_", ""), 64)
	if err != nil {
		return 0, &problem{expected: "a number that a float64 can hold (up to 1.8e308)"}
	}
	mantissa, _, _ := strings.Cut(strings.ToLower(n.value), "e")
	if f == 0 && strings.ContainsAny(mantissa, "123456789") {
		return 0, &problem{expected: "0 or a number that a float64 can hold (down to 4.9e-324)"}
	}
	return f, nil
}

func toInt(n *node) (int64, *problem) {
	const expected = "a whole number"
	tooLarge := &problem{expected: "a whole number that fits 64 bits"}
	if n.kind != number {
		return 0, &problem{expected, unquote(n)}
	}
	if octal.MatchString(n.value) {
		return 0, octalProblem(n, expected)
	}
	if decimal.MatchString(n.value) && strings.ContainsAny(n.value, ".eE") {
		f, p := toFloat(n)
		switch {
		case p != nil:
			return 0, &problem{expected: expected}
		case f != math.Trunc(f):
			return 0, &problem{expected: expected}
		case math.Abs(f) > 1<<53: // beyond, digits were lost in reading
			return 0, tooLarge
		}
		return int64(f), nil
	}
	if endless.MatchString(n.value) {
		return 0, &problem{expected: expected}
	}
	s := n.value
	if !based.MatchString(s) {
		s = strings.ReplaceAll(s, "_", "")
	}
	i, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		return 0, tooLarge
	}
	return i, nil
}

// unquote returns the hint for a number in quotes.
func unquote(n *node) string {
	if n.kind == text && n.quoted && classify(n.value) == number {
		return "leave the quotes out"
	}
	return ""
}

func octalProblem(n *node, expected string) *problem {
	return &problem{expected + " without leading zeros", "YAML versions disagree on what " + clip(n.value) + " is"}
}
