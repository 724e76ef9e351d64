package runs

import (
	"os"
	"strings"
	"testing"
)

// TestRecipeIsADevice: a recipe that has no end does not fill the memory, in a run that has no checkpoints yet either.
func TestRecipeIsADevice(t *testing.T) {
	t.Chdir(t.TempDir())
	made(t, "run", "").Close()
	for _, path := range []string{"run/checkpoints", "run/samples"} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/dev/zero", "run/recipe.yaml"); err != nil {
		t.Fatal(err)
	}
	if out, errs, status := command(t, "run"); status != 0 || !strings.Contains(out, "recipe.yaml: it is a device, not a regular file") {
		t.Errorf("status %d\n%s\n%s", status, out, errs)
	}
}

// TestEndlessTraining: one run's figures that are no times do not keep the others from being listed.
func TestEndlessTraining(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, seconds := range []string{"1e9", "1.7e308"} {
		made(t, "runs/"+seconds, "").Close()
		write(t, "runs/"+seconds+"/status.json", `{"state":"running","started":"2026-01-02T03:04:05Z","seconds":`+seconds+`}`)
		write(t, "runs/"+seconds+"/timing.jsonl", `{"iteration":5,"seconds":1.7e308}`+"\n")
	}
	out, errs, status := command(t, "-json")
	if status != 0 || strings.Count(out, `"seconds": 1000000000,`) != 2 {
		t.Errorf("status %d\n%s\n%s", status, out, errs)
	}
}
