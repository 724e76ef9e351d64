package main

import (
	"context"
	"path"
	"path/filepath"
	"regexp"
	"time"
)

const (
	// libtorchHeader includes what most units include of libtorch.
	libtorchHeader = "src/libtorch.h"
	// fewestUnits are as many units as make up for the time that compiling it takes.
	fewestUnits = 10
)

// precompiled is libtorchHeader, read by the compiler once for all units that include headers of libtorch.
type precompiled struct {
	build  *build
	dir    string
	header string        // path in dir
	done   chan struct{} // closed when it is known whether there is one
	made   bool
}

// precompiled is the header for some units, or nil where it does not pay.
func (b *build) precompiled(dir string, units []unit) *precompiled {
	users := 0
	for _, u := range units {
		users += u.turn()
	}
	if users < fewestUnits {
		return nil
	}
	header := filepath.Join(prefix, filepath.FromSlash(libtorchHeader))
	return &precompiled{build: b, dir: dir, header: header, done: make(chan struct{})}
}

// compile makes it. Where that fails, units do without: if a header is to blame, they say so.
func (p *precompiled) compile(ctx context.Context) {
	defer close(p.done)
	start := time.Now()
	t := p.build.toolchain
	args := append(t.compileFlags(), "-x", "c++-header", p.header, "-o", p.header+t.compiler.precompiledSuffix())
	_, err := t.compiler.run(ctx, p.dir, args...)
	if p.made = err == nil; p.made {
		p.build.report(libtorchHeader, start)
	}
}

// flags has a unit begin with it, once it is there. A nil one is none.
func (p *precompiled) flags(u unit) []string {
	if p == nil || !u.libtorch {
		return nil
	}
	<-p.done
	if !p.made {
		return nil
	}
	return []string{"-include", p.header}
}

var (
	ofLibtorch = regexp.MustCompile(`(?m)^#include <(ATen|torch)/`) // those of c10 are short
	ofOurs     = regexp.MustCompile(`(?m)^#include "([^"]+)"`)
)

// includesLibtorch tells whether a source includes one of libtorch's headers, itself or by one of ours. What it has
// seen holds all sources that it has looked at.
func includesLibtorch(texts map[string][]byte, name string, seen map[string]bool) bool {
	if seen[name] {
		return false
	}
	seen[name] = true
	if ofLibtorch.Match(texts[name]) {
		return true
	}
	for _, included := range ofOurs.FindAllSubmatch(texts[name], -1) {
		if includesLibtorch(texts, path.Join(path.Dir(name), string(included[1])), seen) {
			return true
		}
	}
	return false
}
