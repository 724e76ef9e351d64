package losses

import (
	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// GradientPenalty is mean_i (||grad_x D(x_i)||_2 - 1)^2 at points x between real
// and generated images, x_i = eps_i real_i + (1 - eps_i) generated_i, the norm
// taken over all values of an image (Gulrajani et al. 2017, arXiv:1704.00028).
//
// real and generated are N x ..., eps N x 1 x 1 x 1 in [0, 1]. No gradients go to
// the images; those to the critic go through its gradient, so that the critic
// must be differentiable twice and must judge each image by itself: no batch norm.
func GradientPenalty(critic func(torch.Tensor) torch.Tensor, real, generated, eps torch.Tensor) torch.Tensor {
	between := torchx.Detach(torchx.Add(generated, torchx.Mul(eps, torchx.Sub(real, generated))))
	torchx.SetRequiresGrad(between, true)
	gradient := torchx.Gradients(torchx.Sum(critic(between)), []torch.Tensor{between}, true)[0]
	norms := torchx.Norm(torchx.Flatten(gradient, 1, -1), 1)
	return torchx.Mean(torchx.Square(torchx.AddScalar(norms, -1)))
}
