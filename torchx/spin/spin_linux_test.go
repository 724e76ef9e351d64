package spin_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	_ "github.com/imori-ml/imori/torchx/spin"
)

// The test's own program is one that imports the package: it is started with some environments and shows what it sees.
func TestMain(m *testing.M) {
	if os.Getenv("IMORI_SHOW") != "" {
		print(strconv.Itoa(os.Getpid()), "\n", strings.Join(os.Args, " "), "\n", strings.Join(os.Environ(), "\n"))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestEnvironment(t *testing.T) {
	for _, test := range []struct{ environment, want []string }{
		{nil, []string{"GOMP_SPINCOUNT=2000"}},
		{[]string{"A=", "GOMP_SPINCOUNTS=1", "B_=c"}, []string{"A=", "GOMP_SPINCOUNTS=1", "B_=c", "GOMP_SPINCOUNT=2000"}},
		{[]string{"A=b", "_=/bin/train", "C=d"}, []string{"A=b", "GOMP_SPINCOUNT=2000", "C=d"}},
		{[]string{"_=/bin/train", "GOMP_SPINCOUNT=0"}, []string{"_=/bin/train", "GOMP_SPINCOUNT=0"}},
		{[]string{"GOMP_SPINCOUNT="}, []string{"GOMP_SPINCOUNT="}},
		{[]string{"OMP_WAIT_POLICY=active"}, []string{"OMP_WAIT_POLICY=active"}},
	} {
		check(t, nil, test.environment, test.want)
	}
}

// TestLoader starts the program as an argument of the dynamic linker, which is then what Linux takes for the program.
func TestLoader(t *testing.T) {
	program, err := elf.Open(this(t))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	name, err := program.Section(".interp").Data()
	if err != nil {
		t.Fatal(err)
	}
	loader := []string{strings.TrimRight(string(name), "\x00")}
	check(t, loader, nil, nil) // there is no way to do it, and no harm done
	check(t, loader, []string{"_=x"}, []string{"GOMP_SPINCOUNT=2000"})
}

// this is the test's own program.
func this(t *testing.T) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// check starts this program, by a loader or by itself, and looks at what it sees.
func check(t *testing.T, loader, environment, want []string) {
	t.Helper()
	line := slices.Concat(loader, []string{this(t), "-x", "a b", ""})
	c := exec.Command(line[0], line[1:]...)
	c.Env = append([]string{"IMORI_SHOW=1"}, environment...)
	output, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v %v: %v: %s", loader, environment, err, output)
	}
	want = slices.Concat([]string{strconv.Itoa(c.Process.Pid), this(t) + " -x a b ", "IMORI_SHOW=1"}, want)
	if got := strings.Split(string(output), "\n"); !slices.Equal(got, want) {
		t.Errorf("%v %v: the program sees %q, want %q", loader, environment, got, want)
	}
}
