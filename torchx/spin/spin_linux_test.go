package spin_test

import (
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
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		environment []string
		added       bool
	}{
		{nil, true},
		{[]string{"OMP_NUM_THREADS=2", "A=", "GOMP_SPINCOUNTS=1"}, true},
		{[]string{"GOMP_SPINCOUNT=0"}, false},
		{[]string{"GOMP_SPINCOUNT="}, false},
		{[]string{"OMP_WAIT_POLICY=active"}, false},
	} {
		want := append([]string{"IMORI_SHOW=1"}, test.environment...)
		c := exec.Command(program, "-x", "a b", "")
		c.Env = want
		output, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v: %s", want, err, output)
		}
		if test.added {
			want = append(want, "GOMP_SPINCOUNT=2000")
		}
		lines := strings.Split(string(output), "\n")
		if lines[0] != strconv.Itoa(c.Process.Pid) {
			t.Errorf("%v: process %s, want %d", want, lines[0], c.Process.Pid)
		}
		if lines[1] != program+" -x a b " {
			t.Errorf("%v: arguments %q", want, lines[1])
		}
		if !slices.Equal(lines[2:], want) {
			t.Errorf("environment %q, want %q", lines[2:], want)
		}
	}
}

func TestOfThisProcess(t *testing.T) {
	if os.Getenv("GOMP_SPINCOUNT") == "" && os.Getenv("OMP_WAIT_POLICY") == "" {
		t.Error("this program runs without a limit")
	}
}
