package spin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// write makes the folder of a thread, or changes what it had.
func write(t *testing.T, folder, thread string, worked, waited time.Duration) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(folder, thread), 0o777); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%d %d 7\n", worked, waited)
	if err := os.WriteFile(filepath.Join(folder, thread, "schedstat"), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestQueue(t *testing.T) {
	folder := t.TempDir()
	q := queue{folder: folder}
	look := func(want float64) {
		t.Helper()
		got, err := q.look()
		if err != nil || got != want {
			t.Errorf("found the share %v and the error %v, want %v", got, err, want)
		}
	}
	write(t, folder, "1", time.Hour, time.Hour)
	write(t, folder, "2", time.Second, 0)
	look(0) // nothing to compare with
	look(0)
	write(t, folder, "1", time.Hour+interval/2, time.Hour+interval/2)
	look(0.5)
	write(t, folder, "1", time.Hour+interval, time.Hour+interval/2)
	write(t, folder, "2", time.Second, interval) // hardly works: one that is woken for moments
	look(0)
	write(t, folder, "1", time.Hour+3*interval/2, time.Hour+interval)
	write(t, folder, "2", time.Second+interval/4, 7*interval/4)
	look(0.75)
	write(t, folder, "3", time.Hour, time.Hour) // new
	if err := os.RemoveAll(filepath.Join(folder, "2")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "4"), 0o777); err != nil { // ended meanwhile
		t.Fatal(err)
	}
	look(0)

	if err := os.WriteFile(filepath.Join(folder, "1", "schedstat"), []byte("none"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := q.look(); err == nil || !strings.Contains(err.Error(), `found "none", expected three numbers`) {
		t.Errorf("found the error %v", err)
	}
	for _, name := range []string{"1", "3"} {
		if err := os.Remove(filepath.Join(folder, name, "schedstat")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.look(); err == nil || !strings.Contains(err.Error(), "no thread has a schedstat") {
		t.Errorf("found the error %v where Linux counts nothing", err)
	}
	if _, err := (&queue{folder: filepath.Join(folder, "none")}).look(); !os.IsNotExist(err) {
		t.Errorf("found the error %v for a folder that is not there", err)
	}
}

// Watching sets the limit while a thread stands in line, and lifts it where there is no telling any more.
func TestWatch(t *testing.T) {
	for _, test := range []struct {
		shares []float64 // then there is an error
		want   []bool
	}{
		{nil, nil},
		{[]float64{0}, []bool{false}},
		{[]float64{0, 0.5, 0.1, 0.5, 0.5, 0.5}, []bool{true, false}},
	} {
		times := make(chan time.Time, len(test.shares)+1)
		for range cap(times) {
			times <- time.Time{}
		}
		var looks int
		var limits []bool
		watch(func() (float64, error) {
			if looks++; looks > len(test.shares) {
				return 0, errors.New("there is no telling")
			}
			return test.shares[looks-1], nil
		}, times, func(on bool) { limits = append(limits, on) })
		if !slices.Equal(limits, test.want) {
			t.Errorf("after the shares %v the limit was set to %v, want %v", test.shares, limits, test.want)
		}
	}
}

// TestLinux looks at this process itself.
func TestLinux(t *testing.T) {
	q := queue{folder: "/proc/self/task"}
	if _, err := q.look(); err != nil {
		t.Skip(err)
	}
	if share, err := q.look(); err != nil || share < 0 || share > 1 || len(q.threads) == 0 {
		t.Errorf("found the share %v of %d threads, error %v", share, len(q.threads), err)
	}
}
