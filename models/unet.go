package models

import (
	"strconv"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// unet is the generator of pix2pix (Ronneberger et al. 2015): blocks of two
// convolutions that see the image at ever smaller sizes, and blocks that go back
// up, each of which also sees the map of its size from the way down.
type unet struct {
	torchx.Children
	down, up []*torchx.Sequential
	output   *torchx.Conv2dLayer
}

func (o *Pix2PixOptions) newUNet(from, to int64) *unet {
	u := &unet{}
	add := func(blocks *[]*torchx.Sequential, name string, block *torchx.Sequential) {
		u.Children = append(u.Children, torchx.Child{Name: name + "." + strconv.Itoa(len(*blocks)), Module: block})
		*blocks = append(*blocks, block)
	}
	width := from
	for _, next := range o.Channels {
		add(&u.down, "down", unetBlock(width, next))
		width = next
	}
	for i := len(o.Channels) - 2; i >= 0; i-- {
		block := unetBlock(width+o.Channels[i], o.Channels[i])
		if len(u.up) < 2 {
			block.Layers = append(block.Layers, torchx.NewDropout(o.Dropout))
		}
		add(&u.up, "up", block)
		width = o.Channels[i]
	}
	u.output = conv3x3(width, to)
	u.Children = append(u.Children, torchx.Child{Name: "output", Module: u.output})
	return u
}

func unetBlock(in, out int64) *torchx.Sequential {
	return torchx.NewSequential(
		conv3x3(in, out), torchx.NewReLU(), torchx.NewBatchNorm2d(out, torchx.BatchNormOptions{}),
		conv3x3(out, out), torchx.NewReLU(), torchx.NewBatchNorm2d(out, torchx.BatchNormOptions{}))
}

func (u *unet) Forward(x torch.Tensor) torch.Tensor {
	var skips []torch.Tensor
	for i, block := range u.down {
		if i > 0 {
			x = torchx.MaxPool2d(x, 2)
		}
		x = block.Forward(x)
		skips = append(skips, x)
	}
	for i, block := range u.up {
		skip := skips[len(skips)-2-i]
		x = block.Forward(torchx.Cat(1, torchx.UpsampleNearest(x, 2), skip))
	}
	return torchx.Tanh(u.output.Forward(x))
}
