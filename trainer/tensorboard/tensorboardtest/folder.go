package tensorboardtest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Point is a value at its step.
type Point struct {
	Step int64
	Value
}

// Files lists the event files of a folder in the order in which TensorBoard reads them.
func Files(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	slices.Sort(files)
	return files, err
}

// Read returns the points that TensorBoard shows of a folder, by tag, in the order of reading: as its loader does, it
// drops at each START but the first what it has of that step and later ones. A file begins with its version and START, or is
// empty, as one whose process was killed before it wrote.
func Read(dir string) (map[string][]Point, error) {
	files, err := Files(dir)
	if err != nil {
		return nil, err
	}
	shown := map[string][]Point{}
	started := false
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		events, _, err := Parse(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if len(events) == 0 {
			continue
		}
		if len(events) < 2 || events[0].FileVersion != "brain.Event:2" || !events[1].Start {
			return nil, fmt.Errorf("%s does not begin with version brain.Event:2 and START", file)
		}
		for _, e := range events[1:] {
			if e.Start && started {
				for tag, points := range shown {
					shown[tag] = slices.DeleteFunc(points, func(p Point) bool { return p.Step >= e.Step })
				}
			}
			started = started || e.Start
			for _, v := range e.Values {
				shown[v.Tag] = append(shown[v.Tag], Point{e.Step, v})
			}
		}
	}
	return shown, nil
}
