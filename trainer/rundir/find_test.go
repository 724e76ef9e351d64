package rundir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, folder := range []string{"runs/b/2", "runs/a", "runs/.hidden/1", "runs/x/y/z/deep", "elsewhere/3"} {
		d, err := Create(folder)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Begin(0, 1); err != nil {
			t.Fatal(err)
		}
		d.Close()
	}
	for name, target := range map[string]string{"runs/0-latest": "b/2", "runs/link": "../elsewhere/3", "runs/more": "../elsewhere", "runs/loop": "..", "runs/gone": "nowhere"} {
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("runs/file", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]string{
		"runs":     "runs/a runs/b/2 runs/link",
		"runs/b/2": "runs/b/2",
		"runs/x":   "runs/x/y/z/deep",
	} {
		got, problems := Find(folder, 3)
		if strings.Join(got, " ") != want || problems != nil {
			t.Errorf("%s: got %s, %v", folder, got, problems)
		}
	}
	if got, problems := Find(filepath.Join("runs", "nothing"), 3); got != nil || len(problems) != 1 {
		t.Errorf("got %s, %v", got, problems)
	}
}
