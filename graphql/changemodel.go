package graphql

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"

	gql "github.com/graphql-go/graphql"

	"asem/domain"
	"asem/projections"
)

// changeModel is a model fitted to a study's data.
type changeModel struct {
	*projections.FittedModel
	study    string
	spec     projections.ModelSpec
	specHash string
	from     projections.Provenance
	hash     func() string // of the data, where from does not have it
}

func (m changeModel) dataHash() any {
	if m.hash != nil {
		return m.hash()
	}
	return m.from.DataHash
}

func newChangeModelTypes(s *schema) {
	staff := ownStudyStaff
	type estimate = inStudy[projections.Parameter]
	addInference := func(o func(name string, typ gql.Output, description string, of func(projections.Parameter) any)) {
		o("role", gql.String, "The study's word for the role whose outcome it is; null if both.", func(p projections.Parameter) any { return orNull(p.Role) })
		o("estimate", floatType, "Units of the outcome per unit of the column.", func(p projections.Parameter) any { return p.Estimate })
		o("standardError", floatType, "Its standard error.", func(p projections.Parameter) any { return p.SE })
		o("degreesOfFreedom", floatType, "Of the t statistic.", func(p projections.Parameter) any { return p.DF })
		o("statistic", floatType, "t.", func(p projections.Parameter) any { return p.Statistic })
		o("pValue", floatType, "Two-sided.", func(p projections.Parameter) any { return p.P })
		o("lower", floatType, "Of the confidence interval.", func(p projections.Parameter) any { return p.Lower })
		o("upper", floatType, "Of the confidence interval.", func(p projections.Parameter) any { return p.Upper })
	}
	parameter := newPart[projections.Parameter]("ParameterEstimate", "A fixed effect.")
	parameter.value(&s.rules, "name", nonNull(gql.String), "Name of its column.", staff, func(p estimate) any { return p.of.Name })
	addInference(func(name string, typ gql.Output, description string, of func(projections.Parameter) any) {
		parameter.value(&s.rules, name, typ, description, staff, func(p estimate) any { return of(p.of) })
	})

	type effectOf = inStudy[projections.Effect]
	effect := newPart[projections.Effect]("ActorPartnerEffect", "An actor or partner effect.")
	effect.value(&s.rules, "predictor", nonNull(gql.String), "What acts.", staff, func(e effectOf) any { return e.of.Predictor })
	effect.value(&s.rules, "path", nonNull(gql.String), "actor: a person's own; partner: the partner's.", staff, func(e effectOf) any { return string(e.of.Path) })
	effect.value(&s.rules, "on", nonNull(gql.String), "level or slope.", staff, func(e effectOf) any { return e.of.On })
	addInference(func(name string, typ gql.Output, description string, of func(projections.Parameter) any) {
		effect.value(&s.rules, name, typ, description, staff, func(e effectOf) any { return of(e.of.Parameter) })
	})

	type randomOf = inStudy[projections.RandomEffects]
	random := newPart[projections.RandomEffects]("RandomEffects", "The covariance of one random term.")
	random.value(&s.rules, "group", nonNull(gql.String), "What the effects vary over.", staff, func(r randomOf) any { return r.of.Group })
	random.value(&s.rules, "names", listOf(gql.String), "The effects.", staff, func(r randomOf) any { return anyList(r.of.Names) })
	random.value(&s.rules, "standardDeviations", nonNull(floatSeriesType), "In the order of names.", staff, func(r randomOf) any { return r.of.SD() })
	random.value(&s.rules, "covariance", nonNull(floatSeriesType), "Rows of the lower triangle, in the order of names.", staff, func(r randomOf) any {
		var out []float64
		for i := range r.of.Names {
			for j := range i + 1 {
				out = append(out, r.of.G.At(i, j))
			}
		}
		return out
	})

	type sdOf = inStudy[roleSD]
	sd := newPart[roleSD]("ResidualDeviation", "A residual standard deviation.")
	sd.value(&s.rules, "role", gql.String, "Whose; null if common to both.", staff, func(r sdOf) any { return orNull(r.of.role) })
	sd.value(&s.rules, "standardDeviation", floatType, "In units of the outcome.", staff, func(r sdOf) any { return r.of.sd })

	m := newObject("ChangeModel", "A model of change, fitted to a study's data as they stood at a position.", func(m changeModel) string { return m.study })
	s.model = m
	v := func(name string, typ gql.Output, description string, of func(changeModel) any) {
		m.value(&s.rules, name, typ, description, staff, of)
	}
	v("study", nonNull(gql.String), "Code of the study.", func(m changeModel) any { return m.study })
	v("kind", nonNull(gql.String), "Kind of the model.", func(m changeModel) any { return m.spec.Kind })
	v("status", nonNull(fitStatus), "Whether the estimates may be reported.", func(m changeModel) any { return m.fitStatus() })
	v("statusReason", gql.String, "Why not, or in what way the fit is singular.", func(m changeModel) any { return orNull(m.Reason) })
	v("estimates", listOf(parameter.typ), "The fixed effects.", func(m changeModel) any { return within(m.study, m.Parameters) })
	v("effects", listOf(effect.typ), "Actor and partner effects; empty for a model given by formulas.", func(m changeModel) any { return within(m.study, m.Effects) })
	v("covariance", nonNull(floatSeriesType), "Covariance of the estimates: rows of the lower triangle.", func(m changeModel) any {
		var out []float64
		for i := range m.Names {
			for j := range i + 1 {
				out = append(out, m.VBeta.At(i, j))
			}
		}
		return out
	})
	v("randomEffects", listOf(random.typ), "Covariances of the random effects.", func(m changeModel) any { return within(m.study, m.Random) })
	v("residual", listOf(sd.typ), "Residual standard deviations.", func(m changeModel) any {
		var list []roleSD
		for i, x := range m.Residual.SD {
			list = append(list, roleSD{m.Residual.Roles[i], x})
		}
		return within(m.study, list)
	})
	v("residualCorrelation", floatType, "Of the partners on one occasion; null if not in the model.", func(m changeModel) any { return m.Residual.Rho })
	v("serialCorrelation", floatType, "Of neighbouring occasions; null if not in the model.", func(m changeModel) any { return m.Residual.Phi })
	v("logLikelihood", floatType, "Of the method, constants included.", func(m changeModel) any { return m.LogLik })
	v("aic", floatType, "Akaike's criterion.", func(m changeModel) any { return m.AIC })
	v("bic", floatType, "Schwarz's criterion.", func(m changeModel) any { return m.BIC })
	v("parameters", nonNull(intType), "How many parameters.", func(m changeModel) any { return m.NParams })
	v("observations", nonNull(intType), "Rows used.", func(m changeModel) any { return m.Rows })
	v("couples", nonNull(intType), "Couples used.", func(m changeModel) any { return m.Couples })
	v("iterations", nonNull(intType), "Steps of the search.", func(m changeModel) any { return m.Iterations })
	v("gradientNorm", floatType, "Largest gradient at its end, in standard errors.", func(m changeModel) any { return m.GradientNorm })
	v("conditionNumber", floatType, "Of the scaled information matrix.", func(m changeModel) any { return m.Condition })
	v("boundary", listOf(gql.String), "What lies on the edge of the parameter space.", func(m changeModel) any { return anyList(m.Boundary) })
	v("synthetic", nonNull(gql.Boolean), "Whether a program made the data.", func(m changeModel) any { return m.from.Synthetic })
	v("asOf", nonNull(positionType), "Position of the log the data stand on.", func(m changeModel) any { return m.from.Position })
	v("dataHash", nonNull(hashType), "SHA-256 of the data.", changeModel.dataHash)
	v("specHash", nonNull(hashType), "SHA-256 of the spec.", func(m changeModel) any { return m.specHash })
	v("engineVersion", nonNull(gql.String), "Same data, spec and engine: same numbers.", func(changeModel) any { return projections.EngineVersion })
}

type roleSD struct {
	role string
	sd   float64
}

type status string

var fitStatus = enum("FitStatus", "How a fit ended.", map[string]status{"CONVERGED": "converged", "NOT_CONVERGED": "failed"},
	map[string]string{"CONVERGED": "The estimates may be reported; see statusReason and boundary for a singular fit.", "NOT_CONVERGED": "The estimates may not be reported; statusReason says why."})

func (m changeModel) fitStatus() status {
	if m.Err() != nil {
		return "failed"
	}
	return "converged"
}

var residualInput = gql.NewInputObject(gql.InputObjectConfig{Name: "ResidualInput", Description: "Covariance of the residuals of a model given by formulas.", Fields: gql.InputObjectConfigFieldMap{
	"variance":     {Type: gql.String, Description: "common or role."},
	"crossPartner": {Type: gql.Boolean, Description: "Whether partners correlate on one occasion."},
	"serial":       {Type: gql.String, Description: "none, ar1 or car1."},
}})

var predictorReliabilityInput = gql.NewInputObject(gql.InputObjectConfig{Name: "PredictorReliabilityInput", Description: "How reliably a predictor was measured.", Fields: gql.InputObjectConfigFieldMap{
	"predictor": {Type: nonNull(gql.String), Description: "One of the predictors."},
	"value":     {Type: nonNull(floatType), Description: "Above 0 and at most 1; for judges' ratings see ratingReliability."},
}})

var changeModelInput = gql.NewInputObject(gql.InputObjectConfig{Name: "ChangeModelInput", Description: "Which model of which data. The columns of the data are couple, person, role, wave, months, time, a column for each construct, and coded_SCHEME for ratings.",
	Fields: gql.InputObjectConfigFieldMap{
		"study":         {Type: nonNull(gql.String), Description: "Code of the study."},
		"kind":          {Type: nonNull(gql.String), Description: "growth, residualised_change, or mixed for a model given by formulas."},
		"outcome":       {Type: nonNull(gql.String), Description: "Column to explain."},
		"predictors":    {Type: gql.NewList(nonNull(gql.String)), Description: "Named kinds: columns with actor and partner effects."},
		"reliability":   {Type: gql.NewList(nonNull(predictorReliabilityInput)), Description: "Named kinds: of predictors measured with error, for which the effects are corrected."},
		"pooled":        {Type: gql.Boolean, Description: "Named kinds: equal effects for both roles."},
		"completePairs": {Type: gql.Boolean, Description: "Named kinds: leave out occasions at which a partner's row is incomplete."},
		"fixed":         {Type: gql.String, Description: "mixed: formula of the fixed effects."},
		"random":        {Type: gql.String, Description: "mixed: formula of the random effects."},
		"contrasts":     {Type: gql.String, Description: "mixed: coding of factors, treatment or sum; treatment if not given."},
		"residual":      {Type: residualInput, Description: "mixed: covariance of the residuals."},
		"exchangeable":  {Type: gql.Boolean, Description: "mixed: partners are not told apart by role."},
		"time":          {Type: gql.String, Description: "Column of time; time if not given, day for diaries."},
		"occasions":     {Type: gql.NewList(nonNull(floatType)), Description: "Keep only these values of time."},
		"method":        {Type: gql.String, Description: "REML or ML."},
		"df":            {Type: gql.String, Description: "Rule for degrees of freedom."},
		"level":         {Type: floatType, Description: "Of confidence intervals; 0.95 if not given."},
		"frame":         {Type: gql.String, Description: "waves or diary."},
		"asOf":          {Type: asOfType, Description: "Moment of the log; now if not given."},
	}})

func (s *schema) changeModelFields(q *object[root]) {
	q.field(&s.rules, "changeModel", s.model.typ, "A model fitted to a study's data.", anybody, gql.FieldConfigArgument{"input": {Type: nonNull(changeModelInput)}},
		func(ctx context.Context, _ root, a arguments) (any, error) {
			in := arguments(get[map[string]any](a, "input"))
			study, view, err := studyAt(ctx, in)
			if err != nil {
				return nil, err
			}
			return fitModel(ctx, view, study.Code, in)
		})
}

func fitModel(ctx context.Context, view projections.View, study string, in arguments) (changeModel, error) {
	residual := arguments(get[map[string]any](in, "residual"))
	spec := projections.ModelSpec{
		Kind: get[string](in, "kind"), Outcome: get[string](in, "outcome"), Couple: "couple", Role: "role", Time: get[string](in, "time"),
		Predictors: list[string](in, "predictors"), Pooled: get[bool](in, "pooled"), CompletePairs: get[bool](in, "completePairs"),
		Fixed: get[string](in, "fixed"), Random: get[string](in, "random"), Contrasts: get[string](in, "contrasts"), Occasions: list[float64](in, "occasions"),
		ResidualVariance: get[string](residual, "variance"), CrossPartner: get[bool](residual, "crossPartner"), Serial: get[string](residual, "serial"),
		Method: get[string](in, "method"), DF: get[string](in, "df"), Level: get[float64](in, "level"),
	}
	if spec.Time == "" {
		spec.Time = "time"
		if get[string](in, "frame") == "diary" {
			spec.Time = "day"
		}
	}
	if get[bool](in, "exchangeable") {
		spec.Person, spec.Role = "person", ""
	}
	for i, r := range list[map[string]any](in, "reliability") {
		name, value := get[string](r, "predictor"), get[float64](r, "value")
		if _, twice := spec.Reliability[name]; twice {
			return changeModel{}, &domain.Error{Code: domain.Invalid, Path: fmt.Sprintf("reliability[%d]", i), Message: fmt.Sprintf("%q has a reliability already; expected one for each predictor", name)}
		}
		if spec.Reliability == nil {
			spec.Reliability = map[string]float64{}
		}
		spec.Reliability[name] = value
	}
	if math.IsNaN(spec.Level) {
		spec.Level = 0
	}
	read := view.WaveFrame
	switch get[string](in, "frame") {
	case "", "waves":
	case "diary":
		read = view.DiaryFrame
	default:
		return changeModel{}, &domain.Error{Code: domain.Invalid, Path: "frame", Message: "there are two frames: waves and diary"}
	}
	set, err := read(ctx, study)
	if err != nil {
		return changeModel{}, err
	}
	m, err := spec.Fit(ctx, set.Frame)
	if err != nil {
		return changeModel{}, err
	}
	return changeModel{FittedModel: m, study: study, spec: spec, specHash: hashOfSpec(spec), from: set.Provenance}, nil
}

func hashOfSpec(s projections.ModelSpec) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", s))
	return hex.EncodeToString(sum[:])
}
