package strict

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/imori-ml/imori/internal/fuzztest"
)

// config is a schema with everything that one can have.
type config struct {
	Name     string  `yaml:"name" check:"nonempty" doc:"what it is called"`
	Device   string  `yaml:"device" check:"oneof=auto|cpu|cuda"`
	Count    int     `yaml:"batch_size" check:"min=1,max=65536"`
	Seed     int64   `yaml:"seed"`
	LR       float64 `yaml:"lr" check:"gt=0"`
	Any      float64 `yaml:"any"`
	On       bool    `yaml:"on"`
	common   `yaml:",inline"`
	Betas    [2]float64     `yaml:"betas" check:"min=0,lt=1"`
	Sizes    []int          `yaml:"sizes" check:"min=1,nonempty"`
	Tags     []string       `yaml:"tags" check:"oneof=flip|crop"`
	Train    train          `yaml:"train" doc:"the loop"`
	Maps     map[string]int `yaml:"maps" check:"min=0"`
	hidden   int            //nolint:unused // unexported fields are skipped
	Channels int            `yaml:"channels" check:"oneof=1|3"`
	Skip     func()         `yaml:"-"`
}

type common struct {
	Decay float64 `yaml:"decay" check:"min=0"`
}

type train struct {
	Iterations int    `yaml:"iterations" check:"min=1"`
	Optimizer  string `yaml:"optimizer"`
}

func defaults() config {
	return config{
		Name: "x", Device: "auto", Count: 64, Channels: 1, Seed: 1, LR: 1e-3, On: true, Betas: [2]float64{0.9, 0.999},
		Sizes: []int{64}, Train: train{Iterations: 100, Optimizer: "adam"}, Maps: map[string]int{"z": 1},
	}
}

// shape, circle and square are a union.
type circle struct {
	Radius float64 `yaml:"radius" check:"gt=0"`
}
type square struct {
	Side int `yaml:"side"`
}

// numbered is an item of a list of mappings.
type numbered struct {
	At    int        `yaml:"at"`
	Range [2]float64 `yaml:"range" check:"min=0,ascending"`
}

// decodeItems decodes a list of mappings: named ones at "items".
func decodeItems(data string, overrides ...string) ([]numbered, *Document, error) {
	d, err := Parse("x.yaml", []byte(data), overrides)
	if err != nil {
		return nil, nil, err
	}
	var out []numbered
	for _, item := range d.Top().Sections("items", "some") {
		if name, ok := item.Type([]string{"low", "high"}, ""); ok {
			n := numbered{At: map[string]int{"low": 1, "high": 100}[name], Range: [2]float64{0, 1}}
			item.Decode(&n)
			out = append(out, n)
		}
	}
	return out, d, d.Err()
}

func decode(data string, overrides ...string) (config, *Document, error) {
	c := defaults()
	d, err := Parse("x.yaml", []byte(data), overrides)
	if err != nil {
		return c, nil, err
	}
	d.Top().Decode(&c)
	shape := d.Top().Section("shape", "a union")
	if name, ok := shape.Type([]string{"circle", "square"}, "circle"); ok {
		switch name {
		case "circle":
			shape.Decode(&circle{Radius: 1})
		case "square":
			shape.Decode(&square{Side: 2})
		}
	}
	return c, d, d.Err()
}

func TestDecode(t *testing.T) {
	tests := []struct {
		name, data string
		want       func(*config)
	}{
		{"nothing given", "{}", func(*config) {}},
		{"comments, directive and markers", "# x\n---\nname: y # y\n...\n", func(c *config) { c.Name = "y" }},
		{"byte order mark and CRLF", "\ufeffname: y\r\nseed: 3\r\n", func(c *config) { c.Name = "y"; c.Seed = 3 }},
		{"exponent without point", "lr: 5e-5", func(c *config) { c.LR = 5e-5 }},
		{"exponent with point", "lr: 5.0E-5", func(c *config) { c.LR = 5e-5 }},
		{"point first", "lr: .5", func(c *config) { c.LR = 0.5 }},
		{"point last", "lr: 5.", func(c *config) { c.LR = 5 }},
		{"whole number as float", "lr: 2", func(c *config) { c.LR = 2 }},
		{"negative float", "any: -2.5e+3", func(c *config) { c.Any = -2500 }},
		{"hexadecimal as float", "any: 0x10", func(c *config) { c.Any = 16 }},
		{"exponent for a count", "batch_size: 1e3", func(c *config) { c.Count = 1000 }},
		{"whole float for a count", "batch_size: 64.0", func(c *config) { c.Count = 64 }},
		{"underscores", "batch_size: 10_000\nlr: 1_0.5", func(c *config) { c.Count = 10000; c.LR = 10.5 }},
		{"largest int64", "seed: 9223372036854775807", func(c *config) { c.Seed = math.MaxInt64 }},
		{"smallest int64", "seed: -9223372036854775808", func(c *config) { c.Seed = math.MinInt64 }},
		{"hexadecimal", "seed: 0xBeef", func(c *config) { c.Seed = 0xbeef }},
		{"at both limits", "batch_size: 65536\nbetas: [0, 0.99]", func(c *config) { c.Count = 65536; c.Betas = [2]float64{0, 0.99} }},
		{"false", "on: False", func(c *config) { c.On = false }},
		{"text that looks like a date", "name: 2020-01-02", func(c *config) { c.Name = "2020-01-02" }},
		{"text that begins with a digit", "name: 3d_gan", func(c *config) { c.Name = "3d_gan" }},
		{"number in quotes as text", "name: '5'", func(c *config) { c.Name = "5" }},
		{"one of some numbers", "channels: 3.0", func(c *config) { c.Channels = 3 }},
		{"null in quotes", `name: "null"`, func(c *config) { c.Name = "null" }},
		{"block text", "name: |\n  a\n  b\n", func(c *config) { c.Name = "a\nb\n" }},
		{"inline struct", "decay: 1", func(c *config) { c.Decay = 1 }},
		{"lists", "sizes:\n- 1\n- 2\ntags: [flip, crop]", func(c *config) { c.Sizes = []int{1, 2}; c.Tags = []string{"flip", "crop"} }},
		{"empty list", "tags: []", func(c *config) { c.Tags = []string{} }},
		{"flow mappings", "train: {iterations: 5}", func(c *config) { c.Train.Iterations = 5 }},
		{"empty mapping", "train: {}", func(*config) {}},
		{"map", "maps: {a: 2}", func(c *config) { c.Maps = map[string]int{"z": 1, "a": 2} }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := defaults()
			test.want(&want)
			got, _, err := decode(test.data)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	tests := []struct {
		name, data string
		overrides  []string
		want       string // all errors, one a line
	}{
		// Not a recipe at all.
		{"empty", "", nil, `x.yaml: found an empty file, expected one YAML mapping, lines of "key: value"`},
		{"spaces", " \n\n", nil, `x.yaml: found an empty file, expected one YAML mapping, lines of "key: value"`},
		{"comments", "# a\n# b\n", nil, `x.yaml: found only comments, expected one YAML mapping, lines of "key: value"`},
		{"null", "~", nil, `x.yaml:1:1: found nothing, expected one YAML mapping, lines of "key: value"`},
		{"list", "- a\n- b", nil, `x.yaml:1:1: found a list of 2 values, expected one YAML mapping, lines of "key: value"`},
		{"text", "hello", nil, `x.yaml:1:1: found "hello", expected one YAML mapping, lines of "key: value"`},
		{"text by a missing space", "lr:fast", nil, `x.yaml:1:1: found "lr:fast", expected one YAML mapping, lines of "key: value"; a space is missing after the colon`},
		{"too large", strings.Repeat("#", MaxSize+1), nil, `x.yaml: found more than 1048576 bytes, expected one YAML mapping, lines of "key: value"`},
		{"not UTF-8", "name: a\nlr: \xff", nil, `x.yaml:2:5: found the byte 0xff, expected UTF-8 text; save the file as UTF-8`},
		{"binary", "name: \x00", nil, `x.yaml:1:7: found the control character 0x00, expected UTF-8 text; save the file as UTF-8`},
		{"anchored top", "&a {name: *a}", nil, `x.yaml:1:1: found the anchor &a, expected a value; anchors and aliases are not supported`},

		// Not YAML.
		{"tab", "train:\n\titerations: 5", nil, `x.yaml:2:1: found a tab at the beginning of "iterations: 5", expected spaces; YAML is indented by spaces alone`},
		{"missing space", "name: a\nlr:fast\nbatch_size: 2", nil, `x.yaml:2:1: found "lr:fast", expected a space after the colon`},
		{"indentation", "name: a\ntrain:\n  iterations: 1\n optimizer: sgd\n", nil, `x.yaml:4:1: found "optimizer: sgd", which is not YAML (did not find expected key); indent this line like the keys it belongs with`},
		{"a long file", strings.Repeat("seed: 1\n", 3000) + "foo\n", nil, `x.yaml:3001:1: found "foo", which is not YAML (could not find expected ':'); write "key: value"`},
		{"two colons", "name: a: b", nil, `x.yaml:1:1: found "name: a: b", which is not YAML (mapping values are not allowed in this context); only one "key: value" fits a line, and the lines below a value must not be deeper than it; quote text that contains ": "`},
		{"open bracket", "name: a\nbetas: [0.5\nlr: 1\n", nil, `x.yaml:2:1: found "betas: [0.5", which is not YAML (did not find expected ',' or ']'); close the [ or add the comma`},
		{"open quote", "name: a\ndevice: \"cpu\nlr: 1\n", nil, `x.yaml:2:1: found "device: \"cpu", which is not YAML (found unexpected end of stream); close the quotes`},
		{"word alone", "name: a\nfoo\nlr: 1\n", nil, `x.yaml:2:1: found "foo", which is not YAML (could not find expected ':'); write "key: value"`},
		{"at sign", "name: @a", nil, "x.yaml:1:1: found \"name: @a\", which is not YAML (found character that cannot start any token); quote text that begins with one of @ ` %"},

		// Keys.
		{"unknown, near", "nmae: a", nil, `x.yaml:1:1: nmae: unknown key; did you mean name?`},
		{"unknown, other case", "batch-Size: 1", nil, `x.yaml:1:1: batch-Size: unknown key; did you mean batch_size?`},
		{"unknown, begun", "train: {iter: 1}", nil, `x.yaml:1:9: train.iter: unknown key; did you mean iterations?`},
		{"unknown, far", "train:\n  learning_rate: 1", nil, `x.yaml:2:3: train.learning_rate: unknown key; known here: iterations, optimizer`},
		{"unknown mapping", "trian: {iterations: 5, foo: 6}", nil, `x.yaml:1:1: trian: unknown key; did you mean train?`},
		{"in the wrong place", "iterations: 5", nil, `x.yaml:1:1: iterations: unknown key; it belongs in train`},
		{"in the wrong section", "train: {lr: 5}", nil, `x.yaml:1:9: train.lr: unknown key; it belongs in the top level`},
		{"dotted", "train.iterations: 5", nil, `x.yaml:1:1: train.iterations: unknown key; dots are for -set, in a file write train: {iterations: ...}`},
		{"joined", "train: {iterations:5}", nil, `x.yaml:1:9: train.iterations:5: unknown key; a space is missing after the colon`},
		{"not a word", "? [a]\n: b", nil, `x.yaml:1:3: found a key that is not a plain word, expected "key: value"`},
		{"twice", "lr: 1\nname: a\nlr: fast", nil, `x.yaml:3:1: lr: found twice, expected once; the first is at x.yaml:1:1`},
		{"twice, deeper", "train: {iterations: 1, iterations: 1}", nil, `x.yaml:1:24: train.iterations: found twice, expected once; the first is at x.yaml:1:9`},
		{"merge", "train: {iterations: 1}\n<<: {name: a}", nil, `x.yaml:2:1: found the merge key <<, expected a key; write its values out`},
		{"second document", "lr: 1\n---\nlr: 2", nil, `x.yaml:2:1: found the beginning of a second document, expected one document a file; remove it, or the --- that begins it`},

		// Values.
		{"text for a number", "lr: fast", nil, `x.yaml:1:5: lr: found "fast", expected a number above 0`},
		{"yes for a number", "seed: yes", nil, `x.yaml:1:7: seed: found "yes", expected a whole number`},
		{"true for a number", "seed: true", nil, `x.yaml:1:7: seed: found true, expected a whole number`},
		{"quoted number", "lr: '1'", nil, `x.yaml:1:5: lr: found "1" in quotes, which is text, expected a number above 0; leave the quotes out`},
		{"fraction for a count", "batch_size: 1.5", nil, `x.yaml:1:13: batch_size: found 1.5, expected a whole number from 1 to 65536`},
		{"null", "lr:\nname: ~\ntrain:\nsizes: null", nil, `x.yaml:1:4: lr: found nothing, expected a number above 0; leave the key out to have the default
x.yaml:2:7: name: found ~, expected text; leave the key out to have the default
x.yaml:3:7: train: found nothing, expected a mapping; leave the key out to have the defaults
x.yaml:4:8: sizes: found null, expected a list of whole numbers; leave the key out to have the default`},
		{"not finite", "lr: .inf\nany: -.INF\ndecay: .nan\nseed: .nan", nil, `x.yaml:1:5: lr: found .inf, expected a finite number
x.yaml:2:6: any: found -.INF, expected a finite number
x.yaml:3:8: decay: found .nan, expected a finite number
x.yaml:4:7: seed: found .nan, expected a whole number`},
		{"too large for a float", "any: 1e999\ndecay: 1e-999", nil, `x.yaml:1:6: any: found 1e999, expected a number that a float64 can hold (up to 1.8e308)
x.yaml:2:8: decay: found 1e-999, expected 0 or a number that a float64 can hold (down to 4.9e-324)`},
		{"too large for an int", "seed: 9223372036854775808\nbatch_size: 1e30", nil, `x.yaml:1:7: seed: found 9223372036854775808, expected a whole number that fits 64 bits
x.yaml:2:13: batch_size: found 1e30, expected a whole number that fits 64 bits`},
		{"octal", "seed: 017\nany: 00.5", nil, `x.yaml:1:7: seed: found 017, expected a whole number without leading zeros; YAML versions disagree on what 017 is`},
		{"out of range", "lr: 0\nbatch_size: 0\ndecay: -1\nbetas: [1, -0.1]\nsizes: [1, 0]", nil, `x.yaml:1:5: lr: found 0, expected a number above 0
x.yaml:2:13: batch_size: found 0, expected a whole number from 1 to 65536
x.yaml:3:8: decay: found -1, expected a number of at least 0
x.yaml:4:9: betas[0]: found 1, expected a number of at least 0 and below 1
x.yaml:4:12: betas[1]: found -0.1, expected a number of at least 0 and below 1
x.yaml:5:12: sizes[1]: found 0, expected a whole number of at least 1`},
		{"number for text", "name: 1.10\ndevice: 5", nil, `x.yaml:1:7: name: found 1.10, expected text; to mean it as text, quote it: "1.10"
x.yaml:2:9: device: found 5, expected one of auto, cpu, cuda`},
		{"bool", "on: yes", nil, `x.yaml:1:5: on: found "yes", expected true or false; write true`},
		{"quoted bool", "on: 'false'", nil, `x.yaml:1:5: on: found "false" in quotes, which is text, expected true or false; leave the quotes out`},
		{"number for a bool", "on: 1", nil, `x.yaml:1:5: on: found 1, expected true or false`},
		{"empty text", "name: ''", nil, `x.yaml:1:7: name: found "", expected text that is not empty`},
		{"not one of, near", "device: cdua", nil, `x.yaml:1:9: device: found "cdua", expected one of auto, cpu, cuda; did you mean cuda?`},
		{"not one of, far", "device: tpu:0", nil, `x.yaml:1:9: device: found "tpu:0", expected one of auto, cpu, cuda`},
		{"not one of some numbers", "channels: 2", nil, `x.yaml:1:11: channels: found 2, expected one of 1, 3`},
		{"text for one of some numbers", "channels: rgb", nil, `x.yaml:1:11: channels: found "rgb", expected one of 1, 3`},
		{"mapping for a value", "lr: {a: 1}\nname: [a]", nil, `x.yaml:1:5: lr: found a mapping, expected a number above 0
x.yaml:2:7: name: found a list of 1 value, expected text`},
		{"value for a mapping", "train: 5\nmaps: []", nil, `x.yaml:1:8: train: found 5, expected a mapping
x.yaml:2:7: maps: found a list of 0 values, expected a mapping`},
		{"number for a list of texts", "tags: 5", nil, `x.yaml:1:7: tags: found 5, expected a list of texts; write ["5"]`},
		{"value for a list", "betas: 0.5\nsizes: 5\ntags: flip", nil, `x.yaml:1:8: betas: found 0.5, expected a list of 2 numbers; write [0.9, 0.999]
x.yaml:2:8: sizes: found 5, expected a list of whole numbers; write [5]
x.yaml:3:7: tags: found "flip", expected a list of texts; write [flip]`},
		{"lengths", "betas: [0.5]\nsizes: []", nil, `x.yaml:1:8: betas: found a list of 1 value, expected a list of 2 numbers
x.yaml:2:8: sizes: found a list of 0 values, expected a list of whole numbers, at least one`},
		{"elements", "tags: [flpi, 3]\nsizes: [~, 1.5]", nil, `x.yaml:1:8: tags[0]: found "flpi", expected one of flip, crop; did you mean flip?
x.yaml:1:14: tags[1]: found 3, expected one of flip, crop
x.yaml:2:9: sizes[0]: found ~, expected a whole number of at least 1
x.yaml:2:12: sizes[1]: found 1.5, expected a whole number of at least 1`},
		{"map's values", "maps: {a: b, c: -1}", nil, `x.yaml:1:11: maps.a: found "b", expected a whole number of at least 0
x.yaml:1:17: maps.c: found -1, expected a whole number of at least 0`},
		{"anchor and alias", "lr: &a 1\nany: *a", nil, `x.yaml:1:5: lr: found the anchor &a, expected a value; anchors and aliases are not supported
x.yaml:2:6: any: found the alias *a, expected a value; write it out (quote text that begins with *)`},
		{"tags", "lr: !!float 1\nname: !x y", nil, `x.yaml:1:5: lr: found the tag !!float, expected a value; tags are not supported (quote text that begins with !)
x.yaml:2:7: name: found the tag !x, expected a value; tags are not supported (quote text that begins with !)`},
		{"deep", "sizes: [1]\nfoo: " + deep, nil, `x.yaml:2:1: foo: unknown key; known here: name, device, batch_size, seed, lr, any, on, decay, betas, sizes, tags, train, maps, channels, shape
x.yaml:2:38: foo` + strings.Repeat("[0]", 19) + `...: found more than 32 mappings and lists inside each other, expected a recipe`},

		// Unions.
		{"unknown type", "shape: {type: sqare, side: 2, foo: 1}", nil, `x.yaml:1:15: shape.type: found "sqare", expected one of circle, square; did you mean square?
x.yaml:1:31: shape.foo: unknown key; known here: type, side`},
		{"unknown type, far", "shape: {type: blob, foo: 1}", nil, `x.yaml:1:15: shape.type: found "blob", expected one of circle, square`},
		{"type alone", "shape: square", nil, `x.yaml:1:8: shape: found "square", expected a mapping; write {type: square}`},
		{"number for a type", "shape: {type: 5, foo: 1}", nil, `x.yaml:1:15: shape.type: found 5, expected one of circle, square`},
		{"key of another type", "shape: {type: circle, side: 2}", nil, `x.yaml:1:23: shape.side: unknown key; known here: type, radius`},

		// Overrides.
		{"no value", "{}", []string{"lr", "=1", "train..a=1", ""}, `-set lr: found "lr", expected key=value, such as train.iterations=100
-set =1: found "=1", expected key=value, such as train.iterations=100
-set train..a=1: found "train..a=1", expected key=value, such as train.iterations=100
-set : found "", expected key=value, such as train.iterations=100`},
		{"unknown key", "{}", []string{"train.iteration=1"}, `-set train.iteration=1: train.iteration: unknown key; did you mean iterations?`},
		{"unknown section", "{}", []string{"trian.iterations=1"}, `-set trian.iterations=1: trian: unknown key; did you mean train?`},
		{"into a value", "lr: 5", []string{"lr.a=1", "sizes.0=1"}, `-set lr.a=1: lr: found 5 (at x.yaml:1:5), expected a mapping that could have a key "a"
-set sizes.0=1: sizes: found a mapping, expected a list of whole numbers`},
		{"wrong type", "lr: 5", []string{"lr=fast", "batch_size=1.5", "name="}, `-set lr=fast: lr: found "fast", expected a number above 0
-set batch_size=1.5: batch_size: found 1.5, expected a whole number from 1 to 65536
-set name=: name: found nothing, expected text; leave the key out to have the default`},
		{"not YAML", "{}", []string{"betas=[1", "name=*x", "name=a\x00", "name=a\n---\nb"}, `-set betas=[1: betas: found "[1", which is not YAML (did not find expected ',' or ']'); close the [ or add the comma
-set name=*x: name: found "*x", which is not YAML (unknown anchor 'x' referenced); quote text that begins with *
-set name=a\x00: name: found the control character 0x00, expected UTF-8 text
-set name=a\n---\nb: name: found a second document, expected one value`},
		{"an empty file and a bad override", "", []string{"lr"}, `x.yaml: found an empty file, expected one YAML mapping, lines of "key: value"`},

		// All of them, in order.
		{"all at once", "device: metal\nlr: fast\nnaem: x\ntrain:\n  iterations: -1\nlr: 2\n---\na", []string{"foo=1", "on=2"}, `x.yaml:1:9: device: found "metal", expected one of auto, cpu, cuda
x.yaml:2:5: lr: found "fast", expected a number above 0
x.yaml:3:1: naem: unknown key; did you mean name?
x.yaml:5:15: train.iterations: found -1, expected a whole number of at least 1
x.yaml:6:1: lr: found twice, expected once; the first is at x.yaml:2:1
x.yaml:7:1: found the beginning of a second document, expected one document a file; remove it, or the --- that begins it
-set foo=1: foo: unknown key; known here: name, device, batch_size, seed, lr, any, on, decay, betas, sizes, tags, train, maps, channels, shape
-set on=2: on: found 2, expected true or false`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, _, err := decode(test.data, test.overrides...)
			if err == nil {
				t.Fatalf("no error, decoded %+v", got)
			}
			var errs Errors
			if !errors.As(err, &errs) {
				t.Fatalf("a %T", err)
			}
			if err.Error() != test.want {
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
		})
	}
}

func TestSections(t *testing.T) {
	got, d, err := decodeItems("items: [low, {type: high, range: [2, 3]}]")
	if want := []numbered{{1, [2]float64{0, 1}}, {100, [2]float64{2, 3}}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v", got, err)
	}
	const annotated = `items:
  - type: low          # recipe
    at: 1              # default
    range: [0.0, 1.0]  # default
  - type: high         # recipe
    at: 100            # default
    range: [2.0, 3.0]  # recipe
`
	if printed := string(d.Annotated()); printed != annotated {
		t.Errorf("got\n%s\nwant\n%s", printed, annotated)
	}
	if again, d2, err := decodeItems(string(d.YAML())); err != nil || !reflect.DeepEqual(again, got) || string(d2.YAML()) != string(d.YAML()) {
		t.Errorf("printed\n%s\nread back as %+v, %v", d.YAML(), again, err)
	}
	if e := d.Entries(); len(e) != 6 || e[4] != (Entry{"items[1].at", "100", "", Default}) {
		t.Errorf("entries %+v", e)
	}
	for data, printed := range map[string]string{"items: []": "items: []  # recipe: some\n", "{}": "items: []  # default: some\n"} {
		got, d, err := decodeItems(data)
		if err != nil || got != nil || string(d.Annotated()) != printed {
			t.Errorf("%s: %v, %v, printed as %s", data, got, err, d.Annotated())
		}
	}
	// An override replaces the list.
	got, d, err = decodeItems("items: [low]", "items=[{type: high, at: 5}]")
	if err != nil || len(got) != 1 || got[0].At != 5 || !strings.Contains(string(d.Annotated()), "- type: high         # override\n    at: 5 ") {
		t.Errorf("got %+v, %v\n%s", got, err, d.Annotated())
	}
}

func TestSectionsErrors(t *testing.T) {
	for data, want := range map[string]string{
		"items: low":                         `x.yaml:1:8: items: found "low", expected a list of names and mappings; write [low]`,
		"items: {type: low}":                 `x.yaml:1:8: items: found a mapping, expected a list of names and mappings`,
		"items:":                             `x.yaml:1:7: items: found nothing, expected a list of names and mappings; leave the key out to have none`,
		"items:\n- lw\n- medium":             "x.yaml:2:3: items[0]: found \"lw\", expected one of low, high; did you mean low?\nx.yaml:3:3: items[1]: found \"medium\", expected one of low, high",
		"items: [3, ~, [low]]":               "x.yaml:1:9: items[0]: found 3, expected a name or a mapping with a type\nx.yaml:1:12: items[1]: found ~, expected a name or a mapping with a type\nx.yaml:1:15: items[2]: found a list of 1 value, expected a name or a mapping with a type",
		"items: [{}, {high: {at: 3}}]":       "x.yaml:1:9: items[0].type: found nothing, expected one of low, high\nx.yaml:1:13: items[1].type: found nothing, expected one of low, high; write {type: high, ...}",
		"items: [{type: hihg, at: x}]":       "x.yaml:1:16: items[0].type: found \"hihg\", expected one of low, high; did you mean high?\nx.yaml:1:26: items[0].at: found \"x\", expected a whole number",
		"items: [{type: high, ta: 3}]":       "x.yaml:1:22: items[0].ta: unknown key; known here: type, at, range",
		"items: [low]\nrange: [0, 1]":        "x.yaml:2:1: range: unknown key; it belongs in items[0]",
		"items: [{type: low, range: [2,1]}]": "x.yaml:1:28: items[0].range: found [2.0, 1.0], expected numbers in ascending order",
		"items: [low, &a high]":              `x.yaml:1:14: items[1]: found the anchor &a, expected a value; anchors and aliases are not supported`,
	} {
		_, _, err := decodeItems(data)
		if err == nil || err.Error() != want {
			t.Errorf("%s\ngot\n%v\nwant\n%s", data, err, want)
		}
	}
}

// A wrong value leaves the default, lists included.
func TestErrorKeepsDefaults(t *testing.T) {
	got, _, err := decode("lr: -1\nbetas: [0.1, 2]\nsizes: [2, x]\ntrain: {iterations: 0, optimizer: sgd}")
	want := defaults()
	want.Train.Optimizer = "sgd"
	if err == nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestManyErrors(t *testing.T) {
	var data strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&data, "key%d: 1\n", i)
	}
	_, _, err := decode(data.String())
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != shown+1 || lines[shown] != "... and 980 more" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

func TestOverrides(t *testing.T) {
	c, d, err := decode("name: a\ntrain: {optimizer: sgd}\nbetas: [0.1, 0.2]",
		"train.iterations=7", "betas=[0.3, 0.4]", "lr=5e-5", "name=b", "name=c=d", "maps.k=3", "device='cpu'",
		"shape={type: square, side: 9}", "shape.side=8")
	if err != nil {
		t.Fatal(err)
	}
	want := defaults()
	want.Name, want.Train, want.Betas, want.LR, want.Device = "c=d", train{7, "sgd"}, [2]float64{0.3, 0.4}, 5e-5, "cpu"
	want.Maps["k"] = 3
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	const annotated = `name: "c=d"        # override: what it is called
device: cpu        # override
batch_size: 64     # default
seed: 1            # default
lr: 5.0e-5         # override
any: 0.0           # default
"on": true         # default
decay: 0.0         # default
betas: [0.3, 0.4]  # override
sizes: [64]        # default
tags: []           # default
train:
  iterations: 7    # override
  optimizer: sgd   # recipe
maps:
  k: 3             # override
  z: 1             # default
channels: 1        # default
shape:
  type: square     # override
  side: 8          # override
`
	if got := string(d.Annotated()); got != annotated {
		t.Errorf("got\n%s\nwant\n%s", got, annotated)
	}
	again, d2, err := decode(string(d.YAML()))
	if err != nil {
		t.Fatal(err)
	}
	again.Tags = nil // an empty list is not nil, which means the same
	if !reflect.DeepEqual(again, c) || string(d2.YAML()) != string(d.YAML()) {
		t.Errorf("printed\n%s\nand read back\n%+v", d.YAML(), again)
	}
}

func TestEntries(t *testing.T) {
	_, d, err := decode("train: {iterations: 3}", "lr=2")
	if err != nil {
		t.Fatal(err)
	}
	got := d.Entries()
	for _, want := range []Entry{
		{"name", "x", "what it is called", Default},
		{"lr", "2.0", "", Override},
		{"train.iterations", "3", "", Recipe},
	} {
		found := false
		for _, e := range got {
			found = found || e == want
		}
		if !found {
			t.Errorf("no %+v in %+v", want, got)
		}
	}
}

// What is printed reads back exactly, whatever the text or number.
func TestPrintedValuesReadBack(t *testing.T) {
	for _, s := range []string{"a", "yes", "Null", "~", "5", "0x1", "5e-5", "1_0", ".inf", "cuda:0", "a: b", " a ", "#", "a\tb\n", "\u2028\u0085\ufeff",
		"'", `"`, `\`, "é 絵 🦎", "-", "--- a", "data/cifar10", "*x", "&x", "!x", "@", "%", "[", "{", "true", "=", "<<", "C:\\data"} {
		c, d, err := decode("name: " + quote(s))
		if err != nil || c.Name != s || !strings.HasPrefix(string(d.YAML()), "name: "+quote(s)+"\n") {
			t.Errorf("%q: printed as %s, read as %q, %v", s, quote(s), c.Name, err)
		}
	}
	for _, f := range []float64{0, 1, -1, 0.1, 5e-5, 1e6, 1e21, 1e22, 123456789.125, math.MaxFloat64, -math.SmallestNonzeroFloat64, 1.0 / 3} {
		s := formatFloat(f)
		c, _, err := decode("any: " + s)
		if err != nil || c.Any != f {
			t.Errorf("%v: printed as %s, read as %v, %v", f, s, c.Any, err)
		}
	}
}

func TestRequired(t *testing.T) {
	d, err := Parse("x.yaml", []byte("\nmodel:\n  z: 1\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	top := d.Top()
	for _, key := range []string{"model", "dataset"} {
		s := top.Section(key, "")
		if _, ok := s.Type([]string{"a", "b"}, ""); ok {
			t.Errorf("%s has a type", key)
		}
	}
	top.Fail("model", "it does not fit")
	const want = `x.yaml: dataset.type: found nothing, expected one of a, b
x.yaml:2:1: model.type: found nothing, expected one of a, b
x.yaml:3:3: model: it does not fit`
	if err := d.Err(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestSuggestions(t *testing.T) {
	known := []string{"lr", "iterations", "batch_size", "preview_every", "type", "seed", "generator", "critic"}
	for s, want := range map[string]string{
		"batchsize": "batch_size", "batch_sise": "batch_size", "BATCH_SIZE": "batch_size", "iteratoins": "iterations", "iters": "",
		"preview": "preview_every", "typ": "type", "tpye": "type", "sed": "seed", "gen": "generator", "discriminator": "",
		"l": "", "x": "", "": "", "rl": "", "Lr": "lr", "critics": "critic", strings.Repeat("a", 100000): "",
	} {
		if got := Nearest(s, known); got != want {
			t.Errorf("%.20q: got %q, want %q", s, got, want)
		}
	}
}

// Schemas that cannot work are bugs of the program and say so.
func TestBadSchemas(t *testing.T) {
	for name, v := range map[string]any{
		"not a pointer": struct{}{},
		"no tag":        &struct{ A int }{},
		"no key": &struct {
			A int `yaml:",omitempty"`
		}{},
		"unknown rule": &struct {
			A int `yaml:"a" check:"big"`
		}{},
		"bad limit": &struct {
			A int `yaml:"a" check:"min=x"`
		}{},
		"type": &struct {
			A complex128 `yaml:"a"`
		}{},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			d, err := Parse("x.yaml", []byte("a: 1"), nil)
			if err != nil {
				t.Fatal(err)
			}
			d.Top().Decode(v)
		})
	}
}

var seeds = []string{
	"", "# a", "name: x", "lr: 5e-5\nbatch_size: 1e3", "a: &a [*a, *a]", "<<: {a: 1}", "? [a]\n: b", "%YAML 1.1\n---\na: 1\n...\n",
	"train: {iterations: 1, optimizer: \"a\\u2028\"}", "name: |+\n  a\n\n", "betas: [0.1, 0.2]\nsizes: [1]\ntags: [flip]", "\ufeffname: 'x'", "a: !!binary x",
	"maps: {a: 1, b: 2}\nshape: {type: square, side: 3}", "- a\n- b", "\t", "a:\n\t- b", "name: \"\\xff\"", "{", "[[[[[[[[", "name: >-\n a\n b", "seed: 017", "\"on\": no",
}

// parsing is how many bytes parsing n bytes may allocate. To find the line of an error it is done again and again.
func parsing(n int) int { return 8<<20 + 8192*n }

// TestLongKeys: what lies within long keys does not take their length for each value. YAML itself limits a key to 1024
// bytes, but not one behind a question mark.
func TestLongKeys(t *testing.T) {
	key, list := strings.Repeat("k", 300_000), "["+strings.Repeat("1,", 100_000)+"]"
	for _, c := range []struct{ file, override, want string }{
		{"? " + key + "\n: " + list, "name=a", "x.yaml:1:3: found a key of 300000 bytes, expected a word of 200 at most"},
		{"name: a", key + "=" + list, "found a key of 300000 bytes, expected 200 at most, such as train.iterations=100"},
	} {
		fuzztest.Bounded(t, parsing(len(key)+len(list)), func() {
			if _, _, err := decode(c.file, c.override); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	target := fuzztest.New(f)
	for _, s := range seeds {
		target.Add([]byte(s))
	}
	target.Fuzz(func(t *testing.T, data []byte) {
		var d *Document
		var err error
		fuzztest.Bounded(t, parsing(len(data)), func() { _, d, err = decode(string(data)) })
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		printed := string(d.YAML())
		_, again, err := decode(printed)
		if err != nil {
			t.Fatalf("printed\n%s\nwhich does not read back: %v", printed, err)
		}
		if string(again.YAML()) != printed {
			t.Errorf("printed\n%s\nand then\n%s", printed, again.YAML())
		}
		if _, again, err = decode(string(d.Annotated())); err != nil || string(again.YAML()) != printed {
			t.Errorf("annotated\n%s\n%v", d.Annotated(), err)
		}
	})
}

func FuzzSet(f *testing.F) {
	target := fuzztest.New(f)
	for _, s := range []string{"lr=5e-5", "train.iterations=3", "betas=[0.1, 0.2]", "a.b.c=d", "=", "a", "train={iterations: 2}", "name=*x", "name=\"", "shape.type=square", "maps.\"a\"=1", "name=a\n---\n", "lr.x=1"} {
		target.Add(s)
	}
	target.Fuzz(func(t *testing.T, s string) {
		var d *Document
		var err error
		fuzztest.Bounded(t, parsing(len(s)), func() { _, d, err = decode("name: a\nlr: 1\ntrain: {iterations: 5}", s) })
		if err != nil {
			if strings.Contains(err.Error(), "x.yaml:") && !strings.Contains(err.Error(), "-set ") {
				t.Errorf("-set %q is blamed on the file: %v", s, err)
			}
			return
		}
		if _, _, err := decode(string(d.YAML())); err != nil {
			t.Fatalf("printed\n%s\nwhich does not read back: %v", d.YAML(), err)
		}
	})
}
