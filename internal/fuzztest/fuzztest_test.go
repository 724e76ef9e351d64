package fuzztest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// recorder is a test that notes its failure.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Fatalf(string, ...any) { r.failed = true }

var sink []byte

func TestBounded(t *testing.T) {
	for _, size := range []int{0, 1 << 20, 3 << 20} {
		r := &recorder{TB: t}
		Bounded(r, 2<<20, func() { sink = make([]byte, size) })
		if want := size > 2<<20; r.failed != want {
			t.Errorf("%d bytes: failed is %v, want %v", size, r.failed, want)
		}
	}
}

// TestWatch: what takes all memory ends the process, which says where it was.
func TestWatch(t *testing.T) {
	if os.Getenv("FUZZTEST_ENDLESS") != "" {
		Bounded(t, 1<<16, endless)
	}
	c := exec.Command(os.Args[0], "-test.run", "^TestWatch$")
	c.Env = append(os.Environ(), "FUZZTEST_ENDLESS=1")
	output, err := c.CombinedOutput()
	for _, want := range []string{"TestWatch: an input takes all memory", "fuzztest.endless("} {
		if err == nil || !strings.Contains(string(output), want) {
			t.Errorf("error %v, want %q in\n%s", err, want, output)
		}
	}
}

func endless() {
	for {
		sink = make([]byte, 1<<20)
	}
}

func TestSeeds(t *testing.T) {
	for seeds, want := range []bool{true, false, false} {
		r := &recorder{TB: t}
		if requireSeeds(r, seeds); r.failed != want {
			t.Errorf("%d seeds: failed is %v, want %v", seeds, r.failed, want)
		}
	}
}

// TestAllTargets: every fuzz target of the module is made by New, and states a bound.
func TestAllTargets(t *testing.T) {
	found := 0
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == "testdata" || strings.HasPrefix(e.Name(), ".") && path != "../.."):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Fuzz") {
				found++
				for _, want := range []string{"New", "Bounded"} {
					if !uses(f, want) {
						t.Errorf("%s: %s does not call fuzztest.%s", path, f.Name.Name, want)
					}
				}
			}
		}
		return nil
	})
	if err != nil || found < 10 {
		t.Errorf("found %d targets, %v", found, err)
	}
}

// uses says whether f calls fuzztest.<name>.
func uses(f *ast.FuncDecl, name string) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == name {
			x, ok := s.X.(*ast.Ident)
			found = found || ok && x.Name == "fuzztest"
		}
		return !found
	})
	return found
}
