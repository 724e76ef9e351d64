package trainer

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/imori-ml/imori/trainer/rundir"
)

// loggedKey is where in a checkpoint's State.Extra the trainer keeps the iteration of the last line of metrics.jsonl; 0: it has
// none. Versions before did not.
const loggedKey = "logged"

// noteLogged puts it into a checkpoint.
func (t *Trainer) noteLogged(c *rundir.Checkpoint) {
	if t.metrics != nil {
		c.State.Extra[loggedKey] = json.RawMessage(strconv.Itoa(max(t.metrics.Newest(), 0)))
	}
}

// restoreLogged takes over what the log is to have.
func (t *Trainer) restoreLogged(c *rundir.Checkpoint) error {
	raw := c.State.Extra[loggedKey]
	if raw == nil {
		return nil
	}
	if err := json.Unmarshal(raw, &t.mustHave); err != nil {
		return fmt.Errorf("what it says of the log is damaged: %w", err)
	}
	return nil
}

// finished tells whether nothing is left to do.
func (t *Trainer) finished() bool { return t.iteration >= t.Iterations && t.owed == nil }

// checkLog refuses to go on with a log that lacks lines before the checkpoint: they would stay missing without a word. It
// comes before anything of the log is cut, so that what is unreadable can still be mended.
func (t *Trainer) checkLog() error {
	if t.mustHave == 0 || t.finished() {
		return nil
	}
	newest, err := t.dir.LastLogged(t.logged())
	if err != nil || newest >= t.mustHave {
		return err
	}
	found := "no line that can be read"
	if newest >= 0 {
		found = fmt.Sprintf("none that can be read after iteration %d", newest)
	}
	lost := fmt.Sprintf("metrics.jsonl in %s lacks lines: found %s, expected those up to iteration %d, as when the checkpoint was saved", t.Dir, found, t.mustHave)
	if t.AcceptLost {
		t.lostAccepted = true
		t.observer.Warn("accepted: " + lost)
		return nil
	}
	return fmt.Errorf("%s: put the file back as it was, or go on without them by -accept-changes (Options.AcceptLost)", lost)
}
