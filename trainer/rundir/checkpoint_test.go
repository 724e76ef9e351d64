package rundir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/imori-ml/imori/internal/fuzztest"
	"github.com/imori-ml/imori/torchx/safetensors"
)

// sameCheckpoint compares but for what saving sets.
func sameCheckpoint(t *testing.T, got, want *Checkpoint) {
	t.Helper()
	if got == nil {
		t.Fatal("no checkpoint")
	}
	a, b := *got, *want
	a.State.Format, a.State.Networks, a.State.Files, a.State.Sum = 0, nil, nil, ""
	b.State.Format, b.State.Networks, b.State.Files, b.State.Sum = 0, nil, nil, ""
	if !reflect.DeepEqual(a, b) {
		t.Errorf("got %.500v, want %.500v", fmt.Sprint(a), fmt.Sprint(b))
	}
}

func TestCheckpoint(t *testing.T) {
	d := create(t)
	want := example(500, 4)
	if err := d.SaveCheckpoint(want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(want, example(500, 4)) {
		t.Error("saving changed the checkpoint")
	}
	folder := filepath.Join(d.Path(), checkpointFolder)
	if got := names(t, folder) + ": " + names(t, filepath.Join(folder, "00000500")); got !=
		"00000500 latest: critic.safetensors generator.safetensors optimizers.safetensors state.json" {
		t.Errorf("got %s", got)
	}
	if target, err := os.Readlink(filepath.Join(folder, latestLink)); target != "00000500" {
		t.Errorf("latest points to %s, %v", target, err)
	}
	for _, path := range []string{d.Path(), filepath.Join(folder, "latest"), filepath.Join(folder, "00000500")} {
		got, err := OpenCheckpoint(path)
		if err != nil {
			t.Fatal(err)
		}
		sameCheckpoint(t, got, want)
	}
	// Weights are plain safetensors for others.
	ts, metadata, err := safetensors.ReadFile(filepath.Join(folder, "00000500", "generator.safetensors"))
	if err != nil || ts[0].Name != "0.weight" || metadata["format"] != "pt" {
		t.Errorf("got %v, %v, %v", ts, metadata, err)
	}
}

// A checkpoint has no time and no order of a map in it: what is loaded is saved again as it was.
func TestCheckpointBytes(t *testing.T) {
	d := create(t)
	save(t, d, 7)
	before := allFiles(t, d.CheckpointPath(7))
	c, err := d.LatestCheckpoint()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.SaveCheckpoint(c); err != nil {
		t.Fatal(err)
	}
	if after := allFiles(t, d.CheckpointPath(7)); after != before {
		t.Errorf("%s became %s", before, after)
	}
	if got := names(t, filepath.Join(d.Path(), checkpointFolder)); got != "00000007 latest" {
		t.Errorf("left: %s", got)
	}
}

func allFiles(t *testing.T, folder string) string {
	t.Helper()
	var all strings.Builder
	for _, name := range strings.Fields(names(t, folder)) {
		fmt.Fprintf(&all, "%s: %q\n", name, readFile(t, filepath.Join(folder, name)))
	}
	return all.String()
}

func TestEmptyCheckpoint(t *testing.T) {
	d := create(t)
	if err := d.SaveCheckpoint(&Checkpoint{}); err != nil {
		t.Fatal(err)
	}
	c, err := d.LatestCheckpoint()
	if err != nil {
		t.Fatal(err)
	}
	if c.State.Iteration != 0 || len(c.Networks) != 0 || len(c.Optimizers) != 0 {
		t.Errorf("got %v", c)
	}
}

func TestPrune(t *testing.T) {
	for _, c := range []struct {
		keep  int
		saves []int
		want  string
	}{
		{0, []int{1, 2, 3, 4}, "00000001 00000002 00000003 00000004 latest"},
		{2, []int{1, 2, 3, 4}, "00000003 00000004 latest"},
		{1, []int{1, 2, 100000000}, "100000000 latest"},
		{3, []int{1, 2}, "00000001 00000002 latest"},
		{2, []int{1, 2, 3, 3, 3}, "00000002 00000003 latest"},
		{2, []int{8, 9, 2}, "00000002 latest"}, // later ones are of a course that was given up
		{2, []int{8, 9, 2, 3, 4}, "00000003 00000004 latest"},
	} {
		d := create(t)
		d.Keep = c.keep
		save(t, d, c.saves...)
		if got := names(t, filepath.Join(d.Path(), checkpointFolder)); got != c.want {
			t.Errorf("keep %d of %v: got %s, want %s", c.keep, c.saves, got, c.want)
		}
		last, err := d.LatestCheckpoint()
		if err != nil {
			t.Fatal(err)
		}
		sameCheckpoint(t, last, example(c.saves[len(c.saves)-1], 3))
	}
}

func TestPruneLeavesOtherThings(t *testing.T) {
	d := create(t)
	d.Keep = 1
	inRun(t, d.Path(), "checkpoints/best/state.json")
	inRun(t, d.Path(), "checkpoints/00000001")
	inRun(t, d.Path(), "checkpoints/1/state.json")
	save(t, d, 2, 3)
	if got := names(t, filepath.Join(d.Path(), checkpointFolder)); got != "00000001 00000003 1 best latest" {
		t.Errorf("got %s", got)
	}
}

func TestLatestCheckpoint(t *testing.T) {
	link := func(d *Dir) string { return filepath.Join(d.Path(), checkpointFolder, latestLink) }
	relink := func(t *testing.T, d *Dir, target string) {
		t.Helper()
		if err := os.Remove(link(d)); err != nil {
			t.Fatal(err)
		}
		if target != "" {
			if err := os.Symlink(target, link(d)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, d *Dir)
		want   int
		note   string
	}{
		{"as saved", func(*testing.T, *Dir) {}, 3, ""},
		{"the user went back", func(t *testing.T, d *Dir) { relink(t, d, "00000001") }, 1, ""},
		{"no link", func(t *testing.T, d *Dir) { relink(t, d, "") }, 3, "taking the newest checkpoint, 00000003"},
		{"points to nothing", func(t *testing.T, d *Dir) { os.RemoveAll(d.CheckpointPath(3)) }, 2, "taking the newest checkpoint, 00000002"},
		{"unfinished", func(t *testing.T, d *Dir) {
			relink(t, d, "")
			inRun(t, d.Path(), "checkpoints/.tmp-00000009-ABCDEFGH/critic.safetensors")
		}, 3, "00000003"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := create(t)
			save(t, d, 1, 2, 3)
			c.damage(t, d)
			var notes []string
			d.Logf = func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
			got, err := d.LatestCheckpoint()
			if err != nil {
				t.Fatal(err)
			}
			sameCheckpoint(t, got, example(c.want, 3))
			if joined := strings.Join(notes, ";"); !strings.Contains(joined, c.note) || (c.note == "") != (joined == "") {
				t.Errorf("notes %q, want %q", joined, c.note)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		_, err := create(t).LatestCheckpoint()
		wantError(t, err, "has no checkpoint yet")
		if !errors.Is(err, fs.ErrNotExist) {
			t.Error("not fs.ErrNotExist")
		}
	})
	t.Run("a damaged one is not passed over", func(t *testing.T) {
		d := create(t)
		save(t, d, 1, 2, 3)
		writeFile(t, filepath.Join(d.CheckpointPath(3), "critic.safetensors"), "x")
		for _, target := range []string{"00000003", ""} {
			relink(t, d, target)
			_, err := d.LatestCheckpoint()
			wantError(t, err, "00000003: critic.safetensors is damaged")
			damaged := (*DamagedError)(nil)
			if !errors.As(err, &damaged) || damaged.Link != link(d) || fmt.Sprint(damaged.Others) != "[2 1]" {
				t.Errorf("got %#v", err)
			}
			if target == "" {
				break
			}
		}
	})
	t.Run("the link leads to the run itself", func(t *testing.T) {
		d := create(t)
		save(t, d, 1)
		relink(t, d, "..")
		for _, path := range []string{d.Path(), link(d)} {
			_, err := OpenCheckpoint(path)
			wantError(t, err, "checkpoint "+d.Path()+": it has no state.json")
		}
		_, err := d.LatestCheckpoint()
		if damaged := (*DamagedError)(nil); !errors.As(err, &damaged) || fmt.Sprint(damaged.Others) != "[1]" {
			t.Errorf("got %#v", err)
		}
	})
	t.Run("a folder in its place", func(t *testing.T) { // cp -rL
		d := create(t)
		save(t, d, 1)
		relink(t, d, "")
		if err := os.CopyFS(link(d), os.DirFS(d.CheckpointPath(1))); err != nil {
			t.Fatal(err)
		}
		got, err := OpenCheckpoint(d.Path())
		if err != nil {
			t.Fatal(err)
		}
		sameCheckpoint(t, got, example(1, 3))
		d.Close()
		wantError(t, d.Lock(), "checkpoints/latest is a folder, expected a link")
	})
}

func TestOpenCheckpointRefuses(t *testing.T) {
	edit := func(from, to string) func(*testing.T, string) {
		return func(t *testing.T, folder string) {
			t.Helper()
			path := filepath.Join(folder, stateFile)
			old := readFile(t, path)
			if !strings.Contains(old, from) {
				t.Fatalf("no %q in %s", from, old)
			}
			writeFile(t, path, strings.Replace(old, from, to, 1))
		}
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, folder string) {
			if err := os.Remove(filepath.Join(folder, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, folder string)
		want   string
	}{
		{"newer", edit(`"format": 1`, `"format": 2`), "written by a newer imori: format 2, this one reads 1"},
		{"other", edit(`"format": 1`, `"format": 0`), "format 0 is unknown, this imori reads 1: use the imori that wrote it"},
		{"no format", edit(`"format": 1,`, ``), "has no format version"},
		{"no number", edit(`"format": 1`, `"format": "1"`), "state.json is damaged"},
		{"iteration", edit(`"iteration": 3`, `"iteration": 4`), "state.json is damaged or was changed by hand"},
		{"unknown key", edit(`"iteration"`, `"epoch"`), `state.json is damaged: json: unknown field "epoch"`},
		{"second document", edit("}\n", "}\n{}"), "damaged"},
		{"cut state", func(t *testing.T, folder string) { writeFile(t, filepath.Join(folder, stateFile), `{"format":1`) }, "state.json is damaged"},
		{"empty state", func(t *testing.T, folder string) { writeFile(t, filepath.Join(folder, stateFile), "") }, "state.json is damaged"},
		{"no state", remove(stateFile), "it has no state.json: not a checkpoint"},
		{"missing", remove("generator.safetensors"), "file generator.safetensors is missing"},
		{"missing optimisers", remove("optimizers.safetensors"), "file optimizers.safetensors is missing"},
		{"extra", func(t *testing.T, folder string) { writeFile(t, filepath.Join(folder, "ema.safetensors"), "") }, `file "ema.safetensors" is not in its manifest`},
		{"cut file", func(t *testing.T, folder string) {
			if err := os.Truncate(filepath.Join(folder, "generator.safetensors"), 20); err != nil {
				t.Fatal(err)
			}
		}, "generator.safetensors is damaged: its sha256 is"},
		{"folder for a file", func(t *testing.T, folder string) {
			remove("critic.safetensors")(t, folder)
			if err := os.Mkdir(filepath.Join(folder, "critic.safetensors"), 0o777); err != nil {
				t.Fatal(err)
			}
		}, "is a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := create(t)
			save(t, d, 3)
			c.damage(t, d.CheckpointPath(3))
			_, err := OpenCheckpoint(d.CheckpointPath(3))
			wantError(t, err, "checkpoint "+d.CheckpointPath(3), c.want)
		})
	}
	t.Run("hidden files of others", func(t *testing.T) {
		d := create(t)
		save(t, d, 3)
		writeFile(t, filepath.Join(d.CheckpointPath(3), ".DS_Store"), "x")
		if _, err := OpenCheckpoint(d.CheckpointPath(3)); err != nil {
			t.Error(err)
		}
	})
	t.Run("no checkpoint", func(t *testing.T) {
		folder := t.TempDir()
		_, err := OpenCheckpoint(folder)
		wantError(t, err, "it has no state.json: not a checkpoint, nor the folder of a run")
		_, err = OpenCheckpoint(filepath.Join(folder, "none"))
		wantError(t, err, "cannot open checkpoint")
		writeFile(t, filepath.Join(folder, "file"), "x")
		_, err = OpenCheckpoint(filepath.Join(folder, "file"))
		wantError(t, err, "checkpoint "+filepath.Join(folder, "file"))
	})
}

// TestCopiedCheckpoint: under the number of another iteration it is not taken for that one's.
func TestCopiedCheckpoint(t *testing.T) {
	d := create(t)
	save(t, d, 3)
	copied := func(name string) string {
		t.Helper()
		folder := filepath.Join(d.Path(), checkpointFolder, name)
		if err := os.CopyFS(folder, os.DirFS(d.CheckpointPath(3))); err != nil {
			t.Fatal(err)
		}
		return folder
	}
	if c, err := OpenCheckpoint(copied("copy")); err != nil || c.State.Iteration != 3 {
		t.Errorf("under a name of its own: %v, %v", c, err)
	}
	_, err := OpenCheckpoint(copied("00000009"))
	wantError(t, err, "00000009: it is of iteration 3, expected 9 by the name of its folder: rename that to 00000003")
	if err := d.GoBack(9); err != nil {
		t.Fatal(err)
	}
	_, err = d.LatestState()
	wantError(t, err, "expected 9")
	wantError(t, d.GoBack(5), "cannot go back to iteration 5: its checkpoint is not at "+d.CheckpointPath(5), "give its folder that name")
}

// TestManyFiles: a manifest takes no longer than its size.
func TestManyFiles(t *testing.T) {
	s := State{Format: Format, Files: map[string]string{optimizersFile: "00"}}
	for i := range 100_000 {
		s.Networks = append(s.Networks, fmt.Sprint("n", i))
		s.Files[s.Networks[i]+weightsSuffix] = "00"
	}
	decoded := func(want string) {
		t.Helper()
		b, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = decodeState(b)
		wantError(t, err, want)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it takes %v", took)
		}
	}
	decoded("state.json: 100000 networks, expected at most 1000")
	s.Networks = s.Networks[:maxNetworks]
	decoded(`its manifest lists "n1000.safetensors", which belongs to no network`)
}

// TestOnlyDamaged: where there is no other checkpoint the error says what is left to do, unless another imori can read it.
func TestOnlyDamaged(t *testing.T) {
	d := create(t)
	save(t, d, 3)
	state := filepath.Join(d.CheckpointPath(3), stateFile)
	good := readFile(t, state)
	writeFile(t, state, strings.Replace(good, `"format": 1`, `"format": 2`, 1))
	_, err := d.LatestCheckpoint()
	wantError(t, err, "written by a newer imori: format 2, this one reads 1: use the imori that wrote it, or update this one")
	if strings.Contains(fmt.Sprint(err), "from a copy") {
		t.Error(err)
	}
	writeFile(t, state, good[1:])
	_, err = d.LatestCheckpoint()
	wantError(t, err, "state.json is damaged", "; the run has no other checkpoint: put it back as it was, from a copy, or begin a new run with its recipe")
}

// No flipped bit in any file goes unnoticed.
func TestFlippedBits(t *testing.T) {
	d := create(t)
	if err := d.SaveCheckpoint(example(3, 1)); err != nil {
		t.Fatal(err)
	}
	folder := d.CheckpointPath(3)
	want, err := OpenCheckpoint(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(names(t, folder)) {
		path := filepath.Join(folder, name)
		good := []byte(readFile(t, path))
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << (i % 8)
			writeFile(t, path, string(bad))
			if got, err := OpenCheckpoint(folder); err == nil {
				t.Errorf("%s: bit %d of byte %d was flipped; read all the same: %v, was %v", name, i%8, i, got, want)
			}
		}
		writeFile(t, path, string(good))
	}
}

func TestSaveCheckpointRefuses(t *testing.T) {
	d := create(t)
	save(t, d, 1)
	for want, change := range map[string]func(c *Checkpoint){
		`network name "optimizers" is taken`:    func(c *Checkpoint) { c.Networks[0].Name = "optimizers" },
		`network name "Generator" is taken`:     func(c *Checkpoint) { c.Networks[1].Name = "Generator" },
		`network name "": expected letters`:     func(c *Checkpoint) { c.Networks[1].Name = "" },
		`network name "../x": expected`:         func(c *Checkpoint) { c.Networks[1].Name = "../x" },
		`network name "a/b": expected`:          func(c *Checkpoint) { c.Networks[1].Name = "a/b" },
		"iteration -1 and batches":              func(c *Checkpoint) { c.State.Iteration = -1 },
		"F31":                                   func(c *Checkpoint) { c.Optimizers = []safetensors.Tensor{{DType: "F31"}} },
		"state.json: json":                      func(c *Checkpoint) { c.State.Extra = map[string]json.RawMessage{"x": json.RawMessage("{")} },
		"the last good one is 00000001":         func(c *Checkpoint) { c.State.Batches = -1 },
		`tensor "0.weight" occurs twice; the l`: func(c *Checkpoint) { c.Optimizers = append(c.Optimizers, c.Optimizers[0]) },
	} {
		c := example(2, 1)
		change(c)
		wantError(t, d.SaveCheckpoint(c), "cannot save checkpoint", want)
		if got := names(t, filepath.Join(d.Path(), checkpointFolder)); got != "00000001 latest" {
			t.Errorf("left: %s", got)
		}
	}
}

// A checkpoint may be written beside training, which goes on logging and drawing.
func TestConcurrent(t *testing.T) {
	d := create(t)
	d.Keep = 2
	l := metrics(t, d)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { save(t, d, i, 10+i) })
		wg.Go(func() { appendLines(t, l, 1, 1, 1) })
		wg.Go(func() {
			if _, err := d.SavePicture(i, Grid([]float32{0}, 1, 1, 1, 1, 1)); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := d.LatestCheckpoint(); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Logf("a reader met a checkpoint on its way out: %v", err)
			}
		})
	}
	wg.Wait()
	if _, err := d.LatestCheckpoint(); err != nil {
		t.Error(err)
	}
	if got := readFile(t, filepath.Join(d.Path(), metricsFile)); got != strings.Repeat(lines(1), 12) {
		t.Errorf("got %q", got)
	}
}

func FuzzState(f *testing.F) {
	s := example(3, 1).State
	s.Format, s.Networks = Format, []string{"g"}
	s.Files = map[string]string{"g.safetensors": "00", optimizersFile: "00"}
	good, err := s.encode()
	if err != nil {
		f.Fatal(err)
	}
	if _, err := decodeState(good); err != nil {
		f.Fatal(err)
	}
	target := fuzztest.New(f)
	target.Add(good)
	target.Add(good[:len(good)-3])
	for _, seed := range []string{"", "{}", `{"format":1}`, `{"format":2}`, `{"format":1,"sha256":""}`, `[[[`, `{"format":1e400}`} {
		target.Add([]byte(seed))
	}
	target.Fuzz(func(t *testing.T, b []byte) {
		fuzztest.Bounded(t, 1<<16+64*len(b), func() { _, _ = decodeState(b) })
		// With the right checksum, too: then what is accepted is safe to use as file names.
		var s State
		if json.Unmarshal(b, &s) != nil {
			return
		}
		sealed, err := s.encode()
		if err != nil {
			return
		}
		s, err = decodeState(sealed)
		if err != nil {
			return
		}
		for name := range s.Files {
			if name != filepath.Base(name) || name[0] == '.' {
				t.Fatalf("accepted file %q", name)
			}
		}
		if again, err := s.encode(); err != nil || !bytes.Equal(again, sealed) {
			t.Fatalf("%s\nbecame\n%s\n%v", sealed, again, err)
		}
	})
}

// FuzzCheckpoint makes a folder of the bytes that it is given, and sums that fit them where it is told to: what a fuzzer
// finds behind a checksum, a person finds who writes one.
func FuzzCheckpoint(f *testing.F) {
	target := fuzztest.New(f)
	folder := filepath.Join(f.TempDir(), "seed")
	if err := writeCheckpoint(folder, example(3, 2)); err != nil {
		f.Fatal(err)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	state, weights, optimizers := read(stateFile), read("generator.safetensors"), read(optimizersFile)
	target.Add(state, weights, optimizers, false)
	target.Add(state, weights, optimizers, true)
	target.Add(state, weights[:len(weights)-1], optimizers, true)
	target.Add(state[:len(state)-5], weights, optimizers, true)
	target.Add([]byte(`{"format":1,"networks":["../x"]}`), weights, optimizers, true)
	lie := bytes.Clone(weights)
	copy(lie, "\xff\xff\xff\x04\x00\x00\x00\x00") // the length of the header
	target.Add(state, weights, lie, true)
	target.Fuzz(func(t *testing.T, state, weights, optimizers []byte, seal bool) {
		folder := t.TempDir()
		var s State
		if json.Unmarshal(state, &s) == nil && checkNames(s.Networks) == nil && len(s.Networks) < 10 {
			if seal {
				s.Files = map[string]string{optimizersFile: sum(optimizers)}
			}
			for _, name := range s.Networks {
				writeFile(t, filepath.Join(folder, name+weightsSuffix), string(weights))
				if seal {
					s.Files[name+weightsSuffix] = sum(weights)
				}
			}
			if b, err := s.encode(); seal && err == nil {
				state = b
			}
		}
		writeFile(t, filepath.Join(folder, optimizersFile), string(optimizers))
		writeFile(t, filepath.Join(folder, stateFile), string(state))
		var c *Checkpoint
		size := len(state) + 10*len(weights) + len(optimizers)
		fuzztest.Bounded(t, 1<<19+200*size, func() { c, _ = OpenCheckpoint(folder) })
		if c == nil {
			return
		}
		if len(c.Networks) != len(c.State.Networks) || len(c.State.Files) != len(c.Networks)+1 {
			t.Errorf("%d networks of %d, %d files", len(c.Networks), len(c.State.Networks), len(c.State.Files))
		}
		for name, want := range c.State.Files {
			if got := sum([]byte(readFile(t, filepath.Join(folder, name)))); got != want {
				t.Errorf("%s: accepted with the sum %s, expected %s", name, got, want)
			}
		}
	})
}
