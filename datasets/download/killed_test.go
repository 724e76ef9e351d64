//go:build linux

package download

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The tests below run this program again for what cannot be done to it itself.
func TestMain(m *testing.M) {
	what, dest, url := os.Getenv("DOWNLOAD_TEST"), os.Getenv("DOWNLOAD_DEST"), os.Getenv("DOWNLOAD_URL")
	if what == "" {
		os.Exit(m.Run())
	}
	if what == "full" {
		signal.Ignore(syscall.SIGXFSZ)
		limit := unix.Rlimit{Cur: 500_000, Max: 500_000} // of a file: the nearest thing to a full disk
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
			panic(err)
		}
	}
	if err := Fetch(context.Background(), published(dest, url)); err != nil {
		os.Stdout.WriteString(err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

func child(t *testing.T, what, dest, url string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "DOWNLOAD_TEST="+what, "DOWNLOAD_DEST="+dest, "DOWNLOAD_URL="+url)
	return cmd
}

// TestFetchKilled: what a killed process leaves is not by the file's name, and the next one goes on from it.
func TestFetchKilled(t *testing.T) {
	url, reached, _ := gate(t)
	dest := filepath.Join(t.TempDir(), "f")
	cmd := child(t, "fetch", dest, url)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-reached
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) { // until what was sent is in the file
		parts, _ := filepath.Glob(filepath.Join(filepath.Dir(dest), ".*.part"))
		if len(parts) == 1 {
			if info, err := os.Stat(parts[0]); err == nil && info.Size() == 1000 {
				break
			}
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal("the other process writes nothing")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	expectPart(t, filepath.Dir(dest))

	server := newRanger(t)
	if err := Fetch(t.Context(), published(dest, server.URL)); err != nil {
		t.Fatal(err)
	}
	expectPayload(t, dest)
	if len(server.requests()) != 1 || server.requests()[0] != "bytes=1000-" {
		t.Errorf("asked for %q", server.requests())
	}
}

// TestFetchOtherProcess: two processes, one transfer.
func TestFetchOtherProcess(t *testing.T) {
	url, reached, open := gate(t)
	dest := filepath.Join(t.TempDir(), "f")
	r := published(dest, url)
	r.Logf = func(string, ...any) { close(open) } // it waits
	cmd := child(t, "fetch", dest, url)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-reached
	if err := Fetch(t.Context(), r); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the other process: %v", err)
	}
	expectPayload(t, dest)
	if len(reached) > 0 {
		t.Error("both have downloaded it")
	}
}

func TestFetchFullDisk(t *testing.T) {
	server := newRanger(t)
	dest := filepath.Join(t.TempDir(), "f")
	output, err := child(t, "full", dest, server.URL).Output()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		t.Fatalf("got %v, want an exit status", err)
	}
	want := "downloading to " + dest + ": write "
	advice := "file too large; the folder must be writable and have 950000 bytes free"
	if got := string(output); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, advice) || strings.Contains(got, "\n") {
		t.Errorf("error %q, want %q ... %q", got, want, advice)
	}
	expectEmpty(t, filepath.Dir(dest))
}

// withoutRights runs f as a user who may read dir and not write to it.
func withoutRights(t *testing.T, dir string, f func()) {
	t.Helper()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755)
	if os.Geteuid() == 0 { // whom rights do not hold back; this thread is somebody else
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		const nobody = 65534
		if err := syscall.Setfsuid(nobody); err != nil {
			t.Fatal(err)
		}
		defer syscall.Setfsuid(0)
	}
	f()
}

func TestReadOnlyFolder(t *testing.T) {
	server := newRanger(t)
	dir := t.TempDir()
	dest := filepath.Join(dir, "f")
	archive := filepath.Join(dir, "x.tar.gz")
	mustWrite(t, archive, gzipped(t, tarball(t, honest...)))
	withoutRights(t, dir, func() {
		err := Fetch(t.Context(), published(dest, server.URL))
		if err == nil || !strings.HasPrefix(err.Error(), "downloading to "+dest) || !strings.Contains(err.Error(), "permission denied; the folder must be writable") {
			t.Errorf("error %v", err)
		}
		err = Fetch(t.Context(), published(filepath.Join(dir, "new", "f"), server.URL))
		if err == nil || !strings.Contains(err.Error(), "permission denied; the folder must be writable") {
			t.Errorf("a new folder in it: error %v", err)
		}
		err = Untar(t.Context(), archive, filepath.Join(dir, "out"), wanted)
		if err == nil || !strings.Contains(err.Error(), "permission denied; the folder "+dir+" must be writable") {
			t.Errorf("unpacking: error %v", err)
		}
	})
	if len(server.requests()) > 0 {
		t.Errorf("%d requests, though nothing can be written", len(server.requests()))
	}
	if got := tree(t, dir); got != "x.tar.gz" {
		t.Errorf("left behind: %q", got)
	}
	// What is there already is as good as anywhere.
	mustWrite(t, dest, payload)
	withoutRights(t, dir, func() {
		if err := Fetch(t.Context(), published(dest, server.URL)); err != nil {
			t.Error(err)
		}
	})
}

// TestFetchLinkForAPart: a link in the place of the part is not followed, and does not stop the transfer.
func TestFetchLinkForAPart(t *testing.T) {
	server := newRanger(t)
	outside := filepath.Join(t.TempDir(), "outside")
	mustWrite(t, outside, []byte("not to be touched"))
	r := published(filepath.Join(t.TempDir(), "f"), server.URL)
	if err := os.Symlink(outside, r.partPath()); err != nil {
		t.Fatal(err)
	}
	if err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(r.Dest); !bytes.Equal(got, payload) {
		t.Errorf("%d bytes, want what was published", len(got))
	}
	if got, _ := os.ReadFile(outside); string(got) != "not to be touched" {
		t.Errorf("the file outside holds %d bytes", len(got))
	}
	if len(server.requests()) != 1 || server.requests()[0] != "" {
		t.Errorf("asked for %q", server.requests())
	}
}

// TestPipes: a pipe in the place of a file is an error, and nobody waits for a writer.
func TestPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{Fetch(t.Context(), published(pipe)), Untar(t.Context(), pipe, pipe+"-out", wanted)} {
		if err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("error %v", err)
		}
	}
}

// TestUntarAfterAKill: folders that killed processes left are removed, and those of running ones are not.
func TestUntarAfterAKill(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "x.tar.gz")
	mustWrite(t, archive, gzipped(t, tarball(t, honest...)))
	for _, name := range []string{".out.1.part", ".out.2.part", ".other.1.part"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, filepath.Join(dir, name, "a.bin"), []byte("half"))
	}
	running, err := os.Open(filepath.Join(dir, ".out.2.part"))
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	if locked, err := tryLock(running); err != nil || !locked {
		t.Fatal(locked, err)
	}
	if err := Untar(t.Context(), archive, filepath.Join(dir, "out"), wanted); err != nil {
		t.Fatal(err)
	}
	want := ".other.1.part .other.1.part/a.bin .out.2.part .out.2.part/a.bin out out/a.bin out/b.bin x.tar.gz"
	if got := tree(t, dir); got != want {
		t.Errorf("tree %q, want %q", got, want)
	}
}
