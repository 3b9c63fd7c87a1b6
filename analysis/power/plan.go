package power

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"asem/analysis/apim"
	"asem/analysis/frame"
	"asem/analysis/mixed"
)

// Plan is a study that has not been carried out: what will be fitted to which data, and what is taken to be true. It is plain data; equal
// plans give equal results.
type Plan struct {
	Model Model
	// Couples are the sample sizes to try, each 2 or more.
	Couples []int
	// Times are the occasions, in the unit of slopes: months of waves, days of a diary. Empty: one occasion.
	Times []float64
	// Roles names the two roles; empty: man and woman. Models without a role column have partners whom nothing tells apart.
	Roles [2]string
	// CouplesPerSite is how many couples are nested in one site, for models that name a site.
	CouplesPerSite int
	Predictors     []Predictor
	// Outcome is how outcomes are distributed that the model does not explain, as those of the first wave in residualised change.
	Outcome Baseline
	Dropout Dropout
	// Missing is the share of single answers that are missing completely at random, besides dropout.
	Missing float64

	// Effects are the true fixed effects by the name that a fit gives them. A name without the level of the role, as role:time for roleman:time, stands
	// for both roles. Those not named are 0.
	Effects map[string]float64
	// Covariance holds the true covariance parameters by the names of [mixed.Fit.Components], also without the levels of the role:
	// sd(couple, role:time), sd(residual). Standard deviations must all be named; correlations that are not are 0. Without levels
	// cor(couple, role, role:time) is that of a person's own level and slope, and cor(couple, role, role) that of the partners' levels.
	Covariance map[string]float64
	// Interest names the fixed effects that the study is about, as Effects does. Empty: those of predictors with a true value other than 0, or if there are none
	// all that have one.
	Interest []string

	Alpha        float64 // of two-sided tests; intervals are at 1 - Alpha; 0 means 0.05
	Replications int     // studies simulated for each sample size; 0 means 1000
	// MCError ends the simulation of a sample size when the Monte-Carlo standard error of the power for every effect of interest is not above it; 0: never.
	MCError float64
	Seed    uint64 // the same seed gives the same numbers, whatever the number of workers
	Workers int    // 0 means one for each processor
	// Progress is called, if not nil, after each simulated study; never by two goroutines at once.
	Progress func(couples, done, of int)
}

// Model is what will be fitted: a named model, or formulas. Names of columns may be left out: couple, role, time, and outcome.
type Model struct {
	apim.Spec             // a named model, of any of apim.Kinds
	Formulas  *mixed.Spec // if not nil, this and not Spec
}

// Baseline is the distribution of outcomes that a model takes as given.
type Baseline struct {
	Mean        float64
	SD          float64
	Correlation float64 // of partners on the same occasion
}

// Distribution is the shape of a predictor.
type Distribution string

// Normal; two values, 0 and 1; or all values of an interval alike.
const (
	Normal  Distribution = "normal"
	Binary  Distribution = "binary"
	Uniform Distribution = "uniform"
)

// Predictor is a column of the data besides the outcome.
type Predictor struct {
	Name         string
	Distribution Distribution // empty means Normal
	Mean         float64      // of the true values; of a binary one the share of ones
	SD           float64      // of the true values; 0 means 1; a binary one has that of its share
	// Correlation is that of the partners' values (of the normal variables behind binary and uniform ones). With 1 they are the same: a property of the couple.
	Correlation float64
	// Varying is the share of variance within persons from occasion to occasion, 0 for a predictor that does not change. What varies is measured anew on each occasion
	// and missing on those that a person misses.
	Varying float64
	// Judges rate the predictor, each with this intraclass correlation for single judges; their mean is what is analysed. 0 judges: it is measured
	// with Reliability instead.
	Judges int
	ICC    float64
	// Reliability is the share of true variance in what is measured; 0 means 1.
	Reliability float64
}

// Measured returns the reliability of the predictor as it is analysed, by the formula of Spearman and Brown where judges rate it:
// k r / (1 + (k - 1) r) for k judges with the intraclass correlation r (Shrout & Fleiss 1979).
func (p Predictor) Measured() float64 {
	switch k := float64(p.Judges); {
	case p.Judges > 0:
		return k * p.ICC / (1 + (k-1)*p.ICC)
	case p.Reliability > 0:
		return p.Reliability
	}
	return 1
}

// Mechanism is what dropout depends on.
type Mechanism string

// Completely at random, and at random given the outcomes that were observed before (Rubin 1976).
const (
	MCAR Mechanism = "mcar"
	MAR  Mechanism = "mar"
)

// Dropout is leaving the study for good. Everybody takes part in the first occasion.
type Dropout struct {
	Share     float64   // who has left by the last occasion, from 0 to below 1; the risk is the same between any two occasions
	Mechanism Mechanism // empty means MCAR
	// LogOdds is, for MAR, by how much a last outcome of one standard deviation above the mean raises the log odds of leaving.
	LogOdds float64
	Persons bool // persons leave alone; otherwise both partners leave together
}

// PlanError says which part of a plan is wrong and what was expected.
type PlanError struct {
	Path    []string // from the outermost field inwards: {"predictors", "responsiveness", "icc"}
	Message string
}

func (e *PlanError) Error() string { return strings.Join(e.Path, ".") + " " + e.Message }

func wrong(message string, path ...string) *PlanError { return &PlanError{path, message} }

// largest sizes that are simulated.
const (
	maxCouples = 100_000
	maxRows    = 2_000_000
)

// withDefaults fills what is empty and refuses what cannot be.
func (p Plan) withDefaults() (Plan, error) {
	if len(p.Times) == 0 {
		p.Times = []float64{0}
	}
	if p.Roles == [2]string{} {
		p.Roles = [2]string{"man", "woman"}
	}
	if p.Alpha == 0 {
		p.Alpha = 0.05
	}
	if p.Replications == 0 {
		p.Replications = 1000
	}
	p.Predictors = slices.Clone(p.Predictors)
	var err *PlanError
	switch {
	case p.Roles[0] == "" || p.Roles[1] == "" || p.Roles[0] == p.Roles[1]:
		err = wrong(fmt.Sprintf("are %q and %q; expected two different names", p.Roles[0], p.Roles[1]), "roles")
	case !within(p.Alpha, 0, 1):
		err = wrong(fmt.Sprintf("is %v; expected a level of significance between 0 and 1, such as 0.05", p.Alpha), "alpha")
	case p.Replications < 2:
		err = wrong(fmt.Sprintf("is %d; expected 2 or more, such as 1000", p.Replications), "replications")
	case !(p.MCError >= 0 && p.MCError < 0.5):
		err = wrong(fmt.Sprintf("is %v; expected a standard error of a share, such as 0.01", p.MCError), "mc_error")
	case p.Workers < 0:
		err = wrong(fmt.Sprintf("is %d; expected 0 or more", p.Workers), "workers")
	case !(p.Missing >= 0 && p.Missing < 1):
		err = wrong(fmt.Sprintf("is %v; expected a share from 0 to below 1", p.Missing), "missing")
	case !(p.Dropout.Share >= 0 && p.Dropout.Share < 1):
		err = wrong(fmt.Sprintf("is %v; expected a share from 0 to below 1: with nobody left there is nothing to fit", p.Dropout.Share), "dropout", "share")
	case p.Dropout.Mechanism != "" && p.Dropout.Mechanism != MCAR && p.Dropout.Mechanism != MAR:
		err = wrong(fmt.Sprintf("is %q; expected mcar or mar", p.Dropout.Mechanism), "dropout", "mechanism")
	case p.Dropout.Mechanism == MAR && !within(p.Dropout.LogOdds, -20, 20):
		err = wrong(fmt.Sprintf("is %v; expected a number from -20 to 20", p.Dropout.LogOdds), "dropout", "log_odds")
	case p.Dropout.Mechanism != MAR && p.Dropout.LogOdds != 0:
		err = wrong("belongs to the mechanism mar; dropout that is mcar depends on nothing", "dropout", "log_odds")
	case p.Dropout.Share > 0 && len(p.Times) < 2:
		err = wrong("needs two occasions or more; times has one", "dropout", "share")
	case !(p.Outcome.SD >= 0) || math.IsInf(p.Outcome.SD, 0):
		err = wrong(fmt.Sprintf("is %v; expected a standard deviation of 0 or more", p.Outcome.SD), "outcome", "sd")
	case math.IsNaN(p.Outcome.Mean) || math.IsInf(p.Outcome.Mean, 0):
		err = wrong(fmt.Sprintf("is %v; expected a finite number", p.Outcome.Mean), "outcome", "mean")
	case !(math.Abs(p.Outcome.Correlation) <= 1):
		err = wrong(fmt.Sprintf("is %v; expected a correlation from -1 to 1", p.Outcome.Correlation), "outcome", "partner_correlation")
	}
	if err != nil {
		return p, err
	}
	for i, t := range p.Times {
		if math.IsNaN(t) || math.IsInf(t, 0) || slices.Contains(p.Times[:i], t) {
			return p, wrong(fmt.Sprintf("has %v, which is not finite or stands twice", t), "times", fmt.Sprint(i))
		}
	}
	p.Times = slices.Sorted(slices.Values(p.Times))
	for i, n := range p.Couples {
		if err := p.size(n, "couples", fmt.Sprint(i)); err != nil {
			return p, err
		}
	}
	p.Couples = slices.Compact(slices.Sorted(slices.Values(p.Couples)))
	for i := range p.Predictors {
		if err := p.Predictors[i].check(); err != nil {
			return p, err
		}
	}
	for _, field := range []struct {
		name   string
		values map[string]float64
	}{{"effects", p.Effects}, {"covariance", p.Covariance}} {
		for _, k := range slices.Sorted(maps.Keys(field.values)) {
			if v := field.values[k]; math.IsNaN(v) || math.IsInf(v, 0) {
				return p, wrong(fmt.Sprintf("is %v; expected a finite number", v), field.name, k)
			}
		}
	}
	p.Model = p.Model.withDefaults()
	if site := p.Model.site(); (site != "") != (p.CouplesPerSite > 0) {
		return p, wrong("must be 1 or more if the model names a site, and left out if not", "couples_per_site")
	}
	return p, nil
}

// size refuses sample sizes that cannot be simulated.
func (p Plan) size(n int, path ...string) error {
	switch rows := 2 * n * len(p.Times); {
	case n < 2 || n > maxCouples:
		return wrong(fmt.Sprintf("has %d couples; expected 2 to %d", n, maxCouples), path...)
	case rows > maxRows:
		return wrong(fmt.Sprintf("has %d couples, with %d occasions %d rows; expected at most %d", n, len(p.Times), rows, maxRows), path...)
	}
	return nil
}

func within(x, low, high float64) bool { return x > low && x < high }

func (p *Predictor) check() error {
	if p.Name == "" {
		return wrong("has a predictor without a name", "predictors")
	}
	at := func(field, format string, args ...any) error {
		return wrong(fmt.Sprintf(format, args...), "predictors", p.Name, field)
	}
	if p.Distribution == "" {
		p.Distribution = Normal
	}
	if p.SD == 0 && p.Distribution != Binary {
		p.SD = 1
	}
	switch {
	case p.Distribution != Normal && p.Distribution != Binary && p.Distribution != Uniform:
		return at("distribution", "is %q; expected normal, binary or uniform", p.Distribution)
	case math.IsNaN(p.Mean) || math.IsInf(p.Mean, 0):
		return at("mean", "is %v; expected a finite number", p.Mean)
	case p.Distribution == Binary && !within(p.Mean, 0, 1):
		return at("mean", "is %v; expected the share of ones, between 0 and 1", p.Mean)
	case p.Distribution == Binary && p.SD != 0:
		return at("sd", "cannot be chosen for a binary predictor; it follows from its mean")
	case p.Distribution != Binary && !(p.SD > 0) || math.IsInf(p.SD, 0):
		return at("sd", "is %v; expected a standard deviation greater than 0", p.SD)
	case !(math.Abs(p.Correlation) <= 1):
		return at("partner_correlation", "is %v; expected a correlation from -1 to 1", p.Correlation)
	case !(p.Varying >= 0 && p.Varying <= 1):
		return at("varying", "is %v; expected a share of variance from 0 to 1", p.Varying)
	case p.Judges < 0:
		return at("judges", "is %d; expected 1 or more, or nothing", p.Judges)
	case p.Judges > 0 && !(p.ICC > 0 && p.ICC <= 1):
		return at("icc", "is %v; expected the intraclass correlation of single judges, above 0 and up to 1", p.ICC)
	case p.Judges == 0 && p.ICC != 0:
		return at("icc", "needs judges, how many rate")
	case p.Judges > 0 && p.Reliability != 0:
		return at("reliability", "follows from judges and icc; leave it out")
	case !(p.Reliability >= 0 && p.Reliability <= 1):
		return at("reliability", "is %v; expected a share of variance above 0 and up to 1", p.Reliability)
	case p.Distribution == Binary && p.Measured() < 1:
		return at("reliability", "is below 1; a binary predictor is taken as measured without error")
	}
	return nil
}

func (m Model) withDefaults() Model {
	if m.Formulas != nil {
		f := *m.Formulas
		m.Formulas = &f
		return m
	}
	for _, c := range []struct {
		field *string
		name  string
	}{{&m.Outcome, "outcome"}, {&m.Couple, "couple"}, {&m.Role, "role"}, {&m.Time, "time"}} {
		if *c.field == "" {
			*c.field = c.name
		}
	}
	return m
}

// columns are the names under which the model looks for its data; empty: not at all.
func (m Model) columns() (outcome, couple, person, role, time string) {
	if f := m.Formulas; f != nil {
		return f.Outcome, f.Couple, f.Person, f.Role, f.Time
	}
	return m.Outcome, m.Couple, "", m.Role, m.Time
}

func (m Model) site() string {
	if m.Formulas != nil {
		return m.Formulas.Site
	}
	return ""
}

// compile returns what the mixed-model engine gets for data of the plan.
func (m Model) compile(f *frame.Frame, alpha float64) (*frame.Frame, mixed.Spec, error) {
	if m.Formulas != nil {
		s := *m.Formulas
		s.Level = 1 - alpha
		return f, s, nil
	}
	s := m.Spec
	s.Level = 1 - alpha
	return apim.Compile(f, s)
}
