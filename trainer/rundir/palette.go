package rundir

import (
	"cmp"
	"image"
	"image/color"
	"slices"
)

const maxColors = 256 // of a GIF

// histogram counts colours by their upper 5 bits, and keeps their sums, so that the means are exact. As long as there are
// few enough it keeps the colours themselves too.
type histogram struct {
	bins  [1 << 15]bin
	exact map[color.RGBA]bool // more than maxColors: given up
}

type bin struct {
	count int
	sum   [3]int
}

func (h *histogram) add(img *image.RGBA) {
	if h.exact == nil {
		h.exact = map[color.RGBA]bool{}
	}
	for i := 0; i+3 < len(img.Pix); i += 4 {
		r, g, b := img.Pix[i], img.Pix[i+1], img.Pix[i+2]
		if len(h.exact) <= maxColors {
			h.exact[color.RGBA{r, g, b, 0xff}] = true
		}
		bin := &h.bins[int(r>>3)<<10|int(g>>3)<<5|int(b>>3)]
		bin.count++
		bin.sum[0] += int(r)
		bin.sum[1] += int(g)
		bin.sum[2] += int(b)
	}
}

func (b bin) mean(channel int) float64 { return float64(b.sum[channel]) / float64(b.count) }

func join(bins []bin) bin {
	var all bin
	for _, b := range bins {
		all.count += b.count
		for k := range all.sum {
			all.sum[k] += b.sum[k]
		}
	}
	return all
}

// box is a set of neighbouring colours. Its weight is the squared error that one colour for all of them makes along
// channel, in which they differ most.
type box struct {
	bins    []bin
	channel int
	weight  float64
}

func newBox(bins []bin) box {
	b := box{bins: bins}
	all := join(bins)
	for channel := range 3 {
		var weight float64
		for _, bin := range bins {
			distance := bin.mean(channel) - all.mean(channel)
			weight += float64(bin.count) * distance * distance
		}
		if weight > b.weight {
			b.channel, b.weight = channel, weight
		}
	}
	return b
}

// palette chooses the colours of a GIF: all there are, as in grey pictures, or else as few as fit.
func (h *histogram) palette() color.Palette {
	if len(h.exact) > maxColors {
		return h.quantize()
	}
	var p color.Palette
	for c := range h.exact {
		p = append(p, c)
	}
	slices.SortFunc(p, func(x, y color.Color) int {
		a, b := x.(color.RGBA), y.(color.RGBA)
		return cmp.Or(cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	return p
}

// quantize cuts the colours in two again and again, where the error is largest: along one channel, at its mean
// (after Heckbert, "Color image quantization for frame buffer display", 1982).
func (h *histogram) quantize() color.Palette {
	var used []bin
	for _, b := range h.bins {
		if b.count > 0 {
			used = append(used, b)
		}
	}
	boxes := []box{newBox(used)}
	for len(boxes) < maxColors {
		i := largest(boxes)
		if boxes[i].weight == 0 {
			break // every box is one colour
		}
		low, high := boxes[i].split()
		boxes[i] = low
		boxes = append(boxes, high)
	}
	var p color.Palette
	for _, b := range boxes {
		all := join(b.bins)
		p = append(p, color.RGBA{rounded(all, 0), rounded(all, 1), rounded(all, 2), 0xff})
	}
	return p
}

func largest(boxes []box) int {
	best := 0
	for i, b := range boxes {
		if b.weight > boxes[best].weight {
			best = i
		}
	}
	return best
}

func (b box) split() (low, high box) {
	slices.SortStableFunc(b.bins, func(x, y bin) int { return cmp.Compare(x.mean(b.channel), y.mean(b.channel)) })
	mean := join(b.bins).mean(b.channel)
	cut := 1
	for cut < len(b.bins)-1 && b.bins[cut].mean(b.channel) <= mean {
		cut++
	}
	return newBox(b.bins[:cut]), newBox(b.bins[cut:])
}

func rounded(b bin, channel int) uint8 { return uint8(b.mean(channel) + 0.5) }
