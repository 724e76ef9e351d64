package torchx

import (
	"bytes"
	"slices"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/internal/fuzztest"
	"github.com/imori-ml/imori/torchx/safetensors"
)

func written(t testing.TB, ts []safetensors.Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := safetensors.Write(&b, ts, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzState: the tensors and the random state of any checkpoint are loaded or refused, and what is loaded is used without harm.
// One of them goes into a network and an optimiser of each type.
func FuzzState(f *testing.F) {
	target := fuzztest.New(f)
	kinds := []OptimizerOptions{
		SGD{LR: 1e-3, Momentum: 0.9}, Adam{LR: 1e-3, Eps: 1e-8}, AdamW{LR: 1e-3, Eps: 1e-8},
		RMSprop{LR: 1e-3, Alpha: 0.9, Eps: 1e-8, Momentum: 0.9, Centered: true},
	}
	gradients := func(m Module) []torch.Tensor {
		return Gradients(Sum(m.Forward(FromFloat32(make([]float32, 16), 4, 4))), Parameters(m), false)
	}
	err := Try(func() {
		Scoped(func() {
			ManualSeed(1)
			generator := GeneratorState("cpu")
			m := network()
			weights := written(f, StateTensors(m))
			for i, k := range kinds {
				o := NewOptimizer(k, NamedParameters(m))
				defer o.Close()
				o.Step(gradients(m))
				state := written(f, o.State())
				target.Add(weights, state, generator, uint8(i))
				target.Add(weights, state[:len(state)-8], generator, uint8(i))
				target.Add(state, weights, generator[:len(generator)-1], uint8(i))
				target.Add(bytes.Replace(weights, []byte("F32"), []byte("I32"), 1), bytes.Replace(state, []byte("F32"), []byte("C64"), -1), generator[1:], uint8(i))
			}
			lie := slices.Clone(generator)
			lie[8], lie[9], lie[16], lie[17] = 0x70, 2, 0x70, 2 // 624 numbers are left behind number 624
			target.Add(weights, []byte{}, lie, uint8(1))
			target.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"), []byte("\xff\xff\xff\xff\xff\xff\xff\xff{}"), []byte{}, uint8(9))
		})
	})
	if err != nil {
		f.Fatal(err)
	}
	read := func(b []byte) []safetensors.Tensor {
		ts, _, _ := safetensors.Read(bytes.NewReader(b), int64(len(b)))
		return ts
	}
	target.Fuzz(func(t *testing.T, weights, state, generator []byte, kind uint8) {
		tensors, states := read(weights), read(state)
		fuzztest.Bounded(t, 1<<20+200*(len(weights)+len(state)+len(generator)), func() {
			scoped(t, func() {
				SetThreads(1) // of OpenMP, which each thread of the process has its own of
				if Try(func() { SetGeneratorState("cpu", generator) }) == nil {
					Normal(0, 1, "cpu", 2000)
				}
				m := network()
				before := StateTensors(m)
				if err := LoadState(m, tensors); err != nil {
					for i, s := range StateTensors(m) {
						if !bytes.Equal(s.Data, before[i].Data) {
							t.Errorf("%s changed, though %v", s.Name, err)
						}
					}
				}
				o := NewOptimizer(kinds[int(kind)%len(kinds)], NamedParameters(m))
				defer o.Close()
				loadErr := o.LoadState(states)
				if loadErr != nil && len(o.State()) != 0 {
					t.Errorf("the optimiser's state changed, though %v", loadErr)
				}
				o.Step(gradients(m))
			})
		})
	})
}
