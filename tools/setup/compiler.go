package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// compiler is a C++ compiler: a command, perhaps with arguments ("ccache g++").
type compiler struct {
	command []string
	version string // first line of --version
}

// gnu tells GCC from clang: only GCC's OpenMP fits the runtime library that libtorch uses on Linux.
func (c *compiler) gnu() bool {
	return strings.Contains(c.version, "g++") || strings.Contains(c.version, "GCC")
}

// findCompiler takes $CXX, then the one Go would use, then the usual names. A $CXX that does not run is an error; nil
// means that there is none.
func findCompiler(ctx context.Context, h host, goCXX string) (*compiler, error) {
	if cxx := h.env("CXX"); cxx != "" {
		c := tryCompiler(ctx, cxx)
		if c == nil {
			return nil, fmt.Errorf("$CXX: %s --version does not run: name a C++ compiler, or unset CXX", cxx)
		}
		return c, nil
	}
	for _, cxx := range []string{goCXX, "g++", "c++", "clang++"} {
		if c := tryCompiler(ctx, cxx); c != nil {
			return c, nil
		}
	}
	return nil, nil
}

func tryCompiler(ctx context.Context, cxx string) *compiler {
	command := strings.Fields(cxx)
	if len(command) == 0 {
		return nil
	}
	output, err := exec.CommandContext(ctx, command[0], append(command[1:], "--version")...).Output()
	if err != nil {
		return nil
	}
	return &compiler{command: command, version: firstLine(output)}
}

// run calls the compiler in a folder. What it prints is returned, whether it succeeds or not.
func (c *compiler) run(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.command[0], append(c.command[1:len(c.command):len(c.command)], args...)...)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(output)), err
}

// precompiledSuffix is added to a header's name: where there is such a file, the compiler reads that.
func (c *compiler) precompiledSuffix() string {
	if c.gnu() {
		return ".gch"
	}
	return ".pch"
}

// toolchain is everything that decides what comes out of a compilation, but for the sources.
type toolchain struct {
	host     host
	libtorch *libtorch
	compiler *compiler
	extra    []string // flags given by the user
}

// compileFlags are the flags of every translation unit. Headers of others are system headers, whose warnings do not
// count; but where GCC 14 inlines their std::vector<bool> into our code, it warns of an array's end that is not exceeded.
func (t *toolchain) compileFlags() []string {
	flags := []string{"-std=" + t.libtorch.standard, "-O3", "-fno-math-errno", "-fno-trapping-math", "-g0", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"}
	if t.compiler.gnu() {
		flags = append(flags, "-Wno-array-bounds", "-Wno-stringop-overflow")
	}
	if t.openMP() {
		flags = append(flags, "-fopenmp") // at::parallel_for is an OpenMP loop in a header
	}
	if t.libtorch.abi != "" {
		flags = append(flags, "-D_GLIBCXX_USE_CXX11_ABI="+t.libtorch.abi)
	}
	for _, dir := range t.includes() {
		flags = append(flags, "-isystem", dir)
	}
	return append(flags, t.extra...)
}

// includes are the folders of headers. /usr/include itself is searched anyway, and naming it would put it before the
// compiler's own headers, which then do not find each other.
func (t *toolchain) includes() []string {
	dirs := []string{filepath.Join(t.libtorch.include, "torch", "csrc", "api", "include")}
	if t.libtorch.outside {
		dirs = append([]string{t.libtorch.include}, dirs...)
	}
	return dirs
}

func (t *toolchain) openMP() bool { return t.host.goos == "linux" && t.compiler.gnu() }

// linkFlags turn objects into the library; they follow the objects.
func (t *toolchain) linkFlags() []string {
	var flags []string
	if t.host.goos == "darwin" {
		flags = append(flags, "-dynamiclib", "-install_name", "@rpath/"+t.host.shared("cgotorch"))
	} else {
		flags = append(flags, "-shared", "-Wl,-soname,"+t.host.shared("cgotorch"))
		if !t.sanitized() {
			flags = append(flags, "-Wl,-z,defs") // an undefined function is an error here, not in a program later
		}
	}
	flags = append(flags, "-L"+t.libtorch.lib)
	if t.libtorch.outside {
		flags = append(flags, "-Wl,-rpath,"+t.libtorch.lib)
	}
	flags = append(flags, "-ltorch", "-ltorch_cpu", "-lc10")
	if t.libtorch.cuda {
		// Nothing calls into these by name: they register their kernels when they are loaded. Since libcgotorch.so
		// asks for them, the programs that link to it need not.
		flags = append(flags, "-Wl,--no-as-needed", "-ltorch_cuda", "-lc10_cuda")
	}
	if t.openMP() {
		flags = append(flags, t.openMPLibrary())
	}
	return append(flags, t.extra...)
}

// openMPLibrary links the OpenMP runtime that libtorch itself loads: one process with two of them has two pools of
// threads that fight for the cores. Binary releases bring theirs under a name of their own, libgomp-a34b3233.so.1.
func (t *toolchain) openMPLibrary() string {
	for _, name := range needed(filepath.Join(t.libtorch.lib, t.host.shared("torch_cpu"))) {
		bundled := strings.HasPrefix(name, "libgomp") || strings.HasPrefix(name, "libiomp5") || strings.HasPrefix(name, "libomp")
		if bundled && exists(filepath.Join(t.libtorch.lib, name)) && t.libtorch.outside {
			return "-l:" + name
		}
	}
	return "-fopenmp"
}

// sanitized libraries lean on symbols that the program provides.
func (t *toolchain) sanitized() bool {
	return strings.Contains(strings.Join(t.extra, " "), "-fsanitize")
}
