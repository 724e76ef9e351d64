package rundir

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imori-ml/imori/torchx/safetensors"
)

func create(t *testing.T) *Dir {
	t.Helper()
	d, err := Create(filepath.Join(t.TempDir(), "run"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// reopen is what a process that goes on with a run does.
func reopen(t *testing.T, d *Dir) *Dir {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := Open(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Lock(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// example is a checkpoint whose every part depends on the iteration, with size numbers for weights.
func example(iteration, size int) *Checkpoint {
	data := make([]byte, 8*size)
	for i := range size {
		binary.LittleEndian.PutUint64(data[8*i:], uint64(iteration+i))
	}
	tensors := []safetensors.Tensor{{Name: "0.weight", DType: "I64", Shape: []int64{int64(size)}, Data: data}}
	return &Checkpoint{
		State: State{
			Iteration:  iteration,
			Batches:    int64(5 * iteration),
			Generators: map[string][]byte{"cpu": {byte(iteration), 2, 3}, "cuda:0": {}},
			Libtorch:   "1.13.1",
			Extra:      map[string]json.RawMessage{"lr": json.RawMessage(`0.25`)},
		},
		Networks:   []NamedTensors{{"generator", tensors}, {"critic", tensors[:0]}},
		Optimizers: tensors,
	}
}

func save(t *testing.T, d *Dir, iterations ...int) {
	t.Helper()
	for _, n := range iterations {
		if err := d.SaveCheckpoint(example(n, 3)); err != nil {
			t.Fatal(err)
		}
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want it to contain %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
}

func names(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
