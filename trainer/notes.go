package trainer

import (
	"fmt"
	"sync"
)

// notes collects what the run's folder has to say, also while it is written to beside training, for an observer hears from
// the trainer's goroutine alone.
type notes struct {
	mu    sync.Mutex
	texts []string
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.texts = append(n.texts, fmt.Sprintf(format, args...))
}

// tell passes them on.
func (n *notes) tell(o Observer) {
	n.mu.Lock()
	texts := n.texts
	n.texts = nil
	n.mu.Unlock()
	for _, text := range texts {
		o.Warn(text)
	}
}
