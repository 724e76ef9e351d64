package download

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imori-ml/imori/internal/fuzztest"
)

// wanted is what the tests take out of archives.
var wanted = Contents{Folder: "box", Files: map[string]int64{"a.bin": 100, "b.bin": 100}}

func file(name, data string) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o600}, data}
}

type entry struct {
	header tar.Header
	data   string
}

func tarball(t testing.TB, entries ...entry) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(&e.header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var honest = []entry{
	{tar.Header{Typeflag: tar.TypeDir, Name: "box/", Mode: 0o755}, ""},
	file("box/a.bin", "the first"),
	file("box/readme.html", "<html>"),
	file("elsewhere/a.bin", "another"),
	file("./box/b.bin", "the second"),
}

func TestUntar(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "x.tar.gz")
	mustWrite(t, archive, gzipped(t, tarball(t, honest...)))
	dest := filepath.Join(dir, "out")
	if err := Untar(t.Context(), archive, dest, wanted); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, dir); got != "out out/a.bin out/b.bin x.tar.gz" {
		t.Errorf("tree %q", got)
	}
	for name, want := range map[string]string{"a.bin": "the first", "b.bin": "the second"} {
		if got, _ := os.ReadFile(filepath.Join(dest, name)); string(got) != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	if err := Untar(t.Context(), archive, dest, wanted); err == nil {
		t.Error("unpacked over an existing folder")
	}
}

func TestUntarHostile(t *testing.T) {
	ab := []entry{file("box/a.bin", "a"), file("box/b.bin", "b")}
	with := func(e ...entry) []byte { return gzipped(t, tarball(t, append(e, ab...)...)) }
	special := func(flag byte, name, link string) entry {
		return entry{tar.Header{Typeflag: flag, Name: name, Linkname: link, Mode: 0o777}, ""}
	}
	crowd := make([]entry, 0, 5000)
	for range cap(crowd) {
		crowd = append(crowd, special(tar.TypeDir, "box/", ""))
	}
	good := with()
	flipped := bytes.Clone(good)
	flipped[len(flipped)-5] ^= 1 // in gzip's checksum or length

	for _, test := range []struct {
		name    string
		archive []byte
		want    string
	}{
		{"parent", with(file("../evil", "x")), `unsafe path "../evil"`},
		{"parent of a wanted name", with(file("../box/a.bin", "x")), `unsafe path "../box/a.bin"`},
		{"parent in the middle", with(file("box/../../evil", "x")), `unsafe path`},
		{"parent that returns", with(file("box/../box/a.bin", "x")), `unsafe path`},
		{"absolute", with(file("/tmp/evil", "x")), `unsafe path "/tmp/evil"`},
		{"backslash", with(file(`..\evil`, "x")), `unsafe path`},
		{"folder outside", with(special(tar.TypeDir, "../evil/", "")), `unsafe path`},
		{"symlink", with(special(tar.TypeSymlink, "box/a.bin", "/etc/passwd")), `is a link to "/etc/passwd"`},
		{"symlinked folder", with(special(tar.TypeSymlink, "box", "/tmp")), `is a link to "/tmp"`},
		{"hardlink", with(special(tar.TypeLink, "box/a.bin", "/etc/passwd")), `is a link to "/etc/passwd"`},
		{"device", with(special(tar.TypeChar, "box/a.bin", "")), `is a special file`},
		{"fifo", with(special(tar.TypeFifo, "box/a.bin", "")), `is a special file`},
		{"twice", with(file("box/a.bin", "first")), `"box/a.bin" twice`},
		{"too large a file", gzipped(t, tarball(t, file("box/a.bin", strings.Repeat("x", 101)))), "has 101 bytes, expected at most 100"},
		{"bomb in a skipped file", with(file("bomb", strings.Repeat("\x00", 8<<20))), "unpacks to more than the expected 4194504 bytes"},
		{"bomb after the end", gzipped(t, append(tarball(t, ab...), make([]byte, 8<<20)...)), "unpacks to more than"},
		{"bomb of names", with(crowd...), "more than 1000 entries"},
		{"missing file", gzipped(t, tarball(t, ab[0])), "it lacks b.bin"},
		{"wanted name as a folder", gzipped(t, tarball(t, special(tar.TypeDir, "box/a.bin/", ""), ab[1])), "it lacks a.bin"},
		{"empty", nil, "not a gzip file"},
		{"a page", []byte("<html>not found</html>"), "not a gzip file"},
		{"no tar", gzipped(t, bytes.Repeat([]byte("not a tar "), 200)), "tar"},
		{"cut", good[:len(good)-30], "EOF"},
		{"cut in the checksum", good[:len(good)-3], "EOF"},
		{"damaged", flipped, "checksum"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			archive := filepath.Join(dir, "x.tar.gz")
			mustWrite(t, archive, test.archive)
			err := Untar(t.Context(), archive, filepath.Join(dir, "out"), wanted)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "unpacking "+archive) {
				t.Errorf("error %q, want %q and the archive's name", err, test.want)
			}
			if got := tree(t, dir); got != "x.tar.gz" {
				t.Errorf("left behind: %q", got)
			}
		})
	}
}

func TestUntarCancelled(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "x.tar.gz")
	mustWrite(t, archive, gzipped(t, tarball(t, honest...)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Untar(ctx, archive, filepath.Join(dir, "out"), wanted); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if got := tree(t, dir); got != "x.tar.gz" {
		t.Errorf("left behind: %q", got)
	}
}

// FuzzUntar: whatever the bytes, no panic, and nothing but wanted files of
// wanted sizes appears.
func FuzzUntar(f *testing.F) {
	target := fuzztest.New(f)
	target.Add(tarball(f, honest...))
	target.Add(tarball(f, file("../evil", "x")))
	target.Add(tarball(f, entry{tar.Header{Typeflag: tar.TypeSymlink, Name: "box/a.bin", Linkname: "/etc"}, ""}))
	target.Add(tarball(f, honest...)[:1300])
	target.Add(tarball(f, entry{tar.Header{Typeflag: tar.TypeReg, Name: "box/a.bin", Size: 9, PAXRecords: map[string]string{"a.b": strings.Repeat("x", 600)}}, "the first"}))
	target.Add(gzipped(f, tarball(f, honest...)))
	target.Add(gzipped(f, tarball(f, honest...))[:90])
	target.Add(gzipped(f, make([]byte, 8<<20))) // a few KiB, which unpack to more than is wanted
	target.Fuzz(func(t *testing.T, data []byte) {
		outer := t.TempDir()
		dir := filepath.Join(outer, "in")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		fuzztest.Bounded(t, 8<<20+64*len(data), func() { // extensions of a header may have 1 MiB
			if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
				err = unzip(t.Context(), bytes.NewReader(data), dir, wanted)
				return
			}
			stream := &limitedReader{ctx: t.Context(), r: bytes.NewReader(data), left: 1 << 20, limit: 1 << 20}
			err = untar(stream, dir, wanted)
		})
		got := tree(t, outer)
		if err == nil && got != "in in/a.bin in/b.bin" {
			t.Errorf("no error, but the tree is %q", got)
		}
		for name := range strings.FieldsSeq(got) {
			limit, ok := wanted.Files[filepath.Base(name)]
			info, statErr := os.Lstat(filepath.Join(outer, name))
			if statErr != nil || (name != "in" && (!ok || !info.Mode().IsRegular() || info.Size() > limit)) {
				t.Errorf("%s appeared: %v", name, info)
			}
		}
	})
}

// tree lists everything under dir, by name.
func tree(t testing.TB, dir string) string {
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if path != dir {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}
