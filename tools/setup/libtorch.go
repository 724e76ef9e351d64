package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// libtorch is an installation that was found.
type libtorch struct {
	root     string // the folder a person would name: $LIBTORCH, or /usr
	include  string // holds ATen/, c10/, torch/
	lib      string // holds libtorch_cpu.so
	outside  bool   // neither compiler nor loader look there by themselves
	version  version
	standard string // the C++ its headers need: c++17
	abi      string // _GLIBCXX_USE_CXX11_ABI it was built with: 0 or 1, "" if that could not be told
	cuda     bool   // has libtorch_cuda.so
}

func (lt *libtorch) kind() string {
	if lt.cuda {
		return "CUDA"
	}
	return "CPU"
}

type version struct{ major, minor, patch int }

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch) }

// oldest is the first libtorch with the headers this C++ is written for.
var oldest = version{major: 1, minor: 13}

func (v version) tooOld() bool {
	return slices.Compare([]int{v.major, v.minor}, []int{oldest.major, oldest.minor}) < 0
}

// errNoLibtorch means that the search came to an end without one.
var errNoLibtorch = errors.New("no libtorch found")

// findLibtorch looks at $LIBTORCH, then at the system, then at earlier: the $LIBTORCH of the last set-up, "" if none.
// A $LIBTORCH that is not a libtorch is an error, never a reason to look further.
func findLibtorch(h host, earlier string) (*libtorch, error) {
	if dir := h.env("LIBTORCH"); dir != "" {
		lt, err := openLibtorch(h, dir)
		if errors.Is(err, errNoLibtorch) {
			return nil, fmt.Errorf("$LIBTORCH: %w; unset LIBTORCH to use the system's", err)
		}
		if err != nil {
			return nil, fmt.Errorf("$LIBTORCH: %w", err)
		}
		return lt, nil
	}
	for _, dir := range systemPrefixes(h) {
		if lt, err := openLibtorch(h, dir); !errors.Is(err, errNoLibtorch) {
			return lt, err
		}
	}
	if earlier != "" {
		if lt, err := openLibtorch(h, earlier); err == nil {
			return lt, nil
		}
	}
	return nil, errNoLibtorch
}

// systemPrefixes are the folders above include/ and lib/ of a libtorch that a package manager installed.
func systemPrefixes(h host) []string {
	if h.goos == "darwin" {
		return []string{h.path("/opt/homebrew/opt/pytorch"), h.path("/usr/local/opt/pytorch")}
	}
	return []string{h.path("/usr"), h.path("/usr/local")}
}

// openLibtorch examines the libtorch below dir, which is an unpacked libtorch, a Python torch folder, or a prefix such
// as /usr with Debian's layout. The error is errNoLibtorch if there is none.
func openLibtorch(h host, dir string) (*libtorch, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	lt := &libtorch{root: root, include: filepath.Join(root, "include")}
	library := h.shared("torch_cpu")
	places := []string{"lib", "lib64"}
	if h.triplet() != "" {
		places = append(places, filepath.Join("lib", h.triplet()))
	}
	for _, place := range places {
		if exists(filepath.Join(root, place, library)) {
			lt.lib = filepath.Join(root, place)
			break
		}
	}
	if lt.lib == "" || !exists(filepath.Join(lt.include, "ATen", "ATen.h")) {
		return nil, notLibtorch(root, library)
	}
	lt.outside = h.goos == "darwin" || !slices.ContainsFunc(systemPrefixes(h), func(p string) bool { return sameFile(p, root) })
	if lt.version, err = readVersion(lt.include); err != nil {
		return nil, err
	}
	if lt.version.tooOld() {
		return nil, fmt.Errorf("%s holds libtorch %s, and imori needs %d.%d or later: earlier ones lack functions that "+
			"its C++ calls; set LIBTORCH to a newer one", root, lt.version, oldest.major, oldest.minor)
	}
	if err := checkMachine(h, filepath.Join(lt.lib, h.shared("c10"))); err != nil {
		return nil, err
	}
	config := readTorchConfig(lt.lib)
	lt.standard = readStandard(lt.include, config)
	lt.abi = readABI(config, filepath.Join(lt.lib, h.shared("c10")))
	lt.cuda = exists(filepath.Join(lt.lib, h.shared("torch_cuda")))
	return lt, nil
}

// notLibtorch says what was looked for in dir, and where next to it there is one, if so.
func notLibtorch(dir, library string) error {
	if !exists(dir) {
		return fmt.Errorf("%w: %s does not exist", errNoLibtorch, dir)
	}
	hint := "name an unpacked libtorch, or the folder of a Python torch (.../site-packages/torch)"
	for _, inner := range []string{"libtorch", "torch", "lib/python3/dist-packages/torch"} {
		if p := filepath.Join(dir, inner); exists(filepath.Join(p, "lib", library)) {
			hint = "did you mean " + p + "?"
			break
		}
	}
	if exists(filepath.Join(dir, "lib", "libtorch.a")) {
		hint = "this one is built for static linking; take one with shared libraries"
	}
	return fmt.Errorf("%w: %s lacks include/ATen/ATen.h or lib/%s; %s", errNoLibtorch, dir, library, hint)
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// readVersion reads torch/version.h, which has moved once.
func readVersion(include string) (version, error) {
	for _, name := range []string{"torch/csrc/api/include/torch/version.h", "torch/version.h"} {
		data, err := os.ReadFile(filepath.Join(include, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return version{}, err
		}
		v, err := parseVersion(data)
		if err != nil {
			return v, fmt.Errorf("%s: %w", filepath.Join(include, name), err)
		}
		return v, nil
	}
	return version{}, fmt.Errorf("%s has no torch/version.h: its headers are incomplete; install libtorch anew", include)
}

var versionMacro = regexp.MustCompile(`(?m)^#define TORCH_VERSION_(MAJOR|MINOR|PATCH)\s+(\d+)`)

func parseVersion(header []byte) (version, error) {
	var v version
	fields := map[string]*int{"MAJOR": &v.major, "MINOR": &v.minor, "PATCH": &v.patch}
	for _, m := range versionMacro.FindAllSubmatch(header, -1) {
		n, err := strconv.Atoi(string(m[2]))
		if err != nil {
			return version{}, err
		}
		*fields[string(m[1])] = n
		delete(fields, string(m[1]))
	}
	if len(fields) > 0 {
		return version{}, errors.New("no TORCH_VERSION_MAJOR, _MINOR and _PATCH in it; install libtorch anew")
	}
	return v, nil
}

// readTorchConfig returns the text of TorchConfig.cmake, "" if there is none: a Debian package keeps it below the
// libraries, the others in share/ beside them.
func readTorchConfig(lib string) string {
	for _, p := range []string{"cmake/Torch", "../share/cmake/Torch"} {
		if data, err := os.ReadFile(filepath.Join(lib, p, "TorchConfig.cmake")); err == nil {
			return string(data)
		}
	}
	return ""
}

var (
	abiFlag       = regexp.MustCompile(`_GLIBCXX_USE_CXX11_ABI=([01])`)
	headerNeeds   = regexp.MustCompile(`__cplusplus\s*<\s*(\d{6})L`)
	cmakeStandard = regexp.MustCompile(`(?:CXX_STANDARD|cxx_std_)\s*(\d+)`)
)

// readABI tells whether std::string in libtorch's interface is the one of 2011 ("1") or the old one ("0").
// Releases that no longer say so in TorchConfig.cmake show it in the names of libc10's functions.
func readABI(config, c10 string) string {
	if m := abiFlag.FindStringSubmatch(config); m != nil {
		return m[1]
	}
	file, err := elf.Open(c10)
	if err != nil {
		return ""
	}
	defer file.Close()
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return ""
	}
	if slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return strings.Contains(s.Name, "__cxx11") }) {
		return "1"
	}
	return "0"
}

// readStandard finds the C++ standard that the headers ask for; 17 is what imori itself needs.
func readStandard(include, config string) string {
	standard := 17
	for _, m := range cmakeStandard.FindAllStringSubmatch(config, -1) {
		if n, err := strconv.Atoi(m[1]); err == nil && n < 90 {
			standard = max(standard, n)
		}
	}
	for _, name := range []string{"ATen/ATen.h", "c10/util/C++17.h", "torch/csrc/api/include/torch/all.h"} {
		data, err := os.ReadFile(filepath.Join(include, name))
		if err != nil {
			continue
		}
		for _, m := range headerNeeds.FindAllSubmatch(data, -1) {
			if n, err := strconv.Atoi(string(m[1][2:4])); err == nil { // 202002 -> 20
				standard = max(standard, n)
			}
		}
	}
	return fmt.Sprintf("c++%d", standard)
}

// checkMachine refuses a library built for another processor, or a file that is no library at all, before a linker
// complains about it in its own words.
func checkMachine(h host, library string) error {
	if h.goos != "linux" {
		return nil
	}
	file, err := elf.Open(library)
	if err != nil {
		return fmt.Errorf("%s cannot be read as a shared library (%w): unpack libtorch anew", library, err)
	}
	defer file.Close()
	want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[h.goarch]
	if file.Machine != want {
		return fmt.Errorf("%s is built for %v, and this machine is %s: take the libtorch for this processor",
			library, file.Machine, h.goarch)
	}
	return nil
}
