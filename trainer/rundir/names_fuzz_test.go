package rundir

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imori-ml/imori/internal/fuzztest"
)

// FuzzNames: whatever the links point to, and whatever folders lie beside the checkpoints, a run is looked at, opened, cut and
// written to without a crash, and nothing outside of it changes.
func FuzzNames(f *testing.F) {
	target := fuzztest.New(f)
	for _, seed := range [][3]string{
		{"00000003", "00000003", "00000004"}, {"..", ".", "copy"}, {"latest", "best", "best"}, {"best", "latest", "-0000001"},
		{"../..", "../../outside", "+0000003"}, {"", "3", "99999999999999999999"}, {"00000009", "./00000003", "9223372036854775807"},
		{"state.json", "00000003/state.json", ".undone-00000009"}, {"/dev/zero", "/", ".old-00000009"}, {strings.Repeat("x/", 3000), "\x00", "00000009\n"},
		{"copy", "copy", "copy"}, {".old-00000003", ".tmp-x-ABCDEFGH", ".tmp-x-ABCDEFGH"}, {"00000003/", "00000003/.", "٠٠٠٠٠٠٠٣"},
	} {
		for _, copied := range []bool{false, true} {
			target.Add(seed[0], seed[1], seed[2], copied)
		}
	}
	target.Fuzz(func(t *testing.T, latest, best, beside string, copied bool) {
		root := t.TempDir()
		outside := filepath.Join(root, "outside")
		writeFile(t, outside, "precious")
		d, err := Create(filepath.Join(root, "a", "run"))
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		save(t, d, 3)
		at := func(name string) string { return filepath.Join(d.Path(), checkpointFolder, name) }
		if beside != "" && beside == filepath.Base(beside) && !slices.Contains([]string{".", ".."}, beside) && os.Mkdir(at(beside), 0o777) == nil && copied {
			if err := os.CopyFS(at(beside), os.DirFS(d.CheckpointPath(3))); err != nil {
				t.Fatal(err)
			}
		}
		for name, to := range map[string]string{latestLink: latest, bestLink: best} {
			os.Remove(at(name))
			_ = os.Symlink(to, at(name)) // not every text is one
		}
		fuzztest.Bounded(t, 1<<23+64*(len(latest)+len(best)+len(beside)), func() {
			iterations, err := d.Checkpoints()
			if err != nil {
				t.Fatal(err)
			}
			if !slices.IsSorted(iterations) || len(iterations) > 0 && iterations[0] < 0 {
				t.Errorf("iterations are %d", iterations)
			}
			seen, _ := Look(d.Path(), 5)
			if c, err := d.LatestCheckpoint(); err == nil && c.State.Iteration != 3 {
				t.Errorf("got the checkpoint of iteration %d", c.State.Iteration)
			}
			if s, err := d.LatestState(); err == nil && s.Iteration != 3 {
				t.Errorf("got the state of iteration %d", s.Iteration)
			}
			if seen.Checkpoint < -1 {
				t.Errorf("the checkpoint is %d", seen.Checkpoint)
			}
			for _, name := range []string{latestLink, bestLink, beside} {
				_, _ = OpenCheckpoint(at(name))
			}
			d.Keep, d.KeepEvery = 1, 2
			if d.GoBack(3) == nil {
				if n := newestCheckpoint(d.Path()); n != 3 {
					t.Errorf("back at iteration 3 the newest checkpoint is %d", n)
				}
			}
			if d.SaveCheckpoint(example(4, 1)) == nil {
				if c, err := d.LatestCheckpoint(); err != nil || c.State.Iteration != 4 {
					t.Errorf("the saved checkpoint is %v, %v", c, err)
				}
			}
		})
		if got := readFile(t, outside); got != "precious" {
			t.Errorf("the file outside became %q", got)
		}
		if got := names(t, root); got != "a outside" {
			t.Errorf("outside there is %s", got)
		}
	})
}
