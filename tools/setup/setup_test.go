package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
)

func TestParseFlags(t *testing.T) {
	o, err := parseFlags([]string{"-no-install", "--werror", "--cxxflags=-fsanitize=address -g", "-out", "d"}, io.Discard)
	if want := (options{noInstall: true, werror: true, cxxflags: "-fsanitize=address -g", out: "d"}); err != nil || o != want {
		t.Errorf("got %+v, %v", o, err)
	}
	var out bytes.Buffer
	if _, err := parseFlags([]string{"now"}, &out); err == nil || !strings.Contains(out.String(), `"now"`) {
		t.Errorf("an argument: %v, %q", err, out.String())
	}
	if _, err := parseFlags([]string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

func TestHostCheck(t *testing.T) {
	for platform, ok := range map[string]bool{
		"linux/amd64": true, "linux/arm64": true, "darwin/arm64": true, "windows/amd64": false, "linux/riscv64": false,
	} {
		goos, goarch, _ := strings.Cut(platform, "/")
		err := host{goos: goos, goarch: goarch}.check()
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), platform) {
			t.Errorf("%s: %v", platform, err)
		}
	}
}

func TestSlowCPU(t *testing.T) {
	for cpuinfo, slow := range map[string]bool{
		"flags\t\t: fpu sse4_2 avx avx2 fma\n": false,
		"flags\t\t: fpu sse4_2 avx\n":          true,
		"nothing known\n":                      false,
	} {
		h := host{root: t.TempDir(), goos: "linux", goarch: "amd64"}
		tree(t, h.root, map[string]string{"proc/cpuinfo": cpuinfo})
		if got := h.slowCPU(); (got != "") != slow {
			t.Errorf("%q: got %q", cpuinfo, got)
		}
	}
}

func TestJobsFollowMemory(t *testing.T) {
	h := host{root: t.TempDir()}
	all := h.jobs()
	tree(t, h.root, map[string]string{"proc/meminfo": "MemTotal: 99 kB\nMemAvailable:    2000000 kB\n"})
	if got := h.jobs(); got != 1 {
		t.Errorf("2 GB free: %d jobs, want 1", got)
	}
	tree(t, h.root, map[string]string{"proc/meminfo": "MemAvailable: 900000000 kB\n", "sys/fs/cgroup/memory.max": "max\n"})
	if got := h.jobs(); got != all {
		t.Errorf("900 GB free: %d jobs, want %d", got, all)
	}
	tree(t, h.root, map[string]string{"sys/fs/cgroup/memory.max": "1000000000\n"})
	if got := h.jobs(); got != 1 {
		t.Errorf("container of 1 GB: %d jobs, want 1", got)
	}
}

func TestBLASName(t *testing.T) {
	for file, want := range map[string]bool{
		"/usr/lib/x86_64-linux-gnu/openblas-openmp/libblas.so.3": false,
		"/usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11.0":       true,
		"/opt/intel/mkl/lib/libmkl_rt.so":                        false,
	} {
		if name, reference := blasName(file); reference != want || name == "" {
			t.Errorf("%s: got %q, %v", file, name, reference)
		}
	}
}

func TestCheckCandidate(t *testing.T) {
	for policy, want := range map[string]string{
		"libtorch-dev:\n  Installed: (none)\n  Candidate: 1.13.1+dfsg-4\n": "",
		"libtorch-dev:\n  Installed: (none)\n  Candidate: 2.6.0+dfsg-7\n":  "",
		"libtorch-dev:\n  Candidate: 1.8.1-5ubuntu1\n":                     "1.8.1-5ubuntu1",
		"libtorch-dev:\n  Installed: (none)\n  Candidate: (none)\n":        "universe",
		"": "universe",
	} {
		err := checkCandidate(policy)
		switch {
		case (err == nil) != (want == ""):
			t.Errorf("%q: %v", policy, err)
		case err == nil:
		case !strings.Contains(err.Error(), want), !strings.Contains(err.Error(), "LIBTORCH"):
			t.Errorf("%q: %v", policy, err)
		}
	}
}

func TestMissingLibtorchIsExplained(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("the advice is Debian's")
	}
	var out bytes.Buffer
	s := &setup{out: &out, options: options{noInstall: true}}
	err := s.install(t.Context(), &toolchain{}, []string{packageLibtorch, packageBLAS, packageCompiler})
	if err == nil || !strings.Contains(err.Error(), "libtorch and a C++ compiler") ||
		!strings.Contains(err.Error(), "apt-get install -y --no-install-recommends libtorch-dev libopenblas0-openmp g++") {
		t.Errorf("got %v", err)
	}
	err = s.install(t.Context(), &toolchain{libtorch: &libtorch{}, compiler: &compiler{}}, []string{packageBLAS})
	if err != nil || !strings.Contains(out.String(), "reference BLAS") || !strings.Contains(out.String(), packageBLAS) {
		t.Errorf("a slow BLAS: %v, %q", err, out.String())
	}
	if got := aptCommand([]string{"a", "b"}, false); got != "sudo apt-get update && sudo apt-get install -y --no-install-recommends a b" {
		t.Errorf("got %q", got)
	}
}

func fakeToolchain(lt libtorch) *toolchain {
	lt.standard = "c++17"
	return &toolchain{
		host:     host{goos: "linux", goarch: "amd64", env: func(string) string { return "" }},
		libtorch: &lt,
		compiler: &compiler{command: []string{"g++"}, version: "g++ (Debian) 12.2.0"},
	}
}

func TestFlags(t *testing.T) {
	system := fakeToolchain(libtorch{include: "/usr/include", lib: "/usr/lib/x86_64-linux-gnu", abi: "1"})
	compile := strings.Join(system.compileFlags(), " ")
	if want := "-std=c++17 -O3 -fno-math-errno -fno-trapping-math -g0 -fPIC -fvisibility=hidden -Wall -Wextra -Wno-array-bounds -Wno-stringop-overflow -fopenmp -D_GLIBCXX_USE_CXX11_ABI=1 " +
		"-isystem /usr/include/torch/csrc/api/include"; compile != want {
		t.Errorf("system:\ngot  %s\nwant %s", compile, want)
	}
	link := strings.Join(system.linkFlags(), " ")
	if want := "-shared -Wl,-soname,libcgotorch.so -Wl,-z,defs -L/usr/lib/x86_64-linux-gnu -ltorch -ltorch_cpu -lc10 -fopenmp"; link != want {
		t.Errorf("system:\ngot  %s\nwant %s", link, want)
	}

	cuda := fakeToolchain(libtorch{include: "/lt/include", lib: "/lt/lib", abi: "0", outside: true, cuda: true})
	cuda.extra = []string{"-fsanitize=address"}
	compile = strings.Join(cuda.compileFlags(), " ")
	for _, part := range []string{"-D_GLIBCXX_USE_CXX11_ABI=0", "-isystem /lt/include ", "-fsanitize=address"} {
		if !strings.Contains(compile, part) {
			t.Errorf("cuda: %s is not in %s", part, compile)
		}
	}
	link = strings.Join(cuda.linkFlags(), " ")
	for _, part := range []string{"-Wl,-rpath,/lt/lib", "-Wl,--no-as-needed -ltorch_cuda -lc10_cuda", "-fsanitize=address"} {
		if !strings.Contains(link, part) {
			t.Errorf("cuda: %s is not in %s", part, link)
		}
	}
	if strings.Contains(link, "defs") {
		t.Errorf("a sanitized library must leave symbols to the program: %s", link)
	}

	clang := fakeToolchain(libtorch{})
	clang.compiler.version = "Debian clang version 14.0.6"
	if slices.Contains(append(clang.compileFlags(), clang.linkFlags()...), "-fopenmp") {
		t.Error("clang is given -fopenmp, whose runtime is not libtorch's")
	}
	mac := fakeToolchain(libtorch{outside: true, lib: "/lt/lib"})
	mac.host.goos = "darwin"
	if link := strings.Join(mac.linkFlags(), " "); !strings.HasPrefix(link, "-dynamiclib -install_name @rpath/libcgotorch.dylib -L/lt/lib -Wl,-rpath,/lt/lib") {
		t.Errorf("macOS: %s", link)
	}
}

func TestReplaceFlags(t *testing.T) {
	system := []string{"-L/p", "-Wl,-rpath,/p"}
	other := []string{"-L/p", "-Wl,-rpath,/p", "-L/lt/lib", "-Wl,-rpath,/lt/lib"}
	isLibtorch := func(folder string) bool { return folder == "/lt/lib" || folder == "/old/lib" }
	for _, c := range []struct {
		name, setting string
		add           []string
		want          string
	}{
		{"added", "-O2 -g", other, "-O2 -g -L/p -Wl,-rpath,/p -L/lt/lib -Wl,-rpath,/lt/lib"},
		{"added again", "-O2 -g -L/p -Wl,-rpath,/p -L/lt/lib -Wl,-rpath,/lt/lib", other, "-O2 -g -L/p -Wl,-rpath,/p -L/lt/lib -Wl,-rpath,/lt/lib"},
		{"another libtorch", "-O2 -g -L/p -Wl,-rpath,/p -L/old/lib -Wl,-rpath,/old/lib", other, "-O2 -g -L/p -Wl,-rpath,/p -L/lt/lib -Wl,-rpath,/lt/lib"},
		{"no libtorch outside any more", "-O2 -g -L/p -Wl,-rpath,/p -L/old/lib -Wl,-rpath,/old/lib", system, "-O2 -g -L/p -Wl,-rpath,/p"},
		{"removed", "-O2 -g -L/p -Wl,-rpath,/p -L/old/lib -Wl,-rpath,/old/lib", nil, defaultLDFlags},
		{"nothing to remove", "-O2 -g", nil, defaultLDFlags},
		{"the user's own stay", "-L/mine -O3 -L/p -Wl,-rpath,/p -L/other -lm", nil, "-L/mine -O3 -L/other -lm"},
		{"so do their pairs", "-O2 -g -L/p -Wl,-rpath,/p -L/other -Wl,-rpath,/other", system, "-O2 -g -L/other -Wl,-rpath,/other -L/p -Wl,-rpath,/p"},
		{"quoted", `'-L/a b' "-Wl,-rpath,/it's"`, []string{"-L/c d"}, `'-L/a b' "-Wl,-rpath,/it's" '-L/c d'`},
	} {
		got, changed, err := replaceFlags(c.setting, "/p", isLibtorch, c.add)
		if err != nil || joinFlags(got) != c.want || changed != (c.want != c.setting) {
			t.Errorf("%s: got %q, %v, %v, want %q", c.name, joinFlags(got), changed, err, c.want)
		}
	}
	if _, _, err := replaceFlags("'-L/a", "/p", isLibtorch, other); err == nil {
		t.Error("an unterminated quotation was accepted")
	}
}

func TestPrivateLDFlags(t *testing.T) {
	if got := joinFlags(privateLDFlags("/p", &libtorch{lib: "/usr/lib"})); got != "-L/p -Wl,-rpath,/p" {
		t.Errorf("the system's libtorch: %s", got)
	}
	if got := joinFlags(privateLDFlags("/p", &libtorch{lib: "/lt/lib", outside: true})); got != "-L/p -Wl,-rpath,/p -L/lt/lib -Wl,-rpath,/lt/lib" {
		t.Errorf("another: %s", got)
	}
}

func TestStoreLDFlags(t *testing.T) {
	t.Setenv("GOENV", filepath.Join(t.TempDir(), "env"))
	t.Setenv("CGO_LDFLAGS", "-hides-the-stored-one")
	for _, flags := range [][]string{{"-O2", "-g", "-L/a b"}, {"-O2", "-g"}} {
		if err := storeLDFlags(t.Context(), flags); err != nil {
			t.Fatal(err)
		}
		env, err := readGoEnv(t.Context())
		if err != nil || env.ldflags != joinFlags(flags) || env.cc == "" || env.cxx == "" {
			t.Errorf("stored %q, read %+v, %v", flags, env, err)
		}
	}
	if data, err := os.ReadFile(os.Getenv("GOENV")); err == nil && strings.Contains(string(data), "CGO_LDFLAGS") {
		t.Errorf("the default was stored instead of removed: %s", data)
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GOENV", "off")
	if err := storeLDFlags(t.Context(), []string{"-L/x"}); err == nil || !strings.Contains(err.Error(), "GOENV") {
		t.Errorf("with GOENV=off: %v", err)
	}
}

func TestHiddenLDFlags(t *testing.T) {
	add := []string{"-L/p"}
	for _, c := range []struct {
		env    string
		hidden bool
		want   string
	}{
		{"", false, "-O2 -L/p"},
		{"-O1", true, "-O1"},
		{"-O1 -L/p", false, "-O1 -L/p"},
	} {
		s := &setup{host: host{env: func(string) string { return c.env }}}
		flags, hidden, err := s.effectiveLDFlags([]string{"-O2", "-L/p"}, add)
		if err != nil || hidden != c.hidden || joinFlags(flags) != c.want {
			t.Errorf("%q: got %q, %v, %v", c.env, joinFlags(flags), hidden, err)
		}
	}
}

func TestPlace(t *testing.T) {
	h := host{goos: "linux", env: func(string) string { return "/home/x" }}
	if dir, err := privateDir(h); err != nil || dir != "/home/x/.local/lib/imori" {
		t.Errorf("got %s, %v", dir, err)
	}
	if _, err := privateDir(host{env: func(string) string { return "" }}); err == nil {
		t.Error("no $HOME, no error")
	}
	library := filepath.Join(t.TempDir(), "new.so")
	tree(t, filepath.Dir(library), map[string]string{"new.so": "machine code"})
	p := place{dir: filepath.Join(t.TempDir(), "a", "b"), private: true}
	if got := p.readStamp(h); got.Key != "" {
		t.Errorf("an empty place has the stamp %+v", got)
	}
	if err := p.install(t.Context(), h, library, stamp{Key: "k", Libtorch: "/lt"}); err != nil {
		t.Fatal(err)
	}
	if got := p.readStamp(h); got.Key != "k" || got.Libtorch != "/lt" {
		t.Errorf("got %+v", got)
	}
	tree(t, p.dir, map[string]string{"libcgotorch.so": "replaced by hand"})
	if got := p.readStamp(h); got.Key != "" || got.Libtorch != "/lt" {
		t.Errorf("a replaced library: got %+v", got)
	}
	if err := p.remove(t.Context(), h); err != nil || exists(p.dir) {
		t.Errorf("after removal: %v, exists %v", err, exists(p.dir))
	}
}

// TestAside: a library that is put aside is all that there is, and nobody is told of it.
func TestAside(t *testing.T) {
	h := host{goos: "linux", env: func(string) string { return "" }}
	dir := filepath.Join(t.TempDir(), "build")
	s := &setup{host: h, options: options{out: dir}, out: io.Discard, private: place{dir: "/home/x", private: true}}
	for _, lt := range []*libtorch{{}, {outside: true}} {
		if got := s.places(lt); !slices.Equal(got, []place{{dir: dir, aside: true}}) {
			t.Fatalf("outside %v: got %+v", lt.outside, got)
		}
	}
	library := filepath.Join(t.TempDir(), "new.so")
	tree(t, filepath.Dir(library), map[string]string{"new.so": "machine code"})
	t.Setenv("PATH", "") // neither go nor ldconfig nor a compiler can be run
	s.env.ldflags = "-L/home/x -Wl,-rpath,/home/x"
	if err := s.put(t.Context(), &toolchain{host: h, libtorch: &libtorch{}}, s.places(&libtorch{})[0], library, stamp{Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if got := s.places(&libtorch{})[0].readStamp(h); got.Key != "k" || s.env.ldflags != "-L/home/x -Wl,-rpath,/home/x" {
		t.Errorf("stamp %+v, CGO_LDFLAGS %s", got, s.env.ldflags)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x", "lock")
	unlock, err := lock(path, func() { t.Error("waits for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	waits, second := make(chan bool, 1), make(chan error, 1)
	go func() {
		unlock, err := lock(path, func() { waits <- true })
		if err == nil {
			unlock()
		}
		second <- err
	}()
	<-waits
	select {
	case err := <-second:
		t.Fatalf("two hold the lock (%v)", err)
	case <-time.After(20 * time.Millisecond):
	}
	unlock()
	if err := <-second; err != nil {
		t.Error(err)
	}
}

// libtorchStandIn has libraries to link to, and no headers.
func libtorchStandIn(t *testing.T, c *compiler, h host) *libtorch {
	t.Helper()
	lt := &libtorch{lib: t.TempDir(), include: t.TempDir(), standard: "c++17", outside: true}
	for _, name := range []string{"torch", "torch_cpu", "c10"} {
		if out, err := c.run(t.Context(), lt.lib, "-shared", "-o", h.shared(name), "-x", "c", os.DevNull); err != nil {
			t.Fatal(out)
		}
	}
	return lt
}

// TestBuild compiles something trivial, without libtorch, to see which files are compiled again after a change.
func TestBuild(t *testing.T) {
	c := tryCompiler(t.Context(), "g++")
	if c == nil {
		t.Skip("no g++ here")
	}
	h := thisHost()
	sources := fstest.MapFS{
		"src/a.cc": {Data: []byte("#include \"a.h\"\nint a() { return A; }\n")},
		"src/b.cc": {Data: []byte("#include \"a.h\"\nconst char *b() { return IMORI_BUILD_ID; }\n")},
		"src/a.h":  {Data: []byte("#pragma once\n#define A 1\nint a();\nconst char *b();\n")},
	}
	lt := libtorchStandIn(t, c, h)
	cache := t.TempDir()
	var mu sync.Mutex
	var said strings.Builder
	run := func(buildID string) (*built, error) {
		b := &build{toolchain: &toolchain{host: h, libtorch: lt, compiler: c}, sources: sources, buildID: buildID, cache: cache, jobs: 2,
			out: func(format string, args ...any) { mu.Lock(); defer mu.Unlock(); said.WriteString(format) }}
		return b.run(context.Background())
	}
	expect := func(what, buildID string, compiled, warnings int) {
		t.Helper()
		result, err := run(buildID)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		defer result.cleanUp()
		if result.compiled != compiled || result.fromDisk != 2-compiled || len(result.warnings) != warnings || !exists(result.library) {
			t.Errorf("%s: got %+v, want %d compiled, %d warnings", what, result, compiled, warnings)
		}
	}
	expect("the first build", "1", 2, 0)
	expect("the same again", "1", 0, 0)
	expect("another build id", "2", 1, 0)
	sources["src/a.cc"] = &fstest.MapFile{Data: []byte("#include \"a.h\"\nint a() { int unused; return A; }\n")}
	expect("one file changed, with a warning", "2", 1, 1)
	expect("the warning is remembered", "2", 0, 1)
	sources["src/a.h"].Data = append(sources["src/a.h"].Data, '\n')
	expect("a header changed", "2", 2, 1)

	sources["src/a.cc"] = &fstest.MapFile{Data: []byte("int a() { return nowhere; }\n")}
	if _, err := run("2"); err == nil || !strings.Contains(err.Error(), "cgotorch/src/a.cc:1") {
		t.Errorf("a file that does not compile: %v", err)
	}
	sources["src/a.cc"] = &fstest.MapFile{Data: []byte("int elsewhere();\nint a() { return elsewhere(); }\n")}
	if _, err := run("2"); err == nil || !strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("an undefined function: %v", err)
	}
}
