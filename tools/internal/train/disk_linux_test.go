package train

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/imori-ml/imori/tools/internal/cli"
)

// TestFullDisk: a run that could not save its last checkpoint has failed, and can be trained again where there is room.
func TestFullDisk(t *testing.T) {
	inFolder(t, map[string]string{"large.yaml": `name: large
model: {type: ae, hidden: 500}
dataset: {type: digits, size: 16, count: 40}
train: {iterations: 4, batch_size: 4, threads: 1, checkpoint_every: 0}
`})
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount a small disk, which needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	run := filepath.Join(disk, "run")
	status, stdout, stderr := typed("-recipe large.yaml -out " + run)
	if status != cli.ExitFailed {
		t.Errorf("status %d, want 1", status)
	}
	expect(t, stdout, "it is tried again in 2s")
	expect(t, stderr, "training came to its end, but its state is not saved", "no space left on device", "the run has no other")
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT, "size=9m"); err != nil {
		t.Fatal(err)
	}
	expect(t, mustType(t, "-resume "+run), "done: 4 iterations")
}
