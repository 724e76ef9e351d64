package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/torchx/safetensors"
)

// TestLoadInPython: saved weights of the default sizes load into the equivalent
// torch.nn modules, and give the same output.
func TestLoadInPython(t *testing.T) {
	const python = "/usr/bin/python3"
	if output, err := exec.Command(python, "-c", "import numpy, torch").CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(output)), "\n")
		t.Skipf("%s cannot import numpy and torch: %v: %s", python, err, lines[len(lines)-1])
	}
	for _, c := range goldenCases {
		golden := readGolden(t, c.file)
		in := allKinds(golden.Shape[0], golden.Shape[1], golden.Shape[2])
		p, _ := Lookup(golden.Model)
		options := p.Options()
		if c.options != nil {
			c.options(options)
		}
		model, err := options.Build(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range model.Networks() {
			size := fmt.Sprintf("%dx%dx%d", in.Channels, in.Height, in.Width)
			t.Run(golden.Model+"."+n.Name+" "+size, func(t *testing.T) {
				torchx.Scoped(func() { // once in training mode, so that running statistics are not the initial ones
					torchx.NoGrad(func() { n.Module.Forward(probe(golden.Model, n, in, 8)) })
				})
				path := filepath.Join(t.TempDir(), n.Name+".safetensors")
				if err := safetensors.WriteFile(path, torchx.StateTensors(n.Module), nil); err != nil {
					t.Fatal(err)
				}
				args := []string{"-B", "testdata/load_check.py", path, golden.Model + "." + n.Name, size}
				if n.Name != "discriminator" { // no latents reach it
					args = append(args, strings.Fields(c.python)...)
				}
				output, err := exec.Command(python, args...).Output()
				if err != nil {
					if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
						err = fmt.Errorf("%w:\n%s", err, exit.Stderr)
					}
					t.Fatal(err)
				}
				var theirs struct{ Values []float64 }
				if err := json.Unmarshal(output, &theirs); err != nil {
					t.Fatal(err)
				}
				ours := evaluate(golden.Model, n, in)
				if len(ours) != len(theirs.Values) {
					t.Fatalf("the output has %d values, PyTorch's %d", len(ours), len(theirs.Values))
				}
				for i, want := range theirs.Values {
					if !(math.Abs(float64(ours[i])-want) <= 1e-5) {
						t.Fatalf("output %d is %.9g, PyTorch's %.9g", i, ours[i], want)
					}
				}
			})
		}
	}
}
