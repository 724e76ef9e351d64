package cli

import (
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// left lists what is in the working directory.
func left(t *testing.T) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
		if path != "." {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

func TestOutputs(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("old", 0o777); err != nil {
		t.Fatal(err)
	}
	begin := func() *Outputs {
		o := &Outputs{}
		f, err := o.Create("a/b/text")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(f, "text")
		if err := errors.Join(o.PNG("old/x.png", image.NewGray(image.Rect(0, 0, 1, 1))), o.MakeFolder("a/c"), o.MakeFolder("old")); err != nil {
			t.Fatal(err)
		}
		return o
	}
	o := begin()
	if got := left(t); strings.Contains(got, "a/b/text") || strings.Contains(got, "old/x.png ") {
		t.Errorf("there before Commit: %s", got)
	}
	o.Discard()
	if got := left(t); got != "old" {
		t.Errorf("left: %s", got)
	}
	o = begin()
	if err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	o.Discard()
	if got := left(t); got != "a a/b a/b/text a/c old old/x.png" {
		t.Errorf("left: %s", got)
	}
	if text, err := os.ReadFile("a/b/text"); string(text) != "text" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestWriteFile(t *testing.T) {
	t.Chdir(t.TempDir())
	failing := func(io.Writer) error { return errors.New("no more") }
	write := func(w io.Writer) error { _, err := io.WriteString(w, "x"); return err }
	for _, test := range []struct {
		path  string
		write func(io.Writer) error
		want  string
	}{
		{"new/deep/x", failing, "cannot write new/deep/x: no more"},
		{"x", write, ""},
		{"x", failing, "cannot write x: no more"},
		{"x/y", write, "x is a file, expected a folder to write into"},
		{"x/y/z", write, "cannot make the folder x/y: not a directory"},
		{".", write, "cannot write .: it is a folder, expected the name of a file"},
		{"/proc/nothing/x", write, "cannot make the folder /proc/nothing: "},
	} {
		if err := WriteFile(test.path, test.write); (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.path, err, test.want)
		}
	}
	if got := left(t); got != "x" {
		t.Errorf("left: %s", got)
	}
}

func TestOutputsOfOneName(t *testing.T) {
	t.Chdir(t.TempDir())
	var o Outputs
	defer o.Discard()
	if f, err := o.CreateIf(""); f != nil || err != nil {
		t.Errorf("got %v, %v", f, err)
	}
	if _, err := o.Create("a/x"); err != nil {
		t.Fatal(err)
	}
	_, err := o.CreateIf("./a/../a/x")
	if err == nil || !strings.Contains(err.Error(), "two files would have this name") {
		t.Errorf("got %v", err)
	}
}

// Where a file cannot get its name, the new ones before it go again, and those that have replaced older ones stay.
func TestCommitFails(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("old", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	var o Outputs
	for _, path := range []string{"old", "folder/new", "taken"} {
		f, err := o.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(f, "new")
	}
	if err := os.Mkdir("taken", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := o.Commit(); err == nil || !strings.Contains(err.Error(), "cannot write taken") {
		t.Errorf("got %v", err)
	}
	o.Discard()
	if got := left(t); got != "old taken" {
		t.Errorf("left: %s", got)
	}
	if text, err := os.ReadFile("old"); string(text) != "new" {
		t.Errorf("got %q, %v", text, err)
	}
}
