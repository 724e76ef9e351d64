package rundir

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/imori-ml/imori/internal/regular"
)

const (
	curvesFile    = "curves.png"
	animationFile = "training.gif"
	maxFrames     = 100
	maxFrameSide  = 1024  // pixels; larger pictures are shrunk, for a GIF of them would fill memory and browser
	lastFrames    = 20    // how many delays the last picture, the result, stays
	maxPixels     = 256e6 // of a picture; a file of some kilobytes may claim to be larger than memory
)

// encoder takes half the time of the default level, for which training waits; the files are a few percent larger.
var encoder = png.Encoder{CompressionLevel: png.BestSpeed}

// SavePicture writes samples/<iteration>.png, whose path it returns.
func (d *Dir) SavePicture(iteration int, img image.Image) (string, error) {
	path := filepath.Join(d.path, samplesFolder, IterationName(iteration)+".png")
	return path, d.savePNG(path, img)
}

// SaveCurves writes curves.png, in the place of an older one.
func (d *Dir) SaveCurves(img image.Image) error {
	return d.savePNG(filepath.Join(d.path, curvesFile), img)
}

func (d *Dir) savePNG(path string, img image.Image) error {
	if err := d.Writable(); err != nil {
		return err
	}
	if err := d.write(path, func(w io.Writer) error { return encoder.Encode(w, img) }); err != nil {
		return fmt.Errorf("cannot save picture %s: %w", path, err)
	}
	return nil
}

// SaveAnimation makes samples/training.gif of saved pictures, each shown for delay, and returns its path. Of more than 100
// pictures it takes 100, evenly spaced, the first and the last among them. Pictures of another size than the last one are left
// out. Without any picture the error is fs.ErrNotExist.
func (d *Dir) SaveAnimation(pictures []string, delay time.Duration) (string, error) {
	if err := d.Writable(); err != nil {
		return "", err
	}
	folder := filepath.Join(d.path, samplesFolder)
	path := filepath.Join(folder, animationFile)
	err := fmt.Errorf("there are no pictures of at most %.0f million pixels in %s: %w", maxPixels/1e6, folder, fs.ErrNotExist)
	if len(pictures) > 0 {
		var g *gif.GIF
		if g, err = animate(evenly(pictures, maxFrames), delay); err == nil {
			err = d.write(path, func(w io.Writer) error { return gif.EncodeAll(w, g) })
		}
	}
	if err != nil {
		return "", fmt.Errorf("cannot make %s: %w", path, err)
	}
	return path, nil
}

// Pictures lists the saved pictures up to an iteration in their order, whichever process saved them: later ones are of what a
// run trained before it went back. What cannot be one of them is left out: larger than maxPixels, or no regular file.
func (d *Dir) Pictures(upTo int) []string {
	folder := filepath.Join(d.path, samplesFolder)
	entries, err := os.ReadDir(folder) // sorted, as the names are made to be
	if err != nil {
		return nil
	}
	var paths []string
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		name, png := strings.CutSuffix(e.Name(), ".png")
		if n, ok := iterationIn(name); png && ok && n <= upTo && isPicture(path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// isPicture looks at the file's header. One that cannot be read is left to readPicture, to say so.
func isPicture(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := regular.Open(path)
	if err != nil {
		return true
	}
	defer f.Close()
	header, err := png.DecodeConfig(f)
	return err != nil || float64(header.Width)*float64(header.Height) <= maxPixels
}

// evenly picks at most n, with the first and the last.
func evenly(paths []string, n int) []string {
	if len(paths) <= n {
		return paths
	}
	picked := make([]string, n)
	for i := range picked {
		picked[i] = paths[i*(len(paths)-1)/(n-1)]
	}
	return picked
}

// animate shows the pictures in files, the last one longest.
func animate(paths []string, delay time.Duration) (*gif.GIF, error) {
	last, err := readPicture(paths[len(paths)-1])
	if err != nil {
		return nil, err
	}
	g, err := Animation(len(paths), delay, func(i int) (*image.RGBA, error) {
		img, err := readPicture(paths[i])
		if err != nil || img.Rect != last.Rect {
			return nil, err
		}
		return img, nil
	})
	if err != nil {
		return nil, err
	}
	g.Delay[len(g.Delay)-1] *= lastFrames
	return g, nil
}

// Animation makes a GIF of n pictures of one size, each shown for delay; it begins again at its end. Up to 256 colours
// are kept as they are, more become 256. picture is called twice for each i from 0 to n-1, for the common palette and for
// the frame, from several goroutines, so that only a few pictures need be in memory; those that are nil are left out.
func Animation(n int, delay time.Duration, picture func(i int) (*image.RGBA, error)) (*gif.GIF, error) {
	var colors histogram
	var mu sync.Mutex
	err := each(n, func(i int) error {
		img, err := picture(i)
		if err == nil && img != nil {
			mu.Lock()
			colors.add(img)
			mu.Unlock()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	palette := colors.palette()
	frames := make([]*image.Paletted, n)
	err = each(n, func(i int) error {
		img, err := picture(i)
		if err == nil && img != nil {
			frames[i] = paint(img, palette)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	g := &gif.GIF{}
	for _, frame := range frames {
		if frame != nil {
			g.Image = append(g.Image, frame)
			g.Delay = append(g.Delay, max(2, int(delay/(10*time.Millisecond)))) // viewers slow down what is below 0.02 s
		}
	}
	return g, nil
}

// each calls f for 0..n-1, a few at a time.
func each(n int, f func(i int) error) error {
	errs := make([]error, n)
	limit := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range n {
		limit <- struct{}{}
		wg.Go(func() {
			errs[i] = f(i)
			<-limit
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// paint dithers only where the palette lacks colours: a picture of few colours, such as digits, stays clean.
func paint(img *image.RGBA, palette color.Palette) *image.Paletted {
	frame := image.NewPaletted(img.Rect, palette)
	draw.FloydSteinberg.Draw(frame, frame.Rect, img, image.Point{})
	return frame
}

// readPicture decodes a PNG, shrunk by a whole factor if need be.
func readPicture(path string) (*image.RGBA, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	size := img.Bounds().Size()
	rgba := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(rgba, rgba.Rect, img, img.Bounds().Min, draw.Src)
	return shrink(rgba, (max(size.X, size.Y)+maxFrameSide-1)/maxFrameSide), nil
}

// shrink averages squares of factor x factor pixels.
func shrink(img *image.RGBA, factor int) *image.RGBA {
	if factor <= 1 {
		return img
	}
	small := image.NewRGBA(image.Rect(0, 0, max(1, img.Rect.Dx()/factor), max(1, img.Rect.Dy()/factor)))
	for y := range small.Rect.Dy() {
		for x := range small.Rect.Dx() {
			var sums [4]int
			area := image.Rect(x*factor, y*factor, (x+1)*factor, (y+1)*factor).Intersect(img.Rect)
			for v := area.Min.Y; v < area.Max.Y; v++ {
				for u := area.Min.X; u < area.Max.X; u++ {
					at := img.PixOffset(u, v)
					for k := range sums {
						sums[k] += int(img.Pix[at+k])
					}
				}
			}
			at := small.PixOffset(x, y)
			for k, sum := range sums {
				small.Pix[at+k] = uint8(sum / (area.Dx() * area.Dy()))
			}
		}
	}
	return small
}
