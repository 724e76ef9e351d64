package losses

import (
	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// GaussianKL is KL(N(mu, exp(logvar)) || N(0, 1)) of each dimension, in nats,
// averaged over the batch (Kingma & Welling 2013, appendix B):
//
//	-1/2 mean_i(1 + logvar - mu^2 - exp(logvar))
//
// mu and logvar are N x D, the result has D values; their sum is the divergence.
func GaussianKL(mu, logvar torch.Tensor) torch.Tensor {
	mu, logvar = torchx.Float(mu), torchx.Float(logvar)
	terms := torchx.Sub(torchx.AddScalar(logvar, 1), torchx.Add(torchx.Square(mu), torchx.Exp(logvar)))
	return torchx.MulScalar(torchx.Mean(terms, 0), -0.5)
}
