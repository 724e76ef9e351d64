package datasets

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/imori-ml/imori/datasets/download"
	"github.com/imori-ml/imori/internal/fuzztest"
)

const smallRecords = 12 // in each file of the tests' distribution

// smallCIFAR makes the six files of a distribution with few records.
func smallCIFAR() map[string][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	files := map[string][]byte{"batches.meta.txt": []byte(strings.Join(cifarClasses, "\n") + "\n")}
	for _, split := range []string{"train", "test"} {
		for _, name := range cifarFiles[split] {
			data := make([]byte, smallRecords*cifarRecord)
			for i := range data {
				data[i] = byte(rng.Uint32())
				if i%cifarRecord == 0 {
					data[i] %= 10
				}
			}
			files[name] = data
		}
	}
	return files
}

func writeFiles(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// archiveOf packs files as the published archive does.
func archiveOf(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	for name, data := range files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: cifarFolder + "/" + name, Size: int64(len(data)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// smallSource describes an archive as publishedCIFAR10 does the real one.
func smallSource(archive []byte, urls ...string) cifarSource {
	sum := sha256.Sum256(archive)
	return cifarSource{
		archive: download.Request{URLs: urls, Size: int64(len(archive)), SHA256: hex.EncodeToString(sum[:])},
		records: smallRecords,
	}
}

func expectCIFAR(t *testing.T, d Dataset, split string, files map[string][]byte) {
	t.Helper()
	info := d.Info()
	if info.Name != "cifar10" || info.Channels != 3 || info.Height != 32 || info.Width != 32 || len(info.Classes) != 10 {
		t.Fatalf("info %+v", info)
	}
	if want := len(cifarFiles[split]) * smallRecords; d.Len() != want {
		t.Fatalf("%d samples, want %d", d.Len(), want)
	}
	for i := range d.Len() {
		record := files[cifarFiles[split][i/smallRecords]][i%smallRecords*cifarRecord:][:cifarRecord]
		s := readImage(t, d, i)
		if s.Label != int64(record[0]) {
			t.Fatalf("sample %d has label %d, want %d", i, s.Label, record[0])
		}
		for k, v := range s.Image {
			if want := (float32(record[1+k]) - 127.5) / 127.5; v < want-1e-6 || v > want+1e-6 {
				t.Fatalf("sample %d, value %d: %v, want %v", i, k, v, want)
			}
		}
	}
	for _, i := range []int{-1, d.Len()} {
		if err := d.Read(i, &Sample{Image: make([]float32, cifarPixels)}); err == nil {
			t.Errorf("sample %d can be read", i)
		}
	}
}

func TestCIFAR10FoundLocally(t *testing.T) {
	files := smallCIFAR()
	for _, folder := range []string{".", cifarFolder} {
		for _, split := range []string{"train", "test"} {
			root := t.TempDir()
			writeFiles(t, filepath.Join(root, folder), files)
			os.Remove(filepath.Join(root, folder, "batches.meta.txt")) // optional
			d, err := openCIFAR10(t.Context(), &CIFAR10Options{Root: root, Split: split}, Env{}, smallSource(nil))
			if err != nil {
				t.Fatal(err)
			}
			expectCIFAR(t, d, split, files)
		}
	}
}

// TestCIFAR10FullSize opens a distribution of the real size, all black airplanes.
func TestCIFAR10FullSize(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "test_batch.bin")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 30_730_000); err != nil { // a hole takes no space
		t.Fatal(err)
	}
	d, err := (&CIFAR10Options{Root: root, Split: "test"}).Open(t.Context(), Env{})
	if err != nil {
		t.Fatal(err)
	}
	if s := readImage(t, d, 9999); d.Len() != 10_000 || s.Image[0] != -1 || s.Label != 0 {
		t.Errorf("%d samples; the last begins with %v, label %d", d.Len(), s.Image[0], s.Label)
	}
}

func TestCIFAR10BadFiles(t *testing.T) {
	const size = smallRecords * cifarRecord
	for name, c := range map[string]struct {
		change func(files map[string][]byte)
		want   []string
	}{
		"missing":   {func(f map[string][]byte) { delete(f, "data_batch_3.bin") }, []string{"data_batch_3.bin is missing"}},
		"empty":     {func(f map[string][]byte) { f["data_batch_1.bin"] = nil }, []string{"data_batch_1.bin", "found 0 bytes, expected 36876", "truncated"}},
		"truncated": {func(f map[string][]byte) { f["data_batch_5.bin"] = f["data_batch_5.bin"][:size-1] }, []string{"data_batch_5.bin", "found 36875 bytes, expected 36876 (12 records of 3073)", "truncated"}},
		"too long":  {func(f map[string][]byte) { f["data_batch_2.bin"] = append(f["data_batch_2.bin"], 0) }, []string{"found 36877 bytes", "more records"}},
		"CIFAR-100": {func(f map[string][]byte) { f["data_batch_2.bin"] = make([]byte, smallRecords*3074) }, []string{"found 36888 bytes", "CIFAR-100"}},
		"label": {func(f map[string][]byte) { f["data_batch_4.bin"][7*cifarRecord] = 10 }, []string{
			"data_batch_4.bin: record 7 has label 10, expected 0 to 9",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			files := smallCIFAR()
			c.change(files)
			writeFiles(t, filepath.Join(root, cifarFolder), files)
			// Nothing is downloaded over files that are there.
			_, err := openCIFAR10(t.Context(), &CIFAR10Options{Root: root, Split: "train", Download: true}, Env{}, smallSource(nil, "http://127.0.0.1:1/x"))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(c.want, "dataset cifar10: "+root, "replace it") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
	t.Run("folder", func(t *testing.T) {
		root := t.TempDir()
		if err := os.Mkdir(filepath.Join(root, "test_batch.bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := openCIFAR10(t.Context(), &CIFAR10Options{Root: root, Split: "test"}, Env{}, smallSource(nil))
		if err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("other split", func(t *testing.T) {
		root := t.TempDir()
		files := smallCIFAR()
		delete(files, "test_batch.bin")
		writeFiles(t, filepath.Join(root, cifarFolder), files)
		_, err := openCIFAR10(t.Context(), &CIFAR10Options{Root: root, Split: "test", Download: true}, Env{}, smallSource(nil, "http://127.0.0.1:1/x"))
		if err == nil || !strings.Contains(err.Error(), "holds none of test_batch.bin") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("no split", func(t *testing.T) {
		_, err := (&CIFAR10Options{Root: t.TempDir(), Split: "val"}).Open(t.Context(), Env{})
		if err == nil || !strings.Contains(err.Error(), `split is "val", expected train or test`) {
			t.Errorf("error %v", err)
		}
	})
}

func TestCIFAR10Download(t *testing.T) {
	files := smallCIFAR()
	archive := archiveOf(t, files)
	var requests int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		if r.URL.Path == "/broken" {
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(archive)
	}))
	defer server.Close()
	source := smallSource(archive, server.URL+"/broken", server.URL+"/good")

	root := filepath.Join(t.TempDir(), "data", "cifar10")
	var news []string
	var progress int64
	env := Env{
		Logf: func(format string, args ...any) { news = append(news, fmt.Sprintf(format, args...)) },
		Progress: func(file string, done, total int64) {
			if file != cifarArchive || total != int64(len(archive)) {
				t.Errorf("progress of %s of %d bytes", file, total)
			}
			progress = done
		},
	}
	d, err := openCIFAR10(t.Context(), &CIFAR10Options{Root: root, Split: "train", Download: true}, env, source)
	if err != nil {
		t.Fatal(err)
	}
	expectCIFAR(t, d, "train", files)
	if progress != int64(len(archive)) || len(news) != 1 || !strings.Contains(news[0], "downloading") {
		t.Errorf("progress %d, news %q", progress, news)
	}
	if entries, _ := os.ReadDir(root); len(entries) != 1 || entries[0].Name() != cifarFolder {
		t.Errorf("%v in the root, want %s alone", entries, cifarFolder)
	}
	// The other split is there now, and nothing is downloaded again.
	requests = 0
	if d, err = openCIFAR10(t.Context(), &CIFAR10Options{Root: root, Split: "test", Download: true}, env, source); err != nil || requests != 0 {
		t.Fatalf("%d requests, error %v", requests, err)
	}
	expectCIFAR(t, d, "test", files)
}

func TestCIFAR10ArchiveByHand(t *testing.T) {
	files := smallCIFAR()
	archive := archiveOf(t, files)
	root := t.TempDir()
	options := &CIFAR10Options{Root: root, Split: "train"}
	open := func() (Dataset, error) { return openCIFAR10(t.Context(), options, Env{}, smallSource(archive)) }

	_, err := open()
	if err == nil || !strings.Contains(err.Error(), root+" holds neither cifar-10-batches-bin nor cifar-10-binary.tar.gz; put one there") {
		t.Errorf("nothing there: error %v", err)
	}
	path := filepath.Join(root, cifarArchive)
	writeFiles(t, root, map[string][]byte{cifarArchive: archive[:len(archive)-1]})
	if _, err := open(); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "put the right file there") {
		t.Errorf("a cut archive: error %v", err)
	}
	writeFiles(t, root, map[string][]byte{cifarArchive: archive})
	d, err := open()
	if err != nil {
		t.Fatal(err)
	}
	expectCIFAR(t, d, "train", files)
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the user's archive is gone: %v", err)
	}
}

func TestCIFAR10DownloadFails(t *testing.T) {
	files := smallCIFAR()
	archive := archiveOf(t, files)
	delete(files, "data_batch_2.bin")
	incomplete := archiveOf(t, files)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/wrong":
			_, _ = w.Write(bytes.Repeat([]byte("x"), len(archive)))
		case "/incomplete":
			_, _ = w.Write(incomplete)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	for _, c := range []struct {
		name   string
		source cifarSource
		want   string
	}{
		{"refused", smallSource(archive, server.URL+"/none"), "404 Not Found"},
		{"wrong bytes", smallSource(archive, server.URL+"/wrong"), "wrong checksum"},
		{"incomplete archive", smallSource(incomplete, server.URL+"/incomplete"), "it lacks data_batch_2.bin"},
	} {
		root := t.TempDir()
		_, err := openCIFAR10(t.Context(), &CIFAR10Options{Root: root, Split: "train", Download: true}, Env{}, c.source)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), filepath.Join(root, cifarArchive)) || !strings.HasPrefix(err.Error(), "dataset cifar10: ") {
			t.Errorf("%s: error %v, want %q and where to put the file", c.name, err, c.want)
		}
		if _, err := os.Stat(filepath.Join(root, cifarFolder)); err == nil {
			t.Errorf("%s: a folder appeared", c.name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := openCIFAR10(ctx, &CIFAR10Options{Root: t.TempDir(), Split: "train", Download: true}, Env{}, smallSource(archive, server.URL+"/wrong"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
}

// TestCIFAR10ReadFails: a file that ends before its stated size, and a disk that gives up.
func TestCIFAR10ReadFails(t *testing.T) {
	for _, r := range []io.Reader{
		bytes.NewReader(make([]byte, 100)),
		io.MultiReader(bytes.NewReader(make([]byte, 100)), iotest.ErrReader(errors.New("bad sector"))),
	} {
		_, err := appendCIFARRecords(nil, r, 2*cifarRecord, 2)
		if err == nil || !strings.Contains(err.Error(), "reading stopped after 100 of 6146 bytes") {
			t.Errorf("error %v", err)
		}
	}
}

// FuzzCIFAR10: whatever the bytes, an error or records that are whole and labelled.
func FuzzCIFAR10(f *testing.F) {
	good := smallCIFAR()["test_batch.bin"][:2*cifarRecord]
	target := fuzztest.New(f)
	target.Add(good, int64(len(good)))
	target.Add(good[:cifarRecord], int64(cifarRecord))
	target.Add([]byte{}, int64(0))
	target.Add(good, int64(1)<<40)
	target.Fuzz(func(t *testing.T, data []byte, size int64) {
		before := []byte("before")
		fuzztest.Bounded(t, 1<<17, func() {
			got, err := appendCIFARRecords(slices.Clone(before), bytes.NewReader(data), size, 2)
			if err != nil {
				return
			}
			got, ok := bytes.CutPrefix(got, before)
			if !ok || size != 2*cifarRecord || !bytes.HasPrefix(data, got) || len(got) != 2*cifarRecord || got[0] > 9 || got[cifarRecord] > 9 {
				t.Errorf("%d bytes of %d were accepted", len(data), size)
			}
		})
	})
}

// TestCIFAR10DownloadAtOnce: two runs that start together both find their data, and leave the folder alone.
func TestCIFAR10DownloadAtOnce(t *testing.T) {
	files := smallCIFAR()
	archive := archiveOf(t, files)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) }))
	defer server.Close()
	root := t.TempDir()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			d, err := openCIFAR10(t.Context(), &CIFAR10Options{Root: root, Split: "test", Download: true}, Env{}, smallSource(archive, server.URL))
			if err != nil {
				t.Error(err)
			} else if d.Len() != smallRecords {
				t.Errorf("%d samples, want %d", d.Len(), smallRecords)
			}
		})
	}
	group.Wait()
	if entries, _ := os.ReadDir(root); len(entries) != 1 || entries[0].Name() != cifarFolder {
		t.Errorf("%v in the root, want %s alone", entries, cifarFolder)
	}
}
