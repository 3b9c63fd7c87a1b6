package graphql

import (
	"context"
	"maps"
	"slices"
	"strings"

	gql "github.com/graphql-go/graphql"

	"asem/domain"
	"asem/projections"
)

// LiveModels knows what registered models came to last.
type LiveModels interface {
	Fit(study, name string) (projections.LiveFit, bool)
}

// registered is a model that a study follows.
type registered struct {
	projections.RegisteredModel
	fit    projections.LiveFit
	fitted bool
}

func (r registered) estimate() any {
	if r.fit.Fit == nil {
		return nil
	}
	return changeModel{FittedModel: r.fit.Fit, study: r.Study, spec: projections.SpecOf(r.ChangeModel), specHash: hashOfSpec(projections.SpecOf(r.ChangeModel)), from: r.fit.From, hash: r.fit.Data.Hash}
}

// reason says why there is no estimate.
func (r registered) reason() any {
	switch {
	case !r.fitted:
		return "it has not been fitted yet"
	case r.fit.Err == nil:
		return nil
	case domain.CodeOf(r.fit.Err) == domain.Invalid, domain.CodeOf(r.fit.Err) == domain.NotFound:
		return r.fit.Err.Error()
	}
	return "it cannot be fitted"
}

type predictorReliability struct {
	predictor string
	value     float64
}

func (s *schema) liveModelFields() {
	staff := ownStudyStaff
	o := newObject("RegisteredModel", "A model of change that the study follows: it is fitted anew whenever data come in.", func(r registered) string { return r.Study })
	v := func(name string, typ gql.Output, description string, of func(registered) any) {
		o.value(&s.rules, name, typ, description, staff, of)
	}
	v("name", nonNull(gql.String), "Its name in the study.", func(r registered) any { return r.Name })
	v("frame", nonNull(gql.String), "The data it is fitted to: waves or diary.", func(r registered) any { return r.Frame })
	v("kind", nonNull(gql.String), "Its kind.", func(r registered) any { return r.Kind })
	v("outcome", nonNull(gql.String), "What it explains.", func(r registered) any { return r.Outcome })
	v("predictors", listOf(gql.String), "Columns with actor and partner effects; empty for a model given by formulas.", func(r registered) any { return anyList(r.Predictors) })
	type reliabilityOf = inStudy[predictorReliability]
	r := newPart[predictorReliability]("PredictorReliability", "How reliably a predictor was measured.")
	r.value(&s.rules, "predictor", nonNull(gql.String), "One of the predictors.", staff, func(r reliabilityOf) any { return r.of.predictor })
	r.value(&s.rules, "value", nonNull(floatType), "For it the effects are corrected.", staff, func(r reliabilityOf) any { return r.of.value })
	v("reliability", listOf(r.typ), "Of predictors that were measured with error, for which the effects are corrected.", func(m registered) any {
		var list []predictorReliability
		for _, name := range slices.Sorted(maps.Keys(m.Reliability)) {
			list = append(list, predictorReliability{name, m.Reliability[name]})
		}
		return within(m.Study, list)
	})
	v("since", nonNull(positionType), "Position of the event that registered it as it is.", func(r registered) any { return r.Since })
	v("estimate", s.model.typ, "The last fit; null where reason says why there is none.", registered.estimate)
	v("reason", gql.String, "Why there is no estimate.", registered.reason)
	v("asOf", positionType, "Position of the log that the estimate stands on.", func(r registered) any {
		if !r.fitted {
			return nil
		}
		return r.fit.From.Position
	})
	v("fittedAt", dateTimeType, "When it was fitted.", func(r registered) any {
		if !r.fitted {
			return nil
		}
		return r.fit.FittedAt
	})
	v("milliseconds", floatType, "How long reading the data and fitting took.", func(r registered) any {
		if !r.fitted {
			return nil
		}
		return float64(r.fit.Took.Microseconds()) / 1000
	})
	read := func(ctx context.Context, study string) ([]registered, error) {
		models, err := stateOf(ctx).now.Models(ctx, study)
		list := make([]registered, len(models))
		for i, m := range models {
			list[i].RegisteredModel = m
			if live := stateOf(ctx).live; live != nil {
				// A fit to another model that once had this name is none.
				if f, ok := live.Fit(m.Study, m.Name); ok && f.Model.Since == m.Since {
					list[i].fit, list[i].fitted = f, true
				}
			}
		}
		return list, err
	}
	s.study.field(&s.rules, "models", listOf(o.typ), "The models of change that the study follows, by name.", staff, nil, func(ctx context.Context, st projections.Study, _ arguments) (any, error) {
		list, err := read(ctx, st.Code)
		return anyList(list), err
	})
	s.study.field(&s.rules, "model", o.typ, "The model with a name; null if the study follows none of that name.", staff, gql.FieldConfigArgument{"name": {Type: nonNull(gql.String)}},
		func(ctx context.Context, st projections.Study, a arguments) (any, error) {
			list, err := read(ctx, st.Code)
			if err != nil {
				return nil, err
			}
			i, ok := slices.BinarySearchFunc(list, get[string](a, "name"), func(r registered, name string) int { return strings.Compare(r.Name, name) })
			if !ok {
				return nil, nil
			}
			return list[i], nil
		})
}
