package cli

import (
	"fmt"
	"image"
	"image/png"
	"io"
	"path/filepath"
	"strings"
)

// WriteFile writes a file whole or not at all, in a folder that it makes if need be.
func WriteFile(path string, write func(io.Writer) error) error {
	var o Outputs
	defer o.Discard()
	f, err := o.Create(path)
	if err == nil {
		err = Fill(f, write)
	}
	if err != nil {
		return err
	}
	return o.Commit()
}

// WritePNG writes a picture.
func WritePNG(path string, img image.Image) error {
	return WriteFile(path, func(w io.Writer) error { return png.Encode(w, img) })
}

// CheckExtension refuses the value of a flag that names a file of another kind.
func CheckExtension(flag, path, extension string) error {
	if path == "" || strings.EqualFold(filepath.Ext(path), extension) {
		return nil
	}
	return Wrong(fmt.Errorf("-%s: found the file %s, expected a name that ends in %s", flag, path, extension))
}
