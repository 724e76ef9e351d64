package main

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imori-ml/imori/trainer/rundir"
	"github.com/imori-ml/imori/trainer/tensorboard/tensorboardtest"
)

// compareEvents is an error where TensorBoard shows other curves of a run than metrics.jsonl has, or other pictures and
// histograms of the one than of the other.
func compareEvents(a, b string) error {
	shown := map[string]map[string][]tensorboardtest.Point{}
	for _, folder := range []string{a, b} {
		all, err := tensorboardtest.Read(folder)
		if err != nil {
			return err
		}
		maps.DeleteFunc(all, func(tag string, _ []tensorboardtest.Point) bool { return strings.HasPrefix(tag, "timing/") })
		if err := compareCurves(folder, all); err != nil {
			return err
		}
		shown[folder] = all
	}
	for _, tag := range slices.Sorted(maps.Keys(shown[a])) {
		if !slices.EqualFunc(shown[a][tag], shown[b][tag], samePoint) {
			return fmt.Errorf("event files: TensorBoard shows another %s of %s than of %s", tag, b, a)
		}
	}
	if len(shown[a]) != len(shown[b]) {
		return fmt.Errorf("event files: TensorBoard shows %d tags of %s, expected %d as of %s", len(shown[b]), b, len(shown[a]), a)
	}
	return nil
}

// compareCurves compares the scalars with metrics.jsonl, point for point.
func compareCurves(folder string, shown map[string][]tensorboardtest.Point) error {
	series, err := rundir.ReadRunMetrics(folder)
	if err != nil {
		return err
	}
	curves := map[string]bool{}
	for _, s := range series {
		curves[s.Name] = true
		same := slices.EqualFunc(s.Points, shown[s.Name], func(logged rundir.Point, p tensorboardtest.Point) bool {
			return int64(logged.Iteration) == p.Step && p.Scalar != nil && sameFloat(float32(logged.Value), *p.Scalar)
		})
		if !same {
			return fmt.Errorf("event files: TensorBoard shows another %s than %s has", s.Name, filepath.Join(folder, "metrics.jsonl"))
		}
	}
	for tag, points := range shown {
		if len(points) > 0 && points[0].Scalar != nil && !curves[tag] {
			return fmt.Errorf("event files: TensorBoard shows a curve %s, which %s has not", tag, filepath.Join(folder, "metrics.jsonl"))
		}
	}
	return nil
}

func sameFloat(a, b float32) bool {
	return a == b || math.IsNaN(float64(a)) && math.IsNaN(float64(b))
}

func samePoint(a, b tensorboardtest.Point) bool {
	switch {
	case a.Step != b.Step:
		return false
	case a.Scalar != nil && b.Scalar != nil:
		return sameFloat(*a.Scalar, *b.Scalar)
	case a.Image != nil && b.Image != nil:
		return bytes.Equal(a.Image.Encoded, b.Image.Encoded)
	case a.Histogram != nil && b.Histogram != nil:
		x, y := a.Histogram, b.Histogram
		return slices.Equal([]float64{x.Min, x.Max, x.Num, x.Sum, x.SumSquares}, []float64{y.Min, y.Max, y.Num, y.Sum, y.SumSquares}) &&
			slices.Equal(x.Limits, y.Limits) && slices.Equal(x.Buckets, y.Buckets)
	}
	return false
}
