// Package cgotorch holds the C++ half of gotorch: the sources of libcgotorch.so, embedded, so that tools/setup can
// compile them wherever the module is. It contains no cgo; package torchx calls the library that comes out.
package cgotorch

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"strings"
	"sync"
)

// Sources holds the C++ sources and headers below the folder src.
//
//go:embed src
var Sources embed.FS

// BuildID names this version of the sources: 16 hexadecimal digits of a SHA-256 over the names and contents of all
// .cc and .h files. tools/setup compiles it into the library, so that a library of other sources can be told apart.
func BuildID() string { return buildID() }

var buildID = sync.OnceValue(func() string { return hashSources(Sources) })

func hashSources(sources fs.FS) string {
	sum := sha256.New()
	// WalkDir goes in lexical order, and reading an embedded file cannot fail.
	_ = fs.WalkDir(sources, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".cc") && !strings.HasSuffix(path, ".h") {
			return err
		}
		data, err := fs.ReadFile(sources, path)
		if err != nil {
			return err
		}
		sum.Write([]byte(path))
		sum.Write([]byte{0})
		fileSum := sha256.Sum256(data)
		sum.Write(fileSum[:])
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil)[:8])
}
