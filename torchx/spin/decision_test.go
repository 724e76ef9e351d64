package spin

import (
	"slices"
	"testing"
)

// changes returns at which looks the limit changes, the first look being 0, for shares that each stay for some looks.
func changes(d *decision, shares ...float64) (at []int) {
	for i, share := range shares {
		if d.next(share) {
			at = append(at, i)
		}
	}
	return at
}

func stretch(share float64, looks int) []float64 { return slices.Repeat([]float64{share}, looks) }

func TestDecision(t *testing.T) {
	for _, test := range []struct {
		name   string
		shares []float64
		want   []int
	}{
		{"a machine of one's own", stretch(0.1, 100), nil},
		{"between the bounds", stretch(0.22, 100), nil},
		{"moments", slices.Repeat([]float64{0.5, 0, 0.9, 0.24}, 20), nil},
		{"a neighbour from the start", stretch(0.5, 100), []int{1}},
		{"a neighbour that comes", slices.Concat(stretch(0, 5), stretch(0.5, 100)), []int{6}},
		{"a neighbour that goes", slices.Concat(stretch(0.5, 5), stretch(0, 100)), []int{1, 14}},
		{"calm that does not last", slices.Concat(stretch(0.5, 5), stretch(0, 9), stretch(0.3, 1), stretch(0, 20)), []int{1, 24}},
		{"between the bounds while limited", slices.Concat(stretch(0.5, 5), stretch(0.22, 100)), []int{1}},
		{"the limit lifted too soon", slices.Concat(stretch(0.5, 2), stretch(0, 10), stretch(0.5, 2), stretch(0, 20), stretch(0.5, 2), stretch(0, 40)),
			[]int{1, 11, 13, 33, 35, 75}},
		{"the limit lifted in time", slices.Concat(stretch(0.5, 2), stretch(0, 30), stretch(0.5, 2), stretch(0, 10)), []int{1, 11, 33, 43}},
	} {
		if got := changes(new(decision), test.shares...); !slices.Equal(got, test.want) {
			t.Errorf("%s: the limit changes at looks %v, want %v", test.name, got, test.want)
		}
	}
}

// A limit that is always lifted too soon is not tried again more often than every two minutes.
func TestPatience(t *testing.T) {
	var d decision
	var last int
	for look := range 20000 {
		share := 0.0
		if !d.limited {
			share = 1
		}
		if d.next(share) && d.limited {
			if last != 0 && look > 10000 && look-last != mostCalm+2 {
				t.Fatalf("the limit was lifted after %d looks, want %d", look-last-2, mostCalm)
			}
			last = look
		}
	}
}
