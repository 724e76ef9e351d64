package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
)

// withNeighbours runs f beside as many processes as -busy says, each of which keeps one core busy.
func (s settings) withNeighbours(f func() error) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for range s.busy {
		c := exec.Command(self, "-child", childSpin)
		in, err := c.StdinPipe() // its end is ours, however we end
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			return fmt.Errorf("cannot start a neighbour: %w", err)
		}
		defer func() {
			in.Close()
			err = errors.Join(err, c.Wait())
		}()
	}
	return f()
}

// spin works on one core until in ends.
func spin(in io.Reader) {
	var turns atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, in)
	}()
	for {
		select {
		case <-ended:
			return
		default:
			for range 1000 {
				turns.Add(1)
			}
		}
	}
}
