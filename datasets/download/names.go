package download

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

const maxName = 256 // bytes of a path in an archive; the plain tar format has no longer ones

// Devices of Windows, which are there in every folder and with every extension.
var reserved = regexp.MustCompile(`(?i)^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)([0-9]|¹|²|³))[ ]*(\.|$)`)

// checkName refuses a path in an archive that leads out of the folder it is
// unpacked in, or that another system would store under another name, whatever
// system this is.
func checkName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("it holds a path of %d bytes, expected at most %d", len(name), maxName)
	}
	clean := path.Clean(name)
	if path.IsAbs(clean) || !filepath.IsLocal(filepath.FromSlash(clean)) {
		return fmt.Errorf("it holds the unsafe path %q", name)
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c < ' ', c == 0x7f, strings.IndexByte(`\:*?"<>|`, c) >= 0: // C:name and name:stream among them
			return fmt.Errorf("it holds the unsafe path %q", name)
		}
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "..": // a/../b stays inside, but nobody honest writes it
			return fmt.Errorf("it holds the unsafe path %q", name)
		case part != "." && strings.TrimRight(part, ". ") != part: // Windows drops them
			return fmt.Errorf("it holds the path %q, where a part ends with a dot or space", name)
		case reserved.MatchString(part):
			return fmt.Errorf("it holds the path %q, a device's name on Windows", name)
		}
	}
	return nil
}

// names are the paths of an archive, files and folders, by what they are where
// capitals make no difference.
type names map[string]string

// add refuses a path that differs from an earlier one only by case, in any of
// its folders too.
func (n names) add(name string) error {
	for ; name != "." && name != ""; name = path.Dir(name) {
		folded := strings.ToLower(strings.ToUpper(name)) // both: ſ is an S, and the kelvin sign a k
		if earlier, ok := n[folded]; ok && earlier != name {
			return fmt.Errorf("it holds %q and %q, which differ only by case", earlier, name)
		}
		n[folded] = name
	}
	return nil
}
