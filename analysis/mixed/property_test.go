package mixed_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/analysis/frame"
	"asem/analysis/mixed"
)

// growthRow is one observation of simulated dyadic growth.
type growthRow struct {
	couple string
	role   string
	time   float64
	x, y   float64
}

// simulateGrowth draws couples from the dyadic growth model with known parameters; drop is the share of rows that are missing.
func simulateGrowth(seed uint64, couples, waves int, drop float64) []growthRow {
	r := rand.New(rand.NewPCG(seed, 1))
	var rows []growthRow
	for c := range couples {
		shared, slope := r.NormFloat64(), 0.15*r.NormFloat64()
		x := [2]float64{r.NormFloat64(), r.NormFloat64()}
		own := [2]float64{0.8 * r.NormFloat64(), 0.8 * r.NormFloat64()}
		ownSlope := [2]float64{0.2 * r.NormFloat64(), 0.2 * r.NormFloat64()}
		for t := range waves {
			e := r.NormFloat64()
			for i, role := range []string{"h", "w"} {
				y := 3 + float64(i) + 0.3*x[i] + 0.2*x[1-i] + shared + own[i] + (0.1+slope+ownSlope[i])*float64(t) + 0.4*e + 0.5*(1+0.3*float64(i))*r.NormFloat64()
				if r.Float64() >= drop {
					rows = append(rows, growthRow{fmt.Sprint("c", c), role, float64(t), x[i], y})
				}
			}
		}
	}
	return rows
}

func growthFrame(t testing.TB, rows []growthRow) *frame.Frame {
	var couple, role []string
	var time, x, y []float64
	for _, r := range rows {
		couple, role, time, x, y = append(couple, r.couple), append(role, r.role), append(time, r.time), append(x, r.x), append(y, r.y)
	}
	return newFrame(t, frame.Categorical("couple", couple), frame.Categorical("role", role), frame.Numeric("time", time), frame.Numeric("x", x), frame.Numeric("y", y))
}

func growthSpec() mixed.Spec {
	return mixed.Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "0 + role + role:time + role:x", Random: "(0 + role + role:time | couple)",
		Residual: mixed.Residual{Variance: mixed.VarianceByRole, CrossPartner: true}}
}

// The order of rows cannot be told from a fit, to the last bit.
func TestRowOrderDoesNotMatter(t *testing.T) {
	rows := simulateGrowth(1, 40, 4, 0.2)
	want := fit(t, growthFrame(t, rows), growthSpec())
	rand.New(rand.NewPCG(9, 9)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	got := fit(t, growthFrame(t, rows), growthSpec())
	assert.Equal(t, want.Parameters, got.Parameters)
	assert.Equal(t, want.LogLik, got.LogLik)
}

func TestNamesOfCouplesDoNotMatter(t *testing.T) {
	rows := simulateGrowth(2, 40, 4, 0.2)
	want := fit(t, growthFrame(t, rows), growthSpec())
	for i := range rows {
		var n int
		_, err := fmt.Sscanf(rows[i].couple, "c%d", &n)
		require.NoError(t, err)
		rows[i].couple = fmt.Sprintf("%x", (n*7919)%1009)
	}
	got := fit(t, growthFrame(t, rows), growthSpec())
	for i := range want.Parameters {
		assert.InEpsilon(t, want.Parameters[i].Estimate, got.Parameters[i].Estimate, 1e-6)
		assert.InEpsilon(t, want.Parameters[i].SE, got.Parameters[i].SE, 1e-6)
	}
}

// With exchangeable partners it does not matter who is called first.
func TestSwappingExchangeablePartnersDoesNotMatter(t *testing.T) {
	rows := simulateGrowth(3, 60, 4, 0.1)
	s := mixed.Spec{Outcome: "y", Couple: "couple", Person: "role", Time: "time", Fixed: "time + x + partner(x)", Random: "(1 + time | couple)", Residual: mixed.Residual{CrossPartner: true}}
	want := fit(t, growthFrame(t, rows), s)
	swap := map[string]string{"h": "w", "w": "h"}
	for i := range rows {
		if rows[i].couple[len(rows[i].couple)-1]%2 == 0 {
			rows[i].role = swap[rows[i].role]
		}
	}
	got := fit(t, growthFrame(t, rows), s)
	assert.InDelta(t, want.LogLik, got.LogLik, 1e-8)
	for i := range want.Parameters {
		assert.InEpsilon(t, want.Parameters[i].Estimate, got.Parameters[i].Estimate, 1e-5)
	}
}

// Time in other units or from another origin changes slopes and levels as it must, and the ML likelihood not at all.
func TestAffineChangesOfTimeDoNotMatter(t *testing.T) {
	rows := simulateGrowth(4, 80, 4, 0.2)
	s := growthSpec()
	s.Method = mixed.ML
	want := fit(t, growthFrame(t, rows), s)
	for i := range rows {
		rows[i].time = 100 + 30*rows[i].time
	}
	got := fit(t, growthFrame(t, rows), s)
	assert.InDelta(t, want.LogLik, got.LogLik, 1e-6)
	for i, p := range want.Parameters {
		if p.Name == "roleh:time" || p.Name == "rolew:time" {
			assert.InEpsilon(t, p.Estimate, 30*got.Parameters[i].Estimate, 1e-5, p.Name)
			assert.InEpsilon(t, p.Statistic, got.Parameters[i].Statistic, 1e-4, p.Name)
		}
	}
}

// REML does not depend on how the fixed effects are parameterised, but for the constant log|T|.
func TestReparameterisingFixedEffectsDoesNotMatter(t *testing.T) {
	f := growthFrame(t, simulateGrowth(5, 60, 4, 0.2))
	s := growthSpec()
	want := fit(t, f, s)
	s.Fixed = "role * time + role * x" // the same space: (1, w) is (h, w) times [1 1; 0 1], whose determinant is 1
	got := fit(t, f, s)
	assert.InDelta(t, want.LogLik, got.LogLik, 1e-6)
	assert.InEpsilon(t, want.Residual.Rho, got.Residual.Rho, 1e-5)
}

// The analytic score agrees with finite differences of the log-likelihood, for every covariance structure.
func TestScoreIsTheGradient(t *testing.T) {
	f := growthFrame(t, simulateGrowth(6, 15, 4, 0.25))
	randoms := []string{"", "(1 | couple)", "(1 + time || couple)", "(0 + role + role:time | couple)", "(1 | couple) + (1 + time | couple:role)"}
	rapid.Check(t, func(t *rapid.T) {
		s := mixed.Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "role * time + x", Random: rapid.SampledFrom(randoms).Draw(t, "random"),
			Method: rapid.SampledFrom([]mixed.Method{mixed.ML, mixed.REML}).Draw(t, "method"),
			Residual: mixed.Residual{Variance: rapid.SampledFrom([]mixed.Variance{mixed.VarianceCommon, mixed.VarianceByRole}).Draw(t, "variance"),
				CrossPartner: rapid.Bool().Draw(t, "cross"), Serial: rapid.SampledFrom([]mixed.Serial{mixed.SerialNone, mixed.SerialAR1, mixed.SerialCAR1}).Draw(t, "serial")}}
		m, err := mixed.New(f, s)
		if err != nil {
			t.Fatal(err)
		}
		w, k := m.NewWorkspace(), m.Params()
		theta := rapid.SliceOfN(rapid.Float64Range(-0.7, 0.7), k, k).Draw(t, "theta")
		score := make([]float64, k)
		if math.IsInf(m.LogLik(theta, score, w), 0) {
			t.Fatal("the likelihood is not finite")
		}
		for i := range theta {
			const h = 1e-5
			at := append([]float64(nil), theta...)
			at[i] = theta[i] + h
			up := m.LogLik(at, nil, w)
			at[i] = theta[i] - h
			num := (up - m.LogLik(at, nil, w)) / (2 * h)
			if math.Abs(num-score[i]) > 1e-5*(1+math.Abs(num)) {
				t.Fatalf("%+v, parameter %d: score %v, finite difference %v", s.Residual, i, score[i], num)
			}
		}
	})
}

// What cannot be fitted is refused with a reason or reported as such; nothing panics, and no result that passes for good holds a NaN.
func TestHostileFrames(t *testing.T) {
	base := simulateGrowth(7, 12, 3, 0)
	change := func(f func(i int, r *growthRow)) []growthRow {
		rows := append([]growthRow(nil), base...)
		for i := range rows {
			f(i, &rows[i])
		}
		return rows
	}
	for name, rows := range map[string][]growthRow{
		"one couple": base[:6],
		"two rows":   base[:2],
		"one wave": change(func(_ int, r *growthRow) {
			r.time = float64(r.couple[len(r.couple)-1])
			r.couple += fmt.Sprint(r.time, r.y)
		}),
		"a constant outcome":         change(func(_ int, r *growthRow) { r.y = 3 }),
		"a constant predictor":       change(func(_ int, r *growthRow) { r.x = 3 }),
		"a predictor equal to time":  change(func(_ int, r *growthRow) { r.x = r.time }),
		"huge values":                change(func(_ int, r *growthRow) { r.x *= 1e9; r.y = r.y*1e9 + 1e12 }),
		"tiny values":                change(func(_ int, r *growthRow) { r.x *= 1e-9; r.y *= 1e-9 }),
		"an infinite outcome":        change(func(i int, r *growthRow) { r.y += math.Inf(1) * float64(i%7/6) }),
		"all of one role missing":    change(func(_ int, r *growthRow) { r.y += map[string]float64{"h": math.NaN(), "w": 0}[r.role] }),
		"everything missing":         change(func(_ int, r *growthRow) { r.y = math.NaN() }),
		"single observations":        change(func(i int, r *growthRow) { r.couple = fmt.Sprint(i) }),
		"an outcome that is a line":  change(func(_ int, r *growthRow) { r.y = 1 + 2*r.time }),
		"nothing but couple effects": change(func(_ int, r *growthRow) { r.y = float64(len(r.couple)) + float64(r.couple[1]) }),
	} {
		t.Run(name, func(t *testing.T) {
			for _, random := range []string{"", "(1 | couple)", "(0 + role + role:time | couple)"} {
				for _, v := range []mixed.Variance{mixed.VarianceCommon, mixed.VarianceByRole} {
					s := growthSpec()
					s.Random, s.Residual.Variance = random, v
					m, err := mixed.New(growthFrame(t, rows), s)
					if err != nil {
						assert.NotEmpty(t, err.Error())
						continue
					}
					r, err := m.Fit(context.Background())
					require.NoError(t, err)
					if r.Err() != nil {
						assert.NotEmpty(t, r.Reason)
						continue
					}
					for _, p := range r.Parameters {
						for what, x := range map[string]float64{"estimate": p.Estimate, "se": p.SE, "df": p.DF, "t": p.Statistic, "p": p.P, "lower": p.Lower, "upper": p.Upper} {
							assert.False(t, math.IsNaN(x) || math.IsInf(x, 0), "%s of %s is %v in a result that passes for good (random %q, %s)", what, p.Name, x, random, v)
						}
					}
				}
			}
		})
	}
}

func TestFitCanBeCancelled(t *testing.T) {
	m, err := mixed.New(growthFrame(t, simulateGrowth(8, 30, 4, 0.1)), growthSpec())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = m.Fit(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestTooRichAModelNamesWhatCannotBeToldApart(t *testing.T) {
	rows := simulateGrowth(10, 80, 2, 0) // two waves: a random slope and a residual by role say the same
	s := growthSpec()
	m, err := mixed.New(growthFrame(t, rows), s)
	require.NoError(t, err)
	r, err := m.Fit(context.Background())
	require.NoError(t, err)
	require.Error(t, r.Err())
	assert.Contains(t, r.Reason, "cannot tell these apart")
}

func TestOneOccasionDoesNotTellPartnersVarianceFromResiduals(t *testing.T) {
	// A ridge of equal likelihood the search comes to rest on anywhere: there the observed information is singular
	// only up to what is left of the gradient.
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 3))
		var couple, y []float64
		var role []string
		for c := range 3 + rng.IntN(20) {
			shared := rng.NormFloat64()
			for _, r := range []string{"h", "w"} {
				couple, role, y = append(couple, float64(c)), append(role, r), append(y, shared+0.5*rng.NormFloat64())
			}
		}
		f, err := frame.New(frame.Numeric("couple", couple), frame.Categorical("role", role), frame.Numeric("y", y))
		require.NoError(t, err)
		m, err := mixed.New(f, mixed.Spec{Outcome: "y", Couple: "couple", Role: "role", Fixed: "0 + role", Random: "(0 + role | couple)", Residual: mixed.Residual{Variance: mixed.VarianceByRole}})
		require.NoError(t, err)
		r, err := m.Fit(context.Background())
		require.NoError(t, err)
		if len(r.Boundary) == 0 { // on the boundary it is called singular
			assert.ErrorContains(t, r.Err(), "cannot tell these apart", "seed %d", seed)
		}
	}
}
