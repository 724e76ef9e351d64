package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
)

// build compiles and links the embedded sources. Objects are kept by a hash of all that goes into them, so that after
// a change to one .cc file one is compiled; a change to a header compiles all.
type build struct {
	toolchain *toolchain
	sources   fs.FS  // holds src/
	buildID   string // of the sources
	cache     string // folder of the objects
	jobs      int
	out       func(format string, args ...any)
}

// built is what came of a build.
type built struct {
	library            string // in a temporary folder
	compiled, fromDisk int
	warnings           []string // what the compiler said about sources that compile
	cleanUp            func()
}

// prefix is where the sources lie in the repository: compiling from there makes the file names in compiler messages
// and in libtorch's own error messages those of the repository.
const prefix = "cgotorch"

func (b *build) run(ctx context.Context) (*built, error) {
	dir, err := os.MkdirTemp("", "imori-setup-")
	if err != nil {
		return nil, err
	}
	result := &built{library: filepath.Join(dir, b.toolchain.host.shared("cgotorch")), cleanUp: func() { os.RemoveAll(dir) }}
	if err := b.compileAndLink(ctx, dir, result); err != nil {
		result.cleanUp()
		return nil, err
	}
	return result, nil
}

func (b *build) compileAndLink(ctx context.Context, dir string, result *built) error {
	if err := os.CopyFS(filepath.Join(dir, prefix), b.sources); err != nil {
		return err
	}
	units, err := b.units()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.cache, 0o755); err != nil {
		return err
	}
	var todo []unit
	for _, u := range units {
		if exists(u.object) {
			now := time.Now()
			_ = os.Chtimes(u.object, now, now) // read by prune; at worst it is compiled again one day
			result.fromDisk++
		} else {
			todo = append(todo, u)
		}
	}
	if len(todo) > 0 {
		b.out("compiling %d of %d C++ files, %d at a time, with %s", len(todo), len(units), min(b.jobs, len(todo)), b.toolchain.compiler.version)
	}
	// Those that need not wait for the precompiled header first; the largest first, so that no long one is left over at
	// the end.
	slices.SortStableFunc(todo, func(x, y unit) int {
		return cmp.Or(cmp.Compare(x.turn(), y.turn()), cmp.Compare(y.size, x.size))
	})
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(b.jobs)
	header := b.precompiled(dir, todo)
	if header != nil {
		group.Go(func() error { header.compile(groupCtx); return nil })
	}
	for _, u := range todo {
		group.Go(func() error { return b.compile(groupCtx, dir, u, header.flags(u)) })
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted; what was compiled so far is kept")
		}
		return err
	}
	result.compiled = len(todo)

	args := []string{"-o", result.library}
	for _, u := range units {
		args = append(args, u.object)
		if text, err := os.ReadFile(u.warnings()); err == nil {
			result.warnings = append(result.warnings, string(text))
		}
	}
	if output, err := b.toolchain.compiler.run(ctx, dir, append(args, b.toolchain.linkFlags()...)...); err != nil {
		return fmt.Errorf("libcgotorch.so does not link against libtorch %s in %s: %s",
			b.toolchain.libtorch.version, b.toolchain.libtorch.lib, lastLines(output, 20))
	}
	b.prune()
	return nil
}

// unit is one translation unit.
type unit struct {
	name   string // "src/tensor.cc"
	size   int
	flags  []string
	object string // path in the cache

	libtorch bool // it includes headers of libtorch
}

// turn is 0 or, for those that want the precompiled header, 1.
func (u unit) turn() int {
	if u.libtorch {
		return 1
	}
	return 0
}

// warnings is the file with what the compiler said; it is written only if it said something.
func (u unit) warnings() string { return strings.TrimSuffix(u.object, ".o") + ".txt" }

func (b *build) units() ([]unit, error) {
	headers := sha256.New()
	fmt.Fprintln(headers, b.toolchain.identity())
	var units []unit
	texts := map[string][]byte{}
	err := fs.WalkDir(b.sources, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(b.sources, path)
		if err != nil {
			return err
		}
		texts[path] = text
		switch filepath.Ext(path) {
		case ".cc":
			units = append(units, unit{name: path, size: len(text)})
		case ".h":
			fmt.Fprintf(headers, "%s %x\n", path, sha256.Sum256(text))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(units) == 0 {
		return nil, fmt.Errorf("package cgotorch embeds no C++ source")
	}
	common := headers.Sum(nil)
	for i := range units {
		u := &units[i]
		u.libtorch = includesLibtorch(texts, u.name, map[string]bool{})
		u.flags = b.toolchain.compileFlags()
		// The id changes with every source. Given to all, it would have all of them compiled again.
		if strings.Contains(string(texts[u.name]), "IMORI_BUILD_ID") {
			u.flags = append(u.flags, `-DIMORI_BUILD_ID="`+b.buildID+`"`)
		}
		sum := sha256.New()
		fmt.Fprintf(sum, "%x %q %s %x", common, u.flags, u.name, sha256.Sum256(texts[u.name]))
		u.object = filepath.Join(b.cache, hex.EncodeToString(sum.Sum(nil)[:16])+".o")
	}
	return units, nil
}

func (b *build) compile(ctx context.Context, dir string, u unit, more []string) error {
	start := time.Now()
	object := filepath.Join(dir, filepath.Base(u.object))
	args := append(slices.Concat(u.flags, more), "-I", filepath.Join(prefix, "src"), "-c", filepath.Join(prefix, filepath.FromSlash(u.name)), "-o", object)
	output, err := b.toolchain.compiler.run(ctx, dir, args...)
	if err != nil {
		return fmt.Errorf("%s/%s does not compile with %s against libtorch %s:\n%s",
			prefix, u.name, b.toolchain.compiler.version, b.toolchain.libtorch.version, firstLines(output, 40))
	}
	if output != "" {
		if err := writeWhole(u.warnings(), []byte(output+"\n"), 0o644); err != nil {
			return err
		}
	} else if err := os.Remove(u.warnings()); err != nil && !os.IsNotExist(err) {
		return err
	}
	data, err := os.ReadFile(object)
	if err != nil {
		return err
	}
	if err := writeWhole(u.object, data, 0o644); err != nil {
		return err
	}
	b.report(u.name, start)
	return nil
}

// report says how long a file took.
func (b *build) report(name string, start time.Time) {
	b.out("  %-24s %5.1f s", filepath.Base(name), time.Since(start).Seconds())
}

// identity names the compiler and the libtorch: the version alone does not, since one may be replaced in its folder.
func (t *toolchain) identity() string {
	core := filepath.Join(t.libtorch.lib, t.host.shared("torch_cpu"))
	size, modified := int64(0), int64(0)
	if info, err := os.Stat(core); err == nil {
		size, modified = info.Size(), info.ModTime().Unix()
	}
	return fmt.Sprintf("%q %q %s %s %d %d", t.compiler.command, t.compiler.version, core, t.libtorch.version, size, modified)
}

// prune removes objects that no build has used for a month.
func (b *build) prune() {
	entries, err := os.ReadDir(b.cache)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && filepath.Ext(e.Name()) == ".o" && time.Since(info.ModTime()) > 30*24*time.Hour {
			object := filepath.Join(b.cache, e.Name())
			_ = os.Remove(unit{object: object}.warnings())
			_ = os.Remove(object)
		}
	}
}

// firstLines is the beginning of a compiler's output: later errors follow from the first.
func firstLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	if len(lines) > n {
		lines = append(lines[:n], "...")
	}
	return strings.Join(lines, "\n")
}

// writeWhole replaces a file in one step, readable for everybody whatever the umask: root builds for all users.
func writeWhole(path string, data []byte, mode fs.FileMode) error {
	err := atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	return os.Chmod(path, mode)
}
