package mixed_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"
	"pgregory.net/rapid"

	"asem/analysis/frame"
	"asem/analysis/mixed"
)

// truthOf takes a fit's estimates for the truth.
func truthOf(t testing.TB, m *mixed.Model, f *mixed.Fit) *mixed.Truth {
	var components []float64
	for _, c := range f.Components() {
		components = append(components, c.Value)
	}
	truth, err := m.Truth(f.Beta, components)
	require.NoError(t, err)
	return truth
}

// What is drawn from a truth is estimated as that truth: growth of both partners, and a diary with serial residuals of partners that
// correlate. With 4,000 couples estimates lie within some standard errors.
func TestOutcomesComeFromTheTruth(t *testing.T) {
	specs := map[string]mixed.Spec{"growth": growthOnly()}
	serial := growthOnly()
	serial.Random, serial.Residual = "(1 | couple)", mixed.Residual{Variance: mixed.VarianceByRole, CrossPartner: true, Serial: mixed.SerialAR1}
	specs["serial"] = serial
	alike := growthOnly()
	alike.Random, alike.Residual.Variance, alike.Fixed = "(1 | exchangeable(couple))", mixed.VarianceCommon, "time"
	specs["exchangeable"] = alike
	for name, spec := range specs {
		m, err := mixed.New(growthFrame(t, simulateGrowth(3, 4000, 4, 0.2)), spec)
		require.NoError(t, err, name)
		before, err := m.Fit(context.Background())
		require.NoError(t, err, name)
		require.NoError(t, before.Err(), name)
		truth := truthOf(t, m, before)
		rng := rand.New(rand.NewPCG(7, 7))
		y := make([]float64, 4000*8)
		for i := range y {
			y[i] = math.NaN()
		}
		drawn := m.Outcomes(truth, m.Draw(truth, rng))
		y = y[:growthFrame(t, simulateGrowth(3, 4000, 4, 0.2)).Rows()]
		for i := range drawn {
			y[m.Row(i)] = drawn[i]
		}
		again, err := m.WithOutcome(y)
		require.NoError(t, err, name)
		after, err := again.Fit(context.Background())
		require.NoError(t, err, name)
		require.NoError(t, after.Err(), name)
		for i, p := range after.Parameters {
			assert.InDelta(t, before.Beta[i], p.Estimate, 4*p.SE, "%s: %s", name, p.Name)
		}
		for i, c := range after.Components() {
			assert.InDelta(t, before.Components()[i].Value, c.Value, 0.1, "%s: %s", name, c.Name)
		}
	}
}

// A model with another outcome is the model of the frame with that outcome, whichever rows lose theirs.
func TestWithOutcomeIsNew(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		spec := growthOnly()
		if rapid.Bool().Draw(r, "exchangeable") {
			spec.Random = "(1 | exchangeable(couple))"
		}
		f := growthFrame(t, simulateGrowth(rapid.Uint64Range(1, 50).Draw(r, "seed"), 40, 3, 0.1))
		m, err := mixed.New(f, spec)
		require.NoError(r, err)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "lost"), 1))
		share := rapid.Float64Range(0, 0.4).Draw(r, "share")
		old, _ := f.Column("y")
		y := make([]float64, f.Rows())
		for i := range y {
			if y[i] = old.Values[i] + rng.NormFloat64(); rng.Float64() < share {
				y[i] = math.NaN()
			}
		}
		got, err := m.WithOutcome(y)
		require.NoError(r, err)
		g, err := f.Replace(frame.Numeric("y", y))
		require.NoError(r, err)
		want, err := mixed.New(g, spec)
		require.NoError(r, err)
		a, err := got.Fit(context.Background())
		require.NoError(r, err)
		b, err := want.Fit(context.Background())
		require.NoError(r, err)
		assert.InDeltaSlice(r, b.Beta, a.Beta, 1e-7) // which partner has plus in a half difference may change when rows are lost
		assert.InDelta(r, b.LogLik, a.LogLik, 1e-7)
		assert.Equal(r, b.Missing, a.Missing)
		assert.Equal(r, b.Couples, a.Couples)
		assert.Equal(r, b.Rows, a.Rows)
		for i := range b.Rows {
			assert.Equal(r, want.Row(i), got.Row(i))
		}
	})
}

// The covariance of drawn outcomes is V: here of two partners whose slopes are perfectly correlated, which only a singular G has.
func TestDrawsHaveTheirCovariance(t *testing.T) {
	n := 20_000
	var couple, role []string
	var time, y []float64
	for c := range n {
		for i, r := range []string{"h", "w"} {
			couple, role, time, y = append(couple, fmt.Sprint(c)), append(role, r), append(time, 2), append(y, float64(c%7)+float64(i*c%3))
		}
	}
	f := newFrame(t, frame.Categorical("couple", couple), frame.Categorical("role", role), frame.Numeric("time", time), frame.Numeric("y", y))
	m, err := mixed.New(f, mixed.Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "0 + role", Random: "(0 + role:time | couple)",
		Residual: mixed.Residual{Variance: mixed.VarianceByRole, CrossPartner: true}})
	require.NoError(t, err)
	assert.Equal(t, []string{"sd(couple, roleh:time)", "sd(couple, rolew:time)", "cor(couple, roleh:time, rolew:time)", "sd(residual, h)", "sd(residual, w)", "cor(partners)"}, m.ComponentNames())
	truth, err := m.Truth([]float64{1, 2}, []float64{0.5, 0.25, 1, 1, 2, -0.5})
	require.NoError(t, err)
	drawn := m.Outcomes(truth, m.Draw(truth, rand.New(rand.NewPCG(1, 1))))
	h, w := make([]float64, n), make([]float64, n)
	for c := range n {
		h[c], w[c] = drawn[2*c], drawn[2*c+1]
	}
	// V = [4*0.25+1, 4*0.125-1; 4*0.0625+4]
	assert.InDelta(t, 1, stat.Mean(h, nil), 0.05)
	assert.InDelta(t, 2, stat.Mean(w, nil), 0.07)
	assert.InDelta(t, 2, stat.Variance(h, nil), 0.08)
	assert.InDelta(t, 4.25, stat.Variance(w, nil), 0.17)
	assert.InDelta(t, -0.5, stat.Covariance(h, w, nil), 0.09)
}

func TestTruthsRefused(t *testing.T) {
	m, err := mixed.New(growthFrame(t, simulateGrowth(1, 30, 3, 0)), growthOnly())
	require.NoError(t, err)
	beta, names := make([]float64, len(m.Names())), m.ComponentNames()
	ok := make([]float64, len(names))
	for i := range ok {
		ok[i] = 0.5
		if names[i][:3] == "cor" {
			ok[i] = 0.1
		}
	}
	_, err = m.Truth(beta, ok)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change map[string]float64
		want   string
	}{
		"a negative deviation":        {map[string]float64{names[0]: -0.1}, "is -0.1; expected a standard deviation of 0 or more"},
		"no residual deviation":       {map[string]float64{"sd(residual, h)": 0}, "greater than 0"},
		"a correlation above one":     {map[string]float64{"cor(partners)": 1.2}, "between -1 and 1"},
		"no number":                   {map[string]float64{names[0]: math.NaN()}, "is NaN"},
		"correlations that cannot be": {map[string]float64{names[4]: 0.95, names[5]: 0.95}, "no variables can have together"}, // the third of them is 0.1
	} {
		values := append([]float64(nil), ok...)
		for i, n := range names {
			if x, changed := c.change[n]; changed {
				values[i] = x
			}
		}
		_, err := m.Truth(beta, values)
		var bad *mixed.SpecError
		require.ErrorAs(t, err, &bad, name)
		assert.ErrorContains(t, err, c.want, name)
	}
}

// Residuals that fade with time do so in the units of the time column, whatever the engine counts in.
func TestDrawnResidualsFadeInUnitsOfTime(t *testing.T) {
	const couples = 4000
	var couple, time, y []float64
	for c := range couples {
		for _, at := range []float64{0, 30, 90} {
			couple, time, y = append(couple, float64(c)), append(time, at), append(y, at)
		}
	}
	f, err := frame.New(frame.Numeric("couple", couple), frame.Numeric("time", time), frame.Numeric("y", y))
	require.NoError(t, err)
	m, err := mixed.New(f, mixed.Spec{Outcome: "y", Couple: "couple", Time: "time", Fixed: "1", Residual: mixed.Residual{Serial: mixed.SerialCAR1}})
	require.NoError(t, err)
	truth, err := m.Truth([]float64{0}, []float64{2, 60})
	require.NoError(t, err)
	e := m.Outcomes(truth, m.Draw(truth, rand.New(rand.NewPCG(7, 7))))
	cor := func(a, b int) float64 {
		var x, z []float64
		for c := range couples {
			x, z = append(x, e[3*c+a]), append(z, e[3*c+b])
		}
		return stat.Correlation(x, z, nil)
	}
	assert.InDelta(t, math.Exp(-30.0/60), cor(0, 1), 0.04) // three standard errors of a correlation of 4,000 pairs
	assert.InDelta(t, math.Exp(-90.0/60), cor(0, 2), 0.05)
}
