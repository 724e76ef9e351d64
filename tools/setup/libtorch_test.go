package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const versionHeader = `#pragma once
/// Indicates the major version of LibTorch.
#define TORCH_VERSION_MAJOR %MAJOR
#define TORCH_VERSION_MINOR %MINOR
#define TORCH_VERSION_PATCH 1
#define TORCH_VERSION "%MAJOR.%MINOR.1"
`

func headerOf(v string) string {
	major, minor, _ := strings.Cut(v, ".")
	return strings.NewReplacer("%MAJOR", major, "%MINOR", minor).Replace(versionHeader)
}

// tree writes files below dir; "ELF" stands for this test program, which is a shared object of this machine.
func tree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if content == "ELF" {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(self, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// unpacked is a libtorch as the archives from pytorch.org and Python packages have it.
func unpacked(v string) map[string]string {
	return map[string]string{
		"include/ATen/ATen.h":                            "#if !defined(_MSC_VER) && __cplusplus < 201703L\n#error C++17\n#endif\n",
		"include/torch/csrc/api/include/torch/version.h": headerOf(v),
		"lib/libtorch_cpu.so":                            "ELF",
		"lib/libc10.so":                                  "ELF",
		"share/cmake/Torch/TorchConfig.cmake":            `set(TORCH_CXX_FLAGS "-D_GLIBCXX_USE_CXX11_ABI=0")`,
	}
}

// debian is the layout of the package libtorch-dev, below /usr.
func debian(triplet, v string) map[string]string {
	return map[string]string{
		"usr/include/ATen/ATen.h":                                "",
		"usr/include/torch/csrc/api/include/torch/version.h":     headerOf(v),
		"usr/lib/" + triplet + "/libtorch_cpu.so":                "ELF",
		"usr/lib/" + triplet + "/libc10.so":                      "ELF",
		"usr/lib/" + triplet + "/cmake/Torch/TorchConfig.cmake":  `set(TORCH_CXX_FLAGS "-D_GLIBCXX_USE_CXX11_ABI=1")`,
		"usr/lib/" + triplet + "/cmake/Torch/TorchConfigV.cmake": "",
	}
}

func fakeHost(t *testing.T, env map[string]string) host {
	if runtime.GOOS != "linux" {
		t.Skip("the fake libraries are this program, an ELF file on Linux alone")
	}
	return host{root: t.TempDir(), goos: "linux", goarch: runtime.GOARCH, env: func(k string) string { return env[k] }}
}

func TestFindLibtorch(t *testing.T) {
	t.Run("nothing", func(t *testing.T) {
		if lt, err := findLibtorch(fakeHost(t, nil), ""); !errors.Is(err, errNoLibtorch) {
			t.Errorf("got %v, %v", lt, err)
		}
	})
	t.Run("Debian", func(t *testing.T) {
		h := fakeHost(t, nil)
		tree(t, h.root, debian(h.triplet(), "2.6"))
		lt, err := findLibtorch(h, "")
		if err != nil {
			t.Fatal(err)
		}
		want := libtorch{root: h.path("/usr"), include: h.path("/usr/include"), lib: h.path("/usr/lib/" + h.triplet()),
			version: version{2, 6, 1}, standard: "c++17", abi: "1"}
		if *lt != want {
			t.Errorf("got  %+v\nwant %+v", *lt, want)
		}
	})
	t.Run("unpacked goes before the system", func(t *testing.T) {
		env := map[string]string{}
		h := fakeHost(t, env)
		tree(t, h.root, debian(h.triplet(), "2.6"))
		env["LIBTORCH"] = h.path("/opt/libtorch")
		tree(t, env["LIBTORCH"], unpacked("2.1"))
		tree(t, env["LIBTORCH"], map[string]string{"lib/libtorch_cuda.so": "ELF"})
		lt, err := findLibtorch(h, "")
		if err != nil {
			t.Fatal(err)
		}
		want := libtorch{root: env["LIBTORCH"], include: env["LIBTORCH"] + "/include", lib: env["LIBTORCH"] + "/lib",
			outside: true, version: version{2, 1, 1}, standard: "c++17", abi: "0", cuda: true}
		if *lt != want {
			t.Errorf("got  %+v\nwant %+v", *lt, want)
		}
	})
	t.Run("$LIBTORCH=/usr is the system's", func(t *testing.T) {
		env := map[string]string{}
		h := fakeHost(t, env)
		tree(t, h.root, debian(h.triplet(), "1.13"))
		env["LIBTORCH"] = h.path("/usr")
		lt, err := findLibtorch(h, "")
		if err != nil || lt.outside {
			t.Errorf("got %+v, %v", lt, err)
		}
	})
	t.Run("the earlier one where the system has none", func(t *testing.T) {
		h := fakeHost(t, nil)
		tree(t, h.path("/opt/libtorch"), unpacked("2.1"))
		lt, err := findLibtorch(h, h.path("/opt/libtorch"))
		if err != nil || lt.root != h.path("/opt/libtorch") {
			t.Fatalf("got %+v, %v", lt, err)
		}
		tree(t, h.root, debian(h.triplet(), "2.6"))
		if lt, err = findLibtorch(h, h.path("/opt/libtorch")); err != nil || lt.outside {
			t.Errorf("with one in the system: got %+v, %v", lt, err)
		}
		if _, err = findLibtorch(fakeHost(t, nil), "/gone"); !errors.Is(err, errNoLibtorch) {
			t.Errorf("with the earlier one gone: %v", err)
		}
	})
}

func TestWrongLibtorchIsOneClearError(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		drop  []string
		want  []string // parts of the message
	}{
		"missing folder":  {want: []string{"does not exist"}},
		"garbage":         {files: map[string]string{"readme.txt": "x"}, want: []string{"include/ATen/ATen.h", "lib/libtorch_cpu.so", "site-packages/torch"}},
		"parent of one":   {files: map[string]string{"libtorch/lib/libtorch_cpu.so": "ELF"}, want: []string{"did you mean", "/libtorch?"}},
		"static":          {files: map[string]string{"lib/libtorch.a": "", "include/ATen/ATen.h": ""}, want: []string{"shared libraries"}},
		"too old":         {files: unpacked("1.12"), want: []string{"1.12.1", "1.13 or later"}},
		"no headers":      {files: unpacked("2.1"), drop: []string{"include/ATen/ATen.h"}, want: []string{"lacks include/ATen/ATen.h"}},
		"no version":      {files: unpacked("2.1"), drop: []string{"include/torch/csrc/api/include/torch/version.h"}, want: []string{"no torch/version.h"}},
		"broken version":  {files: with(unpacked("2.1"), "include/torch/csrc/api/include/torch/version.h", "#pragma once\n"), want: []string{"version.h", "TORCH_VERSION_MAJOR"}},
		"broken library":  {files: with(unpacked("2.1"), "lib/libc10.so", "cut off"), want: []string{"libc10.so", "unpack libtorch anew"}},
		"another machine": {files: with(unpacked("2.1"), "lib/libc10.so", foreignELF()), want: []string{"built for EM_RISCV", runtime.GOARCH}},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{}
			h := fakeHost(t, env)
			tree(t, h.root, debian(h.triplet(), "2.6")) // must not be taken instead
			env["LIBTORCH"] = h.path("/lt")
			tree(t, env["LIBTORCH"], c.files)
			for _, f := range c.drop {
				if err := os.Remove(filepath.Join(env["LIBTORCH"], f)); err != nil {
					t.Fatal(err)
				}
			}
			_, err := findLibtorch(h, "")
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range append(c.want, "$LIBTORCH: ", env["LIBTORCH"]) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the message lacks %q: %v", part, err)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("the message is longer than a line: %v", err)
			}
		})
	}
}

func with(files map[string]string, name, content string) map[string]string {
	files[name] = content
	return files
}

// foreignELF is the header of a 64-bit little-endian shared object for RISC-V.
func foreignELF() string {
	header := make([]byte, 64)
	copy(header, "\x7fELF\x02\x01\x01")
	header[16] = 3   // ET_DYN
	header[18] = 243 // EM_RISCV
	header[20] = 1
	header[52] = 64 // e_ehsize
	header[58] = 64 // e_shentsize
	return string(header)
}

func TestParseVersion(t *testing.T) {
	for header, want := range map[string]version{
		headerOf("1.13"):                 {1, 13, 1},
		headerOf("2.6"):                  {2, 6, 1},
		headerOf("2.11") + "#define X 3": {2, 11, 1},
	} {
		if got, err := parseVersion([]byte(header)); err != nil || got != want {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	for _, header := range []string{"", "#define TORCH_VERSION_MAJOR 2\n", "#define TORCH_VERSION_MAJOR x\n"} {
		if v, err := parseVersion([]byte(header)); err == nil {
			t.Errorf("%q gave %v", header, v)
		}
	}
}

func TestTooOld(t *testing.T) {
	for v, want := range map[version]bool{
		{1, 8, 1}: true, {1, 12, 9}: true, {0, 99, 0}: true, {1, 13, 0}: false, {2, 0, 0}: false, {2, 11, 0}: false,
	} {
		if v.tooOld() != want {
			t.Errorf("%v: got %v", v, !want)
		}
	}
}

func TestReadStandard(t *testing.T) {
	for _, c := range []struct{ aten, config, want string }{
		{"", "", "c++17"},
		{"#if __cplusplus < 201402L\n", "CXX_STANDARD 14\n", "c++17"},
		{"#if __cplusplus < 201703L\n", "", "c++17"},
		{"#if !defined(_MSC_VER) && __cplusplus < 202002L\n", "", "c++20"},
		{"", "    CXX_STANDARD 20\n", "c++20"},
	} {
		dir := t.TempDir()
		tree(t, dir, map[string]string{"ATen/ATen.h": c.aten})
		if got := readStandard(dir, c.config); got != c.want {
			t.Errorf("%q, %q: got %s, want %s", c.aten, c.config, got, c.want)
		}
	}
}
