package trainer

import (
	"encoding/json"
	"fmt"
	"slices"

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

// Replaced by tests.
var (
	checkBF16 = torchx.CheckBF16
	bf16Pays  = torchx.BF16Pays
)

// resolvePrecision decides what auto is: what the run began with, or bf16 where the CPU multiplies it faster than fp32 and
// the model has convolutions. It refuses bf16 where there is none.
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
	case precisionFP32:
	case precisionBF16:
		if unable != nil && t.Precision == precisionAuto {
			return fmt.Errorf("the run began in bf16, but %w; set train.precision to fp32 to go on with other results", unable)
		}
		if unable != nil {
			return fmt.Errorf("precision is bf16, but %w; set train.precision to fp32 or auto", unable)
		}
		if t.info.Device == "cpu" && !bf16Pays() {
			t.observer.Warn("bf16 is slower than fp32 on this CPU, whose instruction for bfloat16 takes longer than those for float32: " +
				"fp32 is better here (train.precision)")
		}
	case precisionAuto:
		if precision = precisionBF16; unable != nil || t.info.Device != "cpu" || !t.convolves() || !bf16Pays() {
			precision = precisionFP32
		}
	default: // of a checkpoint: Config.Check knows all that a recipe may say
		return fmt.Errorf("the run began in %q, expected %s or %s: a later version of imori made it; go on with that one, "+
			"or set train.precision to fp32 to go on with other results", precision, precisionFP32, precisionBF16)
	}
	t.info.Precision = precision
	return nil
}

// convolves tells whether the model has convolutions. Linear layers alone gain too little by avx512_bf16 to pay for rounding
// what they take.
func (t *Trainer) convolves() bool {
	return slices.ContainsFunc(t.networks, func(n *network) bool {
		return slices.ContainsFunc(n.Module.State(), func(e torchx.Entry) bool {
			return !e.Buffer && len(torchx.Shape(e.Tensor)) == 4
		})
	})
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
