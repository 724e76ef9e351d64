package rundir

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/imori-ml/imori/internal/regular"
	"github.com/imori-ml/imori/torchx/safetensors"
	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
)

// Checkpoint is a run's state at the end of an iteration.
type Checkpoint struct {
	State      State
	Networks   []NamedTensors       // one <name>.safetensors each, with PyTorch's state_dict names
	Optimizers []safetensors.Tensor // optimizers.safetensors
	Best       bool                 // for SaveCheckpoint: checkpoints/best is to point to it; no part of what is saved
}

// NamedTensors are the parameters and buffers of a network.
type NamedTensors struct {
	Name    string // letters, digits, _ - .
	Tensors []safetensors.Tensor
}

// writeCheckpoint makes the folder and puts everything of the checkpoint on the disk; the folder's own name is the
// caller's to sync. state.json comes last, when the sums of the others are known.
func writeCheckpoint(folder string, c *Checkpoint) error {
	state := c.State // c stays as it is
	state.Format = Format
	state.Networks = make([]string, len(c.Networks))
	state.Files = map[string]string{}
	for i, n := range c.Networks {
		state.Networks[i] = n.Name
	}
	if err := checkNames(state.Networks); err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o777); err != nil {
		return err
	}
	write := func(name string, ts []safetensors.Tensor) error {
		h := sha256.New()
		err := atomicfile.WriteNew(filepath.Join(folder, name), func(w io.Writer) error {
			// "pt" is what PyTorch's users put there, and some loaders ask for it.
			return safetensors.Write(io.MultiWriter(w, h), ts, map[string]string{"format": "pt"})
		})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		state.Files[name] = hex.EncodeToString(h.Sum(nil))
		return nil
	}
	for _, n := range c.Networks {
		if err := write(n.Name+weightsSuffix, n.Tensors); err != nil {
			return err
		}
	}
	if err := write(optimizersFile, c.Optimizers); err != nil {
		return err
	}
	b, err := state.encode()
	if err != nil {
		return err
	}
	err = atomicfile.WriteNew(filepath.Join(folder, stateFile), func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	return atomicfile.SyncDir(folder)
}

// OpenCheckpoint reads a checkpoint and verifies every byte of it. The path may be the checkpoint's folder, a link to it
// such as checkpoints/latest, or a run's folder, which stands for its latest checkpoint.
func OpenCheckpoint(path string) (*Checkpoint, error) {
	if info, err := os.Stat(filepath.Join(path, checkpointFolder)); err == nil && info.IsDir() {
		d, err := Open(path)
		if err != nil {
			return nil, err
		}
		return d.LatestCheckpoint()
	}
	return openFolder(path)
}

// openFolder is OpenCheckpoint of a path that stands for no run.
func openFolder(path string) (*Checkpoint, error) {
	// A running training may move the link while we read; all files are to be of one checkpoint.
	folder, err := resolve(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open checkpoint: %w", err)
	}
	c, err := readCheckpoint(folder)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", folder, err)
	}
	return c, nil
}

func readCheckpoint(folder string) (*Checkpoint, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	state, err := readState(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("it has no %s: not a checkpoint, nor the folder of a run", stateFile)
	}
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, e := range entries {
		_, known := state.Files[e.Name()]
		hidden := strings.HasPrefix(e.Name(), ".") // file managers and network file systems leave such
		if !known && !hidden && e.Name() != stateFile {
			return nil, fmt.Errorf("file %q is not in its manifest: remove it, or what was it meant to be?", e.Name())
		}
		found[e.Name()] = true
	}
	for name := range state.Files {
		if !found[name] {
			return nil, fmt.Errorf("file %s is missing", name)
		}
	}
	c := &Checkpoint{State: state}
	for _, name := range state.Networks {
		ts, err := readVerified(folder, name+weightsSuffix, state.Files)
		if err != nil {
			return nil, err
		}
		c.Networks = append(c.Networks, NamedTensors{Name: name, Tensors: ts})
	}
	c.Optimizers, err = readVerified(folder, optimizersFile, state.Files)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// readState reads state.json of a checkpoint's folder. What was copied to the name of another iteration would be taken for
// that one's.
func readState(folder string) (State, error) {
	b, err := regular.Read(filepath.Join(folder, stateFile), maxState)
	if err != nil {
		return State{}, err
	}
	s, err := decodeState(b)
	if err != nil {
		return State{}, err
	}
	name := filepath.Base(folder)
	if n, ok := iterationIn(strings.TrimPrefix(name, replacedPrefix)); ok && n != s.Iteration {
		return State{}, fmt.Errorf("it is of iteration %d, expected %d by the name of its folder: rename that to %s or, if it is a copy, to something that is no number",
			s.Iteration, n, IterationName(s.Iteration))
	}
	return s, nil
}

// readVerified reads the file twice, from one handle, rather than hold it and its tensors in memory at once.
func readVerified(folder, name string, sums map[string]string) ([]safetensors.Tensor, error) {
	f, err := regular.Open(filepath.Join(folder, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return nil, err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sums[name] {
		return nil, fmt.Errorf("%s is damaged: its sha256 is %.12s..., expected %.12s...", name, got, sums[name])
	}
	ts, _, err := safetensors.Read(f, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return ts, nil
}
