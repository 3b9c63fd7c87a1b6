package projections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"asem/analysis/apim"
	"asem/analysis/frame"
	"asem/analysis/mixed"
	"asem/domain"
)

// EngineVersion names the statistical engine in every result. It is raised when numbers may change.
const EngineVersion = "asem-mixed 3"

// ModelSpec asks for a model of a data set, by name or by formulas. Which fields count depends on the kind.
type ModelSpec struct {
	Kind    string // MixedKind, or a named actor-partner model
	Outcome string
	Couple  string // column names; in a study's data they are couple, person, role and time
	Person  string
	Role    string
	Time    string

	Site             string // MixedKind: column of what couples are nested in
	Fixed, Random    string // MixedKind: formulas
	Contrasts        string // MixedKind: "treatment" or "sum"
	ResidualVariance string // MixedKind: "common" or "role"
	CrossPartner     bool   // MixedKind
	Serial           string // MixedKind: "none", "ar1" or "car1"

	Predictors    []string           // named models
	Reliability   map[string]float64 // named models: of predictors that are measured with error
	Pooled        bool               // named models: equal effects for both roles
	CompletePairs bool               // named models: leave out occasions at which a partner's row is incomplete

	Occasions []float64 // keep only these values of Time; empty keeps all
	Method    string    // "ML" or "REML"; empty: REML
	DF        string
	Level     float64
}

// MixedKind is the kind of a model that is given by formulas.
const MixedKind = "mixed"

// ModelKinds lists the kinds of models with their titles in words.
func ModelKinds() [][2]string {
	list := [][2]string{{MixedKind, "a linear mixed model given by formulas"}}
	for _, k := range apim.Kinds() {
		list = append(list, [2]string{k.Name, k.Title})
	}
	return list
}

// The rows of a fitted model, as the analysis packages define them.
type (
	Parameter     = mixed.Parameter
	Effect        = apim.Effect
	RandomEffects = mixed.RandomEffects
)

// FittedModel is a model fitted to a data set.
type FittedModel struct {
	*mixed.Fit
	Effects  []Effect           // of named models
	Centres  map[string]float64 // what was subtracted from predictors
	Excluded int                // rows left out because a partner's was incomplete
}

// Fit fits the model to a frame. What is wrong with the spec or the data is an error with code invalid. A model that
// does not converge is a result, whose Err says why.
func (s ModelSpec) Fit(ctx context.Context, f *frame.Frame) (*FittedModel, error) {
	return s.Refit(ctx, f, nil)
}

// Refit fits as Fit does, beginning with the estimate of an earlier fit of the same spec to data that have changed little; with nil it
// begins anew. Where couples are given, only their rows differ from the data of the earlier fit, and all others stand in the same order.
func (s ModelSpec) Refit(ctx context.Context, f *frame.Frame, earlier *FittedModel, couples ...string) (*FittedModel, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	var from *mixed.Fit
	if earlier != nil && earlier.Err() == nil {
		from = earlier.Fit
	}
	m, err := s.fit(ctx, f, from, couples)
	if err == nil || ctx.Err() != nil {
		return m, err
	}
	return nil, s.told(err)
}

// told turns what is wrong with a spec or data into an error with code invalid.
func (s ModelSpec) told(err error) error {
	var (
		spec    *mixed.SpecError
		named   *apim.SpecError
		formula *mixed.FormulaError
		data    *mixed.DataError
	)
	if errors.As(err, &spec) || errors.As(err, &named) || errors.As(err, &formula) || errors.As(err, &data) {
		return &domain.Error{Code: domain.Invalid, Path: "spec", Message: err.Error()}
	}
	return fmt.Errorf("fit a %s model: %w", s.Kind, err)
}

// Check refuses fields that the kind does not read: a model other than the one that was meant would be fitted.
func (s ModelSpec) Check() error {
	mixedOnly := map[string]bool{"fixed": s.Fixed != "", "random": s.Random != "", "person": s.Person != "", "site": s.Site != "", "contrasts": s.Contrasts != "",
		"residual": s.ResidualVariance != "" || s.CrossPartner || (s.Serial != "" && s.Serial != string(mixed.SerialNone))}
	namedOnly := map[string]bool{"predictors": len(s.Predictors) > 0, "reliability": len(s.Reliability) > 0, "pooled": s.Pooled, "missing": s.CompletePairs}
	refused, others := mixedOnly, "models given by formulas (kind: "+MixedKind+")"
	if s.Kind == MixedKind {
		refused, others = namedOnly, "models by name, such as growth"
	}
	for _, field := range slices.Sorted(maps.Keys(refused)) {
		if refused[field] {
			return invalid("spec", "%s belongs to %s; kind %s does not read it", field, others, s.Kind)
		}
	}
	return nil
}

func (s ModelSpec) fit(ctx context.Context, f *frame.Frame, from *mixed.Fit, couples []string) (*FittedModel, error) {
	if s.Kind == MixedKind {
		var m *mixed.Model
		var err error
		if from != nil && len(couples) > 0 && len(s.Occasions) == 0 {
			m, err = from.Model().Update(f, couples...)
		} else {
			m, err = mixed.New(s.only(f), s.mixed())
		}
		if err != nil {
			return nil, err
		}
		var fit *mixed.Fit
		if from == nil {
			fit, err = m.Fit(ctx)
		} else {
			fit, err = m.FitFrom(ctx, from)
		}
		if err != nil {
			return nil, err
		}
		return &FittedModel{Fit: fit}, nil
	}
	named, err := s.named()
	if err != nil {
		return nil, err
	}
	r, err := apim.Refit(ctx, f, named, from)
	if err != nil {
		return nil, err
	}
	return &FittedModel{Fit: r.Fit, Effects: r.Effects, Centres: r.Centres, Excluded: r.Excluded}, nil
}

// Compile joins the model with data without fitting it. What is wrong with the spec, for data with these columns and occasions, is an error with code
// invalid.
func (s ModelSpec) Compile(f *frame.Frame) error {
	if err := s.Check(); err != nil {
		return err
	}
	data, spec := s.only(f), s.mixed()
	if s.Kind != MixedKind {
		named, err := s.named()
		if err == nil {
			data, spec, err = apim.Compile(f, named)
		}
		if err != nil {
			return s.told(err)
		}
	}
	if _, err := mixed.New(data, spec); err != nil {
		return s.told(err)
	}
	return nil
}

// mixed returns the spec as the engine of mixed models reads it.
func (s ModelSpec) mixed() mixed.Spec {
	return mixed.Spec{
		Outcome: s.Outcome, Site: s.Site, Couple: s.Couple, Person: s.Person, Role: s.Role, Time: s.Time, Fixed: s.Fixed, Random: s.Random,
		Contrasts: mixed.Contrasts(s.Contrasts),
		Residual:  mixed.Residual{Variance: mixed.Variance(s.ResidualVariance), CrossPartner: s.CrossPartner, Serial: mixed.Serial(s.Serial)},
		Method:    mixed.Method(s.Method), DF: mixed.DF(s.DF), Level: s.Level,
	}
}

// named returns the spec as the actor-partner models read it.
func (s ModelSpec) named() (apim.Spec, error) {
	if !slices.ContainsFunc(apim.Kinds(), func(k apim.Kind) bool { return k.Name == s.Kind }) {
		var names []string
		for _, k := range ModelKinds() {
			names = append(names, k[0])
		}
		return apim.Spec{}, &apim.SpecError{Field: "kind", Message: fmt.Sprintf("is %q; expected one of %s", s.Kind, strings.Join(names, ", "))}
	}
	return apim.Spec{
		Kind: s.Kind, Outcome: s.Outcome, Couple: s.Couple, Role: s.Role, Time: s.Time, Predictors: s.Predictors, Reliability: s.Reliability, Pooled: s.Pooled,
		Occasions: s.Occasions, CompletePairs: s.CompletePairs, Method: mixed.Method(s.Method), DF: mixed.DF(s.DF), Level: s.Level,
	}, nil
}

// only keeps the rows on the occasions of the spec. A column that is not there is left to the model to refuse.
func (s ModelSpec) only(f *frame.Frame) *frame.Frame {
	c, ok := f.Column(s.Time)
	if len(s.Occasions) == 0 || !ok || !c.IsNumeric() {
		return f
	}
	var keep []int
	for r, t := range c.Values {
		if slices.Contains(s.Occasions, t) {
			keep = append(keep, r)
		}
	}
	return f.Take(keep)
}
