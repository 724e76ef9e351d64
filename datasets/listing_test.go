package datasets

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imori-ml/imori/internal/fuzztest"
)

// plant makes a file of each line under root, and of "a > b" the link a to b. No line leads out of root.
func plant(root, lines string) {
	inside := func(name string) string {
		return filepath.Join(root, filepath.FromSlash(path.Clean("/"+strings.TrimSpace(name))))
	}
	for n, line := range strings.Split(lines, "\n") {
		if n == 50 { // for it to stay quick
			return
		}
		name, target, isLink := strings.Cut(line, ">")
		at := inside(name)
		_ = os.MkdirAll(filepath.Dir(at), 0o755) // what no file can be called is left out
		if isLink {
			_ = os.Symlink(inside(target), at)
		} else if _, err := os.Lstat(at); err != nil {
			_ = os.WriteFile(at, nil, 0o644)
		}
	}
}

// FuzzListing: whatever folders, files and links are called and lead to, the walk ends, finds each file once, and gives
// each image the class whose folder it lies in.
func FuzzListing(f *testing.F) {
	target := fuzztest.New(f)
	target.Add("cat/1.png\ncat/2.JPG\ndog/1.webp\nREADME")
	target.Add("1.png\ncat/1.png\n.hidden/2.png\ncat/.3.png")
	target.Add("a/1.png\na/loop > .\nb > a\nc.png > a/1.png\ngone.png > nowhere")
	target.Add("a/b > a/c\na/c > a/b\na/b/1.png\nself > self")
	target.Add("a-b/1.png\na/1.png\na b/\xff.png\n\u00e4/1.PNG\n..png\na.png/1.gif")
	target.Add("")
	target.Fuzz(func(t *testing.T, lines string) {
		root := t.TempDir()
		plant(root, lines)
		fuzztest.Bounded(t, 1<<20+512*len(lines), func() {
			l, err := list(t.Context(), Env{}, root)
			if err != nil {
				return
			}
			checkNames(t, l)
			classes := l.classNames()
			checkLabels(t, l, classes, l.labels(classes, "move it"))
		})
	})
}

// checkNames looks at each of the files found.
func checkNames(t *testing.T, l *listing) {
	t.Helper()
	seen := map[string]string{} // by where they are: a file may have links to it, but is in one folder
	for i, name := range l.names {
		if !listable(name) || i > 0 && l.names[i-1] >= name {
			t.Errorf("found %q after %q", name, l.names[:i])
		}
		info, err := os.Stat(l.path(name))
		if err != nil || info.IsDir() {
			t.Errorf("%q: it is no file: %v", name, err)
		}
		folder, err := realPath(filepath.Dir(l.path(name)))
		if err != nil {
			t.Fatal(err)
		}
		place := filepath.Join(folder, path.Base(name))
		if first, twice := seen[place]; twice {
			t.Errorf("%q and %q are one file", first, name)
		}
		seen[place] = name
	}
}

// listable says whether a walk may find that name.
func listable(name string) bool {
	return filepath.IsLocal(name) && path.Clean(name) == name && isImage(name) && !strings.HasPrefix(name, ".") && !strings.Contains(name, "/.")
}

// checkLabels expects each image to have its folder's class, or to be reported.
func checkLabels(t *testing.T, l *listing, classes []string, labels []int64) {
	t.Helper()
	if !slices.IsSorted(classes) || len(slices.Compact(slices.Clone(classes))) != len(classes) {
		t.Errorf("classes are %q", classes)
	}
	for i, name := range l.names {
		class, _, _ := strings.Cut(name, "/")
		switch {
		case classes == nil && labels[i] == 0, reported(l.problems, l.path(name)):
		case classes == nil || labels[i] < 0 || labels[i] >= int64(len(classes)) || classes[labels[i]] != class:
			t.Errorf("%q has label %d of %q", name, labels[i], classes)
		}
	}
}

func reported(problems []problem, path string) bool {
	return slices.ContainsFunc(problems, func(p problem) bool { return p.path == path && p.reason != "" })
}

// FuzzMatch: each image and each target is in a pair, or is reported, and pairs have one name but for the extension.
func FuzzMatch(f *testing.F) {
	target := fuzztest.New(f)
	target.Add("cat/1.jpg\ncat/2.jpg", "cat/1.png\ncat/2.bmp")
	target.Add("1.jpg\n1.png\n2.jpg", "1.png\n3.png\n1.gif")
	target.Add("a.b/1.jpg\na b.jpe", "a.b/1.webp\na b.PNG")
	target.Add("a.png\na.png/b.png\nb.png.png", "a.png.png\na.png/b.bmp\nb.png")
	target.Add("", "")
	target.Fuzz(func(t *testing.T, photos, masks string) {
		listed := func(root, lines string) *listing {
			names := slices.DeleteFunc(strings.Split(lines, "\n"), func(name string) bool { return !listable(name) })
			slices.Sort(names)
			return &listing{root: root, names: slices.Compact(names)}
		}
		images, targets := listed("images", photos), listed("targets", masks)
		labels := make([]int64, len(images.names))
		for i := range labels {
			labels[i] = int64(i)
		}
		fuzztest.Bounded(t, 1<<20+4096*(len(photos)+len(masks)), func() {
			items, problems := match(images, targets, labels)
			paired := map[string]bool{}
			for _, it := range items {
				stem := func(path, root string) string {
					return strings.TrimPrefix(strings.TrimSuffix(path, filepath.Ext(path)), root)
				}
				if stem(it.photo, "images") != stem(it.target, "targets") || it.photo != images.path(images.names[it.label]) || paired[it.photo] || paired[it.target] {
					t.Errorf("a pair of %q and %q, label %d", it.photo, it.target, it.label)
				}
				paired[it.photo], paired[it.target] = true, true
			}
			for _, l := range []*listing{images, targets} {
				for _, name := range l.names {
					if path := l.path(name); paired[path] == reported(problems, path) {
						t.Errorf("%q is in a pair: %v, and reported: %v", path, paired[path], !paired[path])
					}
				}
			}
		})
	})
}
