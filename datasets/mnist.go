package datasets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/imori-ml/imori/datasets/download"
)

func init() {
	Register(Plugin{
		Name:    "mnist",
		About:   "MNIST (LeCun et al. 1998): 28x28 grey handwritten digits, 60,000 to train and 10,000 to test",
		Options: func() Options { return &MNISTOptions{Root: "data/mnist", Split: "train", Download: true} },
	})
}

// MNISTOptions are the settings of the mnist dataset: white digits on black.
type MNISTOptions struct {
	Root     string `yaml:"root" check:"nonempty" doc:"folder that holds the files of the split, such as train-images-idx3-ubyte.gz, packed or not"`
	Split    string `yaml:"split" check:"oneof=train|test" doc:"train (60,000 images) or test (10,000)"`
	Download bool   `yaml:"download" doc:"download what is missing (train: 9.5 MiB, test: 1.6 MiB)"`
}

// Open reads the split into memory (47 MB for train). Files that are there are
// checked by structure, not by checksum, so that other data of that form serves
// too; missing ones are downloaded if they may be.
func (o *MNISTOptions) Open(ctx context.Context, env Env) (Dataset, error) {
	return openMNIST(ctx, o, env, publishedMNIST)
}

// Test returns the options of the test images, nil if they are those already.
func (o *MNISTOptions) Test() Options {
	if o.Split == "test" {
		return nil
	}
	test := *o
	test.Split = "test"
	return &test
}

const (
	mnistSide   = 28
	mnistPixels = mnistSide * mnistSide
)

// mnistSource is the published distribution; tests put a small one in its place.
type mnistSource struct {
	mirrors        []string
	images, labels map[string]mnistFile // by split
}

type mnistFile struct {
	name        string // without .gz
	size        int64  // with it
	sha256, md5 string
}

var publishedMNIST = mnistSource{
	mirrors: []string{ // the first publisher's server has not always given the files away; it comes last
		"https://ossci-datasets.s3.amazonaws.com/mnist/",
		"https://storage.googleapis.com/cvdf-datasets/mnist/",
		"http://yann.lecun.com/exdb/mnist/",
	},
	images: map[string]mnistFile{
		"train": {"train-images-idx3-ubyte", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", "f68b3c2dcbeaaa9fbdd348bbdeb94873"},
		"test":  {"t10k-images-idx3-ubyte", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", "9fb629c4189551a2d022fa330f9573f3"},
	},
	labels: map[string]mnistFile{
		"train": {"train-labels-idx1-ubyte", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", "d53e105ee54ea40749a09fcbcd1e9432"},
		"test":  {"t10k-labels-idx1-ubyte", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", "ec29112dd5afa0611ce80d1b7f02629c"},
	},
}

func openMNIST(ctx context.Context, o *MNISTOptions, env Env, source mnistSource) (Dataset, error) {
	d, err := readMNIST(ctx, o, env, source)
	if err != nil {
		return nil, fmt.Errorf("dataset mnist: %w", err)
	}
	return d, nil
}

func readMNIST(ctx context.Context, o *MNISTOptions, env Env, source mnistSource) (*mnist, error) {
	if err := checkSplit(o.Split); err != nil {
		return nil, err
	}
	imageFile, labelFile := source.images[o.Split], source.labels[o.Split]
	imagePath, err := fetchMNIST(ctx, o, env, source.mirrors, imageFile)
	if err != nil {
		return nil, fmt.Errorf("%w; the other file needed is %s.gz", err, labelFile.name)
	}
	labelPath, err := fetchMNIST(ctx, o, env, source.mirrors, labelFile)
	if err != nil {
		return nil, err
	}
	labels, err := readMNISTLabels(labelPath)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, mnistAdvice)
	}
	images, err := readIDXFile(imagePath, 3, func(shape []int) error {
		switch {
		case shape[1] != mnistSide || shape[2] != mnistSide:
			return fmt.Errorf("its images are %dx%d, expected %dx%d", shape[1], shape[2], mnistSide, mnistSide)
		case shape[0] != len(labels):
			return fmt.Errorf("it has %d images, expected one for each of the %d labels of %s", shape[0], len(labels), labelPath)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, mnistAdvice)
	}
	memory, err := newBulk(len(images))
	if err != nil {
		return nil, err
	}
	copy(memory.bytes, images)
	return &mnist{memory, labels}, nil
}

// readMNISTLabels comes before the images: it says how many of them to expect.
func readMNISTLabels(path string) ([]byte, error) {
	labels, err := readIDXFile(path, 1, func(shape []int) error {
		if most := maxIDX / mnistPixels; shape[0] > most {
			return fmt.Errorf("it has %d labels, expected at most %d", shape[0], most)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, label := range labels {
		if int(label) >= len(digitClasses) {
			return nil, fmt.Errorf("%s: label %d is %d, expected 0 to %d", path, i, label, len(digitClasses)-1)
		}
	}
	return labels, nil
}

const mnistAdvice = "replace the file, or remove it to have it downloaded anew"

// fetchMNIST returns the path of a file, packed or not, and downloads it if there is none.
func fetchMNIST(ctx context.Context, o *MNISTOptions, env Env, mirrors []string, file mnistFile) (string, error) {
	plain := filepath.Join(o.Root, file.name)
	packed := plain + ".gz"
	for _, path := range []string{packed, plain} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, nil // or reading it says what is wrong
		}
	}
	name := filepath.Base(packed)
	if !o.Download {
		return "", fmt.Errorf("%s holds neither %s nor %s; put one there, or set download to true", o.Root, name, file.name)
	}
	env.logf("downloading %s to %s", name, o.Root)
	request := download.Request{Size: file.size, SHA256: file.sha256, MD5: file.md5, Dest: packed, Progress: env.transfer(name), Logf: env.logf}
	for _, mirror := range mirrors {
		request.URLs = append(request.URLs, mirror+name)
	}
	return packed, download.Fetch(ctx, request)
}

// mnist is a split in memory.
type mnist struct {
	images *bulk
	labels []byte
}

func (d *mnist) Info() Info {
	return Info{Name: "mnist", Channels: 1, Height: mnistSide, Width: mnistSide, Classes: digitClasses}
}

func (d *mnist) Len() int { return len(d.labels) }

func (d *mnist) Read(i int, s *Sample) error {
	if err := checkIndex(i, d.Len()); err != nil {
		return err
	}
	s.Label = int64(d.labels[i])
	unpack(s.Image, d.images.bytes[i*mnistPixels:][:mnistPixels])
	runtime.KeepAlive(d.images)
	return nil
}
