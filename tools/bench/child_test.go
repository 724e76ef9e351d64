package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	xtrace "golang.org/x/exp/trace"

	"github.com/imori-ml/imori/datasets"
)

// small is a contest that is over at once.
func small() contest {
	c := lookUp("gan")
	c.samples, c.iterations = 100, 1
	return c
}

func TestMeasure(t *testing.T) {
	var out bytes.Buffer
	if err := measure(small(), "fp32", &out); err != nil {
		t.Fatal(err)
	}
	var r result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if r.Model != "gan" || r.Iterations != 1 || r.Batch != 64 || r.Threads != threads || r.ImagesPerSecond <= 0 || r.TimeToFirstStepS <= 0 || r.PeakRSSBytes < 50<<20 {
		t.Errorf("got %+v", r)
	}
	if r.OutsideShare <= 0 || r.OutsideShare >= 1 || r.Calls < 20 || r.FlopsPerIteration < 1e8 {
		t.Errorf("got %+v", r)
	}
	if r.Parameters["generator"] != 1_753_472 || r.Parameters["discriminator"] != 1_704_961 {
		t.Errorf("got %v parameters", r.Parameters)
	}
}

// onlyDescribe runs all peers in one process, without training, and prints a line for each.
const onlyDescribe = `
import importlib, json, sys
import peer
images = peer.images
peer.images = lambda count, channels, side: images(1, channels, side)
def describe(model, options, iteration, networks, batch=peer.BATCH, minibatches=1):
    parameters = {name: sum(p.numel() for p in n.parameters()) for name, n in networks.items()}
    print(json.dumps({"model": model, "batch": batch, "iterations": minibatches, "threads": options.threads, "parameters": parameters}))
peer.measure = describe
for model in sys.argv[1:]:
    sys.argv = [model, "--threads", "2"]
    importlib.import_module(model).main()
`

func needTorch(t *testing.T) {
	if exec.Command(python, "-c", "import torch").Run() != nil {
		t.Skip(python + " has no torch")
	}
}

// The peers' networks have as many parameters as ours, which a comparison insists on.
func TestPeersFitContests(t *testing.T) {
	needTorch(t)
	out, err := exec.Command(python, append([]string{"-B", "-c", onlyDescribe}, contestNames()...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(bytes.NewReader(out))
	for _, c := range contests {
		var peer result
		if err := lines.Decode(&peer); err != nil {
			t.Fatal(err)
		}
		ours := result{Batch: c.batch, Threads: threads, Parameters: map[string]int64{}}
		for _, n := range networksOf(t, c) {
			ours.Parameters[n.Name] = n.Parameters
		}
		p := pair{peer, ours}
		if err := p.check(); err != nil || peer.Model != c.model {
			t.Errorf("%s: found a peer for %s, %v", c.model, peer.Model, err)
		}
		if peer.Iterations != c.minibatches {
			t.Errorf("%s: PyTorch's iteration has %d minibatches, ours %d", c.model, peer.Iterations, c.minibatches)
		}
		p.Peer.Parameters["another"] = 1
		if err := p.check(); err == nil || !strings.Contains(err.Error(), "the networks differ") {
			t.Errorf("%s with another network: got %v", c.model, err)
		}
	}
}

func TestPeerRuns(t *testing.T) {
	needTorch(t)
	run := runner{ctx: t.Context(), out: t.Output()}
	peer, err := run.result(python, "gan.py", "--iterations", "2", "--warmup", "1")
	if err != nil {
		t.Fatal(err)
	}
	if peer.Iterations != 2 || peer.PeakRSSBytes < 50<<20 || peer.TimeToFirstStepS <= 0 {
		t.Errorf("got %+v", peer)
	}
	if images := peer.ImagesPerSecond * peer.MsPerIteration / 1000; images < 63 || images > 65 {
		t.Errorf("an iteration has %.1f images, expected 64", images)
	}
}

func TestCheckRefusesOtherSettings(t *testing.T) {
	p := pair{result{Batch: 64, Threads: 2}, result{Batch: 32, Threads: 2}}
	if err := p.check(); err == nil || !strings.Contains(err.Error(), "PyTorch ran with batch 64 and 2 threads, imori with 32 and 2") {
		t.Errorf("got %v", err)
	}
}

func TestCallClock(t *testing.T) {
	c := callClock{on: true}
	c.mark(7, 100)
	c.change(xtrace.GoRunning, xtrace.GoSyscall, 110)
	c.change(xtrace.GoSyscall, xtrace.GoRunnable, 150) // the processor is another's
	c.change(xtrace.GoRunnable, xtrace.GoRunning, 160)
	c.change(xtrace.GoRunning, xtrace.GoSyscall, 170)
	c.change(xtrace.GoSyscall, xtrace.GoRunning, 190)
	c.on = false
	c.mark(7, 200)
	if c.inside != 60 || c.total != 100 || c.calls != 2 {
		t.Errorf("got %d of %d in %d calls, want 60 of 100 in 2", c.inside, c.total, c.calls)
	}
}

func TestGEMM(t *testing.T) {
	var out bytes.Buffer
	if err := measureGEMM("fp32", &out); err != nil {
		t.Fatal(err)
	}
	var g gemm
	if err := json.Unmarshal(out.Bytes(), &g); err != nil || g.Gflops < 0.1 || g.Precision != "fp32" {
		t.Errorf("got %+v, %v", g, err)
	}
}

// fakeCIFAR10 is a folder with CIFAR-10's files: as many images, all alike.
func fakeCIFAR10(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	folder := filepath.Join(root, "cifar-10-batches-bin")
	if err := os.Mkdir(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"} {
		if err := os.WriteFile(filepath.Join(folder, name+".bin"), make([]byte, 10_000*3073), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestMeasureLoader(t *testing.T) {
	s := settings{child: "convae", root: fakeCIFAR10(t), iterations: 2, precisions: []string{"fp32"}}
	for _, s.data = range []string{dataRead, dataHeld} {
		var out bytes.Buffer
		if err := measureLoader(s, &out); err != nil {
			t.Fatalf("%s: %v", s.data, err)
		}
		var r result
		if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.MsPerIteration <= 0 || r.Batch != 32 || r.Iterations != 2 {
			t.Errorf("%s: got %+v, %v", s.data, r, err)
		}
	}
	s.data = "dreamt"
	if err := measureLoader(s, nil); err == nil || !strings.Contains(err.Error(), `-data is "dreamt"`) {
		t.Errorf("got %v", err)
	}
	s.root = t.TempDir()
	if err := measureLoader(s, nil); err == nil {
		t.Error("an empty folder was read")
	}
}

func TestHeld(t *testing.T) {
	d := newNoise(colour, 3)
	h, err := hold(d, 5)
	if err != nil || h.Len() != 5 {
		t.Fatalf("got %d samples, %v", h.Len(), err)
	}
	want, got := datasets.Sample{Image: make([]float32, 3072)}, datasets.Sample{Image: make([]float32, 3072)}
	if err := errors.Join(d.Read(1, &want), h.Read(4, &got)); err != nil {
		t.Fatal(err)
	}
	if got.Image[0] != want.Image[0] || got.Image[3071] != want.Image[3071] || got.Image[0] == 0 {
		t.Errorf("got %v, want %v", got.Image[0], want.Image[0])
	}
}
