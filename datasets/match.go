package datasets

import (
	"context"
	"image"
	"path"
	"strings"
)

// openPairs opens a gallery of pairs. The labels are those of images.
func (g *gallery) openPairs(ctx context.Context, env Env, images, targets *listing, labels []int64, limit int) error {
	items, problems := match(images, targets, labels)
	g.items = items
	if err := g.open(ctx, env, problems, limit); err != nil {
		return err
	}
	var err error
	g.info.Target, err = g.target.describe(g.items[0].target)
	return err
}

// match finds the target of each image: the one whose path is the same but for
// the extension.
func match(images, targets *listing, labels []int64) (items []item, problems []problem) {
	problems = append(append(problems, images.problems...), targets.problems...)
	stems := func(l *listing) map[string]string {
		names := map[string]string{}
		for _, name := range l.names {
			stem := strings.TrimSuffix(name, path.Ext(name))
			if first, taken := names[stem]; taken {
				problems = append(problems, problem{l.path(name), "only its extension tells it from " + l.path(first)})
				continue
			}
			names[stem] = name
		}
		return names
	}
	byImage, byTarget := stems(images), stems(targets)
	for i, name := range images.names {
		stem := strings.TrimSuffix(name, path.Ext(name))
		target, found := byTarget[stem]
		switch {
		case byImage[stem] != name: // reported
		case !found:
			problems = append(problems, problem{images.path(name), "there is no target for it, expected " + targets.path(stem) + ".png or another extension"})
		default:
			items = append(items, item{images.path(name), targets.path(target), labels[i]})
		}
	}
	for _, name := range targets.names {
		stem := strings.TrimSuffix(name, path.Ext(name))
		if _, found := byImage[stem]; !found && byTarget[stem] == name {
			problems = append(problems, problem{targets.path(name), "there is no image for it, expected " + images.path(stem) + ".jpg or another extension"})
		}
	}
	return items, problems
}

// pictureTarget makes targets of ordinary pictures.
type pictureTarget struct{ form }

func (t pictureTarget) loadTarget(path string, dst []byte, _ image.Point) error {
	_, err := t.load(path, dst)
	return err
}

func (t pictureTarget) describe(string) (*Target, error) { return &Target{Channels: t.channels}, nil }
