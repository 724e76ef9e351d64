package main

import (
	"debug/elf"
	"path/filepath"
	"slices"
	"strings"
)

// blas tells which library multiplies libtorch's matrices, and whether it is the slow reference one. Debian's libtorch
// leaves the choice to the alternative behind libblas.so.3; the others carry theirs inside.
func blas(h host, lt *libtorch) (name string, reference bool) {
	if !slices.Contains(needed(filepath.Join(lt.lib, h.shared("torch_cpu"))), "libblas.so.3") {
		return "libtorch's own", false
	}
	for _, dir := range []string{lt.lib, h.path("/usr/lib/" + h.triplet())} {
		if file, err := filepath.EvalSymlinks(filepath.Join(dir, "libblas.so.3")); err == nil {
			return blasName(file)
		}
	}
	return "none (libblas.so.3 is missing)", true
}

// haveOpenBLAS: the package is there, and the alternative leads elsewhere because somebody said so.
func haveOpenBLAS(h host) bool {
	return exists(h.path("/usr/lib/" + h.triplet() + "/openblas-openmp/libblas.so.3"))
}

// blasName tells a BLAS by the file that libblas.so.3 leads to.
func blasName(file string) (name string, reference bool) {
	for _, known := range []struct{ part, name string }{
		{"openblas-openmp", "OpenBLAS (OpenMP)"},
		{"openblas-pthread", "OpenBLAS (pthreads)"},
		{"openblas-serial", "OpenBLAS (one thread)"},
		{"openblas", "OpenBLAS"},
		{"mkl", "MKL"},
		{"blis", "BLIS"},
		{"atlas", "ATLAS"},
	} {
		if strings.Contains(file, known.part) {
			return known.name, false
		}
	}
	if strings.Contains(file, "/blas/") {
		return "the reference BLAS", true
	}
	return file, false
}

// needed lists the shared libraries that a library asks for; nil if it cannot be read.
func needed(library string) []string {
	file, err := elf.Open(library)
	if err != nil {
		return nil
	}
	defer file.Close()
	names, err := file.ImportedLibraries()
	if err != nil {
		return nil
	}
	return names
}
