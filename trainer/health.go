package trainer

// Names under which models report how a game of two networks goes, see Step.Observe.
const (
	Diversity         = "diversity"
	AccuracyReal      = "accuracy_real"
	AccuracyGenerated = "accuracy_generated"
)
