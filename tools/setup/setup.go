package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/imori-ml/imori/cgotorch"
)

// setup is one run of the command.
type setup struct {
	host    host
	options options
	out     io.Writer

	mu       sync.Mutex // guards out: compilations report as they end
	env      goEnv
	private  place
	previous stamp // of the library in private as this run found it
}

// say prints a line.
func (s *setup) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "setup: "+format+"\n", args...)
}

func (s *setup) run(ctx context.Context) error {
	if err := s.host.check(); err != nil {
		return err
	}
	dir, err := privateDir(s.host)
	if err != nil {
		return err
	}
	s.private = place{dir: dir, private: true}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	cache = filepath.Join(cache, "imori")
	if !s.options.print {
		unlock, err := lock(filepath.Join(cache, "setup.lock"), func() { s.say("waiting for another set-up to end") })
		if err != nil {
			return err
		}
		defer unlock()
	}
	if s.env, err = readGoEnv(ctx); err != nil {
		return err
	}
	s.previous = s.private.readStamp(s.host)
	t, err := s.toolchain(ctx)
	if err != nil {
		return err
	}
	if s.options.print {
		s.report(t)
		return nil
	}
	if _, reference := blas(s.host, t.libtorch); reference && haveOpenBLAS(s.host) {
		s.say("%s; run: update-alternatives --auto libblas.so.3-%s", slowBLAS, s.host.triplet())
	}
	if reason := s.host.slowCPU(); reason != "" {
		s.say("%s", reason)
	}
	return s.provide(ctx, t, filepath.Join(cache, "objects"))
}

// toolchain finds libtorch, a C++ compiler and a fast BLAS, and installs what is missing where it may.
func (s *setup) toolchain(ctx context.Context) (*toolchain, error) {
	earlier := s.previous.outside()
	t, missing, err := s.find(ctx, earlier)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		if err := s.install(ctx, t, missing); err != nil {
			return nil, err
		}
		if t, missing, err = s.find(ctx, earlier); err != nil {
			return nil, err
		}
		if t.libtorch == nil || t.compiler == nil {
			return nil, fmt.Errorf("%s still missing after the installation", strings.Join(missing, ", "))
		}
	}
	// Go switches cgo off by itself where it sees no C compiler, so ask again now.
	if s.env, err = readGoEnv(ctx); err != nil {
		return nil, err
	}
	switch {
	case s.env.cgoEnabled:
	case tryCompiler(ctx, s.env.cc) == nil:
		return nil, fmt.Errorf("the C compiler that Go uses, %q, does not run: install it, or name another with go env -w CC", s.env.cc)
	default:
		return nil, errors.New("CGO_ENABLED=0 switches cgo off, and imori calls libtorch through it: unset it, also by go env -u CGO_ENABLED")
	}
	return t, nil
}

// find looks for what is needed, and names the packages that would bring what is missing.
func (s *setup) find(ctx context.Context, earlier string) (*toolchain, []string, error) {
	t := &toolchain{host: s.host, extra: strings.Fields(s.options.cxxflags)}
	var missing []string
	var err error
	t.libtorch, err = findLibtorch(s.host, earlier)
	switch {
	case errors.Is(err, errNoLibtorch) && s.host.env("LIBTORCH") == "":
		missing = append(missing, packageLibtorch, packageBLAS)
	case err != nil:
		return nil, nil, err
	default:
		if _, reference := blas(s.host, t.libtorch); reference && !haveOpenBLAS(s.host) {
			missing = append(missing, packageBLAS)
		}
	}
	if t.compiler, err = findCompiler(ctx, s.host, s.env.cxx); err != nil {
		return nil, nil, err
	}
	if t.compiler == nil {
		missing = append(missing, packageCompiler)
	}
	return t, missing, nil
}

// install installs packages, or says how. A fast BLAS is advised and not required: imori works without.
func (s *setup) install(ctx context.Context, t *toolchain, packages []string) error {
	var lacking []string
	if t.libtorch == nil {
		lacking = append(lacking, "libtorch")
	}
	if t.compiler == nil {
		lacking = append(lacking, "a C++ compiler")
	}
	a, have, may := newAPT(ctx, s.say)
	if may && !s.options.noInstall && !s.options.print {
		err := a.install(ctx, packages)
		if err != nil && lacking == nil {
			s.say("%s: %v", slowBLAS, err)
			return nil
		}
		return err
	}
	how := "run: " + aptCommand(packages, os.Geteuid() == 0)
	if !have {
		how = "take a libtorch from pytorch.org and set LIBTORCH to its folder"
		if t.libtorch != nil {
			how = "install one"
		}
	}
	if lacking != nil {
		return fmt.Errorf("missing: %s; %s", strings.Join(lacking, " and "), how)
	}
	s.say("%s; %s", slowBLAS, how)
	return nil
}

const slowBLAS = "libtorch runs on the reference BLAS, up to fifty times slower than OpenBLAS"

// places lists where the library may lie, the better first.
func (s *setup) places(lt *libtorch) []place {
	if s.options.out != "" {
		return []place{{dir: s.options.out, aside: true}}
	}
	if lt.outside {
		return []place{s.private}
	}
	return []place{{dir: s.host.path(systemDir)}, s.private}
}

// provide makes sure that an up-to-date library lies in one of the places and is found there.
func (s *setup) provide(ctx context.Context, t *toolchain, cache string) error {
	key := s.key(t)
	for _, p := range s.places(t.libtorch) {
		if st := p.readStamp(s.host); st.Key == key && (st.Warnings == 0 || !s.options.werror) {
			if err := s.connect(ctx, t, p, false); err != nil {
				return err
			}
			s.say("%s is up to date (%s)", p.library(s.host), describe(t))
			return nil
		}
	}
	start := time.Now()
	b := &build{toolchain: t, sources: cgotorch.Sources, buildID: cgotorch.BuildID(), cache: cache, jobs: s.host.jobs(), out: s.say}
	result, err := b.run(ctx)
	if err != nil {
		return err
	}
	defer result.cleanUp()
	for _, w := range result.warnings {
		s.say("the compiler warns:\n%s", strings.TrimRight(w, "\n"))
	}
	if len(result.warnings) > 0 && s.options.werror {
		return errors.New("-werror: the C++ has warnings, see above")
	}
	st := stamp{BuildID: b.buildID, Key: key, Libtorch: t.libtorch.root, Outside: t.libtorch.outside, Warnings: len(result.warnings)}
	for _, p := range s.places(t.libtorch) {
		if !p.private && !p.aside && os.Geteuid() != 0 {
			continue
		}
		if err = s.put(ctx, t, p, result.library, st); err == nil {
			s.say("%s is ready (%s): %d files compiled, %d unchanged, %.1f s", p.library(s.host), describe(t),
				result.compiled, result.fromDisk, time.Since(start).Seconds())
			return nil
		}
	}
	return err
}

// put installs the library in p and tries it; what does not work there is removed again.
func (s *setup) put(ctx context.Context, t *toolchain, p place, library string, st stamp) error {
	err := p.install(ctx, s.host, library, st)
	if err == nil {
		err = s.connect(ctx, t, p, true)
	}
	if err != nil {
		return errors.Join(err, p.remove(ctx, s.host))
	}
	return nil
}

// connect lets cgo find the library in p, by go env's CGO_LDFLAGS if need be, and takes back what an earlier set-up
// put there. The result is tried if it is new.
func (s *setup) connect(ctx context.Context, t *toolchain, p place, fresh bool) error {
	if p.aside {
		return nil
	}
	var add []string
	if p.private {
		add = privateLDFlags(p.dir, t.libtorch)
	}
	// The stamp may be lost, or of a set-up that was cut short before it changed the flags.
	root := s.previous.outside()
	isLibtorch := func(folder string) bool {
		return root != "" && strings.HasPrefix(folder, root+"/") || exists(filepath.Join(folder, s.host.shared("torch_cpu")))
	}
	flags, changed, err := replaceFlags(s.env.ldflags, s.private.dir, isLibtorch, add)
	if err != nil {
		return err
	}
	effective, hidden, err := s.effectiveLDFlags(flags, add)
	if err != nil {
		return err
	}
	if hidden {
		return fmt.Errorf("CGO_LDFLAGS in the environment hides the one that go env would store: unset it, or export CGO_LDFLAGS=%q",
			joinFlags(append(effective, add...)))
	}
	if (fresh || changed) && !t.sanitized() { // a sanitized library starts only in programs built like it
		if err := try(ctx, s.host, s.env.cc, effective); err != nil {
			return err
		}
	}
	if changed {
		if err := storeLDFlags(ctx, flags); err != nil {
			return err
		}
		s.env.ldflags = joinFlags(flags)
		s.say("go env CGO_LDFLAGS is now %s", s.env.ldflags)
	}
	if !p.private && exists(s.private.stampFile()) {
		return s.private.remove(ctx, s.host)
	}
	return nil
}

// effectiveLDFlags are the flags cgo will use: the environment's, if it has any. hidden: they lack some of add.
func (s *setup) effectiveLDFlags(stored, add []string) (flags []string, hidden bool, err error) {
	value := s.host.env("CGO_LDFLAGS")
	if value == "" {
		return stored, false, nil
	}
	if flags, err = splitFlags(value); err != nil {
		return nil, false, fmt.Errorf("CGO_LDFLAGS in the environment: %w", err)
	}
	hidden = slices.ContainsFunc(add, func(f string) bool { return !slices.Contains(flags, f) })
	return flags, hidden, nil
}

// key is a hash of everything that decides what the library is.
func (s *setup) key(t *toolchain) string {
	return hashOf([]byte(fmt.Sprintf("%s %s %q %q", cgotorch.BuildID(), t.identity(), t.compileFlags(), t.linkFlags())))[:32]
}

func describe(t *toolchain) string {
	return fmt.Sprintf("libtorch %s, %s", t.libtorch.version, t.libtorch.kind())
}

// report prints what was found.
func (s *setup) report(t *toolchain) {
	blasName, _ := blas(s.host, t.libtorch)
	library := "none yet"
	for _, p := range s.places(t.libtorch) {
		st := p.readStamp(s.host)
		if st.Key == "" {
			continue
		}
		library = p.library(s.host) + ", build " + st.BuildID
		if st.Key != s.key(t) {
			library += " (out of date)"
		}
		break
	}
	for _, row := range [][2]string{
		{"libtorch", t.libtorch.version.String() + " in " + t.libtorch.root},
		{"libraries", t.libtorch.lib},
		{"kind", t.libtorch.kind()},
		{"BLAS", blasName},
		{"C++", t.libtorch.standard + ", ABI " + t.libtorch.abi},
		{"compiler", strings.Join(t.compiler.command, " ") + ": " + t.compiler.version},
		{"sources", "build " + cgotorch.BuildID()},
		{"library", library},
	} {
		fmt.Fprintf(s.out, "%-10s %s\n", row[0], row[1])
	}
	if reason := s.host.slowCPU(); reason != "" {
		fmt.Fprintf(s.out, "%-10s %s\n", "processor", reason)
	}
}
