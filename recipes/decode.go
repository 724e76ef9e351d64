package recipes

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/recipes/strict"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// decode fills r from the document; what is wrong waits in the document. The
// model comes first, since the later sections take defaults from its plugin.
func (r *Recipe) decode(top *strict.Section) {
	r.decodeName(top)
	plugin, ok := r.decodeModel(top.Section("model", "what is trained"))
	r.decodeDataset(top.Section("dataset", "what it is trained on"))
	optimizer := top.Section("optimizer", "an optimiser for each of the model's networks")
	train := top.Section("train", "the training loop")
	if ok {
		r.decodeOptimizers(optimizer, plugin)
	} else {
		optimizer.Skip() // only the model knows the networks
	}
	r.decodeTrain(train, plugin)
}

func (r *Recipe) decodeName(top *strict.Section) {
	const expected = `a name for the recipe, such as "name: my_gan"; its runs go into a folder of that name`
	if !top.Var("name", &r.Name, "", "the recipe's name, and that of its runs' folder") {
		return
	}
	if !top.Has("name") {
		top.Missing("name", expected)
		return
	}
	if !folderName(r.Name) {
		top.Fail("name", "found %q, expected a folder's name: letters, digits, _, - and dots, 100 bytes at most, beginning with a letter or digit", r.Name)
	}
}

// folderName says whether s names a folder on every file system, and on a
// command line without quotes.
func folderName(s string) bool {
	for i, c := range s {
		word := unicode.IsLetter(c) || unicode.IsDigit(c) || unicode.IsMark(c)
		if !word && (i == 0 || !strings.ContainsRune("_-.", c)) {
			return false
		}
	}
	return s != "" && len(s) <= 100 && !strings.HasSuffix(s, ".")
}

func (r *Recipe) decodeModel(s *strict.Section) (models.Plugin, bool) {
	name, ok := s.Type(models.Names(), "")
	if !ok {
		return models.Plugin{}, false
	}
	plugin, _ := models.Lookup(name)
	r.Model = Model{name, plugin.Options()}
	s.Decode(r.Model.Options)
	return plugin, true
}

func (r *Recipe) decodeDataset(s *strict.Section) {
	name, ok := s.Type(datasets.Names(), "")
	if !ok {
		return
	}
	plugin, _ := datasets.Lookup(name)
	r.Dataset = Dataset{Type: name, Options: plugin.Options()}
	s.Decode(r.Dataset.Options)
	for _, item := range s.Sections("augment", "random changes of each image, in order") {
		name, ok := item.Type(datasets.AugmentationNames(), "")
		if !ok {
			continue
		}
		plugin, _ := datasets.LookupAugmentation(name)
		a := Augmentation{name, plugin.Options()}
		item.Decode(a.Options)
		r.Dataset.Augment = append(r.Dataset.Augment, a)
	}
}

// decodeOptimizers starts from the plugin's optimisers; one of another type
// starts from that type's own defaults, since the plugin's are meant for its own.
func (r *Recipe) decodeOptimizers(s *strict.Section, plugin models.Plugin) {
	for _, o := range plugin.Optimizers() {
		network := s.Section(o.Network, "the optimiser of the "+o.Network)
		name, ok := network.Type(torchx.OptimizerTypes(), o.Options.TypeName())
		if !ok {
			continue
		}
		if name != o.Options.TypeName() {
			o.Options, _ = torchx.NewOptimizerOptions(name)
		}
		network.Decode(o.Options)
		r.Optimizers = append(r.Optimizers, o)
	}
}

var device = regexp.MustCompile(`^(auto|cpu|cuda|cuda:[0-9]{1,3})$`)

func (r *Recipe) decodeTrain(s *strict.Section, plugin models.Plugin) {
	r.Train = trainer.DefaultConfig()
	r.Train.Iterations, r.Train.BatchSize = plugin.Iterations, plugin.BatchSize
	s.Decode(&r.Train)
	if plugin.Name != "" && s.Valid() { // each value by itself; now all of them together
		if err := r.Train.Check(); err != nil {
			s.Fail("", "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	if err := CheckDevice(r.Train.Device); err != nil {
		s.Fail("device", "%v", err)
	}
}

// CheckDevice refuses what names no device on any machine.
func CheckDevice(name string) error {
	if device.MatchString(name) {
		return nil
	}
	return fmt.Errorf("found %q, expected auto, cpu, cuda (a GPU) or cuda:N (the GPU of that number)", name)
}
