package rundir

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// whole is a run that has all its files.
func whole(t *testing.T) *Dir {
	t.Helper()
	d := create(t)
	if err := d.WriteRecipe([]byte("name: x\n")); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteRecipeFrom(3, []byte("name: y\n")); err != nil {
		t.Fatal(err)
	}
	timing, err := d.Timing()
	if err != nil {
		t.Fatal(err)
	}
	appendLines(t, metrics(t, d), 1, 2, 3)
	appendLines(t, timing, 1, 2, 3)
	save(t, d, 3)
	begin(t, d, 3)
	savePictures(t, d, 1, 2)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return d
}

func savePictures(t *testing.T, d *Dir, iterations ...int) {
	t.Helper()
	for _, n := range iterations {
		if _, err := d.SavePicture(n, Grid([]float32{0}, 1, 1, 1, 1, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

// readAll reads whatever there is to read of a run.
func readAll(folder string) error {
	d := &Dir{path: folder}
	_, look := Look(folder, 5)
	_, metrics := ReadRunMetrics(folder)
	_, last := ReadLastMetrics(folder)
	_, checkpoint := d.LatestCheckpoint()
	_, state := d.LatestState()
	_, recipe := d.Recipe()
	_, changed := d.RecipeFrom(3)
	return errors.Join(look, metrics, last, checkpoint, state, recipe, changed)
}

// TestSpecialFiles: a named pipe is not waited for, and a device not read to its end, whichever file somebody puts it in place
// of.
func TestSpecialFiles(t *testing.T) {
	special := map[string]func(path string) error{
		"it is a named pipe": func(path string) error { return syscall.Mkfifo(path, 0o666) },
		"it is a device":     func(path string) error { return os.Symlink("/dev/zero", path) },
		"it is a directory":  func(path string) error { return os.Mkdir(path, 0o777) },
	}
	for _, file := range []string{
		recipeFile, RecipeName(3), metricsFile, timingFile, statusFile, lockFile, "checkpoints/00000003/state.json",
		"checkpoints/00000003/generator.safetensors", "checkpoints/00000003/optimizers.safetensors",
	} {
		for what, put := range special {
			folder := whole(t).Path()
			path := filepath.Join(folder, file)
			if err := errors.Join(os.Remove(path), put(path)); err != nil {
				t.Fatal(err)
			}
			read := make(chan error, 1)
			go func() { read <- readAll(folder) }()
			select {
			case err := <-read:
				if file != timingFile && (err == nil || !strings.Contains(err.Error(), what+", not a regular file")) {
					t.Errorf("%s: got %v, want %q", file, err, what)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%s, where %s: it is waited for", file, what)
			}
		}
	}
}

// TestWritesThroughNoLink: a file that somebody's link in a run leads to stays as it is.
func TestWritesThroughNoLink(t *testing.T) {
	for _, name := range []string{lockFile, metricsFile, timingFile} {
		for what, put := range map[string]func(thesis, path string) error{
			"it is a link":       os.Symlink,
			"it is a named pipe": func(_, path string) error { return syscall.Mkfifo(path, 0o666) },
		} {
			d := create(t)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			thesis := filepath.Join(t.TempDir(), "thesis.tex")
			writeFile(t, thesis, "years")
			path := filepath.Join(d.Path(), name)
			os.Remove(path) // if it is the lock
			if err := put(thesis, path); err != nil {
				t.Fatal(err)
			}
			err := d.Lock()
			if name != lockFile && err == nil {
				_, metricsErr := d.Metrics()
				_, timingErr := d.Timing()
				err = errors.Join(metricsErr, timingErr)
			}
			wantError(t, err, path+": "+what+", not a regular file: remove it")
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			if got := readFile(t, thesis); got != "years" {
				t.Errorf("%s: the file became %q", name, got)
			}
		}
	}
}

func TestLongRecipe(t *testing.T) {
	d := create(t)
	long := make([]byte, maxRecipe+1)
	wantError(t, d.WriteRecipe(long), "recipe.yaml has 1048577 bytes, expected at most 1048576")
	wantError(t, d.WriteRecipeFrom(3, long), "recipe-00000003.yaml has 1048577 bytes")
	for _, name := range []string{recipeFile, RecipeName(3)} {
		writeFile(t, filepath.Join(d.Path(), name), string(long))
	}
	_, err := d.Recipe()
	wantError(t, err, "recipe.yaml: it is too long")
	_, err = d.RecipeFrom(3)
	wantError(t, err, "recipe-00000003.yaml: it is too long")
}

// hugePNG is a picture's header that claims 100,000 pixels each way.
func hugePNG() string {
	header := []byte("IHDR\x00\x01\x86\xa0\x00\x01\x86\xa0\x08\x06\x00\x00\x00")
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), header...)
	return string(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(header)))
}

// TestAnimationLeavesOut: what no run draws is no frame, be it the last one.
func TestAnimationLeavesOut(t *testing.T) {
	d := create(t)
	savePictures(t, d, 1, 2)
	at := func(n int) string { return filepath.Join(d.Path(), samplesFolder, IterationName(n)+".png") }
	writeFile(t, at(3), hugePNG())
	if err := errors.Join(syscall.Mkfifo(at(4), 0o666), os.Symlink("/dev/zero", at(5)), os.Mkdir(at(6), 0o777)); err != nil {
		t.Fatal(err)
	}
	path, err := d.SaveAnimation(d.Pictures(math.MaxInt), 0)
	if err != nil {
		t.Fatal(err)
	}
	if g := readGIF(t, path); len(g.Image) != 2 {
		t.Errorf("%d frames", len(g.Image))
	}
	if err := errors.Join(os.Remove(at(1)), os.Remove(at(2))); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SaveAnimation(d.Pictures(math.MaxInt), 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
