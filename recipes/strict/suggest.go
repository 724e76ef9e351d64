package strict

import (
	"fmt"
	"strings"
)

// Nearest returns the known word that s was probably meant to be, "" if none is
// near.
func Nearest(s string, known []string) string {
	const longest = 64 // a key longer than that is no slip of the finger
	if len(s) > longest {
		return ""
	}
	fold := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "_")) }
	best, bestDistance := "", 0
	for _, k := range known {
		d := distance(fold(s), fold(k))
		if len(s) >= 3 && strings.HasPrefix(fold(k), fold(s)) {
			d = min(d, 1) // "iter" for "iterations"
		}
		near := d == 0 || d <= len(k)/3 && d < len(s)
		if near && (best == "" || d < bestDistance) {
			best, bestDistance = k, d
		}
	}
	return best
}

// suggest returns the tail of an error about s, which should have been one of
// known: the one that was probably meant, or all of them.
func suggest(s string, known []string) string {
	if k := Nearest(s, known); k != "" {
		return fmt.Sprintf("did you mean %s?", k)
	}
	return "known here: " + strings.Join(known, ", ")
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	var before []int
	previous := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := previous[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, previous[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, previous = previous, row
	}
	return previous[len(b)]
}
