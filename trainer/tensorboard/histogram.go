package tensorboard

import (
	"math"
	"sort"

	"github.com/imori-ml/imori/trainer/tensorboard/internal/eventpb"
)

// buckets is what TensorBoard draws: of a finer histogram it would make as many.
const buckets = 30

// Histogram adds how values are spread: counts in 30 buckets of equal width between the smallest and the largest value,
// or in a single one where these are the same. NaN and infinite values are left out, and without any other nothing is
// added.
func (w *Writer) Histogram(step int64, tag string, values []float32) error {
	h := histogram(values)
	if h == nil {
		return nil
	}
	return w.add(step, summary(&eventpb.Summary_Value{Tag: tag, Value: &eventpb.Summary_Value_Histo{Histo: h}}))
}

// histogram returns nil when no value is finite.
func histogram(values []float32) *eventpb.HistogramProto {
	h := &eventpb.HistogramProto{Min: math.Inf(1), Max: math.Inf(-1)}
	for _, value := range values {
		v := float64(value)
		if !finite(v) {
			continue
		}
		h.Min, h.Max = min(h.Min, v), max(h.Max, v)
		h.Num++
		h.Sum += v
		h.SumSquares += v * v
	}
	if h.Num == 0 {
		return nil
	}
	h.BucketLimit = limits(h.Min, h.Max)
	h.Bucket = make([]float64, len(h.BucketLimit))
	last := len(h.Bucket) - 1
	for _, value := range values {
		v := float64(value)
		if finite(v) {
			// The first limit above v: a bucket has its lower edge. The last one has the largest value too.
			above := sort.Search(last, func(i int) bool { return h.BucketLimit[i] > v })
			h.Bucket[above]++
		}
	}
	return h
}

// limits returns the upper edges of the buckets. Neighbours may be equal in a range too narrow to divide.
func limits(low, high float64) []float64 {
	if low == high {
		return []float64{high}
	}
	edges := make([]float64, buckets)
	for i := range edges {
		edges[i] = low + (high-low)*float64(i+1)/buckets
	}
	edges[buckets-1] = high // without rounding
	return edges
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
