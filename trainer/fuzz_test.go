package trainer

import (
	"encoding/json"
	"math"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/imori-ml/imori/internal/fuzztest"
	"github.com/imori-ml/imori/trainer/rundir"
)

// FuzzExtra: what the trainer keeps in State.Extra is read without a panic and in memory as its size, whatever somebody
// has written there, and what is accepted can be written and read again.
func FuzzExtra(f *testing.F) {
	target := fuzztest.New(f)
	o := options(nil)
	o.KeepBest, o.Recipe = "critic/loss", []byte("name: a\n")
	saver, err := New(o)
	if err != nil {
		f.Fatal(err)
	}
	saver.rollbacks = 2
	saver.best.Value, saver.best.Newest, saver.best.NewestAt = new(float64), new(float64), 3
	saver.owed = newOwed([]Metric{{"critic/loss", math.NaN()}, {"b", math.Inf(-1)}, {"c", 1e-300}})
	var saved *rundir.Checkpoint
	if err := saver.Do(func() (err error) { saved, err = saver.snapshot(); return err }); err != nil {
		f.Fatal(err)
	}
	saved.State.Extra[loggedKey] = json.RawMessage("450") // of a run with a folder
	good, err := json.Marshal(saved.State.Extra)
	if err != nil {
		f.Fatal(err)
	}
	if len(saved.State.Extra) != 7 {
		f.Fatalf("the seed has %d keys, expected those of settings, dataset, recipe, rollbacks, owed, best and the log:\n%s", len(saved.State.Extra), good)
	}
	target.Add(good)
	target.Add(good[:len(good)/2])
	for _, seed := range []string{
		"{}", "null", `{"trainer":null,"dataset":null,"recipe":null,"rollbacks":null,"preview_owed":null,"best":null}`,
		`{"logged":-1}`, `{"logged":1.5}`, `{"logged":null}`,
		`{"rollbacks":-1}`, `{"rollbacks":9223372036854775807}`, `{"rollbacks":1e400}`, `{"recipe":"\ud800"}`, `{"recipe":{}}`,
		`{"best":{"metric":"critic/loss","mode":"min","newest":1,"newest_at":-1,"value":1e308,"iteration":-9223372036854775808}}`,
		`{"preview_owed":{"metrics":[{"name":"a","value":"NaN"},{"name":"a","value":"1e999"}]}}`,
		`{"preview_owed":{"metrics":[{"value":null}]}}`, `{"preview_owed":{"metrics":[{"value":"+Inf"},{"value":"0x1p-2"},{}]}}`,
		`{"dataset":{"Channels":1,"Height":9223372036854775807,"Width":2}}`, `{"dataset":{"Channels":1,"Height":8,"Width":8,"Target":{"Channels":1000000}}}`,
		`{"trainer":{"seed":1,"batch_size":4,"samples":10,"device":"cpu","threads":1}}`, `{"trainer":[[[[]]]]}`,
	} {
		target.Add([]byte(seed))
	}
	dir, err := rundir.Create(filepath.Join(f.TempDir(), "run"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { dir.Close(); saver.Close() })
	target.Fuzz(func(t *testing.T, b []byte) {
		var extra map[string]json.RawMessage
		if json.Unmarshal(b, &extra) != nil {
			return
		}
		c := &rundir.Checkpoint{State: rundir.State{Iteration: 5, Extra: extra}}
		tr := &Trainer{Options: o, observer: Silent{}, dir: dir, info: saver.info}
		var errs [7]error
		fuzztest.Bounded(t, 1<<18+64*len(b), func() {
			errs = [...]error{tr.compare(c), tr.restoreRollbacks(c), tr.restoreBest(c), tr.restoreOwed(c), nil, nil, tr.restoreLogged(c)}
			_, errs[4] = DatasetInfo(c)
			_, errs[5] = SavedRecipe(c.State)
		})
		if tr.rollbacks < 0 {
			t.Errorf("%d rollbacks", tr.rollbacks)
		}
		if tr.owed != nil && errs[3] == nil {
			written, err := json.Marshal(newOwed(tr.owed.metrics()))
			if err != nil {
				t.Fatal(err)
			}
			again := &Trainer{}
			if err := again.restoreOwed(&rundir.Checkpoint{State: rundir.State{Extra: map[string]json.RawMessage{owedKey: written}}}); err != nil {
				t.Fatalf("%s: %v", written, err)
			}
			if rewritten, err := json.Marshal(again.owed); err != nil || string(rewritten) != string(written) {
				t.Errorf("%s became %s, %v", written, rewritten, err)
			}
		}
		if errs[2] == nil {
			written, err := json.Marshal(tr.best)
			var again best
			if err == nil {
				err = json.Unmarshal(written, &again)
			}
			if err != nil || !reflect.DeepEqual(again, tr.best) {
				t.Errorf("%+v became %+v, %v", tr.best, again, err)
			}
		}
	})
}

// FuzzFigure64: a figure is read as it was written, and nothing else is taken for one.
func FuzzFigure64(f *testing.F) {
	target := fuzztest.New(f)
	for _, v := range []float64{0, math.Copysign(0, -1), 1e-300, math.MaxFloat64, math.NaN(), math.Inf(1), math.Inf(-1)} {
		b, err := json.Marshal(figure64(v))
		if err != nil {
			f.Fatal(err)
		}
		target.Add(b)
	}
	for _, seed := range []string{"", "null", "{}", `"`, `"1e999"`, `"nan"`, `"0x1p-2"`, `"1_0"`, "1e999", "true"} {
		target.Add([]byte(seed))
	}
	target.Fuzz(func(t *testing.T, b []byte) {
		var v figure64
		var err error
		fuzztest.Bounded(t, 1<<16+64*len(b), func() { err = json.Unmarshal(b, &v) })
		if err != nil {
			return
		}
		written, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var again figure64
		if err := json.Unmarshal(written, &again); err != nil || math.Float64bits(float64(again)) != math.Float64bits(float64(v)) && !math.IsNaN(float64(v)) {
			t.Errorf("%s became %v, %v", written, again, err)
		}
	})
}
