package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func testReport() *report {
	run := func(speed float64) result {
		return result{
			ImagesPerSecond: speed, MsPerIteration: 1000 / speed, PeakRSSBytes: 3 << 20, TimeToFirstStepS: 0.25,
			FlopsPerIteration: 1e9, OutsideShare: 0.015,
		}
	}
	row := row{Model: "wgan", Precision: "fp32", Pairs: []pair{{run(10), run(20)}, {run(10), run(40)}, {run(20), run(30)}}}
	r := &report{Machine: machine{CPU: "a processor"}, GEMM: map[string]float64{"fp32": 100}}
	row.summarise(r.GEMM["fp32"])
	r.Rows = append(r.Rows, row)
	return r
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	testReport().print(&out)
	lines := strings.Split(out.String(), "\n")
	want := "wgan fp32 10.0 30.0 2.00 1.50..4.00 33.3 10.0 30 % 3 MiB 3 MiB 0.25 s 0.25 s 1.5 %"
	if got := strings.Join(strings.Fields(lines[3]), " "); got != want {
		t.Errorf("got %q, want %q in\n%s", got, want, out.String())
	}
	if len(lines[1]) != len(lines[3]) {
		t.Errorf("the head is not as wide as the lines:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "floor in fp32: matrix products reach 100 GFLOP/s") {
		t.Errorf("the speed of matrix products is missing in\n%s", out.String())
	}
	if strings.Contains(out.String(), "apart") {
		t.Errorf("found processors that are apart in\n%s", out.String())
	}
	r := testReport()
	r.Rows[0].Pairs[1].Ours.Apart = true
	out.Reset()
	r.print(&out)
	if !strings.Contains(out.String(), "processors apart: in 1 of 3 pairs") {
		t.Errorf("expected one pair whose processors were apart in\n%s", out.String())
	}
}

func TestWhere(t *testing.T) {
	for want, p := range map[string]pair{
		"":                               {},
		", processors apart":             {Peer: result{Apart: true}, Ours: result{Apart: true}},
		", processors apart for PyTorch": {Peer: result{Apart: true}},
		", processors apart for imori":   {Ours: result{Apart: true}},
	} {
		if got := p.where(); got != want {
			t.Errorf("%v, %v: got %q, want %q", p.Peer.Apart, p.Ours.Apart, got, want)
		}
	}
}

func TestSave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "figures.json")
	if err := testReport().save(path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 1 || len(r.Rows[0].Pairs) != 3 || r.Rows[0].Ratio != 2 || r.Machine.CPU != "a processor" {
		t.Errorf("got %s", data)
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

func TestMachine(t *testing.T) {
	const info = "processor\t: 0\nmodel name\t: A CPU: fast\nflags\t\t: fpu avx2\n\nprocessor\t: 1\nmodel name\t: B\n"
	if got := cpuField(info, "model name"); got != "A CPU: fast" {
		t.Errorf("got %q", got)
	}
	if got := cpuField(info, "Features"); got != "" {
		t.Errorf("got %q, want nothing", got)
	}
	t.Setenv("OMP_NUM_THREADS", "7")
	if m := newMachine(); m.Environment["OMP_NUM_THREADS"] != "7" || m.Cores < 1 || m.Libtorch == "" {
		t.Errorf("got %+v", m)
	}
}
