package cli

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// TestLimitedMemory: what there is no memory for is an error of libtorch's, in a process of its own.
func TestLimitedMemory(t *testing.T) {
	if os.Getenv("CLI_TEST_MEMORY") == "" {
		c := exec.Command(os.Args[0], "-test.run", "^TestLimitedMemory$")
		c.Env = append(os.Environ(), "CLI_TEST_MEMORY=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	take := func(mebibytes int64) error {
		return torchx.Try(func() {
			torchx.Scoped(func() { torchx.Full(1, torch.Float, "cpu", mebibytes, 1<<18) })
		})
	}
	limitMemory()
	if err := take(64); err != nil {
		t.Errorf("with all that the machine has: %v", err)
	}
	limitData(512 << 20)
	if err := take(64); err != nil {
		t.Errorf("what fits: %v", err)
	}
	if err := take(1024); err == nil || !strings.Contains(err.Error(), "allocate") {
		t.Errorf("what does not fit: error is %v", err)
	}
	if err := take(64); err != nil {
		t.Errorf("what fits, afterwards: %v", err)
	}
}
