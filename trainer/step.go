package trainer

import (
	"fmt"
	"slices"
	"strings"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
)

// Batch is a minibatch on the trainer's device.
type Batch struct {
	Images  torch.Tensor // N x C x H x W, float32, in [-1, 1]
	Targets torch.Tensor // N x C' x H x W, the pairs' other pictures; the zero Tensor when the dataset has no pairs
	Labels  torch.Tensor // N, int64; the zero Tensor when the dataset has no classes
}

// NoiseSource draws float32 noise on the trainer's device. Step and Preview are two.
type NoiseSource interface {
	Uniform(lo, hi float64, shape ...int64) torch.Tensor // U(lo, hi)
	Normal(shape ...int64) torch.Tensor                  // N(0, 1)
}

// deviceNoise draws from a device's default generator.
type deviceNoise string

func (device deviceNoise) Uniform(lo, hi float64, shape ...int64) torch.Tensor {
	return torchx.Uniform(lo, hi, string(device), shape...)
}

func (device deviceNoise) Normal(shape ...int64) torch.Tensor {
	return torchx.Normal(0, 1, string(device), shape...)
}

// Step is what a phase's Loss works with: one repeat of the phase, on one minibatch. It is of no use after Loss has
// returned. Where its methods fail they end Loss, and the trainer returns the error.
type Step struct {
	t      *Trainer
	it     *iteration
	phase  *phase
	repeat int // of the phase, from 1
	shard  *shard
	batch  *Batch   // of a fresh phase
	log    *[]value // nil: not logged
}

// Batch returns the minibatch: the repeat's own in a Fresh phase, else the one that all such phases of the iteration
// share. It is drawn at the first call. With Config.Accumulate above 1 Loss is called for as many minibatches before each
// step: every phase for the same ones, a Fresh phase for others in each repeat.
func (s *Step) Batch() Batch {
	if !s.phase.Fresh {
		return s.shard.shared(s.t)
	}
	if s.batch == nil {
		b, err := s.t.nextBatch()
		if err != nil {
			fail(err)
		}
		s.batch = &b
	}
	return *s.batch
}

// BatchSize returns the number of images in a minibatch.
func (s *Step) BatchSize() int64 { return int64(s.t.BatchSize) }

// Device returns where the networks and batches are: "cpu", "cuda:0".
func (s *Step) Device() string { return s.t.info.Device }

// IsTraining returns true: networks are in training mode.
func (s *Step) IsTraining() bool { return true }

// Iteration returns the iteration's number; the first is 1.
func (s *Step) Iteration() int { return s.it.number }

// Uniform draws noise from U(lo, hi), float32, on Device.
func (s *Step) Uniform(lo, hi float64, shape ...int64) torch.Tensor {
	return s.t.noise.Uniform(lo, hi, shape...)
}

// Normal draws noise from N(0, 1), float32, on Device.
func (s *Step) Normal(shape ...int64) torch.Tensor { return s.t.noise.Normal(shape...) }

// Log reports t, of one element, as "<phase>/<name>" in the metrics. It costs nothing in iterations that are not logged.
// In a repeated phase the last repeat's value counts, within a minibatch the last call's, and of several minibatches, where
// gradients are accumulated, the mean. The loss itself is logged as "<phase>/loss" without a call, and the norm of
// each network's gradients, before clipping, as "<phase>/grad_norm", with "_<network>" behind it if the phase updates several.
func (s *Step) Log(name string, t torch.Tensor) {
	checkMetricName(name)
	s.record(name, t)
}

// Observe is Log for a figure that costs something: f computes it, without gradients and in a scope, and runs only where
// Log would keep the result. The zero Tensor is none: f may find its figure undefined. f works with what Loss has at hand.
// It must not draw noise, nor call Batch, Once or a network in training mode: a run is to be the same however often it is
// logged.
func (s *Step) Observe(name string, f func() torch.Tensor) {
	checkMetricName(name)
	if s.log == nil {
		return
	}
	torchx.Scoped(func() {
		torchx.NoGrad(func() {
			if t := f(); t.T != nil {
				s.record(name, t)
			}
		})
	})
}

func checkMetricName(name string) {
	if name == "" || name == lossName || strings.HasPrefix(name, GradNorm) {
		fail(fmt.Errorf("the metric name %q is not free, expected another than those of the trainer, %s and %s", name, lossName, GradNorm))
	}
}

// lossName is what is logged without a call, as GradNorm is.
const lossName = "loss"

func (s *Step) record(name string, t torch.Tensor) {
	if s.log == nil {
		return
	}
	name = s.phase.Name + "/" + name
	v := torchx.Detach(t)
	torchx.KeepAll(v)
	for i, old := range *s.log {
		if old.name == name && old.shard == s.shard.index {
			torchx.Free(old.t)
			(*s.log)[i].t = v
			return
		}
	}
	*s.log = append(*s.log, value{name, s.shard.index, v})
}

// Free releases the batch's tensors before their scope ends.
func (b Batch) Free() { torchx.Free(b.tensors()...) }

// tensors lists those that are there.
func (b Batch) tensors() []torch.Tensor {
	all := []torch.Tensor{b.Images, b.Targets, b.Labels}
	return slices.DeleteFunc(all, func(t torch.Tensor) bool { return t.T == nil })
}

// ReadBatches gives f the first n samples that a loader reads, or as many as the dataset has, in batches on the device; the
// last one may be smaller. Call it in a scope, as the batches are f's to free. It ends with f's first error.
func ReadBatches(d datasets.Dataset, device string, o datasets.LoaderOptions, n int, f func(Batch) error) error {
	n = min(n, d.Len())
	o.BatchSize = min(o.BatchSize, n)
	loader, err := datasets.NewLoader(d, o)
	if err != nil {
		return err
	}
	defer loader.Close()
	for left := n; left > 0; left -= o.BatchSize {
		b, err := loader.Next()
		if err != nil {
			return err
		}
		if err := f(toDevice(b.First(min(left, o.BatchSize)), d.Info(), device)); err != nil {
			return err
		}
		loader.Recycle(b)
	}
	return nil
}

// toDevice copies a batch of the loader to the trainer's device.
func toDevice(b *datasets.Batch, info datasets.Info, device string) Batch {
	n, h, w := int64(b.N), int64(info.Height), int64(info.Width)
	on := func(t torch.Tensor) torch.Tensor {
		if device == "cpu" {
			return t
		}
		defer torchx.Free(t)
		return torchx.To(t, device, -1)
	}
	batch := Batch{Images: on(torchx.FromFloat32(b.Images, n, int64(info.Channels), h, w))}
	if b.Targets != nil {
		batch.Targets = on(torchx.FromFloat32(b.Targets, n, int64(info.Target.Channels), h, w))
	}
	if b.Labels != nil {
		batch.Labels = on(torchx.FromInt64(b.Labels, n))
	}
	return batch
}
