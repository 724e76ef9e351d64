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

	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
)

// Contents says what is taken out of an archive. Everything else is left in it.
type Contents struct {
	Folder string           // the folder inside the archive that holds the files; "": its top
	Files  map[string]int64 // the names of the files in Folder, with the most bytes each may have
}

const (
	maxEntries = 1000    // of an archive, skipped ones included
	slack      = 4 << 20 // bytes of an archive beyond its wanted files: headers, padding, a readme
	maxRatio   = 100     // of the unpacked bytes beyond slack to the packed ones; photos have about 1, text 10, zeros 1000
)

// Untar unpacks the files of want from the .tar.gz at archive into the new
// folder dir, whose parent exists; dir appears complete or not at all, and what
// a killed Untar of it left is removed.
//
// The archive is not trusted, whatever its checksum: a path that is absolute or
// has "..", a name that some system cannot store or takes for another one, a
// link, a device, a second file of one name, a file above its limit, more data
// in all than the limits add up to, packed or unpacked, or too many entries
// make it an error, as does a missing file. If ctx ends, the error wraps its
// cause.
func Untar(ctx context.Context, archive, dir string, want Contents) error {
	info, err := os.Stat(archive) // before it is opened: a pipe would block
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("unpacking %s: it is not a regular file", archive)
	}
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()

	temp, unlock, err := unfinished(dir)
	if err != nil {
		return unpackable(archive, dir, err)
	}
	defer unlock()
	defer os.RemoveAll(temp) // after the rename there is nothing left to remove

	if err := unzip(ctx, file, info.Size(), temp, want); err != nil {
		switch local := (*fs.PathError)(nil); {
		case ctx.Err() != nil:
			return fmt.Errorf("unpacking %s: %w", archive, err)
		case errors.As(err, &local): // the archive is not to blame
			return unpackable(archive, dir, err)
		}
		return fmt.Errorf("unpacking %s: %w; remove it and put the published file there", archive, err)
	}
	if err := os.Chmod(temp, 0o755); err != nil { // MkdirTemp makes it private
		return unpackable(archive, dir, err)
	}
	if err := errors.Join(atomicfile.SyncDir(temp), os.Rename(temp, dir)); err != nil {
		return unpackable(archive, dir, err)
	}
	return atomicfile.SyncDir(filepath.Dir(filepath.Clean(dir)))
}

func unpackable(archive, dir string, err error) error {
	return fmt.Errorf("unpacking %s: %w; the folder %s must be writable and have room",
		archive, err, filepath.Dir(filepath.Clean(dir)))
}

// unfinished makes a folder beside dir to be renamed to it, and removes those
// of processes that were killed. unlock ends its protection from being taken
// for one of these.
func unfinished(dir string) (temp string, unlock func(), err error) {
	parent, prefix := filepath.Dir(filepath.Clean(dir)), "."+filepath.Base(dir)+"."
	entries, _ := os.ReadDir(parent) // at worst they stay
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), ".part") {
			removeIdle(filepath.Join(parent, e.Name()), os.RemoveAll)
		}
	}
	for range 10 { // another process may take it for left over before it is locked
		if temp, err = os.MkdirTemp(parent, prefix+"*.part"); err != nil {
			return "", nil, err
		}
		folder, openErr := os.Open(temp)
		if openErr != nil {
			err = openErr
			continue
		}
		locked, lockErr := tryLock(folder)
		if lockErr != nil || locked && isAt(folder, temp) { // without locks, nobody removes it either
			return temp, func() { _ = folder.Close() }, nil
		}
		_ = folder.Close()
		err = fmt.Errorf("%s was removed by another process", temp)
	}
	return "", nil, err
}

// unzip unpacks a tar.gz of size bytes into the existing folder dir.
func unzip(ctx context.Context, r io.Reader, size int64, dir string, want Contents) error {
	limit := int64(slack)
	for _, most := range want.Files {
		limit += most
	}
	if size > limit { // what does not compress grows by less than the slack
		return fmt.Errorf("it has %d bytes, expected at most %d", size, limit)
	}
	limit = min(limit, slack+maxRatio*size)
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
	names := names{}
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
		if err := names.add(name); err != nil {
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
	if err := checkName(header.Name); err != nil {
		return "", err
	}
	name := path.Clean(header.Name)
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
