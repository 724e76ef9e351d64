package trainer

import (
	"encoding/json"
	"fmt"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer/rundir"
)

// What Config.Precision may be.
const (
	precisionFP32 = "fp32"
	precisionBF16 = "bf16"
	precisionAuto = "auto"
)

var checkBF16 = torchx.CheckBF16 // replaced by tests

// resolvePrecision decides what auto is: what the run began with, or bf16 where the CPU multiplies it. It refuses bf16 where
// there is none.
func (t *Trainer) resolvePrecision(c *rundir.Checkpoint) error {
	precision := t.Precision
	if precision == precisionAuto && c != nil {
		var was settings
		if err := json.Unmarshal(c.State.Extra[settingsKey], &was); err == nil {
			precision = was.precision()
		}
	}
	unable := checkBF16(t.info.Device)
	switch precision {
	case precisionBF16:
		if unable != nil && t.Precision == precisionAuto {
			return fmt.Errorf("the run began in bf16, but %w; set train.precision to fp32 to go on with other results", unable)
		}
		if unable != nil {
			return fmt.Errorf("precision is bf16, but %w; set train.precision to fp32 or auto", unable)
		}
	case precisionAuto:
		if precision = precisionBF16; unable != nil || t.info.Device != "cpu" {
			precision = precisionFP32
		}
	}
	t.info.Precision = precision
	return nil
}

// loss is the phase's, in float32 whatever its layers compute in.
func (t *Trainer) loss(s *Step) (loss torch.Tensor) {
	if t.info.Precision != precisionBF16 {
		return s.phase.Loss(s)
	}
	torchx.BF16(func() { loss = s.phase.Loss(s) })
	if loss.T != nil {
		loss = torchx.Float(loss)
	}
	return loss
}
