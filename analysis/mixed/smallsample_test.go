package mixed_test

import (
	"context"
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/frame"
	"asem/analysis/mixed"
)

// smallSample is testdata/small_sample.json, which R made by small_sample.R beside it (versions there).
type smallSample struct {
	Lmer struct {
		LogLik        float64
		Satterthwaite map[string]coefficient
		KenwardRoger  map[string]coefficient `json:"kenward_roger"`
		TypeS         map[string]fTest       `json:"type3_satterthwaite"`
		TypeK         map[string]fTest       `json:"type3_kenward_roger"`
		Contrast      struct {
			Rows          [][]float64
			Satterthwaite fTest
			KenwardRoger  fTest       `json:"kenward_roger"`
			OneS          coefficient `json:"one_satterthwaite"`
			OneK          coefficient `json:"one_kenward_roger"`
		}
		CR0, CR2    map[string]coefficient
		Ranef       [][]float64
		Fitted      []float64
		Marginal    []float64 `json:"marginal_residuals"`
		Conditional []float64 `json:"conditional_residuals"`
		Nakagawa    struct{ Marginal, Conditional float64 }
		Predict     struct{ Mean, SE []float64 }
	}
	ML struct {
		LogLik, Small, Chisq, P float64
		DF                      int
		Profile                 map[string][2]float64
	}
	Lme struct {
		LogLik     float64
		Normalized []float64
		CR2        map[string]coefficient
	}
	Gls struct {
		LogLik   float64
		CR0, CR2 map[string]coefficient
	}
}

type fTest struct{ NumDF, DenDF, F, P float64 }

func readSmallSample(t testing.TB) (smallSample, *frame.Frame) {
	t.Helper()
	text, err := os.ReadFile("testdata/small_sample.json")
	require.NoError(t, err)
	var r smallSample
	require.NoError(t, json.Unmarshal(text, &r))
	return r, readCSV(t, "testdata/small_sample.csv")
}

func smallSpec(df mixed.DF) mixed.Spec {
	return mixed.Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "role * time + x + arm * time", Random: "(1 + time | couple)", DF: df}
}

// R's optimiser leaves the last digits open: estimates agree to 1e-5, df to 1e-3, relatively.
func coefficientsAgree(t *testing.T, want map[string]coefficient, got []mixed.Parameter) {
	t.Helper()
	require.Len(t, got, len(want))
	for _, p := range got {
		w, ok := want[p.Name]
		require.True(t, ok, p.Name)
		assert.InEpsilon(t, w.Estimate, p.Estimate, 1e-5, p.Name)
		assert.InEpsilon(t, w.SE, p.SE, 1e-4, "standard error of %s", p.Name)
		assert.InEpsilon(t, w.DF, p.DF, 1e-3, "df of %s", p.Name)
		assert.InEpsilon(t, w.P, p.P, 2e-3, "p of %s", p.Name)
	}
}

func TestDegreesOfFreedomAgreeWithLmerTestAndPbkrtest(t *testing.T) {
	r, f := readSmallSample(t)
	for _, c := range []struct {
		df    mixed.DF
		want  map[string]coefficient
		f     fTest
		one   coefficient
		type3 map[string]fTest
	}{
		{mixed.DFSatterthwaite, r.Lmer.Satterthwaite, r.Lmer.Contrast.Satterthwaite, r.Lmer.Contrast.OneS, r.Lmer.TypeS},
		{mixed.DFKenwardRoger, r.Lmer.KenwardRoger, r.Lmer.Contrast.KenwardRoger, r.Lmer.Contrast.OneK, r.Lmer.TypeK},
	} {
		t.Run(string(c.df), func(t *testing.T) {
			got := fit(t, f, smallSpec(c.df))
			assert.InDelta(t, r.Lmer.LogLik, got.LogLik, 1e-6)
			coefficientsAgree(t, c.want, got.Parameters)
			one, err := got.Contrast("b - c", r.Lmer.Contrast.Rows[1])
			require.NoError(t, err)
			coefficientsAgree(t, map[string]coefficient{"b - c": c.one}, []mixed.Parameter{one})
			test, err := got.Test("three", append(r.Lmer.Contrast.Rows, r.Lmer.Contrast.Rows[0])) // one twice: the rank counts
			require.NoError(t, err)
			testsAgree(t, map[string]fTest{"three": c.f}, []mixed.Test{test})
			all, err := got.TypeIII()
			require.NoError(t, err)
			testsAgree(t, c.type3, all)
		})
	}
}

func testsAgree(t *testing.T, want map[string]fTest, got []mixed.Test) {
	t.Helper()
	require.Len(t, got, len(want))
	for _, g := range got {
		w, ok := want[g.Name]
		require.True(t, ok, g.Name)
		assert.Equal(t, int(w.NumDF), g.NumDF, g.Name)
		assert.InEpsilon(t, w.F, g.Statistic, 1e-4, "F of %s", g.Name)
		assert.InEpsilon(t, w.DenDF, g.DenDF, 1e-3, "df of %s", g.Name)
		assert.InEpsilon(t, w.P, g.P, 2e-3, "p of %s", g.Name)
	}
}

// pbkrtest's adjustment of the singular fit of 538 couples.
func TestKenwardRogerOfASingularFit(t *testing.T) {
	want := readReference(t, "growth_dyadic_lmer_reml")
	got := fit(t, fiveWaves(t), mixed.Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "0 + role + role:time", Random: "(0 + role + role:time | couple)", DF: mixed.DFKenwardRoger})
	matches(t, want, got, want.KenwardRoger, roleNames)
}

// R's anova() refits both models by ML.
func TestLikelihoodRatioAgreesWithLme4(t *testing.T) {
	r, f := readSmallSample(t)
	ctx := context.Background()
	s := smallSpec("")
	large := fit(t, f, s)
	s.Fixed = "role * time + x"
	small := fit(t, f, s)
	for _, pair := range [][2]*mixed.Fit{{small, large}, {large, small}} {
		got, err := mixed.LikelihoodRatio(ctx, pair[0], pair[1])
		require.NoError(t, err)
		assert.Equal(t, mixed.ML, got.Method)
		assert.Equal(t, r.ML.DF, got.DF)
		assert.InDelta(t, r.ML.Chisq, got.Statistic, 1e-5)
		assert.InEpsilon(t, r.ML.P, got.P, 1e-4)
		assert.False(t, got.Boundary)
	}
	s = smallSpec("")
	s.Random = "(1 | couple)"
	got, err := mixed.LikelihoodRatio(ctx, fit(t, f, s), large)
	require.NoError(t, err)
	assert.Equal(t, mixed.REML, got.Method)
	assert.True(t, got.Boundary)
	assert.Equal(t, 2, got.DF)
	_, err = mixed.LikelihoodRatio(ctx, large, large)
	assert.ErrorContains(t, err, "both have 13 parameters")
	_, err = mixed.LikelihoodRatio(ctx, small, fit(t, f.Take([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35}), mixed.Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "x"}))
	assert.ErrorContains(t, err, "different rows")
}

// clubSandwich's CR0 and CR2 with Satterthwaite df for lmer and gls. Its lme fit stops a little before the maximum.
func TestRobustInferenceAgreesWithClubSandwich(t *testing.T) {
	r, f := readSmallSample(t)
	lmer := fit(t, f, smallSpec(""))
	// gls gives all residuals of a couple one correlation, on whatever occasion: as if every row were a person of its own,
	// all observed at once.
	row := make([]string, f.Rows())
	for i := range row {
		row[i] = strconv.Itoa(i)
	}
	rows, err := f.With(frame.Categorical("row", row))
	require.NoError(t, err)
	gls := fit(t, rows, mixed.Spec{Outcome: "y", Couple: "couple", Person: "row", Role: "role", Fixed: "role * time + x", DF: mixed.DFResidual,
		Residual: mixed.Residual{Variance: mixed.VarianceByRole, CrossPartner: true}})
	assert.InDelta(t, r.Gls.LogLik, gls.LogLik, 1e-6)
	for _, c := range []struct {
		fit  *mixed.Fit
		kind mixed.Sandwich
		want map[string]coefficient
	}{{lmer, mixed.CR0, r.Lmer.CR0}, {lmer, mixed.CR2, r.Lmer.CR2}, {gls, mixed.CR0, r.Gls.CR0}, {gls, mixed.CR2, r.Gls.CR2}} {
		got, err := c.fit.Robust(c.kind)
		require.NoError(t, err)
		coefficientsAgree(t, c.want, got.Parameters)
		l := make([]float64, len(c.fit.Beta))
		l[3] = 1
		one, err := got.Contrast("x", l)
		require.NoError(t, err)
		assert.Equal(t, got.Parameters[3].SE, one.SE)
		assert.InEpsilon(t, got.Parameters[3].DF, one.DF, 1e-12)
	}
	_, err = lmer.Robust("CR3")
	assert.ErrorContains(t, err, `robust is "CR3"; expected CR0 or CR2`)
}

// lme4's ranef, fitted and residuals; R2 by the formulas of Nakagawa & Schielzeth in R.
func TestEffectsAndResidualsAgreeWithLme4(t *testing.T) {
	r, f := readSmallSample(t)
	got := fit(t, f, smallSpec(""))
	effects, err := got.GroupEffects()
	require.NoError(t, err)
	require.Len(t, effects[0], len(r.Lmer.Ranef))
	for i, e := range effects[0] {
		assert.Equal(t, strconv.Itoa(i+1), e.Couple)
		for k := range e.Values {
			assert.InDelta(t, r.Lmer.Ranef[i][k], e.Values[k], 1e-5)
			assert.True(t, e.SE[k] > 0 && e.SE[k] < 1)
		}
	}
	res, err := got.Residuals()
	require.NoError(t, err)
	ss := 0.0
	for i, row := range res.Row {
		assert.InDelta(t, r.Lmer.Fitted[row], res.Couple[i], 1e-5)
		assert.InDelta(t, r.Lmer.Marginal[row], res.Marginal[i], 1e-5)
		assert.InDelta(t, r.Lmer.Conditional[row], res.Conditional[i], 1e-5)
		assert.InEpsilon(t, res.Conditional[i]/got.Residual.SD[0], res.Pearson[i], 1e-9)
		ss += res.Whitened[i] * res.Whitened[i]
	}
	assert.InEpsilon(t, got.Rows-len(got.Beta), ss, 1e-5, "at the REML estimates r'V^-1 r = n - p")
	e, err := got.Explained()
	require.NoError(t, err)
	assert.InEpsilon(t, r.Lmer.Nakagawa.Marginal, e.Marginal, 1e-5)
	assert.InEpsilon(t, r.Lmer.Nakagawa.Conditional, e.Conditional, 1e-5)
	assert.InEpsilon(t, e.Random[0]/(e.Random[0]+e.Residual), e.ICC[0], 1e-12)
}

func TestPredictionsAgreeWithR(t *testing.T) {
	r, f := readSmallSample(t)
	got := fit(t, f, smallSpec(""))
	data := newFrame(t, frame.Categorical("role", []string{"h", "w", "w"}), frame.Numeric("time", []float64{0, 2, 5.5}), frame.Numeric("x", []float64{0, 0.5, -1}), frame.Categorical("arm", []string{"a", "b", "c"}))
	p, err := got.Predict(data)
	require.NoError(t, err)
	for i, w := range r.Lmer.Predict.Mean {
		assert.InEpsilon(t, w, p[i].Mean, 1e-6)
		assert.InEpsilon(t, r.Lmer.Predict.SE[i], p[i].SE, 1e-5)
		assert.True(t, p[i].Lower < p[i].Mean && p[i].Mean < p[i].Upper)
	}
	for name, c := range map[string]struct {
		column frame.Column
		want   string
	}{
		"an unknown level": {frame.Categorical("arm", []string{"a", "d", "c"}), `column "arm": row 2 is "d", which is none of the levels`},
		"a missing value":  {frame.Categorical("arm", []string{"a", "", "c"}), `column "arm": row 2 is missing`},
		"a missing column": {frame.Categorical("army", []string{"a", "b", "c"}), `a column named "arm"; did you mean "army"?`},
	} {
		d := newFrame(t, frame.Categorical("role", []string{"h", "w", "w"}), frame.Numeric("time", []float64{0, 2, 5.5}), frame.Numeric("x", []float64{0, 0.5, -1}), c.column)
		_, err := got.Predict(d)
		assert.ErrorContains(t, err, c.want, name)
	}
}

// Predicting the rows of the fit gives its fitted values, whatever functions the formula uses.
func TestPredictingTheSameRowsGivesTheFittedValues(t *testing.T) {
	f := growthFrame(t, simulateGrowth(21, 25, 4, 0.2))
	s := growthSpec()
	s.Fixed = "0 + role + poly(time, 2) + factor(time):x + role:scale(x) + I(x^2) + within(y):time + log(x + 10)"
	s.Random = "(1 | couple)"
	got := fit(t, f, s)
	res, err := got.Residuals()
	require.NoError(t, err)
	x, _ := f.Column("x")
	y, _ := f.Column("y")
	couple, _ := f.Column("couple")
	role, _ := f.Column("role")
	means := map[string][2]float64{}
	for r := range f.Rows() {
		k := couple.Label(r) + role.Label(r)
		means[k] = [2]float64{means[k][0] + y.Values[r], means[k][1] + 1}
	}
	within := make([]float64, f.Rows())
	for r := range within {
		k := means[couple.Label(r)+role.Label(r)]
		within[r] = y.Values[r] - k[0]/k[1]
	}
	data, err := f.With(frame.Numeric("within(y)", within))
	require.NoError(t, err)
	one := data.Take(res.Row[3:4]) // a single row knows neither the mean of scale() nor the levels
	p, err := got.Predict(one)
	require.NoError(t, err)
	assert.InDelta(t, res.Fitted[3], p[0].Mean, 1e-9)
	all, err := got.Predict(data)
	require.NoError(t, err)
	for i, r := range res.Row {
		assert.InDelta(t, res.Fitted[i], all[r].Mean, 1e-9)
	}
	_, err = got.Predict(f)
	assert.ErrorContains(t, err, `new data need a column named "within(y)"`)
	require.Len(t, x.Values, f.Rows())
}

// With a linear model and centred predictors a trajectory is intercept and slope.
func TestTrajectories(t *testing.T) {
	f := growthFrame(t, simulateGrowth(22, 60, 4, 0.2))
	s := growthSpec()
	s.Fixed = "0 + role + role:time"
	got := fit(t, f, s)
	tr, err := got.Trajectories([]float64{0, 2.5})
	require.NoError(t, err)
	require.Len(t, tr, 2)
	for i, role := range []string{"h", "w"} {
		assert.Equal(t, role, tr[i].Role)
		at0, at2 := tr[i].Points[0], tr[i].Points[1]
		assert.InDelta(t, got.Beta[i], at0.Mean, 1e-9)
		assert.InEpsilon(t, got.Parameters[i].SE, at0.SE, 1e-9)
		assert.InEpsilon(t, got.Parameters[i].DF, at0.DF, 1e-9)
		assert.InDelta(t, got.Beta[i]+2.5*got.Beta[2+i], at2.Mean, 1e-9)
	}
	s.Fixed, s.Role, s.Person, s.Residual.Variance, s.Random = "poly(time, 2) * x + I(time^3)", "", "role", "", "(1 | couple)"
	got = fit(t, f, s)
	tr, err = got.Trajectories([]float64{0, 1, 2, 3})
	require.NoError(t, err)
	require.Len(t, tr, 1)
	x, _ := f.Column("x")
	mean := 0.0
	for _, v := range x.Values {
		mean += v / float64(f.Rows())
	}
	data := newFrame(t, frame.Numeric("time", []float64{0, 1, 2, 3}), frame.Numeric("x", []float64{mean, mean, mean, mean}))
	want, err := got.Predict(data)
	require.NoError(t, err)
	for i := range want {
		assert.InDelta(t, want[i].Mean, tr[0].Points[i].Mean, 1e-9)
		assert.InEpsilon(t, want[i].SE, tr[0].Points[i].SE, 1e-6)
	}
	s.Fixed = "within(time) + x"
	_, err = fit(t, f, s).Trajectories([]float64{0})
	assert.ErrorContains(t, err, "set time in within(time)")
}

// lme4 interpolates the profile by splines, which leaves the third digit or so open.
func TestProfileIntervalsAgreeWithLme4(t *testing.T) {
	r, f := readSmallSample(t)
	got, err := fit(t, f, smallSpec("")).Profile(context.Background())
	require.NoError(t, err)
	names := map[string]string{"sd(couple, (Intercept))": ".sig01", "sd(couple, time)": ".sig03", "sd(residual)": ".sigma"}
	assert.Len(t, got, 9+3)
	for _, in := range got {
		name := in.Name
		if n, ok := names[name]; ok {
			name = n
		}
		want, ok := r.ML.Profile[name]
		require.True(t, ok, name)
		width := want[1] - want[0]
		assert.InDelta(t, want[0], in.Lower, 2e-3*width, in.Name)
		assert.InDelta(t, want[1], in.Upper, 2e-3*width, in.Name)
	}
}

func TestContrastsRefused(t *testing.T) {
	_, f := readSmallSample(t)
	r := fit(t, f, smallSpec(""))
	_, err := r.Contrast("short", []float64{1})
	assert.ErrorContains(t, err, `contrast "short" has 1 weights; expected one for each of the 9 fixed effects (Intercept), rolew`)
	_, err = r.Contrast("none", make([]float64, 9))
	assert.ErrorContains(t, err, "has no weight")
	_, err = r.Test("none", nil)
	assert.ErrorContains(t, err, "has no weight")
}
