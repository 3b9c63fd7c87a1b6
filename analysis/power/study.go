package power

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"asem/analysis/apim"
	"asem/analysis/frame"
	"asem/analysis/mixed"
)

func notANumber() float64 { return math.NaN() }

// scheme is what all studies of a plan share, whatever their size.
type scheme struct {
	plan      Plan
	names     []string // of the fixed effects
	beta      []float64
	parts     []string // names of the covariance parameters
	values    []float64
	truth     *mixed.Truth
	interest  []int
	lagged    bool // expected outcomes depend on outcomes
	depth     int  // after so many rounds of settle outcomes stay as they are; 0: that depends
	entangled bool // a missing outcome does more to the model than taking a row away
	leave     leaving
}

// study is a scheme at one sample size: the columns that are the same in each replication. Rows stand by couple, occasion and role.
type study struct {
	*scheme
	couples int
	fixed   []frame.Column // couple, role, person, site, time as far as the model asks for them
	source  []int          // row of the study behind each row of the compiled frame
	given   bool           // some outcomes are not explained by the model
}

// probed is how many couples a plan is tried on before anything is simulated.
const probed = 40

// newScheme checks a plan against its model: names and values of parameters, and what the model makes of outcomes.
func newScheme(p Plan) (*scheme, error) {
	p, err := p.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &scheme{plan: p}
	n := probed
	if p.CouplesPerSite > 0 {
		n = max(n, 4*p.CouplesPerSite)
	}
	t, err := s.study(n)
	if err != nil {
		return nil, err
	}
	m, err := t.probe()
	if err != nil {
		return nil, err
	}
	if err := s.fill(m); err != nil {
		return nil, err
	}
	if t.given && p.Outcome.SD == 0 {
		return nil, wrong("is missing; the model takes the outcomes of some occasions as given, and they need a standard deviation greater than 0", "outcome", "sd")
	}
	if err := t.rehearse(); err != nil {
		return nil, err
	}
	s.leave, err = s.calibrate()
	return s, err
}

// rehearse draws the outcomes of one study, which shows whether they can be drawn at all.
func (t *study) rehearse() error {
	rng := rand.New(rand.NewPCG(t.plan.Seed, 4))
	p, err := t.recruit(rng)
	if err == nil {
		_, _, err = t.outcomes(rng, p)
	}
	if errors.Is(err, errExplodes) {
		return wrong("make "+err.Error(), "effects")
	}
	return t.refused(err)
}

// fill gives the parameters of the model their values.
func (s *scheme) fill(m *mixed.Model) error {
	p := s.plan
	_, _, _, role, _ := p.Model.columns()
	if p.Model.Formulas == nil {
		role = roleColumn
	}
	levels := p.Roles[:]
	s.names, s.parts = m.Names(), m.ComponentNames()
	var err error
	if s.beta, err = assign(s.names, p.Effects, role, levels, "fixed effect", "effects"); err != nil {
		return err
	}
	for i, b := range s.beta {
		if math.IsNaN(b) {
			s.beta[i] = 0
		}
	}
	if s.values, err = assign(s.parts, p.Covariance, role, levels, "covariance parameter", "covariance"); err != nil {
		return err
	}
	var without []string
	for i, v := range s.values {
		switch {
		case !math.IsNaN(v):
		case strings.HasPrefix(s.parts[i], "sd(") || s.parts[i] == "tau":
			without = append(without, s.parts[i])
		default:
			s.values[i] = 0
		}
	}
	if len(without) > 0 {
		return wrong("lacks "+strings.Join(without, ", "), "covariance")
	}
	if s.truth, err = m.Truth(s.beta, s.values); err != nil {
		var bad *mixed.SpecError
		if errors.As(err, &bad) {
			key := bad.Field // as the plan calls it
			for _, k := range []string{key, strings.ReplaceAll(key, "`", ""), alias(key, role, levels)} {
				if _, ok := p.Covariance[k]; ok {
					key = k
					break
				}
			}
			return wrong(bad.Message, "covariance", key)
		}
		return err
	}
	if s.interest, err = chosen(s.names, p.Interest, role, levels); err != nil {
		return err
	}
	if len(p.Interest) == 0 {
		s.interest = s.ofPredictors()
	}
	return nil
}

// ofPredictors returns the fixed effects of predictors that are not 0, or if there are none all that are not.
func (s *scheme) ofPredictors() []int {
	var of, all []int
	for i, b := range s.beta {
		if b == 0 {
			continue
		}
		all = append(all, i)
		if slices.ContainsFunc(s.plan.Predictors, func(p Predictor) bool { return strings.Contains(s.names[i], p.Name) }) {
			of = append(of, i)
		}
	}
	if len(of) > 0 {
		return of
	}
	return all
}

// study lays out the columns of a study with so many couples.
func (s *scheme) study(couples int) (*study, error) {
	p := s.plan
	t := &study{scheme: s, couples: couples}
	n := t.rows()
	_, couple, person, role, time := p.Model.columns()
	codes := map[string][]int{}
	times := make([]float64, n)
	for r := range n {
		c, w, k := r/(2*len(p.Times)), r/2%len(p.Times), r%2
		codes["couple"] = append(codes["couple"], c)
		codes["role"] = append(codes["role"], k)
		if p.CouplesPerSite > 0 {
			codes["site"] = append(codes["site"], c/p.CouplesPerSite)
		}
		times[r] = p.Times[w]
	}
	numbered := make([]string, couples)
	for i := range numbered {
		numbered[i] = strconv.Itoa(i + 1)
	}
	roles := slices.Sorted(slices.Values(p.Roles[:]))
	for r, k := range codes["role"] {
		codes["role"][r] = slices.Index(roles, p.Roles[k])
	}
	add := func(name, what string, levels []string) {
		if name != "" {
			t.fixed = append(t.fixed, frame.Column{Name: name, Codes: codes[what], Levels: levels})
		}
	}
	add(couple, "couple", numbered)
	add(role, "role", roles)
	add(person, "role", roles)
	add(p.Model.site(), "site", numbered)
	if time != "" {
		t.fixed = append(t.fixed, frame.Numeric(time, times))
	}
	// The model's frame is asked which outcome each of its rows explains.
	tags := make([]float64, n)
	for r := range tags {
		tags[r] = float64(r)
	}
	f, err := t.frame(t.predictors(rand.New(rand.NewPCG(p.Seed, 0)), nil), tags)
	if err != nil {
		return nil, err
	}
	g, ms, err := p.Model.compile(f, p.Alpha)
	if err != nil {
		return nil, t.refused(err)
	}
	y, ok := g.Column(ms.Outcome)
	if !ok || !y.IsNumeric() {
		return nil, wrong(fmt.Sprintf("names %q, which is no numeric column", ms.Outcome), "model", "outcome")
	}
	seen := make([]bool, n)
	for _, x := range y.Values {
		r := int(x)
		if math.IsNaN(x) || float64(r) != x || r < 0 || r >= n || seen[r] {
			return nil, fmt.Errorf("the outcome of a %s model is not that of the data; it cannot be simulated", p.Model.Kind)
		}
		seen[r] = true
		t.source = append(t.source, r)
	}
	t.given = slices.Contains(seen, false)
	return t, nil
}

func (t *study) rows() int { return 2 * t.couples * len(t.plan.Times) }

// refused tells what is wrong with the model in terms of the plan.
func (t *study) refused(err error) error {
	var named *apim.SpecError
	var spec *mixed.SpecError
	var formula *mixed.FormulaError
	var data *mixed.DataError
	switch {
	case errors.As(err, &named):
		return wrong(named.Message, "model", named.Field)
	case errors.As(err, &spec):
		return wrong(spec.Message, "model", spec.Field)
	case errors.As(err, &formula), errors.As(err, &data):
		return wrong("does not go with the design: "+err.Error(), "model")
	}
	return err
}

// frame joins the columns of the study with predictors and an outcome.
func (t *study) frame(x [][]float64, y []float64) (*frame.Frame, error) {
	outcome, _, _, _, _ := t.plan.Model.columns()
	columns := append(slices.Clone(t.fixed), frame.Numeric(outcome, y))
	for i, p := range t.plan.Predictors {
		columns = append(columns, frame.Numeric(p.Name, x[i]))
	}
	f, err := frame.New(columns...)
	if err != nil {
		return nil, wrong("names a column twice or not at all: "+err.Error(), "model")
	}
	return f, nil
}

// model makes the model of a data set.
func (t *study) model(x [][]float64, y []float64) (*mixed.Model, error) {
	f, err := t.frame(x, y)
	if err != nil {
		return nil, err
	}
	g, ms, err := t.plan.Model.compile(f, t.plan.Alpha)
	if err != nil {
		return nil, err
	}
	return mixed.New(g, ms)
}

// probe makes a first model, and finds out whether its expected outcomes depend on outcomes, and whether missing outcomes do more than take their rows away.
func (t *study) probe() (*mixed.Model, error) {
	rng := rand.New(rand.NewPCG(t.plan.Seed, 1))
	x := t.predictors(rng, nil)
	y, other := make([]float64, t.rows()), make([]float64, t.rows())
	for r := range y {
		y[r], other[r] = rng.NormFloat64(), rng.NormFloat64()
	}
	m, err := t.model(x, y)
	if err != nil {
		return nil, t.refused(err)
	}
	names := m.Names()
	beta := make([]float64, len(names))
	for i := range beta {
		beta[i] = rng.Float64() - 0.5
	}
	parts := make([]float64, len(m.ComponentNames()))
	for i, name := range m.ComponentNames() {
		if !strings.HasPrefix(name, "cor(") && name != "phi" {
			parts[i] = 1
		}
	}
	truth, err := m.Truth(beta, parts)
	if err != nil {
		return nil, err
	}
	draw := func(m *mixed.Model) *mixed.Chance { return m.Draw(truth, rand.New(rand.NewPCG(3, 3))) }
	outcomes := func(m *mixed.Model) []float64 { return m.Outcomes(truth, draw(m)) } // with random effects, whose design may depend on outcomes as well
	n, err := t.model(x, other)
	if err != nil {
		return nil, t.refused(err)
	}
	if t.lagged = !slices.Equal(n.Names(), names) || !slices.Equal(outcomes(m), outcomes(n)); t.lagged {
		if _, rounds, err := t.settle(n, truth, draw(n), x, other); err == nil && rounds <= len(t.plan.Times) {
			t.depth = rounds
		}
	}
	gone := slices.Clone(y)
	for c := 0; c < t.couples; c += 3 {
		gone[c*2*len(t.plan.Times)+rng.IntN(2*len(t.plan.Times))] = math.NaN()
	}
	quick, err := m.WithOutcome(t.compiled(gone))
	if err != nil {
		return nil, t.refused(err)
	}
	full, err := t.model(x, gone)
	if err != nil {
		return nil, t.refused(err)
	}
	t.entangled = t.lagged || !slices.Equal(full.Names(), names) || !slices.Equal(outcomes(quick), outcomes(full))
	return m, nil
}

// compiled brings an outcome to the rows of the compiled frame.
func (t *study) compiled(y []float64) []float64 {
	out := make([]float64, len(t.source))
	for i, r := range t.source {
		out[i] = y[r]
	}
	return out
}

// predictors draws the true values of all predictors, a value for each row. With measured not nil it also fills what is analysed in their stead.
func (t *study) predictors(rng *rand.Rand, measured *[][]float64) [][]float64 {
	waves := len(t.plan.Times)
	var out [][]float64
	for _, p := range t.plan.Predictors {
		x := make([]float64, t.rows())
		rest := math.Sqrt(1 - p.Correlation*p.Correlation)
		pair := func() [2]float64 {
			a := rng.NormFloat64()
			return [2]float64{a, p.Correlation*a + rest*rng.NormFloat64()}
		}
		stays, moves := math.Sqrt(1-p.Varying), math.Sqrt(p.Varying)
		noise := p.SD * math.Sqrt(1/p.Measured()-1)
		var seen []float64
		if measured != nil {
			if seen = x; noise > 0 {
				seen = make([]float64, t.rows())
			}
		}
		for c := range t.couples {
			level := pair()
			wrong := [2]float64{rng.NormFloat64(), rng.NormFloat64()}
			for w := range waves {
				z := level
				if p.Varying > 0 {
					now := pair()
					for k := range z {
						z[k] = stays*level[k] + moves*now[k]
					}
					wrong = [2]float64{rng.NormFloat64(), rng.NormFloat64()}
				}
				for k := range z {
					r := (c*waves+w)*2 + k
					x[r] = p.value(z[k])
					if seen != nil && noise > 0 {
						seen[r] = x[r] + noise*wrong[k]
					}
				}
			}
		}
		out = append(out, x)
		if measured != nil {
			*measured = append(*measured, seen)
		}
	}
	return out
}

// value turns a standard normal variable into one of the predictor's distribution.
func (p Predictor) value(z float64) float64 {
	switch p.Distribution {
	case Binary:
		if distuv.UnitNormal.CDF(z) > 1-p.Mean {
			return 1
		}
		return 0
	case Uniform:
		return p.Mean + p.SD*math.Sqrt(12)*(distuv.UnitNormal.CDF(z)-0.5)
	}
	return p.Mean + p.SD*z
}

// people are the couples of one or more studies: their predictors, and the models that these make where they do not depend on outcomes.
type people struct {
	x, seen   [][]float64 // true and measured
	exact     bool        // x is seen
	truth     *mixed.Model
	estimated *mixed.Model
}

// sharing is how many studies have the same predictors, with other outcomes, dropout and answers left out. Making a model of predictors takes longer than fitting it.
const sharing = 10

func (t *study) sharing() int {
	if t.lagged {
		return 1 // nothing would be saved
	}
	return sharing
}

// recruit draws couples.
func (t *study) recruit(rng *rand.Rand) (*people, error) {
	p := &people{exact: true}
	p.x = t.predictors(rng, &p.seen)
	for i := range p.x {
		p.exact = p.exact && &p.x[i][0] == &p.seen[i][0]
	}
	if t.lagged {
		return p, nil
	}
	var err error
	y := t.begin(rng)
	if p.truth, err = t.model(p.x, y); err != nil {
		return nil, err
	}
	if p.estimated = p.truth; !p.exact && !t.entangled {
		p.estimated, err = t.model(p.seen, y)
	}
	return p, err
}

// begin draws outcomes of which those stay that the model does not explain.
func (t *study) begin(rng *rand.Rand) []float64 {
	b := t.plan.Outcome
	sd := b.SD
	if sd == 0 { // every outcome is explained; where it begins does not matter
		sd = 1
	}
	rest := math.Sqrt(1 - b.Correlation*b.Correlation)
	y := make([]float64, t.rows())
	for r := 0; r < len(y); r += 2 {
		a := rng.NormFloat64()
		y[r], y[r+1] = b.Mean+sd*a, b.Mean+sd*(b.Correlation*a+rest*rng.NormFloat64())
	}
	return y
}

// outcomes draws the outcome of every row from the truth. The columns of the model that is returned are those for these outcomes; its own outcome is not.
func (t *study) outcomes(rng *rand.Rand, p *people) (y []float64, m *mixed.Model, err error) {
	y, m = t.begin(rng), p.truth
	if m == nil {
		if m, err = t.model(p.x, y); err != nil {
			return nil, nil, err
		}
	}
	if !slices.Equal(m.Names(), t.names) {
		return nil, nil, errOtherColumns
	}
	m, _, err = t.settle(m, t.truth, m.Draw(t.truth, rng), p.x, y)
	return y, m, err
}

// settle replaces y by the outcomes that follow from a truth, a chance and themselves. Where the model looks back at outcomes, those of one occasion follow from those
// before, so that a known number of rounds settles all of them; if a formula looks forward as well, as with deviations from a person's mean,
// they come closer with each round. It returns the model of the last round, and their number.
func (t *study) settle(m *mixed.Model, truth *mixed.Truth, chance *mixed.Chance, x [][]float64, y []float64) (last *mixed.Model, rounds int, err error) {
	for {
		change, size := 0.0, 0.0
		for i, now := range m.Outcomes(truth, chance) {
			at := t.source[m.Row(i)]
			change, size = math.Max(change, math.Abs(now-y[at])), math.Max(size, math.Abs(now))
			y[at] = now
		}
		switch {
		case !t.lagged, change <= 1e-10*size:
			return m, rounds, nil
		case !(size < 1e15), rounds > 4*len(t.plan.Times)+60:
			return nil, 0, errExplodes
		}
		if rounds++; rounds == t.depth {
			return m, rounds, nil
		}
		if m, err = t.model(x, y); err != nil {
			return nil, 0, err
		}
	}
}

var (
	errOtherColumns = errors.New("the columns of the model differ from those of the plan: in so small a study some determine others")
	errExplodes     = errors.New("outcomes grow without end: the effects of the outcome on itself are too large")
)

// replicate carries out one study of the people and returns the model of what was observed.
func (t *study) replicate(rng *rand.Rand, p *people) (*mixed.Model, error) {
	y, m, err := t.outcomes(rng, p)
	if err != nil {
		return nil, err
	}
	lost := t.lose(rng, y)
	if p.exact && !lost {
		return m.WithOutcome(t.compiled(y))
	}
	seen := slices.Clone(p.seen)
	unseen := false // values of predictors are missing
	for i, x := range t.plan.Predictors {
		if !lost || x.Varying == 0 {
			continue
		}
		unseen = true
		seen[i] = slices.Clone(seen[i])
		for r, v := range y {
			if math.IsNaN(v) {
				seen[i][r] = math.NaN()
			}
		}
	}
	if t.entangled || unseen {
		return t.model(seen, y)
	}
	return p.estimated.WithOutcome(t.compiled(y))
}
