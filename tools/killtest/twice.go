package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// trainTwice trains each model twice in the same way. Operations whose result depends on which thread comes first show as
// a difference.
func trainTwice(ctx context.Context, out io.Writer, dir string, s settings) error {
	different := 0
	for _, model := range s.models {
		t, err := newTrial(dir, model, s)
		if err != nil {
			return err
		}
		began := time.Now()
		var runs [2]string
		for i := range runs {
			runs[i] = filepath.Join(dir, fmt.Sprint("run", i), model, "run")
			if _, err := t.run(ctx, runs[i], nil); err != nil {
				return err
			}
		}
		verdict := "equal"
		if err := compareRuns(runs[0], runs[1], t.clocked); err != nil { // not the event files, which hold nothing else
			different++
			verdict = err.Error()
		}
		fmt.Fprintf(out, "%-10s %d iterations with %d threads, twice, in %s: %s\n",
			model, s.iterations, s.threads, time.Since(began).Round(time.Second/10), verdict)
	}
	if different > 0 {
		return fmt.Errorf("%d of %d models train in another way the second time; the runs are in %s", different, len(s.models), dir)
	}
	return nil
}
