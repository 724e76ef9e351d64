package download

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Contents says what is taken out of an archive. Everything else is left in it.
type Contents struct {
	Folder string           // the folder inside the archive that holds the files; "": its top
	Files  map[string]int64 // the names of the files in Folder, with the most bytes each may have
}

const (
	maxEntries = 1000    // of an archive, skipped ones included
	slack      = 4 << 20 // bytes of an archive beyond its wanted files: headers, padding, a readme
)

// Untar unpacks the files of want from the .tar.gz at archive into the new
// folder dir, whose parent exists; dir appears complete or not at all.
//
// The archive is not trusted, whatever its checksum: an entry with an absolute
// path or with "..", a link, a device, a second file of one name, a file above
// its limit, more data in all than the limits add up to, or too many entries
// make it an error, as does a missing file. If ctx ends, the error wraps its
// cause.
func Untar(ctx context.Context, archive, dir string, want Contents) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()

	temp, err := os.MkdirTemp(filepath.Dir(filepath.Clean(dir)), "."+filepath.Base(dir)+".*.part")
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", archive, err)
	}
	defer os.RemoveAll(temp) // after the rename there is nothing left to remove

	if err := unzip(ctx, file, temp, want); err != nil {
		if local := (*fs.PathError)(nil); errors.As(err, &local) || ctx.Err() != nil { // the archive is not to blame
			return fmt.Errorf("unpacking %s: %w", archive, err)
		}
		return fmt.Errorf("unpacking %s: %w; remove it and put the published file there", archive, err)
	}
	if err := os.Chmod(temp, 0o755); err != nil { // MkdirTemp makes it private
		return fmt.Errorf("unpacking %s: %w", archive, err)
	}
	if err := os.Rename(temp, dir); err != nil {
		return fmt.Errorf("unpacking %s: %w", archive, err)
	}
	return nil
}

// unzip unpacks a tar.gz stream into the existing folder dir.
func unzip(ctx context.Context, r io.Reader, dir string, want Contents) error {
	limit := int64(slack)
	for _, size := range want.Files {
		limit += size
	}
	zip, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<20))
	if err != nil {
		return fmt.Errorf("not a gzip file: %w", err)
	}
	stream := &limitedReader{ctx: ctx, r: zip, left: limit, limit: limit}
	if err := untar(stream, dir, want); err != nil {
		return err
	}
	// gzip's own checksum comes after the end of the tar.
	_, err = io.Copy(io.Discard, stream)
	return err
}

// untar unpacks a tar stream into the existing folder dir.
func untar(r io.Reader, dir string, want Contents) error {
	root, err := os.OpenRoot(dir) // a second lock on the door: nothing is written outside, whatever the name
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()

	missing := maps.Clone(want.Files)
	archive := tar.NewReader(r)
	for entries := 0; ; entries++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // our own check says which path
			return err
		}
		if entries == maxEntries {
			return fmt.Errorf("it holds more than %d entries", maxEntries)
		}
		name, err := checkEntry(header)
		if err != nil {
			return err
		}
		folder, base := path.Split(name)
		limit, wanted := want.Files[base]
		if header.Typeflag != tar.TypeReg || path.Clean(folder) != path.Clean(want.Folder) || !wanted {
			continue
		}
		if _, ok := missing[base]; !ok {
			return fmt.Errorf("it holds %q twice", name)
		}
		if header.Size > limit {
			return fmt.Errorf("%q has %d bytes, expected at most %d", name, header.Size, limit)
		}
		if err := extract(root, base, archive); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		delete(missing, base)
	}
	if len(missing) > 0 {
		return fmt.Errorf("it lacks %s", strings.Join(slices.Sorted(maps.Keys(missing)), ", "))
	}
	return nil
}

// checkEntry refuses what an archive of plain files has no business holding and
// returns the cleaned name.
func checkEntry(header *tar.Header) (string, error) {
	name := path.Clean(header.Name)
	switch {
	case strings.ContainsAny(header.Name, "\\\x00"), path.IsAbs(name), !filepath.IsLocal(filepath.FromSlash(name)):
		return "", fmt.Errorf("it holds the unsafe path %q", header.Name)
	case slices.Contains(strings.Split(header.Name, "/"), ".."): // a/../b stays inside, but nobody honest writes it
		return "", fmt.Errorf("it holds the unsafe path %q", header.Name)
	}
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeXGlobalHeader:
		return name, nil
	case tar.TypeLink, tar.TypeSymlink:
		return "", fmt.Errorf("%q is a link to %q, expected plain files only", header.Name, header.Linkname)
	}
	return "", fmt.Errorf("%q is a special file (type %q), expected plain files only", header.Name, header.Typeflag)
}

func extract(root *os.Root, name string, r io.Reader) error {
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(0o644))
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, r); err != nil {
		file.Close()
		return err
	}
	if err := file.Sync(); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// limitedReader fails, rather than ends, beyond its limit, and when ctx ends.
type limitedReader struct {
	ctx         context.Context
	r           io.Reader
	left, limit int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.ctx.Err() != nil {
		return 0, context.Cause(l.ctx)
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("it unpacks to more than the expected %d bytes at most", l.limit)
	}
	return n, err
}
