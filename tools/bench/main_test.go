package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	run := func(speed float64) result {
		return result{ImagesPerSecond: speed, MsPerIteration: 1000 / speed, PeakRSSBytes: 3 << 20, TimeToFirstStepS: 0.25}
	}
	all := map[string][]pair{"wgan": {{run(10), run(20)}, {run(10), run(40)}, {run(20), run(30)}}}
	var out bytes.Buffer
	table(&out, []string{"wgan"}, all)
	lines := strings.Split(out.String(), "\n")
	if got := strings.Join(strings.Fields(lines[1]), " "); got != "wgan images/s 10.0 30.0 2.00 1.50..4.00" {
		t.Errorf("got %q in\n%s", got, out.String())
	}
	if got := strings.Join(strings.Fields(lines[3]), " "); got != "wgan peak RSS, MiB 3 3" {
		t.Errorf("got %q in\n%s", got, out.String())
	}
}

func TestMedian(t *testing.T) {
	same := func(v float64) float64 { return v }
	if m := median([]float64{5, 1, 3}, same); m != 3 {
		t.Errorf("of three: %v", m)
	}
	if m := median([]float64{4, 1, 3, 9}, same); m != 3.5 {
		t.Errorf("of four: %v", m)
	}
}

func TestForeignCPU(t *testing.T) {
	before, after := cpu{busy: 10, total: 100, own: 2}, cpu{busy: 18, total: 120, own: 5}
	if got := before.foreign(after); got != 0.25 {
		t.Errorf("got %v, want 5 s of 20 s", got)
	}
	if got := (cpu{}).foreign(cpu{}); got != 0 {
		t.Errorf("without /proc: got %v, want 0", got)
	}
}

func TestMeasure(t *testing.T) {
	var out bytes.Buffer
	if err := measure("dcgan", 1, &out); err != nil {
		t.Fatal(err)
	}
	var r result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if r.Iterations != 1 || r.Batch != batchSize || r.Threads != threads || r.ImagesPerSecond <= 0 || r.TimeToFirstStepS <= 0 || r.PeakRSSBytes < 100<<20 {
		t.Errorf("got %+v", r)
	}
	if err := measure("nothing", 1, &out); err == nil {
		t.Error("an unknown model was measured")
	}
}

func TestRunOnceReportsFailure(t *testing.T) {
	_, err := runOnce(context.Background(), io.Discard, "sh", "-c", "echo first >&2; echo what it was >&2; exit 3")
	if err == nil || !strings.HasSuffix(err.Error(), "exit status 3: what it was") {
		t.Errorf("got %v", err)
	}
	if _, err := runOnce(context.Background(), io.Discard, "sh", "-c", "echo no figures"); err == nil {
		t.Error("output that is no JSON was taken for figures")
	}
}
