package main

import (
	"strings"
	"testing"
)

func TestRefuse(t *testing.T) {
	ours := func(path string) string { return module + "/" + path }
	for _, c := range []struct {
		from, imported string
		reason         string // a part of it; "": allowed
	}{
		{"trainer", ours("torchx"), ""},
		{"trainer", ours("trainer/rundir"), ""},
		{"models", ours("trainer"), ""},
		{"tools/train", ours("recipes"), ""},
		{"tools/train", ours("cgotorch"), ""},
		{"losses", gotorch, ""},
		{"torchx", "C", ""},
		{"torchx", ours("cgotorch"), ""},
		{"datasets", ours("datasets/download"), ""},
		{"datasets/download", ours("datasets"), ""},
		{"tools/setup", ours("cgotorch"), ""},
		{"trainer/rundir", ours("torchx/safetensors"), ""},
		{"torchx", ours("torchx/safetensors"), ""},
		{"datasets", "golang.org/x/image/draw", ""},

		{"trainer", ours("models"), "upward only"},
		{"torchx", ours("trainer"), "upward only"},
		{"models", ours("recipes"), "upward only"},
		{"recipes", ours("tools/train"), "upward only"},
		{"losses", ours("datasets"), "beside"},
		{"datasets", ours("losses"), "beside"},
		{"trainer", "C", "only torchx, torchx/arena call C"},
		{"torchx/safetensors", "C", "only torchx, torchx/arena call C"},
		{"datasets", gotorch, "without libtorch"},
		{"datasets/download", gotorch + "/nn", "without libtorch"},
		{"datasets", ours("torchx/safetensors"), "without libtorch"},
		{"torchx/safetensors", ours("torchx"), "without libtorch"},
		{"trainer/rundir", ours("torchx"), "without libtorch"},
		{"trainer/rundir", ours("trainer"), "without libtorch"},
		{"recipes/strict", ours("recipes"), "without libtorch"},
		{"tools/setup", ours("torchx"), "without libtorch"},
	} {
		got := refuse(c.from, c.imported)
		if (c.reason == "") != (got == "") || !strings.Contains(got, c.reason) {
			t.Errorf("%s imports %s: got %q, want %q", c.from, c.imported, got, c.reason)
		}
	}
}

func TestCheckReadsTestsAndUnknownFolders(t *testing.T) {
	offences := check([]goPackage{
		{ImportPath: module + "/trainer", Imports: []string{"fmt", module + "/torchx"}, TestImports: []string{module + "/models"}},
		{ImportPath: module + "/losses", XTestImports: []string{"C"}},
		{ImportPath: module + "/helpers"},
		{ImportPath: module + "/models", Imports: []string{module + "/trainer"}},
	})
	want := []string{"trainer imports " + module + "/models", "losses imports C", "helpers is in no layer"}
	if len(offences) != len(want) {
		t.Fatalf("got %q, want %d offences", offences, len(want))
	}
	for i := range want {
		if !strings.HasPrefix(offences[i], want[i]) {
			t.Errorf("offence %d is %q, want %q...", i, offences[i], want[i])
		}
	}
}

func TestEveryPureFolderIsInALayer(t *testing.T) {
	for path := range pure {
		if level(path) < 0 {
			t.Errorf("%s is in no layer", path)
		}
	}
}
