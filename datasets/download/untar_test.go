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
	"sync"
	"sync/atomic"
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
		{"drive letter", with(file(`C:/evil`, "x")), `unsafe path "C:/evil"`},
		{"drive letter alone", with(file(`c:evil`, "x")), `unsafe path "c:evil"`},
		{"stream of a file", with(file(`box/a.bin:hidden`, "x")), `unsafe path`},
		{"network folder", with(file(`//server/share/evil`, "x")), `unsafe path`},
		{"absolute with backslashes", with(file(`\\server\share\evil`, "x")), `unsafe path`},
		{"wildcard", with(file(`box/*.bin`, "x")), `unsafe path`},
		{"control character", with(file("box/a\x1b[2J", "x")), `unsafe path "box/a\x1b[2J"`},
		{"top", with(special(tar.TypeDir, "/", "")), `unsafe path "/"`},
		{"device of Windows", with(file("box/NUL", "x")), `"box/NUL", a device's name`},
		{"device of Windows with extension", with(file("box/com1.txt", "x")), `"box/com1.txt", a device's name`},
		{"device of Windows as a folder", with(file("aux/readme", "x")), `"aux/readme", a device's name`},
		{"dot at the end", with(file("box/a.bin.", "x")), `ends with a dot or space`},
		{"space at the end", with(file("box /a.bin", "x")), `ends with a dot or space`},
		{"three dots", with(file("box/.../a.bin", "x")), `ends with a dot or space`},
		{"long path", with(file(strings.Repeat("d/", 128)+"x", "x")), `a path of 257 bytes, expected at most 256`},
		{"names that differ by case", with(file("box/A.bin", "x")), `"box/A.bin" and "box/a.bin", which differ only by case`},
		{"folders that differ by case", with(file("Box/other", "x")), `"Box" and "box", which differ only by case`},
		{"kelvin sign", with(file("\u212a", "x"), file("k", "x")), `which differ only by case`},
		{"long s", with(file("\u017f", "x"), file("s", "x")), `which differ only by case`},
		{"folder outside", with(special(tar.TypeDir, "../evil/", "")), `unsafe path`},
		{"symlink", with(special(tar.TypeSymlink, "box/a.bin", "/etc/passwd")), `is a link to "/etc/passwd"`},
		{"symlinked folder", with(special(tar.TypeSymlink, "box", "/tmp")), `is a link to "/tmp"`},
		{"hardlink", with(special(tar.TypeLink, "box/a.bin", "/etc/passwd")), `is a link to "/etc/passwd"`},
		{"device", with(special(tar.TypeChar, "box/a.bin", "")), `is a special file`},
		{"fifo", with(special(tar.TypeFifo, "box/a.bin", "")), `is a special file`},
		{"twice", with(file("box/a.bin", "first")), `"box/a.bin" twice`},
		{"too large a file", gzipped(t, tarball(t, file("box/a.bin", strings.Repeat("x", 101)))), "has 101 bytes, expected at most 100"},
		{"bomb in a skipped file", with(file("bomb", strings.Repeat("\x00", 8<<20))), "unpacks to more than the expected"},
		{"bomb by ratio", with(file("bomb", strings.Repeat("\x00", slack+1<<18))), "unpacks to more than the expected"},
		{"larger than what is in it", append(with(), make([]byte, slack+1000)...), "expected at most 4194504"},
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

func TestUntarRatio(t *testing.T) {
	want := Contents{Folder: "box", Files: map[string]int64{"a.bin": 64 << 20}}
	for name, test := range map[string]struct {
		data string
		want string // of the error
	}{
		"zeros": {strings.Repeat("\x00", 16<<20), "more than the expected"}, // far below the limit of the file
		"text":  {strings.Repeat("an honest line of text\n", 40_000), ""},
	} {
		dir := t.TempDir()
		archive := filepath.Join(dir, "x.tar.gz")
		mustWrite(t, archive, gzipped(t, tarball(t, file("box/a.bin", test.data))))
		err := Untar(t.Context(), archive, filepath.Join(dir, "out"), want)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}

// TestUntarAtOnce: one of many unpacks the folder, and the others disturb it in nothing.
func TestUntarAtOnce(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(dir, "x.tar.gz")
	mustWrite(t, archive, gzipped(t, tarball(t, honest...)))
	var group sync.WaitGroup
	var done atomic.Int32
	for range 8 {
		group.Go(func() {
			if err := Untar(t.Context(), archive, filepath.Join(dir, "out"), wanted); err == nil {
				done.Add(1)
			} else if !errors.Is(err, fs.ErrExist) {
				t.Errorf("error %v, want that the folder exists", err)
			}
		})
	}
	group.Wait()
	if got := tree(t, dir); got != "out out/a.bin out/b.bin x.tar.gz" || done.Load() != 1 {
		t.Errorf("%d succeeded, tree %q", done.Load(), got)
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "a/b", "./a", "a/", ".hidden", "console", "com", "com10", "nulls.txt", "a b", "été", "a..b", "./"} {
		if err := checkName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
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
				err = unzip(t.Context(), bytes.NewReader(data), int64(len(data)), dir, wanted)
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
