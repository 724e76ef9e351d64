package datasets

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

func init() {
	Register(Plugin{
		Name:  "folder",
		About: "any folder of JPEG, PNG, GIF, BMP or WebP images of any size, with a class for each subfolder or none",
		Options: func() Options {
			return &FolderOptions{Root: "data/images", Split: "train", PictureOptions: defaultPictures}
		},
	})
}

// FolderOptions are the settings of the folder dataset.
type FolderOptions struct {
	Root  string `yaml:"root" check:"nonempty" doc:"folder that holds the images; those in subfolders count, and hidden ones do not"`
	Split string `yaml:"split" check:"oneof=train|test|all" doc:"train or test: the images in root's folder of that name (train is all images if root has neither folder); all: all of root"`

	PictureOptions `yaml:",inline"`
}

// PictureOptions say what the pictures of a dataset are made into. They are
// scaled with a cubic kernel; what is transparent becomes white; JPEG,
// PNG and WebP pictures that are marked as turned (Exif) are put upright.
type PictureOptions struct {
	Size     int    `yaml:"size" check:"min=1,max=4096" doc:"height and width that the images are scaled to"`
	Height   int    `yaml:"height" check:"min=0,max=4096" doc:"height, if not size; 0: size"`
	Width    int    `yaml:"width" check:"min=0,max=4096" doc:"width, if not size; 0: size"`
	Channels int    `yaml:"channels" check:"oneof=1|3" doc:"1: grey; 3: colour"`
	Fit      string `yaml:"fit" check:"oneof=stretch|crop" doc:"images of another aspect: stretch them, or crop them to the middle"`
	Classes  string `yaml:"classes" check:"oneof=auto|none" doc:"auto: one for each folder directly in the split's folder, none if there are none; none: do not look"`
	CacheMiB int    `yaml:"cache_mib" check:"min=0,max=1048576" doc:"memory for scaled images; what does not fit is decoded each time"`
}

var defaultPictures = PictureOptions{Size: 64, Channels: 3, Fit: "stretch", Classes: "auto", CacheMiB: 1024}

// Open decodes every file once, in parallel, before it returns. Files that cannot
// be used are listed together in one error. The order of the samples is that of
// their paths' bytes.
func (o *FolderOptions) Open(ctx context.Context, env Env) (Dataset, error) {
	g, err := o.open(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("dataset folder: %w", err)
	}
	return g, nil
}

// Test returns the options of the test images, or nil unless these are those of
// training and root holds the folder test.
func (o *FolderOptions) Test() Options {
	if o.Split != "train" || !hasPart(o.Root, "test") {
		return nil
	}
	test := *o
	test.Split = "test"
	return &test
}

// HasClasses tells by their names alone whether all images of the split lie in folders directly in the split's, so that
// those may be classes.
func (o *FolderOptions) HasClasses(ctx context.Context) (bool, error) {
	part, err := partOf(o.Root, o.Split)
	if err != nil {
		return false, fmt.Errorf("dataset folder: %w", err)
	}
	l, err := list(ctx, Env{}, part)
	if err != nil {
		return false, fmt.Errorf("dataset folder: %w", err)
	}
	for _, name := range l.names {
		if !strings.Contains(name, "/") {
			return false, nil
		}
	}
	return true, nil
}

func (o *FolderOptions) open(ctx context.Context, env Env) (*gallery, error) {
	photo, err := o.form()
	if err != nil {
		return nil, err
	}
	l, classes, labels, err := o.photos(ctx, env, o.Root, o.Split)
	if err != nil {
		return nil, err
	}
	g := &gallery{info: photo.info("folder", classes), photo: photo}
	return g, g.openPhotos(ctx, env, l, labels, o.CacheMiB<<20)
}

// openPhotos opens a gallery without pairs.
func (g *gallery) openPhotos(ctx context.Context, env Env, images *listing, labels []int64, limit int) error {
	for i, name := range images.names {
		g.items = append(g.items, item{photo: images.path(name), label: labels[i]})
	}
	return g.open(ctx, env, images.problems, limit)
}

// PictureFit is what is done with images of another aspect.
func (o *PictureOptions) PictureFit() string { return o.Fit }

// Validate says what is wrong with the options, whatever the images are.
func (o *PictureOptions) Validate() error {
	_, err := o.form()
	return err
}

// form checks the options and returns what they come to.
func (o *PictureOptions) form() (form, error) {
	f := form{height: o.Height, width: o.Width, channels: o.Channels, crop: o.Fit == "crop"}
	if f.height == 0 {
		f.height = o.Size
	}
	if f.width == 0 {
		f.width = o.Size
	}
	switch {
	case o.Fit != "stretch" && o.Fit != "crop":
		return f, fmt.Errorf("fit is %q, expected stretch or crop", o.Fit)
	case o.Classes != "auto" && o.Classes != "none":
		return f, fmt.Errorf("classes is %q, expected auto or none", o.Classes)
	case o.CacheMiB < 0 || o.CacheMiB > 1<<20:
		return f, fmt.Errorf("cache_mib is %d, expected 0 to %d", o.CacheMiB, 1<<20)
	}
	return f, f.check()
}

// info describes photos alone.
func (f form) info(name string, classes []string) Info {
	return Info{Name: name, Channels: f.channels, Height: f.height, Width: f.width, Classes: classes}
}

// photos lists the split's images and their classes. A class has the same number
// in both splits: the folders of train name them.
func (o *PictureOptions) photos(ctx context.Context, env Env, root, split string) (l *listing, classes []string, labels []int64, err error) {
	part, err := partOf(root, split)
	if err != nil {
		return nil, nil, nil, err
	}
	if split == "train" && part != root {
		tellOthers(env, root)
	}
	if l, err = list(ctx, env, part); err != nil {
		return nil, nil, nil, err
	}
	if o.Classes == "auto" {
		train := l
		if split == "test" {
			if train, err = list(ctx, Env{}, filepath.Join(root, "train")); err != nil {
				return nil, nil, nil, fmt.Errorf("%w; its folders name the classes", err)
			}
		}
		classes = train.classNames()
	}
	return l, classes, l.labels(classes, "move it into one, or set classes to none"), nil
}
