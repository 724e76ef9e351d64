package trainer

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Config is the train section of a recipe.
type Config struct {
	Iterations        int     `yaml:"iterations" check:"min=1" doc:"iterations to train; all phases of the model make one"`
	BatchSize         int     `yaml:"batch_size" check:"min=1,max=65536" doc:"images of a minibatch"`
	Accumulate        int     `yaml:"accumulate" check:"min=1,max=65536" doc:"minibatches whose gradients are averaged for one step; images that several phases share are kept for all of them"`
	Seed              int64   `yaml:"seed" doc:"of weights, noise, order and augmentation: the same seed gives the same run"`
	Device            string  `yaml:"device" check:"nonempty" doc:"auto (a GPU if there is one), cpu, cuda or cuda:N"`
	Threads           int     `yaml:"threads" check:"min=0,max=65536" doc:"threads of the CPU; 0: OMP_NUM_THREADS, or all cores"`
	Precision         string  `yaml:"precision" check:"oneof=fp32|bf16|auto" doc:"of the layers with weights: fp32; bf16, for CPUs with amx_bf16 or avx512_bf16, where weights, norms and losses stay fp32; auto, bf16 where it is faster, if the model has convolutions"`
	Schedule          string  `yaml:"schedule" check:"oneof=constant|linear|cosine" doc:"how learning rates decay after the warm-up"`
	Warmup            int     `yaml:"warmup" check:"min=0" doc:"iterations in which learning rates rise linearly from 0"`
	DecayFrom         int     `yaml:"decay_from" check:"min=0" doc:"iterations before the decay begins; 0: warmup"`
	DecayUntil        int     `yaml:"decay_until" check:"min=0" doc:"iterations after which the decay is done; 0: iterations, which cannot be more on resume then"`
	FinalLR           float64 `yaml:"final_lr" check:"min=0,max=1" doc:"factor on the learning rates after the decay"`
	ClipNorm          float64 `yaml:"clip_norm" check:"min=0" doc:"limit of the norm of each network's gradients; 0: none"`
	ClipValue         float64 `yaml:"clip_value" check:"min=0" doc:"limit of the size of each element of the gradients; 0: none"`
	EMA               float64 `yaml:"ema" check:"min=0,lt=1" doc:"decay of the averages of the generating networks' weights, such as 0.999, which previews then show; 0: none"`
	LogEvery          int     `yaml:"log_every" check:"min=1" doc:"iterations between lines of metrics.jsonl"`
	PreviewEvery      int     `yaml:"preview_every" check:"min=0" doc:"iterations between pictures; 0: only at the end"`
	CheckpointEvery   int     `yaml:"checkpoint_every" check:"min=0" doc:"iterations between checkpoints; 0: only by checkpoint_minutes, and at the end"`
	CheckpointMinutes float64 `yaml:"checkpoint_minutes" check:"min=0" doc:"minutes after which there is a checkpoint too; 0: never"`
	KeepCheckpoints   int     `yaml:"keep_checkpoints" check:"min=0" doc:"checkpoints that are kept, the newest ones; 0: all; where the disk has no room for one more, the oldest of three or more goes first"`
	KeepBest          string  `yaml:"keep_best" doc:"a metric such as test/mse; the checkpoint with the best value of it is kept too, as checkpoints/best; checkpoint_every should be a multiple of log_every, or of preview_every for test metrics"`
	KeepBestMode      string  `yaml:"keep_best_mode" check:"oneof=min|max" doc:"whether the lowest or the highest value of keep_best is the best"`
	OnSaveError       string  `yaml:"on_save_error" check:"oneof=stop|continue" doc:"whether the run stops when the disk is full, or goes on and tries again; the last checkpoint must succeed; other errors of the disk always stop it"`
	OnDivergence      string  `yaml:"on_divergence" check:"oneof=stop|rollback" doc:"whether the run stops when a loss is not finite, or goes back to the newest checkpoint of checkpoint_every, or to another one if there is none, and on with other noise and order"`
	MaxRollbacks      int     `yaml:"max_rollbacks" check:"min=0" doc:"times a run goes back before it stops after all"`
	TensorBoard       bool    `yaml:"tensorboard" doc:"write metrics and pictures to an event file for TensorBoard too"`
}

// DefaultConfig returns the defaults. A model knows better ones for Iterations and BatchSize.
func DefaultConfig() Config {
	return Config{
		Iterations:        10_000,
		BatchSize:         64,
		Accumulate:        1,
		Seed:              1,
		Device:            "auto",
		Precision:         precisionFP32,
		Schedule:          "constant",
		LogEvery:          50,
		PreviewEvery:      500,
		CheckpointEvery:   1000,
		CheckpointMinutes: 30,
		KeepCheckpoints:   3,
		KeepBestMode:      bestMin,
		OnSaveError:       saveErrorContinue,
		OnDivergence:      divergenceStop,
		MaxRollbacks:      3,
		TensorBoard:       true,
	}
}

// Check reports all values that are out of range.
func (c Config) Check() error {
	var errs []error
	within := func(key string, value, low, high int) {
		if value < low || value > high {
			errs = append(errs, fmt.Errorf("%s is %d, expected %d to %d", key, value, low, high))
		}
	}
	const most = 1<<31 - 1
	within("iterations", c.Iterations, 1, most)
	within("batch_size", c.BatchSize, 1, 1<<16)
	within("accumulate", c.Accumulate, 1, 1<<16)
	within("threads", c.Threads, 0, 1<<16)
	within("warmup", c.Warmup, 0, most)
	within("decay_from", c.DecayFrom, 0, most)
	within("decay_until", c.DecayUntil, 0, most)
	if !slices.Contains([]string{precisionFP32, precisionBF16, precisionAuto}, c.Precision) {
		errs = append(errs, fmt.Errorf("precision is %q, expected fp32, bf16 or auto", c.Precision))
	}
	errs = append(errs, c.checkSchedule()...)
	errs = append(errs, c.checkClipping()...)
	errs = append(errs, c.checkAverages()...)
	within("log_every", c.LogEvery, 1, most)
	within("preview_every", c.PreviewEvery, 0, most)
	within("checkpoint_every", c.CheckpointEvery, 0, most)
	if !(c.CheckpointMinutes >= 0) || math.IsInf(c.CheckpointMinutes, 1) {
		errs = append(errs, fmt.Errorf("checkpoint_minutes is %g, expected at least 0", c.CheckpointMinutes))
	}
	within("keep_checkpoints", c.KeepCheckpoints, 0, most)
	errs = append(errs, c.checkBest()...)
	errs = append(errs, c.checkFailures()...)
	within("max_rollbacks", c.MaxRollbacks, 0, most)
	return errors.Join(errs...)
}

// every tells whether something that is done each n iterations, 0 for never, is due at this one.
func every(n, iteration int) bool { return n > 0 && iteration%n == 0 }
