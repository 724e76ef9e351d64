package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// Debian's and Ubuntu's names.
const (
	packageLibtorch = "libtorch-dev"
	packageBLAS     = "libopenblas0-openmp" // of OpenBLAS's variants, the one that shares libtorch's threads
	packageCompiler = "g++"
)

// aptCommand is the line a person would type to install packages.
func aptCommand(packages []string, root bool) string {
	sudo := "sudo "
	if root {
		sudo = ""
	}
	return sudo + "apt-get update && " + sudo + "apt-get install -y --no-install-recommends " + strings.Join(packages, " ")
}

// apt installs Debian packages, as root or through a sudo that asks for no password.
type apt struct {
	sudo []string
	out  func(format string, args ...any)
}

// newAPT reports whether packages may be installed here.
func newAPT(ctx context.Context, out func(string, ...any)) (a *apt, have, may bool) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, false, false
	}
	if os.Geteuid() == 0 {
		return &apt{out: out}, true, true
	}
	if exec.CommandContext(ctx, "sudo", "-n", "true").Run() == nil {
		return &apt{sudo: []string{"sudo", "-n"}, out: out}, true, true
	}
	return nil, true, false
}

func (a *apt) install(ctx context.Context, packages []string) error {
	a.out("installing %s with apt-get", strings.Join(packages, ", "))
	if err := a.run(ctx, "apt-get", "-qq", "update"); err != nil {
		return err
	}
	for _, p := range packages {
		if p != packageLibtorch {
			continue
		}
		if err := checkCandidate(aptPolicy(ctx)); err != nil {
			return err
		}
	}
	args := []string{"apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0",
		"install", "-y", "--no-install-recommends"}
	return a.run(ctx, append(args, packages...)...)
}

// run prints a command's output only if it fails: dpkg's is long.
func (a *apt) run(ctx context.Context, args ...string) error {
	args = append(append([]string{}, a.sudo...), append([]string{"env", "DEBIAN_FRONTEND=noninteractive"}, args...)...)
	output, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s failed (%w): %s", strings.Join(args, " "), err, lastLines(string(output), 15))
	}
	return nil
}

func aptPolicy(ctx context.Context) string {
	cmd := exec.CommandContext(ctx, "apt-cache", "policy", packageLibtorch)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	output, _ := cmd.Output() // what cannot be read counts as no package
	return string(output)
}

var candidate = regexp.MustCompile(`(?m)^\s*Candidate: ((\d+)\.(\d+)\S*)`)

// checkCandidate refuses the libtorch that apt would install if it is too old, before a gigabyte is unpacked.
func checkCandidate(policy string) error {
	const advice = "unpack one from pytorch.org and set LIBTORCH to it"
	m := candidate.FindStringSubmatch(policy)
	if m == nil {
		return fmt.Errorf("this system's package lists have no %s (on Ubuntu it is in \"universe\"): %s", packageLibtorch, advice)
	}
	major, _ := strconv.Atoi(m[2])
	minor, _ := strconv.Atoi(m[3])
	if (version{major: major, minor: minor}).tooOld() {
		return fmt.Errorf("this system's %s is %s, and imori needs %d.%d or later: %s",
			packageLibtorch, m[1], oldest.major, oldest.minor, advice)
	}
	return nil
}

// lastLines is the end of a program's output: where it says what went wrong.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
