package trainer

import "time"

// An Observer hears how a run goes. Its methods are called on the trainer's goroutine, which waits for them: they should
// be quick, and must not call the trainer but for Info.
type Observer interface {
	Started(Info)
	Progress(Progress) // after each iteration
	Saved(kind SavedKind, path string)
	Warn(message string) // one line
	Finished(Summary)    // at the end of Run, however it ended
}

// SavedKind says what was saved.
type SavedKind string

// What a run saves.
const (
	SavedPicture    SavedKind = "picture"
	SavedCheckpoint SavedKind = "checkpoint"
	SavedAnimation  SavedKind = "animation"
)

// Silent is an Observer that does nothing; embed it to hear a part only.
type Silent struct{}

// Started does nothing.
func (Silent) Started(Info) {}

// Progress does nothing.
func (Silent) Progress(Progress) {}

// Saved does nothing.
func (Silent) Saved(SavedKind, string) {}

// Warn does nothing.
func (Silent) Warn(string) {}

// Finished does nothing.
func (Silent) Finished(Summary) {}

// Info describes a trainer.
type Info struct {
	Device       string // "cpu", "cuda:0"
	DeviceReason string // why that one
	Threads      int
	Precision    string // "fp32" or "bf16"
	Iterations   int    // of the whole run
	Iteration    int    // done before: 0, or what the run goes on from
	BatchSize    int
	Dir          string // the run's folder; "" if nothing is written
	Networks     []NetworkInfo
}

// NetworkInfo describes a network.
type NetworkInfo struct {
	Name       string
	Optimizer  string // "adam"; "" for a network that no phase updates
	Parameters int64  // trained values
	Tensors    []TensorInfo
}

// TensorInfo describes a parameter or a buffer.
type TensorInfo struct {
	Name   string // PyTorch's state_dict name
	Shape  []int64
	Buffer bool
}

// Metric is one logged figure.
type Metric struct {
	Name  string // "critic/loss"
	Value float64
}

// Progress is how far a run is.
type Progress struct {
	Iteration, Total int
	ImagesPerSecond  float64       // images taken from the dataset, lately
	Remaining        time.Duration // estimated
	Metrics          []Metric      // nil when the iteration is not logged
	Health           []Metric      // those of the newest logged iteration that IsHealth; nil before the first
}

// Summary is how a run ended.
type Summary struct {
	Iteration int
	Elapsed   time.Duration // of this call of Run
	Err       error         // what Run returns
}
