package datasets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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

	skipped map[string]int  // files that are no images by their names, by extension in lower case
	visited map[string]bool // folders, by their real paths
	links   []folder        // to folders, to be followed
}

// folder is one to be walked.
type folder struct {
	name string // as in listing.names
	real string // its path without links
}

// list finds the image files under root, by their extension, in any case. Hidden
// files and folders, those whose names begin with a dot, are passed over; so are
// other files, and env is told how many. Links are followed, but no folder is
// walked twice: under its own name if it lies in root, else under the first
// link's. Files and folders below root that cannot be looked at are among the
// problems. If ctx ends, so does the walk, with its cause.
func list(ctx context.Context, env Env, root string) (*listing, error) {
	info, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the folder %s does not exist; put the images there, or correct the path", root)
	case err != nil:
		return nil, unreadable(root, err)
	case !info.IsDir():
		return nil, fmt.Errorf("%s is not a folder, expected one that holds images", root)
	}
	real, err := realPath(root)
	if err != nil {
		return nil, unreadable(root, err)
	}
	l := &listing{root: root, skipped: map[string]int{}, visited: map[string]bool{}, links: []folder{{"", real}}}
	for len(l.links) > 0 && ctx.Err() == nil {
		next := l.links[0]
		l.links = l.links[1:]
		l.walk(ctx, next)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if len(l.names) == 0 && len(l.problems) == 0 {
		return nil, fmt.Errorf("%s holds no image, expected files that end in %s", root, strings.Join(imageExtensions, ", "))
	}
	slices.Sort(l.names)
	l.tellSkipped(env)
	return l, nil
}

// realPath is the same for all paths that lead to a folder.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// walk adds what is in a folder. Links to folders come later, so that what they
// lead to has its own name where it can.
func (l *listing) walk(ctx context.Context, in folder) {
	if l.visited[in.real] || ctx.Err() != nil {
		return
	}
	l.visited[in.real] = true
	entries, err := os.ReadDir(l.path(in.name))
	if err != nil {
		l.fail(in.name, err)
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		name := path.Join(in.name, e.Name())
		switch {
		case e.IsDir():
			l.walk(ctx, folder{name, filepath.Join(in.real, e.Name())})
		case e.Type()&fs.ModeSymlink != 0:
			l.follow(name)
		default:
			l.add(name)
		}
	}
}

// follow looks where a link leads to.
func (l *listing) follow(name string) {
	info, err := os.Stat(l.path(name))
	switch {
	case err != nil && isImage(name):
		l.fail(name, err)
	case err != nil: // it would not have been read
	case !info.IsDir():
		l.add(name)
	default:
		real, err := realPath(l.path(name))
		if err != nil {
			l.fail(name, err)
			return
		}
		l.links = append(l.links, folder{name, real})
	}
}

func (l *listing) add(name string) {
	if isImage(name) {
		l.names = append(l.names, name)
	} else {
		l.skipped[strings.ToLower(path.Ext(name))]++
	}
}

func isImage(name string) bool {
	return slices.Contains(imageExtensions, strings.ToLower(path.Ext(name)))
}

// tellSkipped says in a line what was passed over: it may be pictures.
func (l *listing) tellSkipped(env Env) {
	total, kinds := 0, []string{}
	for _, extension := range slices.Sorted(maps.Keys(l.skipped)) {
		n := l.skipped[extension]
		if extension == "" {
			extension = "no extension"
		}
		total, kinds = total+n, append(kinds, fmt.Sprintf("%s: %d", extension, n))
	}
	if total > 0 {
		env.logf("%s: files passed over, which are no images by their extensions: %d (%s)", l.root, total, brief(kinds))
	}
}

// path is where the file of that name lies.
func (l *listing) path(name string) string { return filepath.Join(l.root, filepath.FromSlash(name)) }

func (l *listing) fail(name string, err error) {
	l.problems = append(l.problems, problem{l.path(name), withoutPath(err).Error()})
}

// partOf returns the folder of a split: train or test in root. If there is neither,
// root itself is what there is to train on.
func partOf(root, split string) (string, error) {
	hasTrain, hasTest := hasPart(root, "train"), hasPart(root, "test")
	switch {
	case split != "train" && split != "test" && split != "all":
		return "", fmt.Errorf("split is %q, expected train, test or all", split)
	case split == "train" && hasTest && !hasTrain:
		return "", fmt.Errorf("%s has the folder test and no folder train, expected both, or neither; put the images to train on into %s, or set split to all",
			root, filepath.Join(root, "train"))
	case split == "test" && !hasTest:
		return "", fmt.Errorf("%s has no test images; put them into %s", root, filepath.Join(root, "test"))
	case split == "all" || split == "train" && !hasTrain:
		return root, nil
	}
	return filepath.Join(root, split), nil
}

// tellOthers says in a line what else a root holds than train and test, which
// might have been meant to be trained on.
func tellOthers(env Env, root string) {
	entries, _ := os.ReadDir(root) // what is wrong with it is the walk's business
	var others []string
	for _, e := range entries {
		if name := e.Name(); name != "train" && name != "test" && !strings.HasPrefix(name, ".") && (e.IsDir() || isImage(name)) {
			others = append(others, name)
		}
	}
	if len(others) > 0 {
		env.logf("%s: what is trained on is its folder train alone, without %s; for all of it, set split to all", root, brief(others))
	}
}

// hasPart says whether the folder of that split is in root.
func hasPart(root, split string) bool {
	info, err := os.Stat(filepath.Join(root, split))
	return err == nil && info.IsDir()
}

// classNames are the folders directly under the root that hold images, sorted, or
// nil if all images lie in the root itself.
func (l *listing) classNames() []string {
	var names []string
	for _, name := range l.names {
		if class, _, found := strings.Cut(name, "/"); found {
			names = append(names, class)
		}
	}
	slices.Sort(names) // "a-b/" comes before "a/" in the list
	return slices.Compact(names)
}

// labels are the images' classes, by name; without classes, zeros. Images that
// lie in no folder of a class are added to the problems, with advice.
func (l *listing) labels(classes []string, advice string) []int64 {
	labels := make([]int64, len(l.names))
	if classes == nil {
		return labels
	}
	number := make(map[string]int, len(classes))
	for at, class := range classes {
		number[class] = at
	}
	for i, name := range l.names {
		class, _, found := strings.Cut(name, "/")
		at, known := number[class]
		if !found || !known {
			l.problems = append(l.problems, problem{l.path(name), fmt.Sprintf("it lies in no folder of a class, expected one of %s; %s", brief(classes), advice)})
			continue
		}
		labels[i] = int64(at)
	}
	return labels
}
