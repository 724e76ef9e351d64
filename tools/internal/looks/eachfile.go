package looks

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/tools/internal/cli"
)

// eachNames are the files that -each writes, one for each input: the input's path in its folder, as a PNG. root is the
// folder, or "" for the recipe's data: what all their files have in common.
func (t *translation) eachNames(d datasets.Dataset, root string) ([]string, error) {
	for _, folder := range []string{t.folder, t.targets} {
		if folder != "" && within(t.each, folder) {
			return nil, cli.Wrong(fmt.Errorf("-each: %s lies in %s, where the pictures would be inputs the next time; choose another folder", t.each, folder))
		}
	}
	files := make([]string, d.Len())
	for i := range files {
		if files[i] = cli.FileName(d, i); files[i] == "" {
			files[i] = fmt.Sprintf("%05d", i)
		}
	}
	if root == "" {
		root = commonFolder(files)
	}
	inputs := map[string]string{}
	for i, file := range files {
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return nil, err
		}
		name := filepath.Join(t.each, strings.TrimSuffix(rel, filepath.Ext(rel))+".png")
		if other, taken := inputs[name]; taken {
			return nil, fmt.Errorf("-each: what is made of %s and of %s would both be %s; rename one of them", other, file, name)
		}
		inputs[name], files[i] = file, name
	}
	return files, nil
}

// commonFolder is the innermost folder that all files lie in.
func commonFolder(files []string) string {
	common := filepath.Dir(files[0])
	for _, file := range files {
		for !inFolder(file, common) {
			common = filepath.Dir(common)
		}
	}
	return common
}

// inFolder says whether a cleaned path begins with a folder's.
func inFolder(path, folder string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// within says whether path, which may not be there yet, is a folder or lies in it, by whatever links.
func within(path, folder string) bool {
	return inFolder(real(path), real(folder))
}

// real is a path without links, as far as it is there.
func real(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	rest := ""
	for at := path; ; at = filepath.Dir(at) {
		if found, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(found, rest)
		} else if !os.IsNotExist(err) || at == filepath.Dir(at) {
			return path
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}
