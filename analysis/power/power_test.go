package power_test

import (
	"context"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"asem/analysis/apim"
	"asem/analysis/mixed"
	"asem/analysis/power"
)

// growth is the 8-month design: coded responsiveness of both partners and three waves.
func growth() power.Plan {
	return power.Plan{
		Model:      power.Model{Spec: apim.Spec{Kind: "growth", Outcome: "avoidance", Predictors: []string{"responsiveness"}}},
		Couples:    []int{120},
		Times:      []float64{0, 4, 8},
		Predictors: []power.Predictor{{Name: "responsiveness", Mean: 4, SD: 1, Correlation: 0.3}},
		Effects:    map[string]float64{"role": 3.5, "role:time": -0.01, "role:time:responsiveness_partner": -0.02, "role:time:responsiveness_actor": -0.01},
		Covariance: map[string]float64{"sd(couple, role)": 0.6, "sd(couple, role:time)": 0.05, "cor(couple, role, role)": 0.3, "cor(couple, role:time, role:time)": 0.2, "cor(couple, role, role:time)": -0.2,
			"sd(residual)": 0.4, "cor(partners)": 0.15},
		Replications: 200,
		Seed:         1,
	}
}

// change is two waves of an outcome that hangs together over time.
func change() power.Plan {
	return power.Plan{
		Model:      power.Model{Spec: apim.Spec{Kind: "residualised_change", Outcome: "y", Predictors: []string{"x"}}},
		Couples:    []int{100},
		Times:      []float64{0, 1},
		Predictors: []power.Predictor{{Name: "x", SD: 2, Correlation: 0.4}},
		Outcome:    power.Baseline{Mean: 3, SD: 1, Correlation: 0.3},
		Effects:    map[string]float64{"role": 1, "role:y_actor": 0.6, "roleman:y_partner": 0.2, "role:x_actor": -0.1, "rolewoman:x_partner": 0.12},
		Covariance: map[string]float64{"sd(residual, man)": 0.8, "sd(residual, woman)": 1.1, "cor(partners)": 0.3},
		Seed:       2,
	}
}

func effect(t testing.TB, p power.Point, name string) power.Effect {
	t.Helper()
	for _, e := range p.Effects {
		if e.Name == name {
			return e
		}
	}
	require.Failf(t, "no effect", "%s", name)
	return power.Effect{}
}

func simulate(t testing.TB, p power.Plan) *power.Curve {
	t.Helper()
	c, err := power.Simulate(context.Background(), p)
	require.NoError(t, err)
	return c
}

// In two waves both roles' outcomes have the same regressors, so that the engine's estimates are those of ordinary least squares in each role, and power follows from the
// noncentral t distribution, averaged over the predictors: with 5 columns the sum of squares of one beyond the others is s²(1-r²) times a chi-squared variable with n - 4
// degrees of freedom. Few studies are simulated unless asked:
//
//	ASEM_POWER=10000 go test -run TTest -v ./analysis/power
func TestPowerOfChangeIsThatOfTheTTest(t *testing.T) {
	p := change()
	p.Couples, p.Replications = []int{60, 150}, 500
	if s := os.Getenv("ASEM_POWER"); s != "" {
		var err error
		p.Replications, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	for _, point := range simulate(t, p).Points {
		assert.Zero(t, point.Failed)
		assert.Equal(t, 2*float64(point.Couples), point.Rows)
		n := float64(point.Couples)
		exact := func(effect, sd, correlation, residual float64) float64 {
			ss := distuv.ChiSquared{K: n - 4}
			mean := 0.0
			for q := range 200 {
				length := sd * math.Sqrt((1-correlation*correlation)*ss.Quantile((float64(q)+0.5)/200))
				mean += power.TTest(effect*length/residual, n-5, 0.05) / 200
			}
			return mean
		}
		for name, want := range map[string]float64{
			"roleman:x_actor": exact(-0.1, 2, 0.4, 0.8), "rolewoman:x_actor": exact(-0.1, 2, 0.4, 1.1), "rolewoman:x_partner": exact(0.12, 2, 0.4, 1.1), "roleman:x_partner": 0.05,
			"roleman:y_partner": exact(0.2, 1, 0.3, 0.8), "rolewoman:y_partner": 0.05,
		} {
			e := effect(t, point, name)
			t.Logf("%d couples, %s: simulated %.4f (%.4f), exact %.4f", point.Couples, name, e.Power, e.PowerSE, want)
			assert.InDelta(t, want, e.Power, 3.5*e.PowerSE, "%d couples, %s", point.Couples, name)
			assert.InDelta(t, 0, e.Bias, 4*e.BiasSE, "%d couples, %s", point.Couples, name)
			assert.InDelta(t, 0.95, e.Coverage, 0.025, "%d couples, %s", point.Couples, name)
			assert.InEpsilon(t, e.SD, e.SE, 0.08, "%d couples, %s", point.Couples, name)
		}
	}
}

// Values of R 4.2.2: pt(-c, df, ncp) + pt(c, df, ncp, lower = FALSE) with c = qt(1 - alpha/2, df).
func TestTTestAgreesWithR(t *testing.T) {
	for _, c := range []struct{ noncentrality, df, alpha, want float64 }{
		{2.5, 20, 0.05, 0.662303714035}, {0, 7, 0.05, 0.05}, {2, 1, 0.05, 0.125756317757}, {3, 3.5, 0.01, 0.209777402663},
		{1.2, 500, 0.1, 0.32985928647}, {4, 50, 0.001, 0.688923440678}, {-2.5, 20, 0.05, 0.662303714035},
	} {
		assert.InEpsilon(t, c.want, power.TTest(c.noncentrality, c.df, c.alpha), 1e-9, "%+v", c)
	}
}

// Without an effect every test has the power alpha; with one it grows with the number of couples; estimates are unbiased, also when those leave
// whose outcomes are high.
func TestLawsOfPower(t *testing.T) {
	for name, dropout := range map[string]power.Dropout{"couples": {Share: 0.2}, "persons at random": {Share: 0.3, Mechanism: power.MAR, LogOdds: 1, Persons: true}} {
		p := growth()
		p.Couples, p.Replications, p.Dropout, p.Alpha = []int{60, 200}, 200, dropout, 0.1
		p.Effects["roleman:time:responsiveness_partner"] = 0 // beside that of the woman
		points := simulate(t, p).Points
		for i, point := range points {
			assert.Zero(t, point.Failed, name)
			none := effect(t, point, "roleman:time:responsiveness_partner")
			assert.InDelta(t, 0.1, none.Power, 3.5*math.Sqrt(0.1*0.9/200), "%s, %d couples", name, point.Couples)
			assert.LessOrEqual(t, none.Lower, none.Power)
			assert.GreaterOrEqual(t, none.Upper, none.Power)
			for _, e := range point.Effects {
				assert.InDelta(t, 0, e.Bias, 4.2*e.BiasSE, "%s, %d couples, %s", name, point.Couples, e.Name)
			}
			if some := effect(t, point, "rolewoman:time:responsiveness_partner"); i > 0 {
				before := effect(t, points[i-1], some.Name)
				assert.Greater(t, some.Power, before.Power, name)
				assert.Less(t, some.Width, before.Width, name)
				assert.Equal(t, "woman", some.Role)
			}
		}
	}
}

// The planned share is gone at the end, whatever dropout depends on, and both partners go together unless they go alone.
func TestTheShareThatLeaves(t *testing.T) {
	for name, d := range map[string]power.Dropout{
		"couples":            {Share: 0.4},
		"couples at random":  {Share: 0.4, Mechanism: power.MAR, LogOdds: 2},
		"persons":            {Share: 0.4, Persons: true},
		"persons at random":  {Share: 0.4, Mechanism: power.MAR, LogOdds: -1, Persons: true},
		"and answers beside": {Share: 0.4, Persons: true, Mechanism: power.MAR, LogOdds: 1},
	} {
		p := growth()
		p.Couples, p.Replications, p.Dropout = []int{200}, 40, d
		stay := 1 - 0.4
		rows := 400 * (1 + math.Sqrt(stay) + stay) // three occasions
		if strings.HasPrefix(name, "and") {
			p.Missing = 0.2
			rows *= 0.8
		}
		point := simulate(t, p).Points[0]
		assert.Zero(t, point.Failed, name)
		assert.InEpsilon(t, rows, point.Rows, 0.015, name)
	}
}

// Three judges with an ICC of 0.5 measure with the reliability 0.75. With uncorrelated partners the effect is estimated as 0.75 of what it is.
func TestJudgesWeakenEffects(t *testing.T) {
	p := change()
	p.Predictors[0].Correlation, p.Predictors[0].Judges, p.Predictors[0].ICC = 0, 3, 0.5
	assert.Equal(t, 0.75, p.Predictors[0].Measured())
	p.Couples, p.Replications = []int{150}, 200
	p.Effects["role:x_actor"] = -0.2
	e := effect(t, simulate(t, p).Points[0], "roleman:x_actor")
	assert.InDelta(t, -0.15, e.Mean, 4*e.BiasSE)
	p.Predictors[0].Judges, p.Predictors[0].ICC, p.Predictors[0].Reliability = 0, 0, 0.75
	assert.Equal(t, e, effect(t, simulate(t, p).Points[0], "roleman:x_actor"), "the same reliability is the same study")
}

// Equal seeds give equal numbers, whatever the number of workers; others give others.
func TestSeeds(t *testing.T) {
	for _, p := range []power.Plan{growth(), change()} {
		p.Couples, p.Replications, p.Dropout.Share, p.Workers = []int{30, 40}, 45, 0.2, 1
		one := simulate(t, p)
		p.Workers = 3
		assert.Equal(t, one, simulate(t, p))
		p.Seed++
		assert.NotEqual(t, one, simulate(t, p))
	}
}

func TestStopsWhenItIsPrecise(t *testing.T) {
	p := growth()
	p.Replications, p.MCError = 5000, 0.03
	var calls, last int
	p.Progress = func(couples, done, of int) {
		calls++
		last = done
		assert.Equal(t, []int{120, 5000}, []int{couples, of})
	}
	point := simulate(t, p).Points[0]
	assert.Less(t, point.Replications, 700)
	assert.Zero(t, point.Replications%100)
	assert.Equal(t, []int{point.Replications, point.Replications}, []int{calls, last})
	assert.LessOrEqual(t, effect(t, point, "roleman:time:responsiveness_partner").PowerSE, 0.03)
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := growth()
	p.Replications = 1_000_000
	p.Progress = func(_, done, _ int) {
		if done == 20 {
			cancel()
		}
	}
	_, err := power.Simulate(ctx, p)
	assert.ErrorIs(t, err, context.Canceled)
}

// Studies that fail are counted among all, with the reason.
func TestFailuresCount(t *testing.T) {
	p := growth()
	p.Couples, p.Replications = []int{2, 8}, 60
	points := simulate(t, p).Points
	for _, point := range points {
		n := 0
		for _, f := range point.Failures {
			assert.NotEmpty(t, f.Reason)
			n += f.Count
		}
		assert.Equal(t, point.Failed, n)
		assert.Equal(t, 60, point.Replications)
		assert.LessOrEqual(t, point.Singular, 60-point.Failed)
		for _, e := range point.Effects {
			assert.LessOrEqual(t, e.Power, 1-float64(point.Failed)/60)
		}
	}
	assert.Equal(t, 60, points[0].Failed, "12 rows are too few for 12 fixed effects")
	assert.Positive(t, points[1].Singular)
}

// Every named model can be simulated from its parameters' names alone, and so can one that is added to the list.
func TestEveryKind(t *testing.T) {
	for _, kind := range apim.Kinds() {
		p := power.Plan{
			Model: power.Model{Spec: apim.Spec{Kind: kind.Name, Outcome: "y", Predictors: []string{"x"}}}, Couples: []int{70}, Times: []float64{0, 1, 2, 3}, Replications: 40, Seed: 5,
			Predictors: []power.Predictor{{Name: "x", Varying: 0.5}}, Outcome: power.Baseline{SD: 1, Correlation: 0.3}, Dropout: power.Dropout{Share: 0.2, Mechanism: power.MAR, LogOdds: 0.5},
			Effects: map[string]float64{}, Covariance: map[string]float64{},
		}
		effects, covariance, err := power.Parameters(p)
		require.NoError(t, err, kind.Name)
		for _, name := range effects {
			p.Effects[name] = 0.2
		}
		for _, name := range covariance {
			p.Covariance[name] = 0.6
			if strings.HasPrefix(name, "cor(") || name == "phi" {
				p.Covariance[name] = 0.1
			}
		}
		point := simulate(t, p).Points[0]
		assert.Less(t, point.Failed, 3, kind.Name)
		for _, e := range point.Effects {
			assert.InDelta(t, 0.2, e.Mean, 5*e.BiasSE, "%s: %s", kind.Name, e.Name)
		}
	}
}

// Formulas go the same way: a diary whose outcome depends on that of the day before, with deviations from persons' means and serial residuals; couples in sites; exchangeable partners.
func TestFormulas(t *testing.T) {
	days := make([]float64, 10)
	for i := range days {
		days[i] = float64(i)
	}
	for name, c := range map[string]struct {
		plan power.Plan
		mean map[string]float64
	}{
		"a diary": {power.Plan{
			Model: power.Model{Formulas: &mixed.Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "day", Fixed: "0 + role + within(x) + partner(within(x)) + lag(y)", Random: "(0 + role | couple)",
				Residual: mixed.Residual{Variance: mixed.VarianceByRole, CrossPartner: true}, Method: mixed.ML}},
			Times: days, Predictors: []power.Predictor{{Name: "x", Varying: 0.7, Correlation: 0.2}}, Outcome: power.Baseline{Mean: 4, SD: 1, Correlation: 0.3}, Missing: 0.05,
			Effects:    map[string]float64{"role": 3, "within(x)": 0.3, "partner(within(x))": 0.1, "lag(y)": 0.25},
			Covariance: map[string]float64{"sd(couple, role)": 0.4, "sd(residual)": 0.8},
		}, map[string]float64{"within(x)": 0.3, "partner(within(x))": 0.1}},
		"exchangeable partners in sites": {power.Plan{
			Model: power.Model{Formulas: &mixed.Spec{Outcome: "y", Couple: "couple", Person: "person", Site: "therapist", Time: "session", Fixed: "session * arm", Random: "(1 | therapist) + (1 | exchangeable(couple))"}},
			Times: []float64{0, 1, 2}, CouplesPerSite: 5, Predictors: []power.Predictor{{Name: "arm", Distribution: power.Binary, Mean: 0.5, Correlation: 1}},
			Effects:    map[string]float64{"(Intercept)": 3, "session:arm": -0.3},
			Covariance: map[string]float64{"sd(therapist, (Intercept))": 0.3, "sd(couple, (Intercept))": 0.5, "sd(couple difference, (Intercept))": 0.4, "sd(residual)": 0.6},
		}, map[string]float64{"session:arm": -0.3, "arm": 0}},
	} {
		c.plan.Couples, c.plan.Replications, c.plan.Seed = []int{60}, 60, 3
		point := simulate(t, c.plan).Points[0]
		assert.Zero(t, point.Failed, "%s: %v", name, point.Failures)
		for effectName, want := range c.mean {
			e := effect(t, point, effectName)
			assert.InDelta(t, want, e.Mean, 4*e.BiasSE, "%s: %s", name, effectName)
		}
	}
}

// The sample size that is found for the weakest effect of interest is that of the exact t test.
func TestSolve(t *testing.T) {
	p := change()
	p.Interest, p.Replications = []string{"rolewoman:x_partner", "roleman:x_actor"}, 200
	s, err := power.Solve(context.Background(), p, 0.8)
	require.NoError(t, err)
	exact := 0
	for n := 10; exact == 0; n++ {
		length := 2 * math.Sqrt((1-0.16)*float64(n-5))
		if power.TTest(0.12*length/1.1, float64(n-5), 0.05) >= 0.8 {
			exact = n
		}
	}
	t.Logf("%d couples (%d to %d), exactly %d", s.Couples, s.Lower, s.Upper, exact)
	assert.Equal(t, "rolewoman:x_partner", s.Effect)
	width := float64(s.Upper - s.Lower)
	assert.InDelta(t, exact, s.Couples, 0.9*width)
	assert.Less(t, width, 0.4*float64(exact))
	assert.LessOrEqual(t, s.Lower, s.Couples)
	assert.GreaterOrEqual(t, s.Upper, s.Couples)
	e := effect(t, s.At(), s.Effect)
	assert.InDelta(t, 0.8, e.Power, 4*e.PowerSE)
	again, err := power.Solve(context.Background(), p, 0.8)
	require.NoError(t, err)
	assert.Equal(t, s, again)
}

func TestPlansRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*power.Plan)
		want   string
	}{
		"no couples":                   {func(p *power.Plan) { p.Couples = []int{0} }, "couples.0 has 0 couples; expected 2 to 100000"},
		"no sample size":               {func(p *power.Plan) { p.Couples = nil }, "couples are missing"},
		"too many rows":                {func(p *power.Plan) { p.Couples = []int{100_000}; p.Times = times(50) }, "rows; expected at most"},
		"a negative deviation":         {func(p *power.Plan) { p.Covariance["sd(residual)"] = -1 }, "covariance.sd(residual) is -1; expected a standard deviation greater than 0"},
		"impossible correlations":      {func(p *power.Plan) { p.Covariance["cor(couple, role, role:time)"] = -1 }, "no variables can have together"},
		"a correlation above one":      {func(p *power.Plan) { p.Covariance["cor(partners)"] = 1.5 }, "covariance.cor(partners) is 1.5; expected a correlation between -1 and 1"},
		"an unknown effect":            {func(p *power.Plan) { p.Effects["role:tme"] = 1 }, `effects.role:tme is no fixed effect of the model; did you mean "role:time"?`},
		"an unknown component":         {func(p *power.Plan) { p.Covariance["sd(residul)"] = 1 }, `did you mean "sd(residual)"?`},
		"no residual deviation":        {func(p *power.Plan) { delete(p.Covariance, "sd(residual)") }, "covariance lacks sd(residual, man), sd(residual, woman)"},
		"growth on one occasion":       {func(p *power.Plan) { p.Times = []float64{0} }, "model.time has one occasion; growth needs two or more"},
		"dropout of all":               {func(p *power.Plan) { p.Dropout.Share = 1 }, "dropout.share is 1; expected a share from 0 to below 1"},
		"dropout of no number":         {func(p *power.Plan) { p.Dropout.Share = math.NaN() }, "dropout.share is NaN"},
		"an unknown mechanism":         {func(p *power.Plan) { p.Dropout.Mechanism = "mnar" }, `is "mnar"; expected mcar or mar`},
		"an unknown kind":              {func(p *power.Plan) { p.Model.Kind = "groth" }, `model.kind is "groth"; expected one of growth`},
		"an unknown predictor":         {func(p *power.Plan) { p.Model.Predictors = []string{"warmth"} }, `model.predictors[0] names "warmth"`},
		"a predictor that is the role": {func(p *power.Plan) { p.Predictors[0].Name = "role" }, "names a column twice"},
		"judges who do not agree":      {func(p *power.Plan) { p.Predictors[0].Judges = 3 }, "predictors.responsiveness.icc is 0"},
		"half a judge":                 {func(p *power.Plan) { p.Predictors[0].ICC = 0.5 }, "needs judges"},
		"an unknown interest":          {func(p *power.Plan) { p.Interest = []string{"role:x"} }, `interest.0 is "role:x"`},
		"an occasion twice":            {func(p *power.Plan) { p.Times = []float64{0, 4, 4} }, "times.2 has 4"},
		"one replication":              {func(p *power.Plan) { p.Replications = 1 }, "replications is 1"},
		"alpha of one":                 {func(p *power.Plan) { p.Alpha = 1 }, "alpha is 1"},
		"an infinite effect":           {func(p *power.Plan) { p.Effects["role"] = math.Inf(1) }, "effects.role is +Inf"},
		"equal roles":                  {func(p *power.Plan) { p.Roles = [2]string{"a", "a"} }, "expected two different names"},
		"sites that are not there":     {func(p *power.Plan) { p.CouplesPerSite = 3 }, "left out if not"},
		"a df that is not there":       {func(p *power.Plan) { p.Model.DF = "welch" }, `model.df is "welch"`},
		"no first wave": {func(p *power.Plan) {
			*p = change()
			p.Outcome = power.Baseline{}
		}, "outcome.sd is missing; the model takes the outcomes of some occasions as given"},
	} {
		p := growth()
		p.Replications = 10
		c.change(&p)
		_, err := power.Simulate(context.Background(), p)
		var bad *power.PlanError
		require.ErrorAs(t, err, &bad, name)
		assert.ErrorContains(t, err, c.want, name)
	}
}

func times(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = float64(i)
	}
	return out
}

func TestTargetsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		target float64
		change func(*power.Plan)
		want   string
	}{
		"above one":          {1.2, func(*power.Plan) {}, "target is 1.2"},
		"below alpha":        {0.03, func(*power.Plan) {}, "expected a power above alpha"},
		"no effect":          {0.8, func(p *power.Plan) { p.Interest = []string{"role:responsiveness_actor"} }, "whose true value is 0"},
		"nothing true":       {0.8, func(p *power.Plan) { p.Effects = nil }, "are all 0"},
		"next to no effect":  {0.8, func(p *power.Plan) { p.Effects["role:time:responsiveness_partner"] = 1e-7; p.Times = times(30) }, "is not reached for"},
		"outcomes that grow": {0.8, func(p *power.Plan) { *p = change(); p.Times = times(12); p.Effects["role:y_actor"] = 50 }, "grow without end"},
	} {
		p := growth()
		p.Replications = 20
		c.change(&p)
		_, err := power.Solve(context.Background(), p, c.target)
		var bad *power.PlanError
		require.ErrorAs(t, err, &bad, name)
		assert.ErrorContains(t, err, c.want, name)
	}
}

// No plan makes the package panic, and every curve keeps its sums.
func TestAnyPlan(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := growth()
		if rapid.Bool().Draw(r, "change") {
			p = change()
		}
		share := rapid.Custom(func(r *rapid.T) float64 { // now and then one that cannot be
			if rapid.IntRange(0, 30).Draw(r, "bad") == 0 {
				return rapid.SampledFrom([]float64{-1, 1, math.NaN(), math.Inf(1)}).Draw(r, "value")
			}
			return rapid.SampledFrom([]float64{0, 0.1, 0.5, 0.95}).Draw(r, "value")
		})
		p.Couples = rapid.SliceOfN(rapid.SampledFrom([]int{2, 3, 12, 30}), 1, 2).Draw(r, "couples")
		p.Times = times(rapid.IntRange(1, 3).Draw(r, "times"))
		p.Dropout = power.Dropout{Share: share.Draw(r, "share"), Mechanism: rapid.SampledFrom([]power.Mechanism{"", power.MAR}).Draw(r, "mechanism"), Persons: rapid.Bool().Draw(r, "persons")}
		p.Missing = share.Draw(r, "missing")
		p.Predictors[0].Varying, p.Predictors[0].Correlation = share.Draw(r, "varying"), share.Draw(r, "correlation")
		p.Predictors[0].Reliability = share.Draw(r, "reliability")
		p.Outcome.SD = share.Draw(r, "sd")
		p.Replications = 3
		c, err := power.Simulate(context.Background(), p)
		if err != nil {
			var bad *power.PlanError
			require.ErrorAs(r, err, &bad)
			return
		}
		for _, point := range c.Points {
			require.Equal(r, 3, point.Replications)
			require.LessOrEqual(r, point.Failed+point.Singular, 3)
			for _, e := range point.Effects {
				require.True(r, e.Lower >= 0 && e.Lower <= e.Power && e.Power <= e.Upper && e.Upper <= 1, "%+v", e)
			}
		}
	})
}

// BenchmarkCurve simulates 1,000 studies at each of five sample sizes and fits the three-wave growth model to each.
func BenchmarkCurve(b *testing.B) {
	for name, dropout := range map[string]power.Dropout{"complete": {}, "dropout": {Share: 0.25, Mechanism: power.MAR, LogOdds: 0.5}} {
		b.Run(name, func(b *testing.B) {
			p := growth()
			p.Couples, p.Replications, p.Dropout = []int{60, 120, 200, 350, 500}, 1000, dropout
			for b.Loop() {
				c, err := power.Simulate(context.Background(), p)
				require.NoError(b, err)
				require.Len(b, c.Points, 5)
			}
			b.ReportMetric(b.Elapsed().Seconds()*1000/float64(5000*b.N), "ms/study")
		})
	}
}
