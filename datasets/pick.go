package datasets

import (
	"fmt"
	"math"
)

// Named is implemented by datasets whose samples come from a file each.
type Named interface {
	// FileName returns the path of sample i.
	FileName(i int) string
}

// Scaled is implemented by datasets that scale the pictures of their files.
type Scaled interface {
	// Scaled returns how many pictures are of another size than the samples.
	Scaled() int
}

// pick is some samples of a dataset.
type pick struct {
	Dataset
	indices []int
}

// Pick returns the samples of d with these indices, in their order. An index that d has not is an error.
func Pick(d Dataset, indices []int) (Dataset, error) {
	for _, i := range indices {
		if i < 0 || i >= d.Len() {
			return nil, fmt.Errorf("dataset %s has no sample %d, expected 0 to %d", d.Info().Name, i, d.Len()-1)
		}
	}
	return pick{d, indices}, nil
}

// Evenly returns up to n rising indices of a dataset of that length, one in each of n equal parts: what stands for all of
// it, as the first samples of a folder may be of one class. The place within a part changes by the golden ratio, so that
// classes that take turns do not fall into step.
func Evenly(n, length int) []int {
	n = min(n, length)
	indices := make([]int, n)
	for i := range indices {
		first, next := i*length/n, (i+1)*length/n
		_, within := math.Modf(float64(i) * math.Phi)
		indices[i] = first + int(within*float64(next-first))
	}
	return indices
}

func (p pick) Len() int { return len(p.indices) }

func (p pick) Read(i int, s *Sample) error {
	if err := checkIndex(i, p.Len()); err != nil {
		return err
	}
	return p.Dataset.Read(p.indices[i], s)
}

// FileName returns "" where the samples have no files.
func (p pick) FileName(i int) string {
	if named, ok := p.Dataset.(Named); ok {
		return named.FileName(p.indices[i])
	}
	return ""
}
