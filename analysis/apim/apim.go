package apim

import (
	"context"
	"fmt"
	"strings"

	"asem/analysis/frame"
	"asem/analysis/mixed"
)

// Spec asks for a named model of long data: one row for each person and occasion.
type Spec struct {
	Kind       string   // one of Kinds
	Outcome    string   // numeric column
	Couple     string   // column that names the couple
	Role       string   // column that tells the partners apart
	Time       string   // numeric column: the occasion, in the unit of slopes
	Predictors []string // numeric columns, each with an actor and a partner effect
	// Reliability of predictors that are measured with error, such as judges' means, in (0, 1]: effects are then those of what was measured, without
	// the error. Predictors that are not named count as measured without.
	Reliability map[string]float64
	// Pooled makes the effects of both roles equal; intercepts, slopes and variances stay by role.
	Pooled bool
	// Occasions keeps only rows with these values of Time; empty keeps all.
	Occasions []float64
	// CompletePairs keeps an occasion of a couple only if both partners' rows are complete. By default a row is kept if it is complete itself.
	CompletePairs bool
	Method        mixed.Method // empty: REML
	DF            mixed.DF     // empty: Satterthwaite, or n - p where there are no random effects
	Level         float64      // of confidence intervals; 0: 0.95
}

// Kind is a named model.
type Kind struct {
	Name    string
	Title   string // in words
	compile func(*dyads, Spec) (*frame.Frame, mixed.Spec, error)
}

// Path tells whose predictor an effect is of.
type Path string

// The paths of an actor-partner model.
const (
	Actor   Path = "actor"
	Partner Path = "partner"
)

// Effect is an actor or partner effect in a fitted model.
type Effect struct {
	Predictor string // "own outcome before" is named as the outcome
	Path      Path
	On        string          // what it acts on: "level" or "slope"
	Role      string          // whose outcome; empty if pooled
	Parameter mixed.Parameter // estimate and inference
}

// Result is a fitted named model.
type Result struct {
	*mixed.Fit
	Spec     mixed.Spec         // the model as the engine got it
	Effects  []Effect           // in the order of the predictors, actor before partner
	Centres  map[string]float64 // what was subtracted from each predictor: its mean over persons
	Excluded int                // rows left out because a partner's row was incomplete
}

// SpecError says which field of a spec is wrong and what was expected.
type SpecError struct {
	Field   string
	Message string
}

func (e *SpecError) Error() string { return e.Field + " " + e.Message }

// Compile turns a spec and long data into the frame and spec of the mixed-model engine. Errors are [*SpecError].
func Compile(f *frame.Frame, s Spec) (*frame.Frame, mixed.Spec, error) {
	data, ms, _, err := compile(f, s)
	return data, ms, err
}

func compile(f *frame.Frame, s Spec) (*frame.Frame, mixed.Spec, *dyads, error) {
	kind, ok := kindNamed(s.Kind)
	if !ok {
		return nil, mixed.Spec{}, nil, &SpecError{"kind", fmt.Sprintf("is %q; expected one of %s", s.Kind, strings.Join(kindNames(), ", "))}
	}
	d, err := newDyads(f, s)
	if err != nil {
		return nil, mixed.Spec{}, nil, err
	}
	data, ms, err := kind.compile(d, s)
	if err != nil {
		return nil, mixed.Spec{}, nil, err
	}
	ms.Outcome, ms.Couple, ms.Role = outcomeColumn, coupleColumn, roleColumn
	ms.Method, ms.DF, ms.Level = s.Method, s.DF, s.Level
	if ms.DF == "" && ms.Random == "" {
		ms.DF = mixed.DFResidual
	}
	return data, ms, d, nil
}

// Fit fits a named model to long data. Errors are [*SpecError] and those of [mixed.New]; a model that does
// not converge is a result whose Err says why.
func Fit(ctx context.Context, f *frame.Frame, s Spec) (*Result, error) { return Refit(ctx, f, s, nil) }

// Refit fits as Fit does, beginning with the estimate of an earlier fit of the same spec to data that have changed little; with nil it
// begins anew. It comes to the same estimate sooner.
func Refit(ctx context.Context, f *frame.Frame, s Spec, earlier *mixed.Fit) (*Result, error) {
	data, ms, d, err := compile(f, s)
	if err != nil {
		return nil, err
	}
	m, err := mixed.New(data, ms)
	if err != nil {
		return nil, err
	}
	var fit *mixed.Fit
	if earlier == nil {
		fit, err = m.Fit(ctx)
	} else {
		fit, err = m.FitFrom(ctx, earlier)
	}
	if err != nil {
		return nil, err
	}
	for column, n := range d.missing {
		fit.Missing[column] += n
	}
	if n, ok := fit.Missing[outcomeColumn]; ok { // told under the name that the spec knows
		delete(fit.Missing, outcomeColumn)
		fit.Missing[s.Outcome] = n
	}
	return &Result{Fit: fit, Spec: ms, Effects: effects(fit, s), Centres: d.centres, Excluded: d.excluded}, nil
}

// effects finds the actor and partner effects among the fixed effects by their columns' names.
func effects(fit *mixed.Fit, s Spec) []Effect {
	var list []Effect
	for _, x := range append([]string{s.Outcome}, s.Predictors...) {
		for _, path := range []Path{Actor, Partner} {
			for _, p := range fit.Parameters {
				parts := strings.Split(p.Name, ":")
				if !contains(parts, column(x, path)) {
					continue
				}
				on := "level"
				if contains(parts, timeColumn) {
					on = "slope"
				}
				list = append(list, Effect{Predictor: x, Path: path, On: on, Role: p.Role, Parameter: p})
			}
		}
	}
	return list
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if strings.Trim(x, "`") == s {
			return true
		}
	}
	return false
}
