package torchx

// Child is a part of a network, under the name of its attribute in PyTorch: "conv1".
type Child struct {
	Name   string
	Module Module
}

// Children are the parts of a network that is no Sequential: embed them, in PyTorch's order, and write Forward.
//
//	type block struct {
//		torchx.Children
//		main, shortcut torchx.Module
//	}
//
//	func newBlock() *block {
//		b := &block{main: ..., shortcut: ...}
//		b.Children = torchx.Children{{"main", b.main}, {"shortcut", b.shortcut}}
//		return b
//	}
//
//	func (b *block) Forward(x torch.Tensor) torch.Tensor { return torchx.Add(b.main.Forward(x), b.shortcut.Forward(x)) }
type Children []Child

// State lists the parts' state, each entry as "<name>.<entry>".
func (c Children) State() []Entry {
	var state []Entry
	for _, child := range c {
		for _, e := range child.Module.State() {
			e.Name = child.Name + "." + e.Name
			state = append(state, e)
		}
	}
	return state
}

// Train switches all parts.
func (c Children) Train(on bool) {
	for _, child := range c {
		child.Module.Train(on)
	}
}
