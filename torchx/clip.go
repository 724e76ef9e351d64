package torchx

import torch "github.com/wangkuiyi/gotorch"

// GradNorm returns the L2 norm of all gradients together, as of one vector. The zero Tensors among them are skipped; if
// there is nothing else, so is the result.
func GradNorm(grads []torch.Tensor) torch.Tensor {
	var norms []torch.Tensor
	for _, g := range grads {
		if g.T != nil {
			norms = append(norms, Reshape(Norm(g), 1))
		}
	}
	if norms == nil {
		return torch.Tensor{}
	}
	return Norm(Cat(0, norms...))
}

// ClipGradNorm is torch.nn.utils.clip_grad_norm_: it scales the gradients, as Gradients returns them, by
// limit/(norm + 1e-6), if that is below 1, for the norm that GradNorm returned. It replaces and frees them. Nothing waits
// for the device.
func ClipGradNorm(grads []torch.Tensor, norm torch.Tensor, limit float64) {
	if norm.T == nil {
		return
	}
	scale := Clamp(Div(Full(limit, norm.Dtype(), Device(norm)), AddScalar(norm, 1e-6)), 0, 1)
	replace(grads, func(g torch.Tensor) torch.Tensor { return Mul(g, scale) })
}

// ClipGradValue is torch.nn.utils.clip_grad_value_: it limits every element of the gradients to [-limit, limit]. It replaces
// and frees them.
func ClipGradValue(grads []torch.Tensor, limit float64) {
	replace(grads, func(g torch.Tensor) torch.Tensor { return Clamp(g, -limit, limit) })
}

// replace is not done in place: a gradient may be one value under many indices.
func replace(grads []torch.Tensor, f func(torch.Tensor) torch.Tensor) {
	for i, g := range grads {
		if g.T != nil {
			grads[i] = f(g)
			Free(g)
		}
	}
}
