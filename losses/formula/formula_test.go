package formula

import "testing"

// The vectors of models/testdata/golden/README.md.
func TestVectors(t *testing.T) {
	for _, v := range []struct {
		tag  string
		i    int
		hash uint64
		unit float64
	}{
		{"", 0, 0xF52A15E9A9B5E89B, 0.9576733708381653},
		{"", 1, 0xC3817C016BA4FF30, 0.7636945247650146},
		{"probe", 0, 0x1639ECE38D39D399, 0.08682131767272949},
		{"noise.0", 0, 0xC9211BA9635BCE71, 0.7856613993644714},
		{"noise.0", 1599, 0x58FEBC49FB4D2CCF, 0.3476369380950928},
		{"batch.0", 0, 0x509F001EA4D86065, 0.3149261474609375},
		{"batch.99", 49151, 0xD0AAFFAD6EB73AE8, 0.8151091933250427},
		{"generator.0.weight", 0, 0xDF5581EF962A229E, 0.8723984360694885},
		{"generator.0.weight", 204799, 0x2EB2FF5418855CEB, 0.18241876363754272},
		{"critic.0.bias", 63, 0x8BCBDC0602E8EF6B, 0.5460793972015381},
	} {
		if got := mix(fnv1a64(v.tag) + uint64(v.i)*0x9E3779B97F4A7C15); got != v.hash {
			t.Errorf("hash(%q, %d) = %#X, want %#X", v.tag, v.i, got, v.hash)
		}
		if got, want := Values(v.tag, v.i+1, 1, 0)[v.i], float32(2*v.unit-1); got != want {
			t.Errorf("Values(%q)[%d] = %v, want %v", v.tag, v.i, got, want)
		}
	}
}

func TestScaleAndShift(t *testing.T) {
	if got := Values("generator.0.weight", 1, 0.1, 0)[0]; got != 0.0744796842 { // fan_in 100
		t.Errorf("generator 0.weight[0] = %.9g, want 0.0744796842", got)
	}
	if got := Values("generator.2.weight", 1, 0.1, 1)[0]; got != 1.00749457 {
		t.Errorf("generator 2.weight[0] = %.9g, want 1.00749457", got)
	}
	var part [3]float32
	Fill(part[:], "probe", 5, 0.5, 0.25)
	if whole := Values("probe", 8, 0.5, 0.25); part != [3]float32(whole[5:]) {
		t.Errorf("Fill from 5 = %v, want %v", part, whole[5:])
	}
}
