package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
)

// TestPrecompiledHeader builds units that include a header of libtorch, by one of ours, beside one that does not.
func TestPrecompiledHeader(t *testing.T) {
	c := tryCompiler(t.Context(), "g++")
	if c == nil {
		t.Skip("no g++ here")
	}
	h := thisHost()
	lt := libtorchStandIn(t, c, h)
	if err := os.Mkdir(filepath.Join(lt.include, "ATen"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(lt.include, "ATen", "x.h"), []byte("#define NUMBER 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name         string
		header, unit string
		units, jobs  int
		want         bool
	}{
		{"one at a time", "#define SHARED 1", "SHARED", fewestUnits, 1, true},
		{"three at a time", "#define SHARED 1", "SHARED", fewestUnits, 3, true},
		{"too few", "#define SHARED 1", "NUMBER", fewestUnits - 1, 3, false},
		{"a header that does not compile", "nonsense", "NUMBER", fewestUnits, 3, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			sources := fstest.MapFS{
				libtorchHeader: {Data: []byte(test.header)},
				"src/ours.h":   {Data: []byte("#pragma once\n#include \"inner.h\"\n")},
				"src/inner.h":  {Data: []byte("#pragma once\n#include \"ours.h\"\n#include <ATen/x.h>\n")},
				"src/plain.cc": {Data: []byte("#ifdef SHARED\n#error it wants no header\n#endif\n")},
			}
			for i := range test.units {
				sources[fmt.Sprintf("src/unit%d.cc", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "#include \"ours.h\"\nint f%d() { return %s; }\n", i, test.unit)}
			}
			var mu sync.Mutex
			var said strings.Builder
			b := &build{toolchain: &toolchain{host: h, libtorch: lt, compiler: c}, sources: sources, cache: t.TempDir(), jobs: test.jobs,
				out: func(format string, args ...any) {
					mu.Lock()
					defer mu.Unlock()
					fmt.Fprintf(&said, format+"\n", args...)
				}}
			result, err := b.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer result.cleanUp()
			if result.compiled != test.units+1 || len(result.warnings) > 0 || strings.Contains(said.String(), "libtorch.h") != test.want {
				t.Errorf("got %+v, said\n%s", result, said.String())
			}
		})
	}
}
