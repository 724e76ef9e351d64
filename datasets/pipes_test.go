//go:build unix

package datasets

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnreadable: what the system says of a path comes with the path and what to do.
func TestUnreadable(t *testing.T) {
	root := t.TempDir()
	long := filepath.Join(root, strings.Repeat("x", 300)) // no file can be called that, whoever asks
	o := small(long)
	expectError(t, &o, "dataset folder: "+long+" cannot be read: file name too long; give it")
	if err := os.Symlink("test_batch.bin", filepath.Join(root, "test_batch.bin")); err != nil {
		t.Skip(err)
	}
	_, err := appendCIFARFile(nil, filepath.Join(root, "test_batch.bin"), 1)
	if err == nil || !strings.Contains(err.Error(), "test_batch.bin cannot be read: too many levels of symbolic links; give it") {
		t.Errorf("error %v", err)
	}
}

// TestPipes: a pipe in the place of a file is an error, and nobody waits for a writer.
func TestPipes(t *testing.T) {
	for names, open := range map[string]func(root string) Options{
		"data_batch_1.bin": func(root string) Options { return &CIFAR10Options{Root: root, Split: "train"} },
		"test_batch.bin":   func(root string) Options { return &CIFAR10Options{Root: root, Split: "test"} },
		cifarArchive:       func(root string) Options { return &CIFAR10Options{Root: root, Split: "train"} },
		"t10k-images-idx3-ubyte t10k-labels-idx1-ubyte.gz": func(root string) Options { return &MNISTOptions{Root: root, Split: "test"} },
		"cat/1.png":                  func(root string) Options { o := small(root); return &o },
		"images/1.png targets/1.png": func(root string) Options { o := smallPairs(root); return &o },
	} {
		t.Run(names, func(t *testing.T) {
			root := t.TempDir()
			for name := range strings.FieldsSeq(names) {
				path := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := unix.Mkfifo(path, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			expectError(t, open(root), "not a regular file")
		})
	}
}
