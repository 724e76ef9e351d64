package main

import (
	"math"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// diverging is a gan whose generator's loss is NaN in some iterations, if a draw of noise says so. After a rollback the
// noise is another, so that the run goes on, sooner or later: what real divergence does, but on every machine.
const diverging = "diverging"

// Of 5 iterations the fourth may diverge, one or two behind a checkpoint.
const (
	divergesAt, divergesEvery = 4, 5
	divergesOften             = 0.8 // of all noise; 0.8 to the power of max_rollbacks is the chance of a run to fail
)

func init() {
	p, _ := models.Lookup("gan")
	gan := p.Options
	p.Name, p.About = diverging, "gan whose loss is NaN for some noise, to be rolled back"
	p.Options = func() models.Options { return &divergingOptions{*gan().(*models.GANOptions)} }
	models.Register(p)
}

type divergingOptions struct {
	models.GANOptions `yaml:",inline"`
}

// Build makes a gan and spoils it.
func (o *divergingOptions) Build(in datasets.Info) (trainer.Model, error) {
	m, err := o.GANOptions.Build(in)
	if err != nil {
		return nil, err
	}
	return divergingModel{m}, nil
}

type divergingModel struct{ trainer.Model }

func (m divergingModel) Phases() []trainer.Phase {
	phases := m.Model.Phases()
	last := &phases[len(phases)-1]
	loss := last.Loss
	last.Loss = func(s *trainer.Step) torch.Tensor {
		l := loss(s)
		if s.Iteration()%divergesEvery == divergesAt && torchx.Item(s.Uniform(0, 1, 1)) < divergesOften {
			return torchx.MulScalar(l, math.NaN())
		}
		return l
	}
	return phases
}
