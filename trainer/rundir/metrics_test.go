package rundir

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
)

func TestReadMetrics(t *testing.T) {
	d := create(t)
	l := metrics(t, d)
	for _, line := range []struct {
		iteration int
		fields    []Field
	}{
		{1, []Field{{"critic/loss", 0.1}, {"generator/loss", float32(-2)}, {"note", "text"}, {"on", true}}},
		{5, []Field{{"generator/loss", math.NaN()}, {"critic/loss", math.Inf(1)}, {"n", 3}}},
		{5, nil},
		{9, []Field{{"critic/loss", 1e-300}}},
	} {
		if err := l.Append(line.iteration, line.fields); err != nil {
			t.Fatal(err)
		}
	}
	const want = "[{critic/loss [{1 0.1} {5 NaN} {9 1e-300}]} {generator/loss [{1 -2} {5 NaN}]} {n [{5 3}]}]"
	path := filepath.Join(d.Path(), metricsFile)
	text := readFile(t, path)
	for _, torn := range []string{"", `{"iteration":10,"critic/lo`, `{`, "\x00\x00"} {
		writeFile(t, path, text+torn)
		series, err := ReadRunMetrics(d.Path())
		if got := fmt.Sprint(series); err != nil || got != want {
			t.Errorf("with %q at the end: got %s, %v\nwant %s", torn, got, err, want)
		}
	}
	writeFile(t, path, text+`{"iteration":10,"n":4}`) // whole, but for the newline
	if series, err := ReadMetrics(path); err != nil || len(series[2].Points) != 2 {
		t.Errorf("got %v, %v", series, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if series, err := ReadRunMetrics(d.Path()); series != nil || err != nil {
		t.Errorf("without a log: %v, %v", series, err)
	}
	_, err := ReadMetrics(path)
	wantError(t, err, "cannot read metrics", "no such file")
}

func TestReadMetricsRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.jsonl")
	for line, want := range map[string]string{
		`{"iteration":2,"a":1`:          "is no JSON object",
		"":                              "is no JSON object",
		"\x00\x00":                      "is no JSON object",
		`[1]`:                           "is no JSON object",
		`7`:                             "is no JSON object",
		`{}`:                            `it is empty, expected "iteration" first`,
		`{"a":1,"iteration":2}`:         `it begins with "a", expected "iteration"`,
		`{"iteration":1.5}`:             "its iteration is 1.5, expected a whole number",
		`{"iteration":-1}`:              "its iteration is -1",
		`{"iteration":null}`:            "its iteration is <nil>",
		`{"iteration":0}`:               "iteration 0 comes after 1",
		`{"iteration":2,"a":1,"a":2}`:   `it has "a" twice`,
		`{"iteration":2,"a":[1]}`:       `"a": a list or an object, expected a number`,
		`{"iteration":2,"a":{"b":1}}`:   `"a": a list or an object`,
		`{"iteration":2,"a":1e999}`:     "value out of range",
		`{"iteration":2,"a":1}{"b":1}`:  "is no JSON object",
		`{"iteration":2,"a":1} garbage`: "is no JSON object",
	} {
		writeFile(t, path, "{\"iteration\":1,\"a\":1}\n"+line+"\n{\"iteration\":3,\"a\":1}\n")
		_, err := ReadMetrics(path)
		wantError(t, err, path+": line 2 is damaged", want)
	}
}

func TestReadLastMetrics(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, metricsFile), `{"iteration":1,"a":1,"b":2}
{"iteration":2,"a":3}
{"iteration":3,"a":null}
`)
	got, err := ReadLastMetrics(folder)
	if err != nil || len(got) != 2 || len(got[0].Points) != 1 || got[0].Points[0].Iteration != 3 || len(got[1].Points) != 1 || got[1].Points[0] != (Point{1, 2}) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := ReadLastMetrics(t.TempDir()); got != nil || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}
