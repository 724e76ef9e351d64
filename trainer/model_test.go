package trainer

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
)

// stripes is a dataset in memory: 1x8x8 images that differ by index.
type stripes int

func (n stripes) Info() datasets.Info {
	return datasets.Info{Name: "stripes", Channels: 1, Height: 8, Width: 8, Classes: []string{"even", "odd"}}
}

func (n stripes) Len() int { return int(n) }

func (n stripes) Read(i int, s *datasets.Sample) error {
	for j := range s.Image {
		s.Image[j] = float32((i*7+j*3)%16)/8 - 1
	}
	s.Label = int64(i % 2)
	return nil
}

const zDim = 4

// gan is a generator and a critic of two linear layers each. A test changes what it needs changed.
type gan struct {
	generator, critic *torchx.Sequential
	phases            []Phase
	draw              func(p *Preview) error // nil: samples
}

func (m *gan) Networks() []Network {
	return []Network{{"generator", m.generator, true}, {"critic", m.critic, false}}
}

func (m *gan) Phases() []Phase { return m.phases }

func (m *gan) Preview(p *Preview) error {
	if m.draw != nil {
		return m.draw(p)
	}
	p.Images("samples", m.images(m.generator.Forward(p.Uniform(-1, 1, 4, zDim))), 2)
	return nil
}

func (m *gan) images(t torch.Tensor) torch.Tensor { return torchx.Reshape(t, -1, 1, 8, 8) }

func newGAN(width int64) *gan {
	m := &gan{
		generator: torchx.NewSequential(
			torchx.NewLinear(zDim, width, torchx.LinearOptions{}), torchx.NewReLU(), torchx.NewDropout(0.1),
			torchx.NewLinear(width, 64, torchx.LinearOptions{}), torchx.NewTanh()),
		critic: torchx.NewSequential(
			torchx.NewFlatten(), torchx.NewLinear(64, width, torchx.LinearOptions{}), torchx.NewReLU(),
			torchx.NewLinear(width, 1, torchx.LinearOptions{})),
	}
	m.phases = []Phase{
		{Name: "critic", Updates: []string{"critic"}, Repeat: 2, Fresh: true, Loss: m.criticLoss, After: m.clip},
		{Name: "generator", Updates: []string{"generator"}, Loss: m.generatorLoss},
	}
	return m
}

func (m *gan) fake(s *Step) torch.Tensor {
	return m.generator.Forward(s.Uniform(-1, 1, s.BatchSize(), zDim))
}

func (m *gan) criticLoss(s *Step) torch.Tensor {
	fake := s.Once("fake", func() torch.Tensor { return m.fake(s) }, "generator")
	onReal := torchx.Mean(m.critic.Forward(s.Batch().Images))
	s.Log("real", onReal)
	return torchx.Sub(torchx.Mean(m.critic.Forward(fake)), onReal)
}

func (m *gan) generatorLoss(s *Step) torch.Tensor {
	fake := s.Once("fake", func() torch.Tensor { return m.fake(s) }, "generator")
	return torchx.Neg(torchx.Mean(m.critic.Forward(fake)))
}

func (m *gan) clip() {
	for _, p := range torchx.Parameters(m.critic) {
		torchx.ClampInPlace(p, -0.1, 0.1)
	}
}

// options trains a gan, which change may have changed, for a few iterations.
func options(change func(m *gan)) Options {
	c := DefaultConfig()
	c.Iterations, c.BatchSize, c.Device, c.Threads = 12, 4, "cpu", 1
	c.LogEvery, c.PreviewEvery, c.CheckpointEvery, c.KeepCheckpoints = 1, 4, 5, 0
	return Options{
		Config: c,
		Build: func() (Model, error) {
			m := newGAN(16)
			if change != nil {
				change(m)
			}
			return m, nil
		},
		Dataset: stripes(10),
		Optimizers: map[string]torchx.OptimizerOptions{
			"generator": torchx.Adam{LR: 1e-2, Betas: [2]float64{0.5, 0.999}, Eps: 1e-8},
			"critic":    torchx.RMSprop{LR: 1e-2, Alpha: 0.99, Eps: 1e-8},
		},
	}
}

// inMemory is a folder in memory where there is one: nothing here depends on the disk, which takes its time for each
// checkpoint.
func inMemory(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "imori-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

func newTrainer(t *testing.T, o Options) *Trainer {
	t.Helper()
	tr, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

// weights copies out what the networks hold.
func weights(t *testing.T, tr *Trainer) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := tr.Do(func() error {
		for _, n := range tr.Networks() {
			all[n.Name] = fmt.Sprint(torchx.StateTensors(n.Module))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// noGarbage has the collector free the networks of earlier tests, and then do nothing until the test has ended: what is
// counted from here on is freed by scopes alone.
func noGarbage(t *testing.T) {
	t.Helper()
	for range 3 { // finalizers run beside us
		runtime.GC()
		time.Sleep(5 * time.Millisecond)
	}
	percent := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
}

func iterate(t *testing.T, tr *Trainer, n int) [][]Metric {
	t.Helper()
	var all [][]Metric
	if err := tr.Iterate(n, func(_ int, ms []Metric) { all = append(all, ms) }); err != nil {
		t.Fatal(err)
	}
	return all
}
