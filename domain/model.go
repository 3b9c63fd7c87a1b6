package domain

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// ChangeModel is a model of change that a study has committed itself to: which model of which data. The domain keeps it; what the
// fields mean is the engine's affair.
type ChangeModel struct {
	Name             string             `json:"name"`  // unique among the study's models
	Frame            string             `json:"frame"` // "waves" or "diary"
	Kind             string             `json:"kind"`
	Outcome          string             `json:"outcome"`
	Exchangeable     bool               `json:"exchangeable,omitempty"`
	Time             string             `json:"time"`
	Fixed            string             `json:"fixed,omitempty"`
	Random           string             `json:"random,omitempty"`
	Contrasts        string             `json:"contrasts,omitempty"`
	ResidualVariance string             `json:"residualVariance,omitempty"`
	CrossPartner     bool               `json:"crossPartner,omitempty"`
	Serial           string             `json:"serial,omitempty"`
	Predictors       []string           `json:"predictors,omitempty"`
	Reliability      map[string]float64 `json:"reliability,omitempty"` // of predictors that are measured with error
	Pooled           bool               `json:"pooled,omitempty"`
	CompletePairs    bool               `json:"completePairs,omitempty"`
	Occasions        []float64          `json:"occasions,omitempty"`
	Method           string             `json:"method,omitempty"`
	DF               string             `json:"df,omitempty"`
	Level            float64            `json:"level,omitempty"`
}

// ModelRegistered: the study follows a model of change from now on; one of the same name is replaced.
type ModelRegistered struct {
	Model ChangeModel `json:"model"`
}

// ModelRetired: the study follows a model no longer.
type ModelRetired struct {
	Name string `json:"name"`
}

func (ModelRegistered) isEvent() {}
func (ModelRetired) isEvent()    {}

// maxModels bounds what a server has to keep up to date for one study.
const maxModels = 50

// RegisterModel commits a study to a model of change.
type RegisterModel struct {
	Study string
	Model ChangeModel
}

func (c RegisterModel) Target() Target { return Target{Study: c.Study} }

func (c RegisterModel) decide(p Past) ([]Event, error) {
	if err := p.needProtocol(); err != nil {
		return nil, err
	}
	m := c.Model
	var k checks
	k.add(m.check())
	old, known := p.Study.Models[m.Name]
	k.that(known || len(p.Study.Models) < maxModels, "name", "the study has %d models already; retire one first", maxModels)
	if err := k.err(); err != nil {
		return nil, err
	}
	if known && reflect.DeepEqual(old, m) {
		return nil, nil
	}
	return []Event{ModelRegistered{m}}, nil
}

// check refuses what could not be the description of a model.
func (m ChangeModel) check() error {
	var k checks
	k.add(CheckCode("name", m.Name))
	k.that(m.Frame == "waves" || m.Frame == "diary", "frame", "%q is not a data set; expected waves or diary", m.Frame)
	k.that(m.Kind != "", "kind", "the kind of the model is missing")
	for _, text := range [][2]string{{"outcome", m.Outcome}, {"fixed", m.Fixed}, {"random", m.Random}, {"time", m.Time}} {
		k.that(len(text[1]) <= 4096, text[0], "there are %d bytes; at most 4096 are taken", len(text[1]))
	}
	k.that(len(m.Predictors) <= 100 && len(m.Occasions) <= 1000, "predictors", "there are too many predictors or occasions")
	for _, name := range slices.Sorted(maps.Keys(m.Reliability)) {
		r := m.Reliability[name]
		k.that(finite(r) && r > 0 && r <= 1, "reliability."+name, "the reliability is %v; expected more than 0 and at most 1", r)
	}
	for i, x := range m.Occasions {
		k.that(finite(x), fmt.Sprintf("occasions[%d]", i), "it is not a finite number")
	}
	k.that(finite(m.Level) && m.Level >= 0 && m.Level < 1, "level", "the level is %v; expected 0 to 1", m.Level)
	return k.err()
}

// RetireModel ends that a study follows a model.
type RetireModel struct {
	Study string
	Name  string
}

func (c RetireModel) Target() Target { return Target{Study: c.Study} }

func (c RetireModel) decide(p Past) ([]Event, error) {
	if err := p.needStudy(); err != nil {
		return nil, err
	}
	if _, ok := p.Study.Models[c.Name]; !ok {
		return nil, refuse(NotFound, "name", "study %s has no model %q", p.Study.Code, c.Name)
	}
	return []Event{ModelRetired{c.Name}}, nil
}
