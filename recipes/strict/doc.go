// Package strict decodes YAML into Go structs and forgives nothing.
//
// Unknown and repeated keys, wrong types, values out of range, several
// documents, anchors: each is an error with its place, its dotted key, what was
// found and what was expected, and all of them are reported at once. Every
// value remembers whether it is a default, the file's or an override's, and the
// whole can be printed again.
//
// A caller parses a file, walks down its sections in the order of its schema,
// and asks for the errors at the end:
//
//	doc, err := strict.Parse(file, data, overrides)
//	if err != nil {
//		return err // not YAML at all
//	}
//	top := doc.Top()
//	top.Var("name", &name, "nonempty", "what the runs are called")
//	top.Section("train", "the training loop").Decode(&config)
//	return doc.Err()
//
// Walking, rather than one struct for the whole file, lets one section's value
// pick the schema of the next: a model's type says which optimisers there are.
//
// # Struct tags
//
//	yaml:"key"    the key; "-" leaves the field out; ",inline" on an embedded struct
//	doc:"..."     one line about the key
//	check:"..."   rules separated by commas: min=1, max=10, gt=0, lt=1, oneof=a|b|c, nonempty,
//	              ascending (of a list of numbers)
//
// Fields are string, bool, int, int64, float64, slices and fixed arrays of
// those (on which all rules but nonempty and ascending hold for each element),
// structs, and map[string]T. A struct that cannot be decoded into is a bug of the program
// and panics.
//
// # Numbers
//
// A number is any of 100, 100_000, 0x1f, 5e-5, 5.0e-5, .5, whatever other YAML
// libraries think of it. Where a whole number is wanted, 1e5 and 64.0 are whole
// and 1.5 is not. NaN and infinities are refused, and so are octal numbers with a
// leading zero, which different YAML versions read differently.
package strict
