package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/imori-ml/imori/torchx"
)

// runner runs processes that print one line of JSON, one at a time.
type runner struct {
	ctx  context.Context
	out  io.Writer
	busy bool // a busy machine is what is wanted
}

// result runs one side, and watches what else the machine does meanwhile.
func (r runner) result(name string, args ...string) (result, error) {
	var figures result
	apart, before := torchx.Apart(), readCPU()
	if err := r.once(&figures, name, args...); err != nil {
		return result{}, err
	}
	figures.ForeignCPU = before.foreign(readCPU())
	figures.Apart = torchx.Apart() || apart
	if figures.ForeignCPU > 0.05 && !r.busy {
		fmt.Fprintf(r.out, "  warning: other programs used %.0f %% of the processors during this run; its figures say little\n", 100*figures.ForeignCPU)
	}
	return figures, nil
}

// once runs a process and reads its line.
func (r runner) once(line any, name string, args ...string) error {
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(r.ctx, name, args...)
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if r.ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if last := lines[len(lines)-1]; last != "" { // of a Python traceback it is the line that says what
			err = fmt.Errorf("%w: %s", err, last)
		}
		return err
	}
	if err := json.Unmarshal(stdout.Bytes(), line); err != nil {
		return fmt.Errorf("its output is not the line of JSON that was expected: %w", err)
	}
	return nil
}
