package trainer

import (
	"fmt"
	"math"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

func (c Config) checkClipping() (errs []error) {
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	check := func(key string, limit float64) {
		if !(limit >= 0) || math.IsInf(limit, 1) {
			wrong("%s is %g, expected a limit above 0, or 0 for none", key, limit)
		}
	}
	check("clip_norm", c.ClipNorm)
	check("clip_value", c.ClipValue)
	if c.ClipNorm > 0 && c.ClipValue > 0 {
		wrong("clip_norm is %g and clip_value %g, expected one of them to be 0", c.ClipNorm, c.ClipValue)
	}
	return errs
}

// needsGradients tells whether clip does anything.
func (s *Step) needsGradients() bool {
	return s.log != nil || s.t.ClipNorm > 0 || s.t.ClipValue > 0
}

// clip limits the gradients of a network that the phase updates, if it is to. The norm that is logged is the one before.
func (s *Step) clip(n *network, grads []torch.Tensor) error {
	c := s.t.Config
	var norm torch.Tensor
	if c.ClipNorm > 0 || s.log != nil {
		norm = torchx.GradNorm(grads)
	}
	if norm.T != nil {
		s.record(GradNorm+s.of(n), norm)
	}
	if err := s.checkNorm(n, norm); err != nil {
		return err
	}
	switch {
	case c.ClipNorm > 0:
		torchx.ClipGradNorm(grads, norm, c.ClipNorm)
	case c.ClipValue > 0:
		torchx.ClipGradValue(grads, c.ClipValue)
	}
	return nil
}

// of tells the networks of a phase apart in the names of metrics, where there are several.
func (s *Step) of(n *network) string {
	if len(s.phase.networks) == 1 {
		return ""
	}
	return "_" + n.Name
}
