package datasets

import (
	"image"
	"image/color"

	"golang.org/x/image/draw"
)

// render fills dst, planes of bytes, with m. size is the whole picture's: the
// first frame of a GIF may cover a part of it.
//
// Scaling is cubic (Catmull-Rom), over all source pixels when shrinking. What is
// transparent lets white through. One channel is the luma of ITU-R 601.
func (f form) render(dst []byte, m image.Image, size image.Point, o orientation) {
	w, h := f.width, f.height
	if o.swaps() {
		w, h = h, w // turned when small, which is cheaper
	}
	whole := image.Rectangle{Max: size}
	if m.Bounds().Size() == size {
		whole = m.Bounds() // wherever it begins
	} else {
		page := image.NewNRGBA(whole)
		draw.Draw(page, m.Bounds(), m, m.Bounds().Min, draw.Src)
		m = page
	}
	part := f.part(whole, w, h)
	if rows := maxRows(w, h); part.Dy() > rows {
		m = shorten(m, part, rows)
		part = m.Bounds()
	}
	canvas := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(canvas, canvas.Rect, image.White, image.Point{}, draw.Src)
	draw.CatmullRom.Scale(canvas, canvas.Rect, m, part, draw.Over, nil)

	area := f.height * f.width
	for y := range f.height {
		for x := range f.width {
			p := canvas.Pix[o.offset(canvas, x, y):][:3:3]
			at := y*f.width + x
			if f.channels == 1 {
				dst[at] = color.GrayModel.Convert(color.RGBA{p[0], p[1], p[2], 0xff}).(color.Gray).Y
				continue
			}
			dst[at], dst[at+area], dst[at+2*area] = p[0], p[1], p[2]
		}
	}
}

// shorten makes a part of a picture at most rows high, by the mean of as many
// rows in one, but for one more or less.
func shorten(m image.Image, part image.Rectangle, rows int) *image.RGBA {
	together := (part.Dy() + rows - 1) / rows
	short := image.NewRGBA(image.Rect(0, 0, part.Dx(), (part.Dy()+together-1)/together))
	band := image.NewRGBA(image.Rect(0, 0, part.Dx(), together))
	for y := range short.Rect.Dy() {
		from, to := y*part.Dy()/short.Rect.Dy(), (y+1)*part.Dy()/short.Rect.Dy()
		n := to - from
		draw.Draw(band, image.Rect(0, 0, part.Dx(), n), m, part.Min.Add(image.Pt(0, from)), draw.Src)
		row := short.Pix[y*short.Stride:][:short.Stride]
		for x := range row {
			sum := n / 2
			for i := range n {
				sum += int(band.Pix[i*band.Stride+x])
			}
			row[x] = byte(sum / n)
		}
	}
	return short
}

// part is what of a picture is shown: all, or the largest part around the middle
// with the aspect w:h, to a pixel. The same is cut off on opposite sides, so that
// it is the same part however the picture is turned.
func (f form) part(r image.Rectangle, w, h int) image.Rectangle {
	if !f.crop {
		return r
	}
	if keep := (r.Dy()*w + h/2) / h; keep < r.Dx() {
		spare := (r.Dx() - max(keep, 1)) / 2
		r.Min.X, r.Max.X = r.Min.X+spare, r.Max.X-spare
	} else if keep := (r.Dx()*h + w/2) / w; keep < r.Dy() {
		spare := (r.Dy() - max(keep, 1)) / 2
		r.Min.Y, r.Max.Y = r.Min.Y+spare, r.Max.Y-spare
	}
	return r
}

// widenRange mends the colours of a lossy WebP. Its luma is 16 to 235 and its
// chroma 16 to 240 (RFC 6386, 9.2, which means ITU-R 601), and the decoder hands
// them out as an image.YCbCr, where both are 0 to 255: black would be dark grey.
func widenRange(m image.Image) {
	var planes *image.YCbCr
	switch m := m.(type) {
	case *image.YCbCr:
		planes = m
	case *image.NYCbCrA:
		planes = &m.YCbCr
	default:
		return // lossless
	}
	var luma, chroma [256]byte
	for v := range 256 {
		luma[v] = byte(min(max((float64(v)-16)*255/219, 0), 255) + 0.5)
		chroma[v] = byte(min(max((float64(v)-128)*255/224+128, 0), 255) + 0.5)
	}
	for i, v := range planes.Y {
		planes.Y[i] = luma[v]
	}
	for _, plane := range [][]byte{planes.Cb, planes.Cr} {
		for i, v := range plane {
			plane[i] = chroma[v]
		}
	}
}
