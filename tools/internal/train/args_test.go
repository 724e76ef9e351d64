package train

import (
	"testing"

	"github.com/imori-ml/imori/tools/internal/cli"
)

func TestDashes(t *testing.T) {
	inFolder(t, map[string]string{"tiny.yaml": tiny})
	for _, args := range []string{"-recipe tiny.yaml -set train.seed=7", "-recipe=tiny.yaml -set=train.seed=7",
		"--recipe tiny.yaml --set train.seed=7", "--recipe=tiny.yaml --set=train.seed=7"} {
		expect(t, mustType(t, args+" -print-config"), "seed: 7")
	}
	for _, args := range []string{"-h", "-help", "--help", "-recipe x -help"} {
		expect(t, mustType(t, args), "Usage: train -recipe FILE|NAME", "-show-augmented file", "Examples:", "Exit status: 0 done")
	}
}

func TestWrongArguments(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-rceipe x", "unknown flag: -rceipe, did you mean -recipe?"},
		{"--dryrun", "unknown flag: -dryrun, did you mean -dry-run?"},
		{"-zzz", "unknown flag: -zzz; see train -help"},
		{"-recipe", "flag needs a value: -recipe"},
		{"-recipe=", "flag needs a value: -recipe"},
		{"-dry-run=perhaps", `-dry-run: found "perhaps", expected true or false`},
		{"dcgan_digits", `unexpected argument "dcgan_digits": did you mean -recipe dcgan_digits?`},
		{"-recipe a b", `unexpected argument "b"`},
		{"-list -- -recipe", `unexpected argument "-recipe"`},
		{"---recipe x", "bad flag syntax: ---recipe"},
		{"-resume a -out b", "exclude each other"},
		{"-resume a -dry-run", "exclude each other"},
		{"-recipe a -accept-changes", "expected -resume, too"},
		{"-resume a -show-augmented b.png", "-show-augmented FILE -recipe DIR/recipe.yaml"},
		{"-recipe a -dry-run -show-augmented b.png", "a dry run writes nothing"},
		{"-recipe a -show-augmented=", "flag needs a value: -show-augmented"},
		{"-recipe a -show-augmented b.jpg", "found the file b.jpg, expected a name that ends in .png"},
	}
	for _, test := range tests {
		status, _, stderr := typed(test.args)
		if status != cli.ExitWrong {
			t.Errorf("%s: exit status %d, want 2", test.args, status)
		}
		expect(t, stderr, test.want)
	}
}
