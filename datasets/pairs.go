package datasets

import (
	"context"
	"fmt"
)

func init() {
	Register(Plugin{
		Name:  "paired",
		About: "a folder of images and one of their targets, matched by name: class maps (PNG) or other pictures",
		Options: func() Options {
			return &PairedOptions{
				Images: "data/pairs/images", Targets: "data/pairs/targets", Split: "train",
				Target: "picture", TargetClasses: []string{}, TargetChannels: 3, PictureOptions: defaultPictures,
			}
		},
	})
}

// PairedOptions are the settings of the paired dataset. The target of cats/1.jpg
// in Images is cats/1 in Targets, with any extension.
type PairedOptions struct {
	Images         string   `yaml:"images" check:"nonempty" doc:"folder that holds the images; those in subfolders count, and hidden ones do not"`
	Targets        string   `yaml:"targets" check:"nonempty" doc:"folder that holds a target for each image, under the same path but for the extension"`
	Split          string   `yaml:"split" check:"oneof=train|test|all" doc:"train or test: what is in both folders' folders of that name (train is everything if they have neither); all: everything"`
	Target         string   `yaml:"target" check:"oneof=classes|picture" doc:"classes: PNGs whose pixels are class numbers (indices into the palette, or grey values); picture: ordinary pictures"`
	TargetClasses  []string `yaml:"target_classes" doc:"if target is classes: the names of class 0, 1 and so on"`
	TargetChannels int      `yaml:"target_channels" check:"oneof=1|3" doc:"if target is picture: 1: grey; 3: colour"`

	PictureOptions `yaml:",inline"`
}

// Validate says what is wrong with the options, whatever the images are.
func (o *PairedOptions) Validate() error {
	photo, err := o.form()
	if err == nil {
		_, err = o.targetForm(photo)
	}
	return err
}

// Open decodes every file once, in parallel, before it returns. Files that cannot
// be used are listed together in one error, and so are those without a partner. A
// class map has to be as large as its image, and is scaled by taking the nearest
// pixel; a picture may have any size.
func (o *PairedOptions) Open(ctx context.Context, env Env) (Dataset, error) {
	g, err := o.open(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("dataset paired: %w", err)
	}
	return g, nil
}

// Test returns the options of the test pairs, or nil unless these are those of
// training and both folders hold a folder test.
func (o *PairedOptions) Test() Options {
	if o.Split != "train" || !hasPart(o.Images, "test") || !hasPart(o.Targets, "test") {
		return nil
	}
	test := *o
	test.Split = "test"
	return &test
}

func (o *PairedOptions) open(ctx context.Context, env Env) (*gallery, error) {
	photo, err := o.form()
	if err != nil {
		return nil, err
	}
	target, err := o.targetForm(photo)
	if err != nil {
		return nil, err
	}
	for _, part := range []string{"train", "test"} {
		if o.Split != "all" && hasPart(o.Images, part) != hasPart(o.Targets, part) {
			return nil, fmt.Errorf("one of %s and %s has the folder %s, expected both or neither; or set split to all", o.Images, o.Targets, part)
		}
	}
	images, classes, labels, err := o.photos(ctx, env, o.Images, o.Split)
	if err != nil {
		return nil, err
	}
	part, err := partOf(o.Targets, o.Split)
	if err != nil {
		return nil, err
	}
	targets, err := list(ctx, env, part)
	if err != nil {
		return nil, err
	}
	g := &gallery{info: photo.info("paired", classes), photo: photo, target: target}
	return g, g.openPairs(ctx, env, images, targets, labels, o.CacheMiB<<20)
}

func (o *PairedOptions) targetForm(photo form) (targetForm, error) {
	switch o.Target {
	case "picture":
		f := photo
		f.channels = o.TargetChannels
		if f.channels != 1 && f.channels != 3 {
			return nil, fmt.Errorf("target_channels is %d, expected 1 or 3", f.channels)
		}
		return pictureTarget{f}, nil
	case "classes":
		if n := len(o.TargetClasses); n < 2 || n > 256 {
			return nil, fmt.Errorf("target_classes has %d names, expected 2 to 256: those of the pixels' values 0, 1 and so on", n)
		}
		return classMap{photo, o.TargetClasses}, nil
	}
	return nil, fmt.Errorf("target is %q, expected classes or picture", o.Target)
}
