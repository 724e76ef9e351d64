package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestNormalise(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-recipe x", "--recipe=x"},
		{"-recipe=x", "--recipe=x"},
		{"--recipe x", "--recipe=x"},
		{"--recipe=x", "--recipe=x"},
		{"-recipe=", "--recipe="},
		{"-recipe", "--recipe"},
		{"-dry-run -recipe x", "--dry-run --recipe=x"},
		{"-dry-run x", "--dry-run x"}, // takes no value
		{"-dry-run=false", "--dry-run=false"},
		{"-out -odd", "--out=-odd"},
		{"-out -- -list", "--out=-- --list"},
		{"-set a.b=-1 -set=a.c=x=y", "--set=a.b=-1 --set=a.c=x=y"},
		{"-list -- -recipe x", "--list -- -recipe x"},
		{"-rceipe x", "--rceipe x"},
		{"-", "-"},
		{"-h", "--help"},
		{"---recipe x", "---recipe x"},
	}
	for _, test := range tests {
		got := normalise(newFlags(&options{}), strings.Fields(test.args))
		if !slices.Equal(got, strings.Fields(test.want)) {
			t.Errorf("%s: got %q, want %q", test.args, got, test.want)
		}
	}
}

func TestParseArgs(t *testing.T) {
	for _, args := range []string{"-recipe a -set k=v", "-recipe=a -set=k=v", "--recipe a --set k=v", "--recipe=a --set=k=v"} {
		o, err := parseArgs(strings.Fields(args))
		if err != nil || o.recipe != "a" || !slices.Equal(o.set, []string{"k=v"}) {
			t.Errorf("%s: got %+v, %v", args, o, err)
		}
	}
	o, err := parseArgs([]string{"-set", "a=[1, 2]", "-set", "b="})
	if err != nil || !slices.Equal(o.set, []string{"a=[1, 2]", "b="}) {
		t.Errorf("values with commas and empty ones: got %+v, %v", o, err)
	}
	for _, args := range []string{"-h", "-help", "--help", "-recipe x -help"} {
		if _, err := parseArgs(strings.Fields(args)); !errors.Is(err, errHelp) {
			t.Errorf("%s: got %v, want the help", args, err)
		}
	}
}

func TestParseArgsRefuses(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-rceipe x", "unknown flag: --rceipe, did you mean -recipe?"},
		{"--dryrun", "unknown flag: --dryrun, did you mean -dry-run?"},
		{"-zzz", "unknown flag: --zzz; see -help"},
		{"-recipe", "flag needs an argument: --recipe"},
		{"-recipe=", "flag needs a value: --recipe"},
		{"-dry-run=perhaps", `invalid argument "perhaps" for "--dry-run" flag`},
		{"dcgan_digits", `unexpected argument "dcgan_digits": did you mean -recipe dcgan_digits?`},
		{"-recipe a b", `unexpected argument "b"`},
		{"-list -- -recipe", `unexpected argument "-recipe"`},
		{"---recipe x", "bad flag syntax: ---recipe"},
		{"-resume a -out b", "exclude each other"},
		{"-resume a -dry-run", "exclude each other"},
		{"-resume a -show-augmented b.png", "-show-augmented FILE -recipe DIR/recipe.yaml"},
		{"-recipe a -dry-run -show-augmented b.png", "a dry run writes nothing"},
		{"-recipe a -show-augmented=", "flag needs a value: --show-augmented"},
		{"-recipe a -show-augmented b.jpg", "found the file b.jpg, expected a name that ends in .png"},
	}
	for _, test := range tests {
		if _, err := parseArgs(strings.Fields(test.args)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", test.args, err, test.want)
		}
	}
}
