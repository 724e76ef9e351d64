package cgotorch

import (
	"io/fs"
	"regexp"
	"testing"
	"testing/fstest"
)

func TestBuildIDChangesWithNamesAndContents(t *testing.T) {
	tree := func(name, content string) fstest.MapFS {
		return fstest.MapFS{
			"src/a.cc": {Data: []byte("int a;")},
			name:       {Data: []byte(content)},
		}
	}
	base := hashSources(tree("src/b.h", "int b;"))
	if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(base) {
		t.Fatalf("build id %q is not 16 hexadecimal digits", base)
	}
	if again := hashSources(tree("src/b.h", "int b;")); again != base {
		t.Errorf("the same sources gave %s, then %s", base, again)
	}
	for what, other := range map[string]fstest.MapFS{
		"another content": tree("src/b.h", "int c;"),
		"another name":    tree("src/c.h", "int b;"),
	} {
		if hashSources(other) == base {
			t.Errorf("%s left the build id unchanged", what)
		}
	}
	if hashSources(tree("src/.clang-format", "x")) != hashSources(tree("src/notes.txt", "y")) {
		t.Error("a file that is not compiled changes the build id")
	}
}

func TestSourcesAreEmbedded(t *testing.T) {
	found, err := fs.Glob(Sources, "src/*.cc")
	if err != nil || len(found) == 0 {
		t.Fatalf("no C++ sources embedded: %v, %v", found, err)
	}
	if BuildID() != hashSources(Sources) {
		t.Error("BuildID is not the hash of Sources")
	}
}
