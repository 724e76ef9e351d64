package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestWillCompute(t *testing.T) {
	root := &cobra.Command{Use: "imori"}
	train := &cobra.Command{Use: "train"}
	Computes(train, "recipe", "resume")
	root.AddCommand(train, &cobra.Command{Use: "sample"})
	for line, want := range map[string]bool{
		"train -recipe x":           true,
		"train --set a=b -recipe=x": true,
		"train -resume runs/x":      true,
		"train":                     false,
		"train -help":               false,
		"train recipe":              false,
		"train -- -recipe x":        false,
		"sample -recipe x":          false,
		"sample - x":                false,
		"sample -- x":               false,
		"-recipe x":                 false,
		"":                          false,
	} {
		if got := willCompute(root, strings.Fields(line)); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
	if !willCompute(train, []string{"-recipe", "x"}) {
		t.Error("a command that is a program of its own does not compute")
	}
}

func TestSpinIsSet(t *testing.T) {
	for variable, want := range map[string]bool{"GOMP_SPINCOUNT=0": true, "OMP_WAIT_POLICY=active": true, "OMP_NUM_THREADS=2": false} {
		if got := spinIsSet([]string{"HOME=/", variable}); got != want {
			t.Errorf("%s: %v, want %v", variable, got, want)
		}
	}
}
