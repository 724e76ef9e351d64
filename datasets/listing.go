package datasets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// listing is the image files under a folder.
type listing struct {
	root     string
	names    []string // paths from root on with slashes, sorted by their bytes
	problems []problem
}

// list finds the image files under root, by their extension, in any case. Hidden
// files and folders, those whose names begin with a dot, and other files are
// passed over; links are followed. Files and folders below root that cannot be
// looked at are among the problems.
func list(root string) (*listing, error) {
	info, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the folder %s does not exist; put the images there, or correct the path", root)
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, fmt.Errorf("%s is not a folder, expected one that holds images", root)
	}
	l := &listing{root: root}
	l.walk("", []fs.FileInfo{info})
	if len(l.names) == 0 && len(l.problems) == 0 {
		return nil, fmt.Errorf("%s holds no image, expected files that end in %s", root, strings.Join(imageExtensions, ", "))
	}
	slices.Sort(l.names)
	return l, nil
}

// walk adds what is in the folder of that name; above is the folder and those
// that it is in, for links that lead back.
func (l *listing) walk(folder string, above []fs.FileInfo) {
	entries, err := os.ReadDir(l.path(folder))
	if err != nil {
		l.fail(folder, err)
		return
	}
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		image := slices.Contains(imageExtensions, strings.ToLower(path.Ext(e.Name())))
		if link := e.Type()&fs.ModeSymlink != 0; !link && !e.IsDir() {
			if image {
				l.names = append(l.names, name)
			}
			continue
		}
		info, err := os.Stat(l.path(name))
		switch {
		case err != nil && (image || e.IsDir()):
			l.fail(name, err)
		case err != nil: // a link to nowhere that would not have been read
		case !info.IsDir() && image:
			l.names = append(l.names, name)
		case info.IsDir() && !slices.ContainsFunc(above, func(a fs.FileInfo) bool { return os.SameFile(a, info) }):
			l.walk(name, append(slices.Clip(above), info))
		}
	}
}

// path is where the file of that name lies.
func (l *listing) path(name string) string { return filepath.Join(l.root, filepath.FromSlash(name)) }

func (l *listing) fail(name string, err error) {
	l.problems = append(l.problems, problem{l.path(name), withoutPath(err).Error()})
}

// partOf returns the folder of a split: the folder train or test in root if both
// are there. Without them root itself is what there is to train on.
func partOf(root, split string) (string, error) {
	switch {
	case split != "train" && split != "test" && split != "all":
		return "", fmt.Errorf("split is %q, expected train, test or all", split)
	case split == "all" || split == "train" && !hasParts(root):
		return root, nil
	case !hasParts(root):
		return "", fmt.Errorf("%s has no test images: it lacks the folders train and test, or one of them", root)
	}
	return filepath.Join(root, split), nil
}

func hasParts(root string) bool {
	for _, part := range []string{"train", "test"} {
		if info, err := os.Stat(filepath.Join(root, part)); err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}

// classNames are the folders directly under the root that hold images, sorted, or
// nil if all images lie in the root itself.
func (l *listing) classNames() ([]string, error) {
	var names []string
	loose, filed := "", ""
	for _, name := range l.names {
		if class, _, found := strings.Cut(name, "/"); found {
			names, filed = append(names, class), name
		} else if loose == "" {
			loose = name
		}
	}
	if loose != "" && filed != "" {
		return nil, fmt.Errorf("%s lies in no class's folder, but %s does; move it into one, or set classes to none",
			l.path(loose), l.path(filed))
	}
	slices.Sort(names) // "a-b/" comes before "a/" in the list
	return slices.Compact(names), nil
}

// labels are the images' classes, by name; without classes, zeros.
func (l *listing) labels(classes []string) ([]int64, error) {
	labels := make([]int64, len(l.names))
	if classes == nil {
		return labels, nil
	}
	for i, name := range l.names {
		class, _, found := strings.Cut(name, "/")
		if labels[i] = int64(slices.Index(classes, class)); !found || labels[i] < 0 {
			return nil, fmt.Errorf("%s lies in no folder of a class, expected one of %s", l.path(name), strings.Join(classes, ", "))
		}
	}
	return labels, nil
}
