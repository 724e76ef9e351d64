package rundir

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
)

const diagnosisFolder = "diagnosis"

// SaveDiagnosis makes diagnosis/<name>, which appears whole or not at all, with what fill writes into the folder that it is
// given. It replaces one of that name, and returns its path.
func (d *Dir) SaveDiagnosis(name string, fill func(folder string) error) (string, error) {
	path := filepath.Join(d.path, diagnosisFolder, name)
	if err := d.Writable(); err != nil {
		return "", err
	}
	if err := d.saveDiagnosis(path, fill); err != nil {
		return "", fmt.Errorf("cannot save diagnosis %s: %w", path, d.reason(err))
	}
	return path, nil
}

func (d *Dir) saveDiagnosis(path string, fill func(folder string) error) error {
	parent := filepath.Dir(path)
	err := os.Mkdir(parent, 0o777)
	if err == nil {
		err = atomicfile.SyncDir(d.path)
	}
	if err != nil && !os.IsExist(err) {
		return err
	}
	temp := atomicfile.TempName(path)
	defer os.RemoveAll(temp) // what it is in the end: unfinished, the former one, or nothing
	if err := os.Mkdir(temp, 0o777); err != nil {
		return err
	}
	if err := fill(temp); err != nil {
		return err
	}
	if err := atomicfile.SyncDir(temp); err != nil {
		return err
	}
	if err := d.Writable(); err != nil {
		return err
	}
	former, err := replaceFolder(temp, path)
	if err != nil {
		return err
	}
	if err := atomicfile.SyncDir(parent); err != nil {
		return err
	}
	if former != "" {
		return d.discard(former)
	}
	return nil
}
