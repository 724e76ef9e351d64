package rundir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// replacedPrefix begins the name of a folder that is being replaced by another of its name.
const replacedPrefix = ".old-"

// exchanging can be switched off by a test: it is what most file systems of Linux do, and no other system.
var exchanging = exchange

// replaceFolder gives a finished folder its name, and returns where the one is that had the name; "": there was none. A
// rename does not replace a folder. Where the two cannot be exchanged the old one steps aside first, and for a moment
// nothing has the name: readers know that (see resolve), and should we die then, recoverReplaced takes it back.
func replaceFolder(temp, folder string) (former string, err error) {
	if exchanging(temp, folder) == nil {
		return temp, nil
	}
	err = os.Rename(temp, folder)
	if !errors.Is(err, fs.ErrExist) { // done, or else nothing is touched that has the name: it may be another run's by now
		return "", err
	}
	former = asideOf(folder)
	if err := os.Rename(folder, former); err != nil {
		return "", err
	}
	if err := os.Rename(temp, folder); err != nil {
		return "", errors.Join(err, os.Rename(former, folder))
	}
	return former, nil
}

// asideOf is what a folder is called while another one gets its name.
func asideOf(folder string) string {
	return filepath.Join(filepath.Dir(folder), replacedPrefix+filepath.Base(folder))
}

// recoverReplaced ends what replaceFolder began in a process that died.
func recoverReplaced(parent string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, e := range entries {
		original, ok := strings.CutPrefix(e.Name(), replacedPrefix)
		if !ok {
			continue
		}
		old := filepath.Join(parent, e.Name())
		if _, err := os.Lstat(filepath.Join(parent, original)); err == nil {
			if err := os.RemoveAll(old); err != nil {
				return err
			}
		} else if err := os.Rename(old, filepath.Join(parent, original)); err != nil {
			return err
		}
	}
	return nil
}

// resolve is filepath.EvalSymlinks of the path of a checkpoint or of a link to one, for a reader beside the writer: while a
// checkpoint is being replaced the former one may have its name to itself.
func resolve(path string) (string, error) {
	folder, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return folder, err
	}
	named := path
	if target, err := os.Readlink(path); err == nil && filepath.Base(target) == target {
		named = filepath.Join(filepath.Dir(path), target)
	}
	if info, err := os.Stat(asideOf(named)); err == nil && info.IsDir() {
		return asideOf(named), nil
	}
	return filepath.EvalSymlinks(path) // by now it may be there
}
