package train

import (
	"fmt"
	"strings"

	"github.com/imori-ml/imori/trainer"
)

// healthLine says in words how training goes; "" without figures.
func healthLine(figures []trainer.Metric) string {
	var parts, gradients []string
	of := map[string]float64{}
	for _, m := range figures {
		of[m.Name] = m.Value
	}
	for _, m := range figures {
		phase, name, _ := strings.Cut(m.Name, "/")
		switch name {
		case trainer.Diversity:
			parts = append(parts, fmt.Sprintf("diversity %.2f of the data's", m.Value))
		case trainer.AccuracyReal:
			parts = append(parts, fmt.Sprintf("%s right on %s of real, %s of generated",
				phase, percent(m.Value), percent(of[phase+"/"+trainer.AccuracyGenerated])))
		case trainer.AccuracyGenerated: // said with the other
		default:
			network := strings.TrimPrefix(strings.TrimPrefix(name, trainer.GradNorm), "_")
			if network == "" {
				network = phase
			}
			gradients = append(gradients, fmt.Sprintf("%s %.2g", network, m.Value))
		}
	}
	if len(gradients) > 0 {
		parts = append(parts, "gradients "+strings.Join(gradients, ", "))
	}
	if len(parts) == 0 {
		return ""
	}
	return "health    " + strings.Join(parts, "   ")
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }
