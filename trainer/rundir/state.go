package rundir

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Format is the version of the checkpoints that this package writes and reads.
const Format = 1

const (
	stateFile      = "state.json"
	optimizersFile = "optimizers.safetensors"
	weightsSuffix  = ".safetensors"
	maxNetworks    = 1000
	maxState       = 64 << 20 // bytes of state.json; generator states are a few kilobytes
)

// State is what state.json holds: everything of a checkpoint but the tensors.
type State struct {
	Format     int               `json:"format"`     // set on saving
	Iteration  int               `json:"iteration"`  // completed iterations
	Batches    int64             `json:"batches"`    // batches taken from the loader
	Generators map[string][]byte `json:"generators"` // states of the random generators: "cpu", "cuda:0", ...
	Libtorch   string            `json:"libtorch"`   // version that wrote it
	// Extra is whatever else a run needs to go on as if it had not stopped: schedules, kernels chosen by timing, the best
	// metric. Its keys belong to those who put them there; a new one is no new format.
	Extra    map[string]json.RawMessage `json:"extra,omitempty"`
	Networks []string                   `json:"networks"` // names, in order; set on saving
	Files    map[string]string          `json:"files"`    // sha256 in hex of every other file of the folder; set on saving
	// Sum is the sha256 of state.json itself, with "" in place of this value. Set on saving.
	Sum string `json:"sha256"`
}

// encode sets Sum and returns the bytes of state.json.
func (s *State) encode() ([]byte, error) {
	s.Sum = ""
	b, err := marshalState(s)
	if err != nil {
		return nil, err
	}
	s.Sum = sum(b)
	return marshalState(s)
}

func marshalState(s *State) ([]byte, error) {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", stateFile, err)
	}
	return append(b, '\n'), nil
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// errOtherVersion is what to do about a checkpoint that is not damaged, but of another format.
var errOtherVersion = errors.New("use the imori that wrote it, or update this one")

// decodeState parses state.json and checks all that can be checked without the other files.
func decodeState(b []byte) (State, error) {
	var version struct{ Format *int }
	if err := json.Unmarshal(b, &version); err != nil {
		return State{}, fmt.Errorf("%s is damaged: %w", stateFile, err)
	}
	switch {
	case version.Format == nil:
		return State{}, fmt.Errorf("%s has no format version: not written by imori, or damaged", stateFile)
	case *version.Format > Format:
		return State{}, fmt.Errorf("written by a newer imori: format %d, this one reads %d: %w", *version.Format, Format, errOtherVersion)
	case *version.Format != Format:
		return State{}, fmt.Errorf("format %d is unknown, this imori reads %d: %w", *version.Format, Format, errOtherVersion)
	}
	var s State
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // what we do not know we could not restore
	if err := d.Decode(&s); err != nil {
		return State{}, fmt.Errorf("%s is damaged: %w", stateFile, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return State{}, fmt.Errorf("%s is damaged: something follows its end", stateFile)
	}
	if len(s.Sum) != 2*sha256.Size || sum(bytes.Replace(b, []byte(s.Sum), nil, 1)) != s.Sum {
		return State{}, fmt.Errorf("%s is damaged or was changed by hand: its checksum does not match", stateFile)
	}
	if s.Iteration < 0 || s.Batches < 0 {
		return State{}, fmt.Errorf("%s: iteration %d and batches %d, expected none below 0", stateFile, s.Iteration, s.Batches)
	}
	if err := checkNames(s.Networks); err != nil {
		return State{}, fmt.Errorf("%s: %w", stateFile, err)
	}
	want := append([]string{optimizersFile}, s.Networks...)
	for i := range s.Networks {
		want[i+1] += weightsSuffix
	}
	for _, name := range want {
		if _, ok := s.Files[name]; !ok {
			return State{}, fmt.Errorf("%s: its manifest lacks %s", stateFile, name)
		}
	}
	if len(s.Files) == len(want) { // which are all different
		return s, nil
	}
	for _, name := range want {
		delete(s.Files, name)
	}
	other := slices.Min(slices.Collect(maps.Keys(s.Files)))
	return State{}, fmt.Errorf("%s: its manifest lists %.80q, which belongs to no network", stateFile, other)
}

// checkNames makes sure that each network gets a file of its own, on file systems too that do not tell A from a.
func checkNames(networks []string) error {
	if len(networks) > maxNetworks {
		return fmt.Errorf("%d networks, expected at most %d", len(networks), maxNetworks)
	}
	seen := map[string]bool{strings.TrimSuffix(optimizersFile, weightsSuffix): true}
	for _, name := range networks {
		if name == "" || len(name) > 100 || name[0] == '.' || strings.ContainsFunc(name, notInName) {
			return fmt.Errorf("network name %.80q: expected letters, digits, _ - . and no . at the front", name)
		}
		if folded := strings.ToLower(name); seen[folded] {
			return fmt.Errorf("network name %q is taken", name)
		} else {
			seen[folded] = true
		}
	}
	return nil
}

func notInName(r rune) bool {
	return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.", r)
}
