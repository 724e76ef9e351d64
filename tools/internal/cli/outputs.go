package cli

import (
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
)

// Outputs are the files of one command: they appear together at the end, or none of them does, and no folder that was
// made for them. Create them before the work, so that a place that cannot be written is found before it. Discard by defer.
type Outputs struct {
	files []*atomicfile.File
	paths map[string]bool // of files, cleaned
	made  []string        // folders, outer ones first
}

// CreateIf is Create, unless path is empty: then the file is nil.
func (o *Outputs) CreateIf(path string) (*atomicfile.File, error) {
	if path == "" {
		return nil, nil
	}
	return o.Create(path)
}

// Create begins a file, and makes its folder if need be. Two files of one name are an error.
func (o *Outputs) Create(path string) (*atomicfile.File, error) {
	if o.paths[filepath.Clean(path)] {
		return nil, Wrong(fmt.Errorf("cannot write %s: two files would have this name", path))
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("cannot write %s: it is a folder, expected the name of a file", path)
	}
	if err := o.MakeFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	f, err := atomicfile.Create(path)
	if err != nil {
		return nil, cannotWrite(path, err)
	}
	o.files = append(o.files, f)
	if o.paths == nil {
		o.paths = map[string]bool{}
	}
	o.paths[filepath.Clean(path)] = true
	return f, nil
}

// PNG adds a picture.
func (o *Outputs) PNG(path string, img image.Image) error {
	f, err := o.Create(path)
	if err == nil {
		err = Encode(f, img)
	}
	return err
}

// Encode is what f, which is then closed, is to hold: a picture as PNG.
func Encode(f *atomicfile.File, img image.Image) error {
	return Fill(f, func(w io.Writer) error { return png.Encode(w, img) })
}

// Fill writes all that f, which is then closed, is to hold.
func Fill(f *atomicfile.File, write func(io.Writer) error) error {
	err := write(f)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return cannotWrite(f.Path(), err)
	}
	return nil
}

// MakeFolder makes a folder, and those that it lies in, unless they are there.
func (o *Outputs) MakeFolder(path string) error {
	var missing []string
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			break
		}
		missing = append(missing, at)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		err := os.Mkdir(missing[i], 0o777)
		if err == nil {
			o.made = append(o.made, missing[i])
		} else if !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("cannot make the folder %s: %w", path, withoutPath(err))
		}
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("cannot make the folder %s: %w", path, withoutPath(err))
	case !info.IsDir():
		return fmt.Errorf("%s is a file, expected a folder to write into", path)
	}
	return nil
}

// Commit makes the files appear. Where that fails in the middle, files that are new are removed again; those that replace
// older ones stay.
func (o *Outputs) Commit() error {
	for _, f := range o.files { // the disk may be full
		if err := f.Close(); err != nil {
			return cannotWrite(f.Path(), err)
		}
	}
	folders := map[string]bool{}
	var fresh []string
	for _, f := range o.files {
		_, before := os.Lstat(f.Path())
		if err := f.Commit(); err != nil {
			for _, path := range fresh {
				os.Remove(path)
			}
			return cannotWrite(f.Path(), err)
		}
		if before != nil {
			fresh = append(fresh, f.Path())
		}
		folders[filepath.Dir(f.Path())] = true
	}
	o.made = nil
	for folder := range folders {
		if err := atomicfile.SyncDir(folder); err != nil {
			return cannotWrite(folder, err)
		}
	}
	return nil
}

// Discard removes what has not been committed.
func (o *Outputs) Discard() {
	for _, f := range o.files {
		f.Discard()
	}
	for i := len(o.made) - 1; i >= 0; i-- {
		os.Remove(o.made[i]) // unless somebody else has put something there
	}
}

func cannotWrite(path string, err error) error {
	return fmt.Errorf("cannot write %s: %w", path, withoutPath(err))
}

// withoutPath leaves out a path that the message has already, or that only the command knows.
func withoutPath(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	if link := (*os.LinkError)(nil); errors.As(err, &link) {
		return link.Err
	}
	return err
}
