package main

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticks of /proc are hundredths of a second on every Linux that Go runs on.
const ticksPerSecond = 100

// cpu is processor time in seconds: of the whole machine, and of our children and ourselves in it.
type cpu struct{ busy, total, own float64 }

// readCPU returns zeros where there is no /proc.
func readCPU() cpu {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return cpu{}
	}
	line, _, _ := strings.Cut(string(b), "\n")
	var c cpu
	for i, field := range strings.Fields(line) {
		v, err := strconv.ParseFloat(field, 64)
		if i == 0 || err != nil || i > 8 {
			continue // the name; guest time is part of user time
		}
		c.total += v / ticksPerSecond
		if i != 4 && i != 5 { // idle, waiting for a disk
			c.busy += v / ticksPerSecond
		}
	}
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var usage syscall.Rusage
		if syscall.Getrusage(who, &usage) == nil {
			c.own += time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
		}
	}
	return c
}

// foreign is the share of the machine that others used between two readings, 0 to 1.
func (c cpu) foreign(later cpu) float64 {
	if later.total <= c.total {
		return 0
	}
	return max(0, (later.busy-c.busy)-(later.own-c.own)) / (later.total - c.total)
}

// sinceProcessStart is the time since this process was started, as peer.py has it.
func sinceProcessStart() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, err
	}
	uptime, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0, err
	}
	_, afterName, _ := strings.Cut(string(stat), ") ")
	fields, up := strings.Fields(afterName), strings.Fields(string(uptime))
	if len(fields) < 20 || len(up) < 1 {
		return 0, errors.New("/proc/self/stat or /proc/uptime has another form than expected")
	}
	started, err := strconv.ParseFloat(fields[19], 64)
	if err != nil {
		return 0, err
	}
	now, err := strconv.ParseFloat(up[0], 64)
	if err != nil {
		return 0, err
	}
	return time.Duration((now - started/ticksPerSecond) * float64(time.Second)), nil
}
