package rundir

// DamagedError is a latest checkpoint that cannot be read, of a run that has others.
type DamagedError struct {
	Err    error
	Link   string // checkpoints/latest, which a run goes on from
	Others []int  // iterations of the other checkpoints, the newest first
}

func (e *DamagedError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong with the checkpoint.
func (e *DamagedError) Unwrap() error { return e.Err }
