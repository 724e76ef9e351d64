package datasets

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imori-ml/imori/internal/fuzztest"
)

// idx makes an IDX file whose header has the given dimensions.
func idx(values []byte, dims ...uint32) []byte {
	data := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		data = binary.BigEndian.AppendUint32(data, d)
	}
	return append(data, values...)
}

func zip(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// threeDigits are the files of a split, not packed.
func threeDigits() (images, labels []byte) {
	pixels := make([]byte, 3*mnistPixels)
	for i := range pixels {
		pixels[i] = byte(i * 7)
	}
	return idx(pixels, 3, 28, 28), idx([]byte{4, 0, 9}, 3)
}

func expectDigits(t *testing.T, d Dataset) {
	t.Helper()
	if info := d.Info(); info.Name != "mnist" || info.Channels != 1 || info.Height != 28 || info.Width != 28 || strings.Join(info.Classes, "") != "0123456789" || info.Target != nil {
		t.Fatalf("info %+v", info)
	}
	if d.Len() != 3 {
		t.Fatalf("%d samples, want 3", d.Len())
	}
	for i, label := range []int64{4, 0, 9} {
		s := readImage(t, d, i)
		if s.Label != label {
			t.Errorf("sample %d has label %d, want %d", i, s.Label, label)
		}
		for k, v := range s.Image {
			if want := toUnit[byte((i*mnistPixels+k)*7)]; v != want {
				t.Fatalf("sample %d, pixel %d: %v, want %v", i, k, v, want)
			}
		}
	}
	if err := d.Read(3, &Sample{Image: make([]float32, mnistPixels)}); err == nil {
		t.Error("sample 3 can be read")
	}
}

func TestMNISTFoundLocally(t *testing.T) {
	images, labels := threeDigits()
	for name, files := range map[string]map[string][]byte{
		"packed":              {"t10k-images-idx3-ubyte.gz": zip(t, images), "t10k-labels-idx1-ubyte.gz": zip(t, labels)},
		"plain":               {"t10k-images-idx3-ubyte": images, "t10k-labels-idx1-ubyte": labels},
		"mixed, one misnamed": {"t10k-images-idx3-ubyte.gz": images, "t10k-labels-idx1-ubyte": zip(t, labels)},
	} {
		t.Run(name, func(t *testing.T) {
			o := &MNISTOptions{Root: t.TempDir(), Split: "train"}
			writeFiles(t, o.Root, files)
			d, err := o.Test().Open(t.Context(), Env{})
			if err != nil {
				t.Fatal(err)
			}
			expectDigits(t, d)
			_, err = o.Open(t.Context(), Env{})
			if err == nil || !strings.Contains(err.Error(), "holds neither train-images-idx3-ubyte.gz nor train-images-idx3-ubyte; put one there, or set download to true; the other file needed is train-labels-idx1-ubyte.gz") {
				t.Errorf("the other split: %v", err)
			}
		})
	}
}

func TestMNISTBadFiles(t *testing.T) {
	images, labels := threeDigits()
	packed := zip(t, images)
	flipped := bytes.Clone(packed)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	for name, c := range map[string]struct {
		images, labels []byte
		want           string
	}{
		"empty":              {nil, labels, "train-images-idx3-ubyte: it is empty"},
		"labels for images":  {labels, labels, "magic number is 00 00 08 01, expected 00 00 08 03"},
		"images for labels":  {images, images, "train-labels-idx1-ubyte: its magic number is 00 00 08 03"},
		"other numbers":      {append([]byte{0, 0, 13, 3}, images[4:]...), labels, "magic number is 00 00 0d 03"},
		"text":               {[]byte("<html>"), labels, "magic number is 3c 68 74 6d"},
		"cut magic":          {images[:3], labels, "the header ends after 3 of 16 bytes: it is truncated"},
		"cut header":         {images[:15], labels, "the header ends after 15 of 16 bytes"},
		"cut images":         {images[:len(images)-1], labels, "the header promises 3x28x28 values, found 2351: it is truncated"},
		"header alone":       {images[:16], labels, "found 0: it is truncated"},
		"too long":           {append(bytes.Clone(images), 0), labels, "promises 3x28x28 values, found more"},
		"absurd":             {idx(nil, 0xffffffff, 0xffffffff, 0xffffffff), labels, "promises 4294967295x4294967295x4294967295 values, expected 1 to 1073741824"},
		"overflowing":        {idx(nil, 1<<31, 1<<31, 4), labels, "values, expected 1 to"},
		"as much as may be":  {idx(nil, 1<<20, 32, 32), labels, "its images are 32x32, expected 28x28"},
		"a bomb":             {zip(t, idx(make([]byte, 4<<20), 1<<30/784, 28, 28)), labels, "it has 1369568 images, expected one for each of the 3 labels"},
		"too many labels":    {images, idx(nil, 1<<30), "it has 1073741824 labels, expected at most 1369568"},
		"no images":          {idx(nil, 0, 28, 28), labels, "promises 0x28x28 values"},
		"other size":         {idx(make([]byte, 3*784), 3, 56, 14), labels, "its images are 56x14, expected 28x28"},
		"fewer labels":       {images, idx([]byte{1, 2}, 2), "it has 3 images, expected one for each of the 2 labels"},
		"label out of range": {images, idx([]byte{1, 10, 2}, 3), "label 1 is 10, expected 0 to 9"},
		"no gzip":            {[]byte("\x1f\x8b nothing"), labels, "begins like a gzip file"},
		"cut gzip":           {packed[:len(packed)/2], labels, "it is truncated"},
		"cut gzip checksum":  {packed[:len(packed)-2], labels, "it is truncated"},
		"damaged gzip":       {flipped, labels, "checksum"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			writeFiles(t, root, map[string][]byte{"train-images-idx3-ubyte": c.images, "train-labels-idx1-ubyte": c.labels})
			d, err := (&MNISTOptions{Root: root, Split: "train"}).Open(t.Context(), Env{})
			if err == nil || d != nil {
				t.Fatal("no error")
			}
			for _, want := range []string{"dataset mnist: " + root, c.want, "replace the file, or remove it"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q, want %q", err, want)
				}
			}
		})
	}
	if _, err := (&MNISTOptions{Root: "x", Split: "all"}).Open(t.Context(), Env{}); err == nil || !strings.Contains(err.Error(), `split is "all", expected train or test`) {
		t.Errorf("split: %v", err)
	}
}

// smallMNIST describes the test files as publishedMNIST does the real ones.
func smallMNIST(files map[string][]byte, mirrors ...string) mnistSource {
	describe := func(name string) map[string]mnistFile {
		data := files["/"+name+".gz"]
		sum := sha256.Sum256(data)
		return map[string]mnistFile{"train": {name: name, size: int64(len(data)), sha256: hex.EncodeToString(sum[:])}}
	}
	return mnistSource{mirrors, describe("train-images-idx3-ubyte"), describe("train-labels-idx1-ubyte")}
}

func TestMNISTDownload(t *testing.T) {
	images, labels := threeDigits()
	files := map[string][]byte{"/train-images-idx3-ubyte.gz": zip(t, images), "/train-labels-idx1-ubyte.gz": zip(t, labels)}
	asked := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked[r.URL.Path]++
		switch data, ok := files[strings.TrimPrefix(r.URL.Path, "/damaged")]; {
		case !ok:
			http.NotFound(w, r)
		case strings.HasPrefix(r.URL.Path, "/damaged"):
			_, _ = w.Write(bytes.Repeat([]byte{1}, len(data)))
		default:
			_, _ = w.Write(data)
		}
	}))
	defer server.Close()
	source := smallMNIST(files, server.URL+"/gone/", server.URL+"/damaged/", server.URL+"/")
	o := &MNISTOptions{Root: filepath.Join(t.TempDir(), "new", "folder"), Split: "train", Download: true}
	var said, progress []string
	env := Env{
		Logf:     func(format string, args ...any) { said = append(said, format) },
		Progress: func(file string, done, total int64) { progress = append(progress, file) },
	}
	for range 2 { // the second time from the files
		d, err := openMNIST(t.Context(), o, env, source)
		if err != nil {
			t.Fatal(err)
		}
		expectDigits(t, d)
	}
	if len(said) != 2 || len(progress) < 2 || progress[0] != "train-images-idx3-ubyte.gz" {
		t.Errorf("said %q, progress %q", said, progress)
	}
	if asked["/train-images-idx3-ubyte.gz"] != 1 || asked["/damaged/train-labels-idx1-ubyte.gz"] != 1 {
		t.Errorf("the server was asked for %v", asked)
	}

	o.Root = t.TempDir()
	_, err := openMNIST(t.Context(), o, Env{}, smallMNIST(files, server.URL+"/gone/", server.URL+"/damaged/"))
	for _, want := range []string{"cannot download train-images-idx3-ubyte.gz", "404", "wrong checksum",
		"put it at " + filepath.Join(o.Root, "train-images-idx3-ubyte.gz"), "the other file needed is train-labels-idx1-ubyte.gz"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := openMNIST(ctx, o, Env{}, source); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if left, _ := os.ReadDir(o.Root); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestIDXChecksFirst: nothing is unpacked that does not have the right shape.
func TestIDXChecksFirst(t *testing.T) {
	why := errors.New("too many")
	r := bytes.NewReader(idx(make([]byte, 100), 100))
	if _, err := readIDX(r, 1, func(shape []int) error { return why }); !errors.Is(err, why) || r.Len() != 100 {
		t.Errorf("error %v, %d values left, want 100", err, r.Len())
	}
}

// FuzzIDX: whatever the bytes, no panic, no more memory than they take, and what
// is read is what they say.
func FuzzIDX(f *testing.F) {
	images, labels := threeDigits()
	target := fuzztest.New(f)
	target.Add(images, 3)
	target.Add(labels, 1)
	target.Add(labels[:6], 1)
	target.Add(idx(nil, 0xffffffff, 0xffffffff, 2), 3)
	target.Add(idx(nil, 1<<30), 1)
	target.Add(append(labels, 1), 1)
	target.Add(zip(f, images), 3)
	target.Add(zip(f, labels)[:20], 1)
	target.Add(zip(f, idx(make([]byte, 1<<21), 1<<21)), 1) // more than the caller of readIDXFile wants
	path := filepath.Join(f.TempDir(), "idx")
	target.Fuzz(func(t *testing.T, data []byte, dims int) {
		if dims < 1 || dims > 4 {
			return
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		const most = 1 << 20
		packed := bytes.HasPrefix(data, []byte{0x1f, 0x8b})
		var shape []int
		n := 1
		check := func(s []int) error {
			for _, side := range s {
				n *= side
			}
			if shape = s; packed && n > most {
				return errors.New("too many values")
			}
			return nil
		}
		limit := 1<<18 + 16*len(data)
		if packed {
			limit += 8 * most
		}
		fuzztest.Bounded(t, limit, func() {
			values, err := readIDXFile(path, dims, check)
			if err != nil {
				return
			}
			if n != len(values) || len(shape) != dims {
				t.Errorf("shape %v, %d values of %d bytes", shape, len(values), len(data))
			}
			var sides []uint32
			for _, side := range shape {
				sides = append(sides, uint32(side))
			}
			if again := idx(values, sides...); !packed && !bytes.Equal(again, data) {
				t.Errorf("%x became %x", data, again)
			}
		})
	})
}
