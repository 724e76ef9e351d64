package looks

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/png"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/recipes"
	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/trainer"
)

const (
	tinyGAN = `name: tiny
model: {type: gan, z_dim: 4, generator_hidden: [8], discriminator_hidden: [8]}
dataset: {type: digits, size: 8, count: 40}
train: {iterations: 2, batch_size: 4, threads: 1, device: cpu}
`
	tinyCGAN = `name: tiny
model: {type: cgan, z_dim: 4, generator_channels: [4, 4], discriminator_channels: [4, 4]}
dataset: {type: digits, size: 16, count: 40}
train: {iterations: 1, batch_size: 4, threads: 1, device: cpu}
`
	tinyVAE = `name: tiny
model: {type: vae, hidden: [8]}
dataset: {type: digits, size: 8, count: 40}
train: {iterations: 2, batch_size: 4, threads: 1, device: cpu}
`
	tinyPix2Pix = `name: tiny
model: {type: pix2pix, channels: [4, 4], discriminator_channels: [4], direction: DIRECTION}
train: {iterations: 1, batch_size: 2, threads: 1, device: cpu}
dataset: DATASET
`
)

// run makes a run in the working directory, which it changes to an empty folder, and returns its path.
func run(t *testing.T, recipe string) string {
	t.Helper()
	t.Chdir(t.TempDir())
	return train(t, recipe)
}

// train makes a run in the working directory.
func train(t *testing.T, recipe string) string {
	t.Helper()
	const folder = "runs/tiny"
	r, err := recipes.Parse("tiny.yaml", []byte(recipe), nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := r.TrainerOptions(context.Background(), datasets.Env{})
	if err != nil {
		t.Fatal(err)
	}
	o.Dir, o.Recipe = folder, r.YAML()
	tr, err := trainer.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if err := tr.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return folder
}

func open(t *testing.T, path string) *trained.Run {
	t.Helper()
	r, err := trained.Open(context.Background(), path, trained.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newRoot() *cobra.Command {
	root := &cobra.Command{Use: "imori"}
	root.AddCommand(NewSample(), NewReconstruct(), NewTranslate())
	return root
}

// typed runs a command as somebody types it, words separated by spaces.
func typed(line string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = cli.Run(context.Background(), newRoot(), strings.Fields(line), &out, &errs)
	return status, out.String(), errs.String()
}

func mustType(t *testing.T, line string) string {
	t.Helper()
	status, stdout, stderr := typed(line)
	if status != 0 || stderr != "" {
		t.Fatalf("imori %s: status %d\n%s%s", line, status, stdout, stderr)
	}
	return stdout
}

// refusal is a line that is typed, and what comes of it.
type refusal struct {
	line   string
	status int
	want   string
}

// mustRefuse types lines, none of which may leave anything behind.
func mustRefuse(t *testing.T, tests []refusal) {
	t.Helper()
	before := tree(t)
	for _, test := range tests {
		status, stdout, stderr := typed(test.line)
		if status != test.status || stdout != "" || !strings.Contains(stderr, test.want) {
			t.Errorf("imori %s: status %d, want %d and an error with %q\n%s%s", test.line, status, test.status, test.want, stdout, stderr)
		}
		if after := tree(t); after != before {
			t.Errorf("imori %s: it left something behind:\n%s", test.line, after)
		}
	}
}

// tree lists all files and folders below the working directory.
func tree(t *testing.T) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

// names lists the files below a folder.
func names(t *testing.T, folder string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(folder, path)
			all = append(all, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

func writeFiles(t *testing.T, files map[string][]byte) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, files[name], 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// flip spoils a checkpoint by a bit.
func flip(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

func encode(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readPNG(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return m
}

// grey is the level of a pixel.
func grey(m image.Image, x, y int) int {
	r, _, _, _ := m.At(x, y).RGBA()
	return int(r >> 8)
}

func level(v float32) int { return int(math.Round((float64(v) + 1) * 127.5)) }

// readNPY returns the header's text and the values.
func readNPY(t *testing.T, path string) (header string, values []float32) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const before = 10
	if !bytes.HasPrefix(data, []byte("\x93NUMPY\x01\x00")) {
		t.Fatalf("%s begins with %q", path, data[:before])
	}
	end := before + int(binary.LittleEndian.Uint16(data[8:]))
	values = make([]float32, (len(data)-end)/4)
	if _, err := binary.Decode(data[end:], binary.LittleEndian, values); err != nil || end%64 != 0 || data[end-1] != '\n' {
		t.Fatalf("%s: the header ends at %d, %v", path, end, err)
	}
	return strings.TrimSpace(string(data[before:end])), values
}

func expect(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in\n%s", part, text)
		}
	}
}

// lastLine is what a command says at the end.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
