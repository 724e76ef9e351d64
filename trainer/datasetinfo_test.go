package trainer

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/imori-ml/imori/trainer/rundir"
)

// TestDatasetInfo: sizes that a file gives are those of samples, or an error.
func TestDatasetInfo(t *testing.T) {
	for text, want := range map[string]string{
		`{"name":"a","channels":3,"height":64,"width":48}`:                                       "",
		`{"name":"a","channels":1,"height":8,"width":8,"classes":["x"],"target":{"channels":3}}`: "",
		`{"name":"a","channels":3,"height":64,"width":-48}`:                                      "its images are 3x64x-48 (CHW), expected at least 1 each",
		`{"name":"a","channels":0,"height":64,"width":48}`:                                       "its images are 0x64x48",
		`{}`:   "its images are 0x0x0",
		`null`: "its images are 0x0x0",
		`{"channels":3,"height":1048577,"width":1}`:                                                "at most 4096 channels, 1048576 pixels a side and 4294967296 values",
		`{"channels":3,"height":1048576,"width":1048576}`:                                          "at most 4096 channels",
		`{"channels":4611686018427387904,"height":4,"width":4}`:                                    "its images are 4611686018427387904x4x4",
		`{"channels":1,"height":9223372036854775807,"width":9223372036854775807}`:                  "expected at least 1 each",
		`{"channels":1,"height":9223372036854775808,"width":1}`:                                    "damaged",
		`{"channels":1,"height":1.5,"width":1}`:                                                    "damaged",
		`{"channels":1,"height":8,"width":8,"target":{"channels":2}}`:                              "its targets have 2 channels and no classes",
		`{"channels":1,"height":8,"width":8,"target":{"channels":-1,"classes":[]}}`:                "its targets have -1 channels, 0 classes",
		`{"channels":1,"height":65536,"width":65536,"target":{"channels":3}}`:                      "its targets are 3x65536x65536",
		`{"channels":1,"height":8,"width":8,"target":{"channels":1,"classes":["a"],"palette":[]}}`: "0 colours in the palette",
		`[]`: "damaged",
	} {
		c := &rundir.Checkpoint{}
		c.State.Extra = map[string]json.RawMessage{datasetKey: json.RawMessage(text)}
		_, err := DatasetInfo(c)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || errors.Is(err, ErrNoDatasetInfo) {
			t.Errorf("%s: error is %v, expected %q", text, err, want)
		}
	}
	if _, err := DatasetInfo(&rundir.Checkpoint{}); !errors.Is(err, ErrNoDatasetInfo) {
		t.Errorf("error is %v", err)
	}
}
