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
