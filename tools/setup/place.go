package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// place is a folder for libcgotorch.so.
type place struct {
	dir string
	// private: linker and loader are told about the folder by CGO_LDFLAGS. Otherwise they look there by themselves.
	private bool
	// aside: they are told nothing, so that no program finds the library unless it is led there.
	aside bool
}

const systemDir = "/usr/local/lib"

// privateDir is not below the cache folder, which may be emptied at any time while programs go on using the library.
func privateDir(h host) (string, error) {
	home := h.env("HOME")
	if home == "" {
		return "", errors.New("$HOME is not set, so there is no folder for libcgotorch.so; set it")
	}
	return filepath.Join(home, ".local", "lib", "imori"), nil
}

// stamp describes the library beside it.
type stamp struct {
	BuildID  string // of the sources
	Key      string // hash of all that went into it
	SHA256   string // of the library
	Libtorch string // folder of the libtorch it was built against
	Outside  bool   // libtorch.outside
	Warnings int    // of the compiler
}

// outside is the folder of a libtorch that is outside the system; "" if it is not.
func (s stamp) outside() string {
	if s.Outside {
		return s.Libtorch
	}
	return ""
}

func (p place) stampFile() string { return filepath.Join(p.dir, "libcgotorch.json") }

func (p place) library(h host) string { return filepath.Join(p.dir, h.shared("cgotorch")) }

// readStamp returns the stamp of the library in p; the zero stamp if there is none, or another library lies there.
func (p place) readStamp(h host) stamp {
	data, err := os.ReadFile(p.stampFile())
	if err != nil {
		return stamp{}
	}
	var s stamp
	if json.Unmarshal(data, &s) != nil {
		return stamp{}
	}
	if library, err := os.ReadFile(p.library(h)); err != nil || hashOf(library) != s.SHA256 {
		s.Key = "" // where libtorch was remains known
	}
	return s
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// install puts the library and its stamp into p. Programs that run with an earlier one keep it.
func (p place) install(ctx context.Context, h host, library string, s stamp) error {
	data, err := os.ReadFile(library)
	if err != nil {
		return err
	}
	s.SHA256 = hashOf(data)
	text, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	// The stamp last: between the two, the library is one that does not match, and is built anew.
	if err := writeWhole(p.library(h), data, 0o755); err != nil {
		return err
	}
	if err := writeWhole(p.stampFile(), append(text, '\n'), 0o644); err != nil {
		return err
	}
	if p.private || p.aside {
		return nil
	}
	return ldconfig(ctx)
}

func (p place) remove(ctx context.Context, h host) error {
	for _, file := range []string{p.stampFile(), p.library(h)} {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if p.private || p.aside {
		_ = os.Remove(p.dir) // stays if something else is in it
		return nil
	}
	return ldconfig(ctx)
}

// ldconfig has the loader take note of a library in a folder of the system. It is often not in the path of `su`.
func ldconfig(ctx context.Context) error {
	program, err := exec.LookPath("ldconfig")
	if err != nil {
		program = "/sbin/ldconfig"
	}
	if output, err := exec.CommandContext(ctx, program).CombinedOutput(); err != nil {
		return fmt.Errorf("ldconfig: %w: %s", err, lastLines(string(output), 5))
	}
	return nil
}

// try links a program the way cgo does and starts it: whether linker and loader find everything, and whether every
// function that libcgotorch.so calls is in this libtorch, is known only then.
func try(ctx context.Context, h host, cc string, ldflags []string) error {
	dir, err := os.MkdirTemp("", "imori-setup-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	source, program := filepath.Join(dir, "try.c"), filepath.Join(dir, "try")
	if err := os.WriteFile(source, []byte("int main(void) { return 0; }\n"), 0o644); err != nil {
		return err
	}
	linker := tryCompiler(ctx, cc)
	if linker == nil {
		return fmt.Errorf("cgo's C compiler %q does not run: install it, or set CC", cc)
	}
	args := []string{source, "-o", program}
	if h.goos == "linux" {
		args = append(args, "-Wl,--no-as-needed") // the program calls nothing, and shall load everything
	}
	args = append(args, "-lcgotorch", "-lc10", "-ltorch", "-ltorch_cpu")
	if output, err := linker.run(ctx, dir, append(args, ldflags...)...); err != nil {
		return fmt.Errorf("a program does not link to libcgotorch: %s", lastLines(output, 10))
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), "LD_BIND_NOW=1")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("a program linked to libcgotorch does not start (%w): %s", err, lastLines(string(output), 5))
	}
	return nil
}
