package torchx

import (
	"fmt"
	"slices"
	"strings"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx/safetensors"
)

// Entry is a parameter or a buffer under its PyTorch state_dict name.
type Entry struct {
	Name   string
	Tensor torch.Tensor
	Buffer bool // moves with training but gets no gradient: running statistics
}

// Module is a network or a layer.
type Module interface {
	Forward(x torch.Tensor) torch.Tensor
	State() []Entry // in PyTorch's order
	Train(on bool)  // training or evaluation; modules start in training
}

// Stateful is what has a state_dict: every Module, and the parts of one.
type Stateful interface{ State() []Entry }

// NamedParameters returns m's parameters in PyTorch's order.
func NamedParameters(m Module) []Entry { return entries(m, false) }

// Buffers returns m's buffers in PyTorch's order.
func Buffers(m Module) []Entry { return entries(m, true) }

func entries(m Module, buffers bool) []Entry {
	return slices.DeleteFunc(slices.Clone(m.State()), func(e Entry) bool { return e.Buffer != buffers })
}

// Parameters returns the tensors of NamedParameters.
func Parameters(m Module) []torch.Tensor {
	var ts []torch.Tensor
	for _, e := range NamedParameters(m) {
		ts = append(ts, e.Tensor)
	}
	return ts
}

// CountParameters returns the number of m's trained values.
func CountParameters(m Module) int64 {
	var n int64
	for _, e := range NamedParameters(m) {
		n += count("count parameters", Shape(e.Tensor))
	}
	return n
}

// ToDevice moves m and makes its floating-point values dtype; -1 leaves them as they are. Parameters stay the same
// tensors to whoever holds them, but an optimiser's state does not move: make optimisers afterwards.
func ToDevice(m Module, device string, dtype int8) {
	Scoped(func() {
		NoGrad(func() {
			for _, e := range m.State() {
				as := dtype
				if !lookUp("to", infoOf("to", e.Tensor).dtype).floating {
					as = -1
				}
				SetData(e.Tensor, To(e.Tensor, device, as))
			}
		})
	})
}

// StateTensors returns copies of m's state, for a safetensors file that PyTorch reads as a state_dict.
func StateTensors(m Stateful) []safetensors.Tensor {
	var ts []safetensors.Tensor
	for _, e := range m.State() {
		ts = append(ts, export(e.Name, e.Tensor))
	}
	return ts
}

// export copies a tensor out under a name.
func export(name string, t torch.Tensor) safetensors.Tensor {
	in := infoOf("export", t)
	return safetensors.Tensor{Name: name, DType: lookUp("export", in.dtype).name, Shape: in.shape, Data: Bytes(t)}
}

// LoadState copies a state_dict into m. It is strict: names that are missing, unexpected or there twice, other shapes and
// wrong dtypes are errors, listed all at once, and then nothing has changed. Floating-point values are converted.
func LoadState(m Stateful, ts []safetensors.Tensor) error {
	return Try(func() {
		state := m.State()
		var slots []slot
		for _, e := range state {
			in := infoOf("load state", e.Tensor)
			slots = append(slots, slot{e.Name, in.shape, lookUp("load state", in.dtype).floating})
		}
		found := match("load state", slots, ts)
		Scoped(func() {
			loaded := make([]torch.Tensor, len(state))
			for i := range state {
				loaded[i] = load(*found[i])
			}
			for i, e := range state {
				Copy(e.Tensor, loaded[i])
			}
		})
	})
}

// slot is what a loaded tensor must fit into.
type slot struct {
	name     string
	shape    []int64
	floating bool
}

// match finds the tensor of every slot, or panics with an *Error that lists all that is wrong.
func match(op string, slots []slot, ts []safetensors.Tensor) []*safetensors.Tensor {
	var problems []string
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	byName := map[string]*safetensors.Tensor{}
	for i, t := range ts {
		if byName[t.Name] != nil {
			problem("%s is there twice", t.Name)
		}
		byName[t.Name] = &ts[i]
	}
	found := make([]*safetensors.Tensor, len(slots))
	for i, s := range slots {
		t := byName[s.name]
		delete(byName, s.name)
		if t == nil {
			problem("%s is missing", s.name)
			continue
		}
		found[i] = t
		if err := fits(s, t); err != nil {
			problem("%s", err)
		}
	}
	for _, t := range ts {
		if byName[t.Name] != nil {
			problem("%s is unexpected", t.Name)
			delete(byName, t.Name)
		}
	}
	if problems != nil {
		fail(op, nil, "the saved state does not fit: %s", strings.Join(problems, "; "))
	}
	return found
}

func fits(s slot, t *safetensors.Tensor) error {
	i := slices.IndexFunc(dtypes, func(d dtypeInfo) bool { return d.name == t.DType })
	switch {
	case !slices.Equal(s.shape, t.Shape):
		return fmt.Errorf("%s has shape %v, expected %v", t.Name, t.Shape, s.shape)
	case i < 0 || dtypes[i].floating != s.floating:
		kind := "an integer"
		if s.floating {
			kind = "a floating-point"
		}
		return fmt.Errorf("%s has dtype %s, expected %s one", t.Name, t.DType, kind)
	case int64(len(t.Data)) != count("load state", t.Shape)*dtypes[i].size:
		return fmt.Errorf("%s has %d bytes, expected %d", t.Name, len(t.Data), count("load state", t.Shape)*dtypes[i].size)
	}
	return nil
}

// load makes a tensor of one that fits.
func load(t safetensors.Tensor) torch.Tensor {
	i := slices.IndexFunc(dtypes, func(d dtypeInfo) bool { return d.name == t.DType })
	return FromBytes(t.Data, dtypes[i].dtype, t.Shape...)
}
