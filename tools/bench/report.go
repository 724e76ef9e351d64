package main

import (
	"encoding/json"
	"io"
	"slices"

	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
)

// report is all that a comparison has found.
type report struct {
	Machine machine            `json:"machine"`
	Threads int                `json:"threads"`
	Warmup  int                `json:"warmup"`
	Busy    int                `json:"busy_neighbours"`
	GEMM    map[string]float64 `json:"gemm_gflops"` // by precision: the best of the run
	Rows    []row              `json:"models"`
}

func newReport(s settings) *report {
	return &report{Machine: newMachine(), Threads: threads, Warmup: warmup, Busy: s.busy, GEMM: map[string]float64{}}
}

// row is a model in one precision. Figures without another word are medians of the pairs.
type row struct {
	Model             string  `json:"model"`
	Precision         string  `json:"precision"` // imori's
	Peer              figures `json:"pytorch"`
	Ours              figures `json:"imori"`
	Ratio             float64 `json:"ratio"` // of images/s
	RatioMin          float64 `json:"ratio_min"`
	RatioMax          float64 `json:"ratio_max"`
	FlopsPerIteration float64 `json:"flops_per_iteration"`
	FloorMs           float64 `json:"floor_ms"`         // an iteration's, at the speed of matrix products
	FloorShare        float64 `json:"floor_share"`      // of imori's time
	OutsideShare      float64 `json:"outside_libtorch"` // of imori's time
	Pairs             []pair  `json:"pairs"`
}

// figures are one side's.
type figures struct {
	ImagesPerSecond  float64 `json:"images_per_second"`
	MsPerIteration   float64 `json:"ms_per_iteration"`
	TimeToFirstStepS float64 `json:"time_to_first_step_s"`
	PeakRSSBytes     float64 `json:"peak_rss_bytes"`
}

// summarise fills in what follows from the pairs, of which there is at least one.
func (r *row) summarise(gflops float64) {
	side := func(of func(pair) result) figures {
		middle := func(f func(result) float64) float64 {
			return median(r.Pairs, func(p pair) float64 { return f(of(p)) })
		}
		return figures{
			ImagesPerSecond:  middle(func(r result) float64 { return r.ImagesPerSecond }),
			MsPerIteration:   middle(func(r result) float64 { return r.MsPerIteration }),
			TimeToFirstStepS: middle(func(r result) float64 { return r.TimeToFirstStepS }),
			PeakRSSBytes:     middle(func(r result) float64 { return float64(r.PeakRSSBytes) }),
		}
	}
	r.Peer = side(func(p pair) result { return p.Peer })
	r.Ours = side(func(p pair) result { return p.Ours })
	ratios := make([]float64, len(r.Pairs))
	for i, p := range r.Pairs {
		ratios[i] = p.ratio()
	}
	r.Ratio, r.RatioMin, r.RatioMax = median(r.Pairs, pair.ratio), slices.Min(ratios), slices.Max(ratios)
	r.FlopsPerIteration = r.Pairs[0].Ours.FlopsPerIteration
	r.FloorMs = r.FlopsPerIteration / gflops / 1e6
	r.FloorShare = r.FloorMs / r.Ours.MsPerIteration
	r.OutsideShare = median(r.Pairs, func(p pair) float64 { return p.Ours.OutsideShare })
}

// save writes the report as JSON; no path, no file.
func (r *report) save(path string) error { return saveJSON(path, r) }

func saveJSON(path string, v any) error {
	if path == "" {
		return nil
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error { _, err := w.Write(append(b, '\n')); return err })
}
