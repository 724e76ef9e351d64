package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/imori-ml/imori/trainer/rundir"
)

// clocked tells the files that hold times and processes, which differ in any two runs.
func clocked(path string) bool {
	return path == "timing.jsonl" || path == "status.json" || path == ".lock" || strings.HasPrefix(path, "events.out.tfevents.")
}

// compareRuns is an error that names the first of all other files that is not the same, byte for byte, in both folders, or
// not there; or of timing.jsonl the line whose iteration is another one; and where a run does not say that it is finished.
//
// A run that a signal has interrupted has a checkpoint more, one that saves by the clock some. So it may keep other ones: with
// interrupted it compares the checkpoints that are there in both, the last one among them, and the best.
func compareRuns(a, b string, interrupted bool) error {
	files := map[string][]string{} // by folder
	for _, folder := range []string{a, b} {
		list, err := contents(folder)
		if err != nil {
			return err
		}
		files[folder] = list
		seen, err := rundir.Look(folder, 0)
		if err != nil {
			return err
		}
		if seen.State != rundir.Finished || seen.Iteration != seen.Iterations {
			return fmt.Errorf("%s/status.json: the run is %s at iteration %d of %d", folder, seen.State, seen.Iteration, seen.Iterations)
		}
	}
	for _, pair := range [][2]string{{a, b}, {b, a}} {
		var common []string
		for _, name := range files[pair[0]] {
			switch {
			case slices.Contains(files[pair[1]], name):
				common = append(common, name)
			case !interrupted || !ofCheckpoint(name, files[pair[0]]) || slices.ContainsFunc(files[pair[1]], besides(name)):
				return fmt.Errorf("%s is missing in %s", filepath.Join(pair[0], name), pair[1])
			}
		}
		files[pair[0]] = common
	}
	// The metrics come first, for they say at which iteration it began.
	slices.SortStableFunc(files[a], func(x, y string) int { return rank(x) - rank(y) })
	for _, name := range files[a] {
		if err := compareFiles(filepath.Join(a, name), filepath.Join(b, name)); err != nil {
			return err
		}
	}
	return compareTiming(a, b)
}

// ofCheckpoint tells the files of a whole checkpoint.
func ofCheckpoint(name string, all []string) bool {
	return wholeCheckpoint.MatchString(name) && slices.Contains(all, filepath.Join(filepath.Dir(name), "state.json"))
}

var wholeCheckpoint = regexp.MustCompile(`^checkpoints/[0-9]{8}/[^/]+$`)

// besides tells the files of the same folder.
func besides(name string) func(string) bool {
	return func(other string) bool { return filepath.Dir(other) == filepath.Dir(name) }
}

func compareFiles(pathA, pathB string) error {
	first, err := read(pathA)
	if err != nil {
		return err
	}
	second, err := read(pathB)
	if err != nil {
		return err
	}
	if at := firstDifference(first, second); at >= 0 {
		where := fmt.Sprintf("byte %d", at)
		if utf8.Valid(first) {
			where += fmt.Sprintf(", line %d", 1+bytes.Count(first[:at], []byte("\n")))
		}
		return fmt.Errorf("%s and %s differ from %s on", pathA, pathB, where)
	}
	return nil
}

// compareTiming wants a line of the same iterations in both: none twice, none missing. All else in them is of the clock.
func compareTiming(a, b string) error {
	var iterations [2][]int
	for i, folder := range []string{a, b} {
		path := filepath.Join(folder, "timing.jsonl")
		series, err := rundir.ReadMetrics(path)
		if err != nil {
			return err
		}
		if len(series) == 0 || series[0].Name != "seconds" {
			return fmt.Errorf("%s has no seconds", path)
		}
		for _, p := range series[0].Points {
			iterations[i] = append(iterations[i], p.Iteration)
		}
	}
	if !slices.Equal(iterations[0], iterations[1]) {
		return fmt.Errorf("%s/timing.jsonl has lines of iterations %v, expected %v as in %s", b, iterations[1], iterations[0], a)
	}
	return nil
}

func rank(name string) int {
	if name == "metrics.jsonl" {
		return 0
	}
	return 1
}

// contents lists the files and links of a run that depend on no clock.
func contents(folder string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err == nil && !d.IsDir() && !clocked(name) {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

// read returns what is in a file, or what a link points to.
func read(path string) ([]byte, error) {
	if target, err := os.Readlink(path); err == nil {
		return []byte("-> " + target), nil
	}
	return os.ReadFile(path)
}

// firstDifference returns the first byte in which they differ; -1 if they are equal.
func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) == len(b) {
		return -1
	}
	return min(len(a), len(b))
}
