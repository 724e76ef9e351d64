package spin

// For what share of its time a thread may stand in line. On two processors, another process that computes has each of two
// threads stand there for two fifths of its time or more; on a machine of one's own Go's threads, and being woken, take up
// to a tenth of it.
const (
	much   = 0.25
	little = 0.2
)

// How many looks in a row with much of that it takes to set the limit: one alone is the start of a program, or a
// collection of garbage. How many with little it takes to lift it; each time that was too soon, twice as many, up to
// those of two minutes.
const (
	leastBusy = 2
	leastCalm = 10
	mostCalm  = 600
)

// decision is whether spinning is limited, and what leads to the next change.
type decision struct {
	limited          bool
	busy, calm, need int // looks
}

// next takes the share of its time that the thread which did so most stood in line, and returns whether the limit changes.
func (d *decision) next(share float64) bool {
	if !d.limited {
		d.calm++
		if share < much {
			d.busy = 0
			return false
		}
		if d.busy++; d.busy < leastBusy {
			return false
		}
		if d.calm > d.need { // the limit was lifted in time
			d.need = leastCalm
		} else {
			d.need = min(2*d.need, mostCalm)
		}
		d.limited, d.busy, d.calm = true, 0, 0
		return true
	}
	d.calm++
	if share >= little {
		d.calm = 0
	}
	if d.calm < d.need {
		return false
	}
	d.limited, d.calm = false, 0
	return true
}
