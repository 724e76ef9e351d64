package rundir

import (
	"os"
	"path/filepath"
	"strings"
)

// Find returns the runs in a folder, which may be one itself, and up to so many levels below it. Links are followed, but
// no folder is found twice. Hidden folders are passed over. Problems are folders that cannot be read.
func Find(folder string, levels int) (runs []string, problems []error) {
	f := finder{seen: map[string]bool{}}
	f.walk(folder, levels)
	for len(f.links) > 0 { // behind all that has its own name
		next := f.links[0]
		f.links = f.links[1:]
		f.walk(next.path, next.levels)
	}
	return f.runs, f.problems
}

type finder struct {
	runs     []string
	problems []error
	seen     map[string]bool // by the real path
	links    []link
}

// link leads to a folder to be walked.
type link struct {
	path   string
	levels int
}

func (f *finder) walk(folder string, levels int) {
	real, err := filepath.EvalSymlinks(folder)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	if err != nil {
		f.problems = append(f.problems, err)
		return
	}
	if f.seen[real] {
		return
	}
	f.seen[real] = true
	if IsRun(folder) {
		f.runs = append(f.runs, folder)
		return
	}
	if levels == 0 {
		return
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		f.problems = append(f.problems, err)
		return
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			f.walk(path, levels-1)
		case e.Type()&os.ModeSymlink != 0:
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				f.links = append(f.links, link{path, levels - 1})
			}
		}
	}
}
