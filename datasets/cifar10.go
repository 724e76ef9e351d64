package datasets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/imori-ml/imori/datasets/download"
)

func init() {
	Register(Plugin{
		Name:    "cifar10",
		About:   "CIFAR-10 (Krizhevsky 2009): 32x32 colour photos of ten classes, 50,000 to train and 10,000 to test",
		Options: func() Options { return &CIFAR10Options{Root: "data/cifar10", Split: "train", Download: true} },
	})
}

// CIFAR10Options are the settings of the cifar10 dataset, the binary
// distribution of CIFAR-10.
type CIFAR10Options struct {
	Root     string `yaml:"root" check:"nonempty" doc:"folder that holds cifar-10-batches-bin, or its files, or cifar-10-binary.tar.gz"`
	Split    string `yaml:"split" check:"oneof=train|test" doc:"train (50,000 images) or test (10,000)"`
	Download bool   `yaml:"download" doc:"download what is missing (162 MiB)"`
}

// Open reads the split into memory (154 MB for train). Files that are there are
// checked by structure, not by checksum, so that a rebuilt distribution serves
// too; what is missing is unpacked from the published archive, downloaded first
// if it must be and may be.
func (o *CIFAR10Options) Open(ctx context.Context, env Env) (Dataset, error) {
	return openCIFAR10(ctx, o, env, publishedCIFAR10)
}

// Test returns the options of the test images, nil if they are those already.
func (o *CIFAR10Options) Test() Options {
	if o.Split == "test" {
		return nil
	}
	test := *o
	test.Split = "test"
	return &test
}

// cifarSource is the published distribution; tests put a small one in its place.
type cifarSource struct {
	archive download.Request // all but Dest and Progress
	records int              // in each file
}

var publishedCIFAR10 = cifarSource{
	archive: download.Request{
		URLs: []string{
			"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
			"https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
		},
		Size:   170_052_171,
		SHA256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
		MD5:    "c32a1d4ab5d03f1284b67883e8d87530", // the one that the authors' page gives
	},
	records: 10_000,
}

const (
	cifarFolder  = "cifar-10-batches-bin"
	cifarArchive = "cifar-10-binary.tar.gz"
	cifarPixels  = 3 * 32 * 32
	cifarRecord  = 1 + cifarPixels // a label, then the red, green and blue planes
)

var (
	cifarClasses = []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}
	cifarFiles   = map[string][]string{
		"train": {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
		"test":  {"test_batch.bin"},
	}
)

func openCIFAR10(ctx context.Context, o *CIFAR10Options, env Env, source cifarSource) (Dataset, error) {
	if err := checkSplit(o.Split); err != nil {
		return nil, fmt.Errorf("dataset cifar10: %w", err)
	}
	folder := findCIFAR10(o)
	if folder == "" {
		if err := fetchCIFAR10(ctx, o, env, source); err != nil {
			return nil, fmt.Errorf("dataset cifar10: %w", err)
		}
		folder = filepath.Join(o.Root, cifarFolder)
	}
	memory, err := newBulk(len(cifarFiles[o.Split]) * source.records * cifarRecord)
	if err != nil {
		return nil, fmt.Errorf("dataset cifar10: %w", err)
	}
	d := &cifar10{memory: memory, records: memory.bytes[:0]}
	for _, name := range cifarFiles[o.Split] {
		var err error
		if d.records, err = appendCIFARFile(d.records, filepath.Join(folder, name), source.records); err != nil {
			return nil, fmt.Errorf("dataset cifar10: %w", err)
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("dataset cifar10: %w", context.Cause(ctx))
		}
	}
	return d, nil
}

// findCIFAR10 returns the folder that holds any file of the split, or "".
func findCIFAR10(o *CIFAR10Options) string {
	for _, folder := range []string{o.Root, filepath.Join(o.Root, cifarFolder)} {
		for _, name := range cifarFiles[o.Split] {
			if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
				return folder
			}
		}
	}
	return ""
}

// fetchCIFAR10 puts the whole distribution into o.Root.
func fetchCIFAR10(ctx context.Context, o *CIFAR10Options, env Env, source cifarSource) error {
	folder, archive := filepath.Join(o.Root, cifarFolder), filepath.Join(o.Root, cifarArchive)
	if _, err := os.Stat(folder); err == nil {
		return fmt.Errorf("%s holds none of %s; put them there, or remove the folder to have it downloaded anew",
			folder, strings.Join(cifarFiles[o.Split], ", "))
	}
	_, err := os.Stat(archive)
	downloaded := errors.Is(err, fs.ErrNotExist)
	switch {
	case downloaded && !o.Download:
		return fmt.Errorf("%s holds neither %s nor %s; put one there, or set download to true", o.Root, cifarFolder, cifarArchive)
	case downloaded:
		env.logf("downloading %s (%d MiB) to %s", cifarArchive, source.archive.Size>>20, o.Root)
	default:
		env.logf("unpacking %s", archive)
	}

	request := source.archive
	request.Dest, request.Progress, request.Logf = archive, env.transfer(cifarArchive), env.logf
	if err := download.Fetch(ctx, request); err != nil {
		return err
	}
	contents := download.Contents{Folder: cifarFolder, Files: map[string]int64{"batches.meta.txt": 1 << 10}}
	for _, names := range cifarFiles {
		for _, name := range names {
			contents.Files[name] = int64(source.records * cifarRecord)
		}
	}
	if err := download.Untar(ctx, archive, folder, contents); err != nil {
		if _, statErr := os.Stat(folder); statErr != nil {
			return err
		} // else another process was quicker; what it unpacked is checked like any other
	}
	if downloaded {
		os.Remove(archive) // one that a person put there stays
	}
	return nil
}

// appendCIFARFile appends the records of one file, checked.
func appendCIFARFile(dst []byte, path string, records int) ([]byte, error) {
	info, err := os.Stat(path) // before it is opened: a pipe would block
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is missing, though other files of the distribution are there; %s", path, cifarAdvice)
	case err != nil:
		return nil, unreadable(path, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file; %s", path, cifarAdvice)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer file.Close()
	dst, err = appendCIFARRecords(dst, file, info.Size(), records)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; %s", path, err, cifarAdvice)
	}
	return dst, nil
}

const cifarAdvice = "replace it by the file of the CIFAR-10 binary distribution, or remove the folder to have it downloaded anew"

// appendCIFARRecords appends the records of r, which has size bytes, to dst.
func appendCIFARRecords(dst []byte, r io.Reader, size int64, records int) ([]byte, error) {
	want := int64(records * cifarRecord)
	if size != want {
		what := "it has more records than expected, or others"
		if size < want {
			what = "it is truncated"
		}
		if size > 0 && size%(cifarRecord+1) == 0 { // a coarse and a fine label
			what = "its records look like those of CIFAR-100"
		}
		return nil, fmt.Errorf("found %d bytes, expected %d (%d records of %d): %s", size, want, records, cifarRecord, what)
	}
	start := len(dst)
	dst = slices.Grow(dst, int(want))[:start+int(want)] // not cleared first
	if n, err := io.ReadFull(r, dst[start:]); err != nil {
		return nil, fmt.Errorf("reading stopped after %d of %d bytes: %w", n, want, err)
	}
	for i := range records {
		if label := dst[start+i*cifarRecord]; int(label) >= len(cifarClasses) {
			return nil, fmt.Errorf("record %d has label %d, expected 0 to %d: it is damaged or not CIFAR-10", i, label, len(cifarClasses)-1)
		}
	}
	return dst, nil
}

// cifar10 is a split in memory.
type cifar10 struct {
	memory  *bulk
	records []byte // in memory
}

func (d *cifar10) Info() Info {
	return Info{Name: "cifar10", Channels: 3, Height: 32, Width: 32, Classes: cifarClasses}
}

func (d *cifar10) Len() int { return len(d.records) / cifarRecord }

func (d *cifar10) Read(i int, s *Sample) error {
	if err := checkIndex(i, d.Len()); err != nil {
		return err
	}
	record := d.records[i*cifarRecord:][:cifarRecord]
	s.Label = int64(record[0])
	unpack(s.Image, record[1:])
	runtime.KeepAlive(d.memory)
	return nil
}
