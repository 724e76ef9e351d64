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
	if err := d.writable(); err != nil {
		return "", err
	}
	if err := saveDiagnosis(path, fill); err != nil {
		return "", fmt.Errorf("cannot save diagnosis %s: %w", path, err)
	}
	return path, nil
}

func saveDiagnosis(path string, fill func(folder string) error) error {
	if err := os.Mkdir(filepath.Dir(path), 0o777); err != nil && !os.IsExist(err) {
		return err
	}
	temp := atomicfile.TempName(path)
	defer os.RemoveAll(temp) // once it has its name this finds nothing
	if err := os.Mkdir(temp, 0o777); err != nil {
		return err
	}
	if err := fill(temp); err != nil {
		return err
	}
	if err := atomicfile.SyncDir(temp); err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}
