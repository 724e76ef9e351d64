package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// defaultLDFlags is what CGO_LDFLAGS stands for when nobody has set it.
const defaultLDFlags = "-O2 -g"

// goEnv is the part of `go env` that matters here.
type goEnv struct {
	cc, cxx    string
	cgoEnabled bool
	ldflags    string // CGO_LDFLAGS as stored, whatever the environment says
}

func readGoEnv(ctx context.Context) (goEnv, error) {
	cmd := goCommand(ctx, "env", "CC", "CXX", "CGO_ENABLED", "CGO_LDFLAGS")
	output, err := cmd.Output()
	if err != nil {
		return goEnv{}, fmt.Errorf("go env does not run (%w): is Go's bin folder in $PATH?", err)
	}
	lines := append(strings.Split(string(output), "\n"), "", "", "", "")
	return goEnv{cc: lines[0], cxx: lines[1], cgoEnabled: lines[2] == "1", ldflags: lines[3]}, nil
}

// storeLDFlags stores CGO_LDFLAGS for good, or removes it if it says what Go takes by itself.
func storeLDFlags(ctx context.Context, flags []string) error {
	args := []string{"env", "-w", "CGO_LDFLAGS=" + joinFlags(flags)}
	if joinFlags(flags) == defaultLDFlags {
		args = []string{"env", "-u", "CGO_LDFLAGS"}
	}
	if output, err := goCommand(ctx, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, lastLines(string(output), 5))
	}
	if env, err := readGoEnv(ctx); err != nil || env.ldflags != joinFlags(flags) {
		return fmt.Errorf("go env -w does not keep CGO_LDFLAGS='%s': unset GOENV, or export it yourself", joinFlags(flags))
	}
	return nil
}

// goCommand runs go without the CGO_LDFLAGS of the environment, which hides the stored one.
func goCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "CGO_LDFLAGS=") })
	return cmd
}

// privateLDFlags let a program find libcgotorch.so in dir, and a libtorch that is outside the system.
func privateLDFlags(dir string, lt *libtorch) []string {
	flags := folderFlags(dir)
	if lt.outside {
		flags = append(flags, folderFlags(lt.lib)...)
	}
	return flags
}

func folderFlags(dir string) []string { return []string{"-L" + dir, "-Wl,-rpath," + dir} }

// replaceFlags is the setting without what an earlier set-up put in for the private folder dir and, behind that, a folder of
// libtorch, and with add at the end. What the user has put in stays. changed: it is not what it was.
func replaceFlags(setting, dir string, isLibtorch func(folder string) bool, add []string) (flags []string, changed bool, err error) {
	before, err := splitFlags(setting)
	if err != nil {
		return nil, false, fmt.Errorf("CGO_LDFLAGS in go env cannot be read (%w): repair it with go env -w or -u", err)
	}
	flags = slices.Clone(before)
	if at := slices.Index(flags, "-L"+dir); at >= 0 {
		isOurs := func(folder string) bool { return folder == dir }
		for _, ours := range []func(string) bool{isOurs, isLibtorch} {
			if at+1 < len(flags) && isPair(flags[at:at+2], ours) {
				flags = slices.Delete(flags, at, at+2)
			}
		}
	}
	flags = append(flags, add...)
	return flags, !slices.Equal(flags, before), nil
}

// isPair tells whether two flags are those of such a folder.
func isPair(flags []string, such func(folder string) bool) bool {
	folder, ok := strings.CutPrefix(flags[0], "-L")
	return ok && slices.Equal(flags, folderFlags(folder)) && such(folder)
}

// splitFlags splits a list of flags as the go command does: at white space; a flag may be quoted by ' or ".
func splitFlags(s string) ([]string, error) {
	var flags []string
	for s = strings.TrimLeft(s, " \t\r\n"); s != ""; s = strings.TrimLeft(s, " \t\r\n") {
		if q := s[0]; q == '\'' || q == '"' {
			end := strings.IndexByte(s[1:], q)
			if end < 0 {
				return nil, fmt.Errorf("unterminated %c", q)
			}
			flags, s = append(flags, s[1:end+1]), s[end+2:]
			continue
		}
		end := strings.IndexAny(s, " \t\r\n")
		if end < 0 {
			end = len(s)
		}
		flags, s = append(flags, s[:end]), s[end:]
	}
	return flags, nil
}

// joinFlags is the inverse of splitFlags.
func joinFlags(flags []string) string {
	quoted := make([]string, len(flags))
	for i, f := range flags {
		switch {
		case f != "" && !strings.ContainsAny(f, " \t\r\n'\""):
			quoted[i] = f
		case !strings.Contains(f, "'"):
			quoted[i] = "'" + f + "'"
		default:
			quoted[i] = `"` + f + `"`
		}
	}
	return strings.Join(quoted, " ")
}
