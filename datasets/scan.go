package datasets

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// problem is a file that cannot be used.
type problem struct{ path, reason string }

// unusable is the one report of everything that a scan found.
type unusable struct {
	total    int       // files looked at
	problems []problem // sorted by path; a file may have several
}

// shownProblems is more than anyone mends by hand; a report must still end.
const shownProblems = 1000

func (u *unusable) Error() string {
	files := map[string]bool{}
	for _, p := range u.problems {
		files[p.path] = true
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d files cannot be used; mend them or take them away:", len(files), u.total)
	for _, p := range u.problems[:min(len(u.problems), shownProblems)] {
		fmt.Fprintf(&b, "\n  %s: %s", p.path, p.reason)
	}
	if more := len(u.problems) - shownProblems; more > 0 {
		fmt.Fprintf(&b, "\n  and %d more", more)
	}
	return b.String()
}

// scan calls check for 0 to n-1, on all processors, and collects what it reports,
// in the order of the indices. If ctx ends, so does the scan, with its cause.
func scan(ctx context.Context, env Env, n int, check func(i int) []problem) ([]problem, error) {
	found := make([][]problem, n)
	var mu sync.Mutex // of next and done, and held while env is told
	var next, done int
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1
	}
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		workers.Go(func() {
			for i := take(); i < n && ctx.Err() == nil; i = take() {
				found[i] = check(i)
				mu.Lock()
				done++
				if env.Scanned != nil {
					env.Scanned(done, n)
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return slices.Concat(found...), nil
}

// brief lists names, the first few of many.
func brief(names []string) string {
	const most = 10
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
