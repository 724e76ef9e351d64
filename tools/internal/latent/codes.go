package latent

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/losses"
	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

const (
	encodeBatch = 256 // of 32x32 pixels
	// unusedKL is the divergence, in nats, below which a dimension says nothing about an image.
	unusedKL = 0.01
)

// codes are the latents that an encoder finds for images.
type codes struct {
	images *selection
	points []point
	labels []int64
	// weight is how much each dimension says about the images: of a Gaussian encoder the KL divergence, in nats, else the
	// variance.
	weight []float64
	kl     bool // what weight is
}

// encode finds the latents of images. Call it within Do.
func (s *space) encode(ctx context.Context, images *selection) (*codes, error) {
	encoder, err := s.run.Encoder()
	if err != nil {
		return nil, err
	}
	c := &codes{images: images, weight: make([]float64, s.dims)}
	var gaussian models.GaussianEncoder
	gaussian, c.kl = encoder.(models.GaussianEncoder)
	err = s.run.Each(images, s.batch(encodeBatch), func(b trainer.Batch) error {
		var z torch.Tensor
		if c.kl {
			mu, logvar := gaussian.Encode(b.Images)
			share := float64(torchx.Shape(mu)[0]) / float64(images.Len())
			for i, v := range torchx.Float32s(torchx.To(losses.GaussianKL(mu, logvar), "cpu", -1)) {
				c.weight[i] += float64(v) * share
			}
			z = mu
		} else {
			z = encoder.Codes(b.Images)
		}
		c.points = append(c.points, split(torchx.Float32s(torchx.To(z, "cpu", -1)), s.dims)...)
		if b.Labels.T != nil {
			c.labels = append(c.labels, torchx.Int64s(torchx.To(b.Labels, "cpu", -1))...)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	if c.labels == nil {
		c.labels = make([]int64, len(c.points))
	}
	for i, p := range c.points {
		if slices.ContainsFunc(p, notFinite) {
			return nil, fmt.Errorf("the latent of image %d holds NaN or an infinite number: %s", images.indices[i], diverged)
		}
	}
	if !c.kl {
		c.weight = variance(c.points, s.dims)
	}
	return c, nil
}

func variance(points []point, dims int) []float64 {
	mean, v := make([]float64, dims), make([]float64, dims)
	for _, p := range points {
		for i, x := range p {
			mean[i] += float64(x) / float64(len(points))
		}
	}
	for _, p := range points {
		for i, x := range p {
			d := float64(x) - mean[i]
			v[i] += d * d / float64(len(points))
		}
	}
	return v
}

// ranked are the dimensions, those first that say most.
func (c *codes) ranked() []int {
	dims := make([]int, len(c.weight))
	for i := range dims {
		dims[i] = i
	}
	slices.SortStableFunc(dims, func(a, b int) int { return cmp.Compare(c.weight[b], c.weight[a]) })
	return dims
}

// label names a dimension with how much it says, as "z1 (KL 2.31)". c may be nil.
func (c *codes) label(dim int) string {
	if c == nil {
		return dimName(dim)
	}
	return fmt.Sprintf("%s (%s %s)", dimName(dim), c.measure(), short(c.weight[dim]))
}

func (c *codes) measure() string {
	if c.kl {
		return "KL"
	}
	return "variance"
}

// short writes a number with the digits that one looks at.
func short(v float64) string {
	if v != 0 && math.Abs(v) < 0.01 {
		return fmt.Sprintf("%.1g", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// listed is of how many dimensions the KL is printed.
const listed = 20

// print prints the KL of each dimension, if the encoder is Gaussian. c may be nil.
func (c *codes) print(out io.Writer) {
	if c == nil || !c.kl {
		return
	}
	dims := make([]int, len(c.weight))
	for i := range dims {
		dims[i] = i
	}
	total, unused := 0.0, 0
	for _, v := range c.weight {
		total += v
		if v < unusedKL {
			unused++
		}
	}
	of := fmt.Sprintf("all %d", len(dims))
	if len(dims) > listed {
		dims = c.ranked()[:listed]
		of = fmt.Sprintf("the largest %d of %d", listed, len(c.weight))
	}
	fmt.Fprintf(out, "KL divergence of a dimension from N(0, 1), in nats, mean over %d %s; %s:\n", len(c.points), c.images.what, of)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for len(dims) > 0 {
		row := dims[:min(5, len(dims))]
		dims = dims[len(row):]
		for _, d := range row {
			fmt.Fprintf(w, "%s\t%.3f\t  \t", dimName(d), c.weight[d])
		}
		fmt.Fprintln(w)
	}
	w.Flush() //nolint:errcheck // printing
	fmt.Fprintf(out, "sum %.3f, unused (KL < %g): %d of %d\n", total, unusedKL, unused, len(c.weight))
}

// className is the class of an image, "" if there are none.
func (c *codes) className(i int) string {
	if classes := c.images.Info().Classes; classes != nil {
		return classes[c.labels[i]]
	}
	return ""
}

// rows are the codes as a table.
func (c *codes) rows() [][]string {
	header := []string{"index", "file", "class"}
	for d := range c.weight {
		header = append(header, dimName(d))
	}
	rows := [][]string{header}
	for i, p := range c.points {
		row := []string{fmt.Sprint(c.images.indices[i]), cli.FileName(c.images.Dataset, i), c.className(i)}
		for _, v := range p {
			row = append(row, fmt.Sprint(v))
		}
		rows = append(rows, row)
	}
	return rows
}
