package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(text string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
}

// only checks that the folder holds nothing but path, and path the text.
func only(t *testing.T, path, text string) {
	t.Helper()
	if b, err := os.ReadFile(path); err != nil || string(b) != text {
		t.Errorf("got %q, %v, want %q", b, err, text)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"one", "", strings.Repeat("long", 1<<16)} {
		if err := Write(path, write(text)); err != nil {
			t.Fatal(err)
		}
		only(t, path, text)
	}
}

func TestFailureLeavesTheOld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := Write(path, write("old")); err != nil {
		t.Fatal(err)
	}
	failure := errors.New("no more")
	fill := func(w io.Writer) error { _ = write("half")(w); return failure }
	if err := Write(path, fill); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	only(t, path, "old")
	func() {
		defer func() { _ = recover() }()
		_ = Write(path, func(io.Writer) error { panic("x") })
	}()
	only(t, path, "old")
}

func TestWriteNewRefusesAnOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := WriteNew(path, write("old")); err != nil {
		t.Fatal(err)
	}
	if err := WriteNew(path, write("new")); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v", err)
	}
	only(t, path, "old")
}

func TestTempName(t *testing.T) {
	name := TempName("a/b")
	if filepath.Dir(name) != "a" || !IsTemp(filepath.Base(name)) || name == TempName("a/b") {
		t.Errorf("got %s", name)
	}
	for _, name := range []string{"b", ".tmp", ".tmp-b", ".tmp-b-abcdefgh", "x.tmp-b-ABCDEFGH", "b-ABCDEFGH"} {
		if IsTemp(name) {
			t.Errorf("%s is somebody else's", name)
		}
	}
}

func TestFolderInTheWay(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "f")
	if err := os.Mkdir(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, write("x")); err == nil {
		t.Error("a folder was replaced by a file")
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	create := func(text string) *File {
		t.Helper()
		f, err := Create(path)
		if err != nil || f.Path() != path {
			t.Fatalf("got %v, %v", f, err)
		}
		if err := write(text)(f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := create("old")
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("it is there before Commit")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := write("more")(f); !errors.Is(err, os.ErrClosed) {
		t.Errorf("writing after Close: %v", err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	f.Discard()
	only(t, path, "old")

	f = create("new")
	f.Discard()
	f.Discard()
	if err := f.Commit(); err == nil {
		t.Error("a discarded file was committed")
	}
	only(t, path, "old")
}
