package mixed_test

import (
	"context"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/mixed"
)

// Whatever the covariance structure, everything that can be asked of a fit has an answer of finite numbers that fits the
// rest, also when many ask at once.
func TestEverythingAfterAFit(t *testing.T) {
	f := growthFrame(t, simulateGrowth(41, 40, 4, 0.2))
	for name, c := range map[string]mixed.Spec{
		"no random effects":  {Role: "role", Fixed: "role * time + x", Residual: mixed.Residual{CrossPartner: true, Serial: mixed.SerialAR1}},
		"couple and person":  {Role: "role", Fixed: "0 + role + time + x", Random: "(1 | couple/role)"},
		"uncorrelated":       {Role: "role", Fixed: "role * time", Random: "(1 + time || couple)", Residual: mixed.Residual{Variance: mixed.VarianceByRole}},
		"exchangeable":       {Person: "role", Fixed: "time + x + partner(x)", Random: "(1 + time | couple)", Residual: mixed.Residual{CrossPartner: true}},
		"continuous-time AR": {Role: "role", Fixed: "role * time", Random: "(1 | couple)", Residual: mixed.Residual{Variance: mixed.VarianceByRole, CrossPartner: true, Serial: mixed.SerialCAR1}},
		"Kenward-Roger":      {Role: "role", Fixed: "role * time", Random: "(1 | couple)", Residual: mixed.Residual{Variance: mixed.VarianceByRole, Serial: mixed.SerialAR1}, DF: mixed.DFKenwardRoger},
	} {
		t.Run(name, func(t *testing.T) {
			s := c
			s.Outcome, s.Couple, s.Time = "y", "couple", "time"
			got := fit(t, f, s)
			var wait sync.WaitGroup
			for range 2 {
				wait.Go(func() { askEverything(t, got) })
			}
			wait.Wait()
		})
	}
}

func askEverything(t *testing.T, f *mixed.Fit) {
	finite := func(what string, xs ...float64) {
		for _, x := range xs {
			assert.False(t, math.IsNaN(x) || math.IsInf(x, 0), "%s is %v", what, x)
		}
	}
	for _, kind := range []mixed.Sandwich{mixed.CR0, mixed.CR2} {
		r, err := f.Robust(kind)
		assert.NoError(t, err)
		for i, p := range r.Parameters {
			finite("robust "+p.Name, p.SE, p.DF, p.P)
			assert.Equal(t, f.Beta[i], p.Estimate)
			assert.True(t, p.DF > 1 && p.DF <= float64(f.Rows))
		}
	}
	tests, err := f.TypeIII()
	assert.NoError(t, err)
	for _, x := range tests {
		finite("test of "+x.Name, x.Statistic, x.DenDF, x.P)
		assert.True(t, x.P >= 0 && x.P <= 1 && x.DenDF > 1)
	}
	res, err := f.Residuals()
	assert.NoError(t, err)
	finite("residual", res.Marginal...)
	finite("whitened residual", res.Whitened...)
	ss := 0.0
	for _, w := range res.Whitened {
		ss += w * w
	}
	assert.InEpsilon(t, f.Rows-len(f.Beta), ss, 1e-4, "at the REML estimates r'V^-1 r = n - p")
	effects, err := f.GroupEffects()
	assert.NoError(t, err)
	for i, term := range effects {
		sum := make([]float64, len(f.Random[i].Names))
		for _, e := range term {
			finite("effect", append(append([]float64(nil), e.Values...), e.SE...)...)
			assert.NotEmpty(t, e.Couple)
			for k, v := range e.Values {
				sum[k] += v
				assert.LessOrEqual(t, e.SE[k], f.Random[i].SD()[k]*(1+1e-9), "an effect is not less certain than before the data")
			}
		}
	}
	influence, err := f.Influence()
	assert.NoError(t, err)
	leverage := 0.0
	for _, in := range influence {
		finite("influence", append(in.Beta, in.CookD)...)
		leverage += in.Leverage
	}
	assert.InDelta(t, len(f.Beta), leverage, 1e-6)
	e, err := f.Explained()
	assert.NoError(t, err)
	assert.True(t, 0 < e.Marginal && e.Marginal <= e.Conditional && e.Conditional < 1)
	tr, err := f.Trajectories([]float64{0, 1.5, 3})
	assert.NoError(t, err)
	for _, x := range tr {
		for _, p := range x.Points {
			finite("point", p.Mean, p.SE, p.Lower, p.Upper)
		}
	}
	curves, err := f.Curves([]float64{0, 1.5, 3})
	assert.NoError(t, err)
	for _, x := range curves {
		for _, p := range x.Points {
			finite("point of a curve", p.Mean, p.SE, p.Lower, p.Upper)
		}
	}
	intervals, err := f.Profile(context.Background())
	assert.NoError(t, err)
	for _, in := range intervals {
		finite("interval of "+in.Name, in.Estimate)
		assert.True(t, in.Lower <= in.Estimate && in.Estimate <= in.Upper, "%+v", in)
	}
	b, err := f.Bootstrap(context.Background(), mixed.BootstrapOptions{Samples: 8, Seed: 2, Resampling: mixed.Parametric})
	assert.NoError(t, err)
	assert.Equal(t, 8, b.Samples+b.Failed)
}

// Tests do not depend on the units and origins of predictors.
func TestTypeIIIDoesNotDependOnUnits(t *testing.T) {
	rows := simulateGrowth(42, 40, 3, 0.1)
	s := growthSpec()
	s.Fixed, s.Random = "role * x + time", "(1 | couple)"
	ask := func() []mixed.Test {
		tests, err := fit(t, growthFrame(t, rows), s).TypeIII()
		require.NoError(t, err)
		return tests
	}
	want := ask()
	for i := range rows {
		rows[i].x *= 1e9
		rows[i].time = 1.6e9 + 3e6*rows[i].time
	}
	got := ask()
	require.Len(t, got, len(want))
	for i := range want {
		assert.Equal(t, want[i].Name, got[i].Name)
		assert.InEpsilon(t, want[i].Statistic, got[i].Statistic, 1e-5, want[i].Name)
		assert.InEpsilon(t, want[i].DenDF, got[i].DenDF, 1e-4, want[i].Name)
	}
}

// A fit that may not be reported answers nothing.
func TestNothingAfterAFitThatFailed(t *testing.T) {
	m, err := mixed.New(growthFrame(t, simulateGrowth(10, 80, 2, 0)), growthSpec())
	require.NoError(t, err)
	f, err := m.Fit(context.Background())
	require.NoError(t, err)
	require.Error(t, f.Err())
	var bad *mixed.NotConvergedError
	for name, ask := range map[string]func() error{
		"contrast":     func() error { _, err := f.Contrast("", make([]float64, len(f.Names))); return err },
		"type III":     func() error { _, err := f.TypeIII(); return err },
		"robust":       func() error { _, err := f.Robust(mixed.CR2); return err },
		"residuals":    func() error { _, err := f.Residuals(); return err },
		"influence":    func() error { _, err := f.Influence(); return err },
		"R2":           func() error { _, err := f.Explained(); return err },
		"trajectories": func() error { _, err := f.Trajectories([]float64{1}); return err },
		"curves":       func() error { _, err := f.Curves([]float64{1}); return err },
		"profile":      func() error { _, err := f.Profile(context.Background()); return err },
		"bootstrap":    func() error { _, err := f.Bootstrap(context.Background(), mixed.BootstrapOptions{}); return err },
		"comparison":   func() error { _, err := mixed.LikelihoodRatio(context.Background(), f, f); return err },
	} {
		assert.ErrorAs(t, ask(), &bad, name)
	}
}

// Where a fit begins does not matter, only how long it takes.
func TestFitFromAnEarlierFit(t *testing.T) {
	ctx := context.Background()
	rows := simulateGrowth(51, 60, 4, 0.2)
	earlier := fit(t, growthFrame(t, rows[:len(rows)-9]), growthSpec())
	for i := range rows { // in other units, too
		rows[i].y *= 10
	}
	m, err := mixed.New(growthFrame(t, rows), growthSpec())
	require.NoError(t, err)
	cold, err := m.Fit(ctx)
	require.NoError(t, err)
	warm, err := m.FitFrom(ctx, earlier)
	require.NoError(t, err)
	require.NoError(t, warm.Err())
	assert.InDelta(t, cold.LogLik, warm.LogLik, 1e-8)
	for i, p := range cold.Parameters {
		assert.InEpsilon(t, p.Estimate, warm.Parameters[i].Estimate, 1e-6)
		assert.InEpsilon(t, p.SE, warm.Parameters[i].SE, 1e-5)
		assert.InEpsilon(t, p.DF, warm.Parameters[i].DF, 1e-4)
	}
	s := growthSpec()
	s.Random = "(1 | couple)"
	_, err = m.FitFrom(ctx, fit(t, growthFrame(t, rows), s))
	assert.ErrorContains(t, err, "other covariance parameters")
}
