package models

import (
	"math"
	"slices"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
)

func TestSegmentation(t *testing.T) {
	s := NewSegmentation(4)
	s.Add([]int64{0, 0, 1, 1}, []int64{0, 0, 0, 1})
	s.Add([]int64{2, 2}, []int64{2, 1})
	// Class 0: 2 of 3, class 1: 1 of 3, class 2: 1 of 2; class 3 is nowhere.
	if got, want := s.PixelAccuracy(), 4.0/6; math.Abs(got-want) > 1e-12 {
		t.Errorf("pixel accuracy %g, want %g", got, want)
	}
	if got, want := s.MeanIoU(), (2.0/3+1.0/3+1.0/2)/3; math.Abs(got-want) > 1e-12 {
		t.Errorf("mean IoU %g, want %g", got, want)
	}
	// Class 0 is wanted most: of 6 pixels, 3.
	constant, class := s.Constant()
	if got, want := constant.PixelAccuracy(), 0.5; class != 0 || got != want {
		t.Errorf("class %d everywhere has pixel accuracy %g, want %g", class, got, want)
	}
	if got, want := constant.MeanIoU(), 0.5/3; math.Abs(got-want) > 1e-12 {
		t.Errorf("its mean IoU is %g, want %g", got, want)
	}
}

// TestPictures: a map is shown in the palette of its largest channels.
func TestPictures(t *testing.T) {
	side := *allKinds(3, 1, 2).Target
	torchx.Scoped(func() {
		maps := torchx.FromFloat32([]float32{ // 2 x 3 classes x 1 x 2
			0.1, -1, 0.3, -1, 0.2, 0.5,
			1, -1, -1, -0.5, -1, -0.6,
		}, 2, 3, 1, 2)
		if got, want := ClassesOf(maps), []int64{1, 2, 0, 1}; !slices.Equal(got, want) {
			t.Errorf("classes %v, want %v", got, want)
		}
		image := Pictures(side, maps)
		want := []float32{
			1, -1, -1, 1, -1, -1, // red (255, 0, 0), then green
			-1, 1, -1, -1, -1, -1, // black, then red
		}
		if !slices.Equal(torchx.Shape(image), []int64{2, 3, 1, 2}) || !slices.Equal(torchx.Float32s(image), want) {
			t.Errorf("colours %v, want %v", torchx.Float32s(image), want)
		}
		if same := Pictures(datasets.Target{Channels: 3}, image); !slices.Equal(torchx.Float32s(same), want) {
			t.Error("an ordinary picture has changed")
		}
	})
}

// TestConditions: the generator of cgan and its discriminator look at the class.
func TestConditions(t *testing.T) {
	options := smallOptions(must(Lookup("cgan")))
	model, err := options.Build(allKinds(1, 16, 16))
	if err != nil {
		t.Fatal(err)
	}
	m := model.(*cgan)
	torchx.Scoped(func() {
		torchx.NoGrad(func() {
			z := fromFormula("z", []int64{2, m.ZDim}, 1, 0)
			one, two := torchx.FromInt64([]int64{3, 4}, 2), torchx.FromInt64([]int64{3, 5}, 2)
			for _, n := range m.Networks() {
				n.Module.Train(false)
			}
			differ := func(what string, a, b torch.Tensor) {
				x, y := torchx.Float32s(a), torchx.Float32s(b)
				half := len(x) / 2
				if !slices.Equal(x[:half], y[:half]) {
					t.Errorf("%s: the same class gives another output", what)
				}
				if slices.Equal(x[half:], y[half:]) {
					t.Errorf("%s: another class gives the same output", what)
				}
			}
			differ("generator", m.Generate(z, one), m.Generate(z, two))
			images := m.Generate(z, one)
			differ("discriminator", m.discriminate(images, one), m.discriminate(images, two))
		})
	})
}

func must(p Plugin, ok bool) Plugin {
	if !ok {
		panic("no such model")
	}
	return p
}
