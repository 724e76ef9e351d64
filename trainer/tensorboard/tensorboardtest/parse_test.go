package tensorboardtest_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/imori-ml/imori/internal/fuzztest"
	"github.com/imori-ml/imori/trainer/tensorboard"
	"github.com/imori-ml/imori/trainer/tensorboard/tensorboardtest"
)

// written is a file of every kind of event.
func written(t testing.TB) []byte {
	t.Helper()
	dir := t.TempDir()
	w, err := tensorboard.Create(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		w.Scalar(1, "loss", 0.5),
		w.Histogram(2, "z", []float32{-1, 0, 2}),
		w.Image(3, "samples", image.NewGray(image.Rect(0, 0, 2, 3))),
		w.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	files, err := tensorboardtest.Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// seal gives each length and each record its checksum, so that the fuzzer gets behind them. It returns the bytes of the
// whole records.
func seal(file []byte) (whole int) {
	put := func(at, n int) {
		crc := crc32.Checksum(file[at:at+n], crc32.MakeTable(crc32.Castagnoli))
		binary.LittleEndian.PutUint32(file[at+n:], (crc>>15|crc<<17)+0xa282ead8)
	}
	for len(file)-whole >= 12 {
		put(whole, 8)
		n := binary.LittleEndian.Uint64(file[whole:])
		if n > uint64(len(file)-whole) || len(file)-whole-12 < int(n)+4 {
			break
		}
		put(whole+12, int(n))
		whole += 12 + int(n) + 4
	}
	return whole
}

func FuzzParse(f *testing.F) {
	target := fuzztest.New(f)
	good := written(f)
	target.Add(good, false)
	target.Add(good, true)
	target.Add(good[:len(good)-7], true)
	target.Add(append(bytes.Clone(good), "torn"...), false)
	for _, lie := range []uint64{math.MaxUint64, math.MaxUint64 - 3, math.MaxInt64, 1 << 40} {
		target.Add(binary.LittleEndian.AppendUint64(bytes.Clone(good), lie), true)
		target.Add(append(binary.LittleEndian.AppendUint64(nil, lie), good...), true)
	}
	target.Fuzz(func(t *testing.T, file []byte, sealed bool) {
		file = bytes.Clone(file)
		whole := len(file)
		if sealed {
			whole = seal(file)
		}
		var events []tensorboardtest.Event
		var torn bool
		var err error
		fuzztest.Bounded(t, 1<<16+200*len(file), func() { events, torn, err = tensorboardtest.Parse(file) })
		if err != nil || !sealed {
			return
		}
		if torn != (whole < len(file)) {
			t.Errorf("%d of %d bytes are whole records, torn is %v", whole, len(file), torn)
		}
		// What follows the whole records changes nothing. Figures may be NaN, which differs from itself.
		same := func(a, b tensorboardtest.Event) bool {
			return a.Step == b.Step && a.FileVersion == b.FileVersion && a.Start == b.Start && len(a.Values) == len(b.Values)
		}
		again, torn, err := tensorboardtest.Parse(file[:whole])
		if err != nil || torn || !slices.EqualFunc(again, events, same) {
			t.Errorf("got %v, %v, %v, want %v", again, torn, err, events)
		}
	})
}
