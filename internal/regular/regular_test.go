//go:build unix

package regular

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestOpen(t *testing.T) {
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(at("file"), []byte("abc"), 0o666))
	must(os.Symlink("file", at("link")))
	must(os.Symlink("none", at("dangling")))
	must(os.Symlink("/dev/zero", at("zeros")))
	must(syscall.Mkfifo(at("pipe"), 0o666))
	t.Chdir(folder) // the path of a socket is to be short
	socket, err := net.Listen("unix", "socket")
	must(err)
	defer socket.Close()
	for name, want := range map[string]string{
		"file": "", "link": "", "dangling": "no such file", "none": "no such file", ".": "it is a directory, not a regular file",
		"zeros": "it is a device, not", "pipe": "it is a named pipe, not", "socket": "it is a socket, not",
	} {
		f, err := Open(at(name))
		if f != nil {
			f.Close()
		}
		b, readErr := Read(at(name), 3)
		if want == "" {
			if err != nil || readErr != nil || string(b) != "abc" {
				t.Errorf("%s: %v; %q, %v", name, err, b, readErr)
			}
			continue
		}
		for _, err := range []error{err, readErr} {
			if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, new(*fs.PathError)) {
				t.Errorf("%s: got %v, want %q", name, err, want)
			}
		}
	}
	if _, err := Read(at("file"), 2); !errors.Is(err, ErrLong) || !strings.Contains(err.Error(), "file: it is too long: it has more than 2 bytes") {
		t.Errorf("a long file: %v", err)
	}
}
