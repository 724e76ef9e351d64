// Package spin limits how long OpenMP's threads look for new work while processors are scarce. GCC's library lets them
// look for milliseconds before they sleep. That is best on a machine of one's own, where waking a thread costs more than the
// pauses between its pieces of work are long; but where another process, or this one's own work of another kind, has taken a
// processor, threads that look keep from working those that they wait for, and training slows down several times.
//
// It is imported for its effect, by programs that train:
//
//	import _ "github.com/imori-ml/imori/torchx/spin"
//
// Five times a second such a program asks Linux for how long its threads stood in line for a processor, and has OpenMP's
// threads sleep after some microseconds as long as one that works did so for a good part of its time, twice running. Where
// the environment says how threads wait (GOMP_SPINCOUNT or OMP_WAIT_POLICY), and where there is no answer, as on systems
// other than Linux, the package does nothing.
package spin

import (
	"os"
	"time"

	"github.com/imori-ml/imori/torchx"
)

// interval is the time between two looks.
const interval = 200 * time.Millisecond

func init() {
	for _, said := range []string{"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} {
		if _, ok := os.LookupEnv(said); ok {
			return
		}
	}
	q := queue{folder: "/proc/self/task"}
	go watch(q.look, time.Tick(interval), torchx.LimitSpinning)
}

// watch sets the limit as looks ask for, until there is nothing to look at.
func watch(look func() (share float64, err error), times <-chan time.Time, limit func(bool)) {
	if _, err := look(); err != nil {
		return
	}
	var d decision
	for range times {
		share, err := look()
		if err != nil {
			limit(false)
			return
		}
		if d.next(share) {
			limit(d.limited)
		}
	}
}
