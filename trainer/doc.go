// Package trainer runs the loop in which a model learns: batches, phases, optimisers, metrics, previews, checkpoints.
//
// A [Model] owns networks and says in phases what one iteration does; a [datasets.Dataset] gives the images. The trainer
// knows nothing about either beyond their interfaces, and needs no recipe:
//
//	t, err := trainer.New(trainer.Options{
//		Config:     config, // from trainer.DefaultConfig
//		Build:      func() (trainer.Model, error) { return newModel(), nil },
//		Dataset:    dataset,
//		Optimizers: map[string]torchx.OptimizerOptions{"generator": adam, "critic": adam},
//		Dir:        "runs/first",
//	})
//	if err != nil { ... }
//	defer t.Close()
//	err = t.Run(ctx)
//
// Everything that a run computes is a function of its seed and options: the same ones give the same metrics and weights,
// byte for byte, on one machine with one number of threads, whether the run was stopped and resumed or not, and whether
// anybody looked or not. Random numbers come from libtorch's default generators, which belong to the process: two
// trainers that train at once disturb each other's.
//
// Of a long run nothing is lost that is worth something. Checkpoints are copied between two iterations and written beside
// training; they are whole or not there, and never of weights that are not finite. What fails between two iterations costs
// none of those done. A full disk is no reason to stop ([Config].OnSaveError), and where training diverges, [ErrDiverged],
// the run's folder gets a diagnosis and the run stops, or goes back to a checkpoint (Config.OnDivergence). That, too, is a
// function of seed and options, and is done again if the run is killed before its next checkpoint: the run goes back to the
// newest checkpoint at a multiple of Config.CheckpointEvery. Only where there is none that can be read, as before the first
// or without CheckpointEvery, it goes back to one that a signal or the clock has made, and then depends on these.
//
// The trainer also watches the figures of health, [IsHealth], and warns through the Observer where they show that a
// generator collapses or a discriminator has won. Models take part by reporting them under the names [Diversity],
// [AccuracyReal] and [AccuracyGenerated].
package trainer
