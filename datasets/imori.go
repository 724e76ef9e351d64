package datasets

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/imori-ml/imori/datasets/download"
)

func init() {
	Register(Plugin{
		Name:  "imori",
		About: "photos of two newts (imori), akahara and madara, with class maps if wanted: 16 to train and 6 to test",
		Options: func() Options {
			return &ImoriOptions{Root: "data/imori", Split: "train", Size: 64, Channels: 3, Download: true}
		},
	})
}

// ImoriOptions are the settings of the imori dataset, the photos of Nagaoka's
// DeepLearningMugenKnock (MIT licence).
type ImoriOptions struct {
	Root     string `yaml:"root" check:"nonempty" doc:"folder that holds train and test, each with images and seg_images"`
	Split    string `yaml:"split" check:"oneof=train|test" doc:"train (16 images) or test (6)"`
	Size     int    `yaml:"size" check:"min=1,max=4096" doc:"height and width that the photos are stretched to"`
	Channels int    `yaml:"channels" check:"oneof=1|3" doc:"1: grey; 3: colour"`
	Pairs    bool   `yaml:"pairs" doc:"give each photo its map of the classes background, akahara and madara"`
	Download bool   `yaml:"download" doc:"download what is missing (train: 0.6 MiB, test: 0.2 MiB)"`
}

// Open downloads missing files if they may be, and then is that of the folder and
// paired datasets. Files that are there are only checked for being usable, so
// that other photos may be added.
func (o *ImoriOptions) Open(ctx context.Context, env Env) (Dataset, error) {
	return openImori(ctx, o, env, publishedImori)
}

// Test returns the options of the test photos, nil if they are those already.
func (o *ImoriOptions) Test() Options {
	if o.Split == "test" {
		return nil
	}
	test := *o
	test.Split = "test"
	return &test
}

var (
	imoriClasses       = []string{"akahara", "madara"}
	imoriTargetClasses = []string{"background", "akahara", "madara"}
)

// imoriSource is the published folder; tests put another one in its place.
type imoriSource struct {
	home  string // what people are told
	base  string // each file's address up to its path
	files []imoriFile
}

type imoriFile struct {
	path   string // from the root on
	size   int64
	sha256 string
}

// The files come one by one, each from a commit that cannot change and with its
// own checksum: an archive of the commit is packed by GitHub on demand, has no
// stable checksum, and is a hundred times larger.
var publishedImori = imoriSource{
	home:  "https://github.com/yoyoyo-yo/DeepLearningMugenKnock/tree/bcec0d3cde2d7288c0e2d233aa502154bf8f0547/Dataset",
	base:  "https://raw.githubusercontent.com/yoyoyo-yo/DeepLearningMugenKnock/bcec0d3cde2d7288c0e2d233aa502154bf8f0547/Dataset/",
	files: imoriFiles,
}

func openImori(ctx context.Context, o *ImoriOptions, env Env, source imoriSource) (Dataset, error) {
	g, err := o.open(ctx, env, source)
	if err != nil {
		return nil, fmt.Errorf("dataset imori: %w", err)
	}
	return g, nil
}

func (o *ImoriOptions) open(ctx context.Context, env Env, source imoriSource) (*gallery, error) {
	if err := checkSplit(o.Split); err != nil {
		return nil, err
	}
	photo := form{height: o.Size, width: o.Size, channels: o.Channels}
	if err := photo.check(); err != nil {
		return nil, err
	}
	if err := o.fetch(ctx, env, source); err != nil {
		return nil, err
	}
	g := &gallery{info: photo.info("imori", imoriClasses), photo: photo}
	images, err := list(ctx, env, filepath.Join(o.Root, o.Split, "images"))
	if err != nil {
		return nil, err
	}
	labels := images.labels(imoriClasses, "move it into one")
	limit := defaultPictures.CacheMiB << 20
	if !o.Pairs {
		return g, g.openPhotos(ctx, env, images, labels, limit)
	}
	masks, err := list(ctx, env, filepath.Join(o.Root, o.Split, "seg_images"))
	if err != nil {
		return nil, err
	}
	g.target = classMap{photo, imoriTargetClasses}
	return g, g.openPairs(ctx, env, images, masks, labels, limit)
}

// fetch downloads the split's files that are missing.
func (o *ImoriOptions) fetch(ctx context.Context, env Env, source imoriSource) error {
	var missing []imoriFile
	var bytes int64
	for _, f := range source.files {
		parts := strings.Split(f.path, "/")
		if parts[0] != o.Split || parts[1] == "seg_images" && !o.Pairs {
			continue
		}
		if _, err := os.Stat(o.path(f)); errors.Is(err, fs.ErrNotExist) {
			missing, bytes = append(missing, f), bytes+f.size
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if !o.Download {
		return fmt.Errorf("%s is missing, and %d others; put the folders train and test of %s into %s, or set download to true",
			o.path(missing[0]), len(missing)-1, source.home, o.Root)
	}
	env.logf("downloading %d files (%d KiB) to %s", len(missing), bytes>>10, o.Root)
	progress, before := env.transfer("imori"), int64(0)
	for _, f := range missing {
		request := download.Request{URLs: []string{source.base + f.path}, Size: f.size, SHA256: f.sha256, Dest: o.path(f), Logf: env.logf}
		if progress != nil {
			request.Progress = func(done, _ int64) { progress(before+done, bytes) }
		}
		if err := download.Fetch(ctx, request); err != nil {
			if ctx.Err() != nil {
				return err
			}
			return fmt.Errorf("%w; for all files at once, put the folders train and test of %s into %s", err, source.home, o.Root)
		}
		before += f.size
	}
	return nil
}

func (o *ImoriOptions) path(f imoriFile) string {
	return filepath.Join(o.Root, filepath.FromSlash(f.path))
}
