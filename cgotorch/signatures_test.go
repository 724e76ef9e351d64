package cgotorch

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gotorchDir is the folder of gotorch's module, headers included.
func gotorchDir(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/wangkuiyi/gotorch").Output()
	if err != nil || len(strings.TrimSpace(string(out))) == 0 {
		t.Fatalf("where is gotorch's source? go list: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// compileC checks a C file against gotorch's headers and ours and returns what the compiler said.
func compileC(t *testing.T, source string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "signatures.c")
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("cc", "-fsyntax-only", "-Wall", "-Werror", "-I", "src", "-isystem", gotorchDir(t), file).CombinedOutput()
	return string(out), err
}

// In C every handle is a void pointer on both sides, so that declaring a function twice with different types is an error.
func TestSignaturesAreGotorchs(t *testing.T) {
	if out, err := compileC(t, "#include \"cgotorch/cgotorch.h\"\n#include \"gotorch.h\"\n"); err != nil {
		t.Errorf("gotorch.h differs from gotorch's own headers: %v\n%s", err, out)
	}
	wrong := "#include \"cgotorch/cgotorch.h\"\n#include \"gotorch.h\"\nconst char *Mean(Tensor a, double b);\n"
	if _, err := compileC(t, wrong); err == nil {
		t.Error("a wrong signature is not noticed, so this test proves nothing")
	}
}

// Every function that gotorch's headers declare is declared, and so by -z defs defined, here too.
func TestEveryFunctionIsThere(t *testing.T) {
	ours, err := os.ReadFile("src/gotorch.h")
	if err != nil {
		t.Fatal(err)
	}
	headers, err := filepath.Glob(filepath.Join(gotorchDir(t), "cgotorch", "*.h"))
	if err != nil || len(headers) < 5 {
		t.Fatalf("gotorch's headers: found %d, %v", len(headers), err)
	}
	functions := 0
	for _, header := range headers {
		text, err := os.ReadFile(header)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range declared(string(text)) {
			functions++
			if !strings.Contains(string(ours), " "+name+"(") && !strings.Contains(string(ours), "*"+name+"(") {
				t.Errorf("%s declares %s, which gotorch.h does not", filepath.Base(header), name)
			}
		}
	}
	if functions < 90 {
		t.Errorf("found %d functions in gotorch's headers, expected at least 90", functions)
	}
}

// declared lists the functions a header declares: the word before each opening parenthesis at the start of a statement.
func declared(header string) []string {
	var names []string
	for _, line := range strings.Split(header, "\n") {
		before, _, found := strings.Cut(line, "(")
		if !found || strings.HasPrefix(line, " ") || strings.HasPrefix(line, "//") || strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.FieldsFunc(before, func(r rune) bool { return r == ' ' || r == '*' })
		if len(words) >= 2 {
			names = append(names, words[len(words)-1])
		}
	}
	return names
}
