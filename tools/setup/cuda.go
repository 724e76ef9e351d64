package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// cudaHeaders returns the folders below which CUDA's headers lie. libtorch's own headers include them, and no libtorch
// brings them along: they are in a CUDA toolkit, or in the nvidia packages beside a Python torch.
func cudaHeaders(h host, lt *libtorch) (dirs, looked []string) {
	const header = "cuda_runtime_api.h"
	var toolkits []string
	for _, name := range []string{"CUDA_HOME", "CUDA_PATH"} {
		if dir := h.env(name); dir != "" {
			toolkits = append(toolkits, filepath.Join(dir, "include"))
		}
	}
	toolkits = append(toolkits, h.path("/usr/local/cuda/include"))
	for _, dir := range toolkits {
		looked = append(looked, dir)
		if exists(filepath.Join(dir, header)) {
			return []string{dir}, looked
		}
	}
	// One folder a library up to CUDA 12 (nvidia/cuda_runtime/include), a single one since (nvidia/cu13/include).
	pattern := filepath.Join(filepath.Dir(lt.root), "nvidia", "*", "include")
	looked = append(looked, pattern)
	packages, _ := filepath.Glob(pattern) // fails on a malformed pattern alone; then there is nothing to find
	for _, dir := range packages {
		if exists(filepath.Join(dir, header)) {
			return packages, looked
		}
	}
	system := h.path("/usr/include")
	looked = append(looked, system)
	if exists(filepath.Join(system, header)) {
		return []string{filepath.Join(system, "torch", "csrc", "api", "include")}, looked // searched anyway
	}
	return nil, looked
}

// probeCUDA sets t.cuda to folders with which libtorch's CUDA headers compile. If there are none, the error says why;
// training on the GPU works all the same, and only the functions for CUDA streams are missing.
func (t *toolchain) probeCUDA(ctx context.Context) error {
	dirs, looked := cudaHeaders(t.host, t.libtorch)
	if dirs == nil {
		return fmt.Errorf("cuda_runtime_api.h is in none of %s; set CUDA_HOME to a CUDA toolkit", strings.Join(looked, ", "))
	}
	t.cuda = dirs
	dir, err := os.MkdirTemp("", "imori-setup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "probe.cc")
	if err := os.WriteFile(source, []byte("#include <c10/cuda/CUDAStream.h>\n"), 0o644); err != nil {
		return err
	}
	if output, err := t.compiler.run(ctx, dir, append(t.compileFlags(), "-fsyntax-only", source)...); err != nil {
		t.cuda = nil
		return fmt.Errorf("libtorch's CUDA headers do not compile with those in %s: %s", strings.Join(dirs, ", "), firstError(output))
	}
	return nil
}

// firstError is the line of a compiler's output that says what is wrong.
func firstError(output string) string {
	for line := range strings.Lines(output) {
		if strings.Contains(line, "error") {
			return strings.TrimSpace(line)
		}
	}
	return firstLine([]byte(output))
}
