package datasets

import (
	"context"
	"fmt"
)

// MasksOptions are for a folder of class maps without photos, such as what a model makes photos of. No recipe names them:
// class maps to train with are the targets of PairedOptions.
type MasksOptions struct {
	Root    string
	Classes []string // names of class 0, 1 and so on

	PictureOptions // Channels is not used
}

// Open decodes every file once, as FolderOptions do. The samples have a channel for each class: 1 where a pixel is of the
// class and -1 elsewhere. Maps are scaled by taking the nearest pixel.
func (o *MasksOptions) Open(ctx context.Context, env Env) (Dataset, error) {
	g, err := o.open(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("class maps: %w", err)
	}
	return g, nil
}

func (o *MasksOptions) open(ctx context.Context, env Env) (*gallery, error) {
	pictures := o.PictureOptions
	pictures.Channels = 1
	f, err := pictures.form()
	if err != nil {
		return nil, err
	}
	paired := PairedOptions{Target: "classes", TargetClasses: o.Classes}
	if _, err := paired.targetForm(f); err != nil {
		return nil, err
	}
	l, err := list(ctx, env, o.Root)
	if err != nil {
		return nil, err
	}
	g := &gallery{info: f.info("masks", nil), photo: classMap{f, o.Classes}}
	g.info.Channels = len(o.Classes)
	return g, g.openPhotos(ctx, env, l, l.labels(nil, ""), o.CacheMiB<<20)
}
