package mixed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"

	"asem/analysis/frame"
)

// drawn is a frame of couples on some occasions, with a share of the rows missing.
func drawn(rng *rand.Rand, couples, occasions int, drop float64, time func(k int) float64) *frame.Frame {
	var couple, times, x, y []float64
	var role []string
	for c := range couples {
		level, slope := rng.NormFloat64(), 0.4*rng.NormFloat64()
		for k := range occasions {
			e := 0.3 * rng.NormFloat64()
			for _, r := range []string{"h", "w"} {
				v := level + slope*float64(k) + e + 0.7*rng.NormFloat64()
				if rng.Float64() < drop {
					continue
				}
				couple, role, times = append(couple, float64(c)), append(role, r), append(times, time(k))
				x, y = append(x, rng.NormFloat64()), append(y, v)
			}
		}
	}
	f, err := frame.New(frame.Numeric("couple", couple), frame.Categorical("role", role), frame.Numeric("time", times), frame.Numeric("x", x), frame.Numeric("y", y))
	if err != nil {
		panic(err)
	}
	return f
}

func plain(k int) float64 { return float64(k) }

// On a ridge of equal likelihood a search comes to rest wherever it began and rounding led it, on the boundary or off it. What is said of the
// model must not depend on that.
func TestARidgeIsNamedWhereverTheSearchEnds(t *testing.T) {
	oneOccasion := Spec{Fixed: "0 + role", Random: "(0 + role | couple)", Residual: Residual{Variance: VarianceByRole}}
	for name, c := range map[string]struct {
		couples, occasions int
		spec               Spec
		want               string
	}{
		"three couples, one occasion": {3, 1, oneOccasion, "the data cannot tell these apart: variance of roleh in couple, covariance of rolew and roleh in couple, variance of rolew in couple, residual variance of h, residual variance of w; leave one of them out"},
		"one occasion":                {20, 1, oneOccasion, "the data cannot tell these apart: variance of roleh in couple, covariance of rolew and roleh in couple, variance of rolew in couple, residual variance of h, residual variance of w; leave one of them out"},
		"one occasion, correlated":    {20, 1, Spec{Fixed: "role", Random: "(1 | couple)", Residual: Residual{CrossPartner: true}}, "the data cannot tell these apart: variance of (Intercept) in couple, residual variance, residual correlation of partners; leave one of them out"},
		"one row a couple":            {20, 1, Spec{Fixed: "1", Random: "(1 | couple/role)", Role: "role"}, "cannot tell these apart: variance of (Intercept) in couple:role, residual variance"},
		"two waves, two slopes":       {40, 2, Spec{Fixed: "0 + role + role:time", Random: "(0 + role + role:time | couple)", Residual: Residual{Variance: VarianceByRole}}, "cannot tell these apart"},
		"effects that are fixed, too": {10, 4, Spec{Fixed: "factor(couple) + role", Random: "(1 | couple)"}, "cannot tell these apart: variance of (Intercept) in couple; leave"},
		"no serial pairs":             {20, 1, Spec{Fixed: "role", Random: "(1 | couple)", Residual: Residual{Serial: SerialCAR1}}, "cannot tell these apart: serial correlation"},
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(5, 5))
			f := drawn(rng, c.couples, c.occasions, 0, plain)
			s := c.spec
			s.Outcome, s.Couple, s.Role, s.Time = "y", "couple", "role", "time"
			y, _ := f.Column("y")
			said := map[string]int{}
			for i := range 60 {
				v := append([]float64(nil), y.Values...)
				if name == "three couples, one occasion" {
					v = []float64{1, 2, 3, 5, 2, 2.5}
				}
				for r := range v { // as other orders of summation, other processors, would
					v[r] *= 1 + 1e-13*rng.NormFloat64()
				}
				g, err := f.With(frame.Numeric("y2", v))
				require.NoError(t, err)
				s.Outcome = "y2"
				m, err := New(g, s)
				require.NoError(t, err)
				theta := m.start(0.5)
				for k := range theta {
					if i > 5 {
						theta[k] += 0.6 * rng.NormFloat64()
					}
				}
				r, err := m.fitFrom(context.Background(), theta)
				require.NoError(t, err)
				require.ErrorContains(t, r.Err(), c.want)
				said[r.Reason]++
			}
			assert.Len(t, said, 1, "%v", said)
		})
	}
}

// Parameters can be told apart if and only if V changes in independent ways with them.
func TestIdentificationIsTheRankOfTheDerivatives(t *testing.T) {
	randoms := []string{"", "(1 | couple)", "(1 + time | couple)", "(1 + time || couple)", "(0 + role | couple)", "(0 + role + role:time | couple)", "(1 | couple/role)",
		"(1 | couple) + (1 + time | couple:role)", "(1 + time | exchangeable(couple))", "(1 + x | couple)", "(0 + factor(time) | couple)"}
	flat, full := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		f := drawn(rng, rapid.IntRange(6, 14).Draw(t, "couples"), rapid.IntRange(1, 5).Draw(t, "occasions"), rapid.SampledFrom([]float64{0, 0.3}).Draw(t, "drop"), plain)
		s := Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "1", Method: ML, Random: rapid.SampledFrom(randoms).Draw(t, "random"),
			Residual: Residual{Variance: rapid.SampledFrom([]Variance{VarianceCommon, VarianceByRole}).Draw(t, "variance"), CrossPartner: rapid.Bool().Draw(t, "cross"),
				Serial: rapid.SampledFrom([]Serial{SerialNone, SerialAR1, SerialCAR1}).Draw(t, "serial")}}
		m, err := New(f, s)
		var refused *DataError
		if errors.As(err, &refused) { // too few data for the model: anything else is a mistake
			t.Skip(err)
		}
		require.NoError(t, err)
		theta, w := m.inside(), m.NewWorkspace()
		for i := range theta {
			theta[i] += 0.1 * rng.NormFloat64()
		}
		k := m.Params()
		var rows []float64
		n := 0
		for _, pat := range m.stats.patterns {
			nn := pat.layout.n * pat.layout.n
			block := make([]float64, nn*k)
			for a := range k {
				m.cov.derivative(pat.layout, theta, a, w.v, w)
				for i := range nn {
					block[i*k+a] = w.v[i]
				}
			}
			rows, n = append(rows, block...), n+nn
		}
		jacobian := mat.NewDense(n, k, rows)
		for a := range k {
			if c := mat.Norm(jacobian.ColView(a), 2); c > 0 {
				for i := range n {
					jacobian.Set(i, a, jacobian.At(i, a)/c)
				}
			}
		}
		var svd mat.SVD
		require.True(t, svd.Factorize(jacobian, mat.SVDNone))
		values := svd.Values(nil)
		deficient := n < k || values[len(values)-1] < 1e-10
		all := make([]int, k)
		for i := range all {
			all[i] = i
		}
		condition, along := flatness(m.expectedAt(m.inside(), m.NewWorkspace()), all)
		require.Equal(t, deficient, len(along) > 0, "%+v: smallest singular value %v, condition %v", s, values[len(values)-1], condition)
		if deficient {
			flat++
		} else {
			full++
		}
	})
	assert.Positive(t, flat)
	assert.Positive(t, full)
}

// The restricted information is what the score varies by: 1/2 tr(P V_k P V_l), with P over all couples at once.
func TestRestrictedInformation(t *testing.T) {
	for name, m := range curvatureModels(t) {
		if m.spec.Method != REML {
			continue
		}
		theta, w := m.inside(), m.NewWorkspace()
		require.False(t, math.IsInf(m.LogLik(theta, nil, w), -1), name)
		got := m.restricted(theta, w)
		n, k, p := m.stats.n, m.Params(), m.stats.p
		v, x := mat.NewSymDense(n, nil), mat.NewDense(n, p, m.design.x)
		dv := make([]*mat.Dense, k)
		for a := range k {
			dv[a] = mat.NewDense(n, n, nil)
		}
		for i, l := range m.layouts(m.design) {
			lo := m.design.bounds[i]
			for a := -1; a < k; a++ {
				if a < 0 {
					m.cov.fill(l, theta, w.v, w)
				} else {
					m.cov.derivative(l, theta, a, w.v, w)
				}
				for j := range l.n {
					for c := range l.n {
						if y := w.v[j*l.n+c]; a >= 0 {
							dv[a].Set(lo+j, lo+c, y)
						} else {
							v.SetSym(lo+j, lo+c, y)
						}
					}
				}
			}
		}
		var inv, wx, xwx, c, wxc, pm mat.Dense
		require.NoError(t, inv.Inverse(v))
		wx.Mul(&inv, x)
		xwx.Mul(x.T(), &wx)
		require.NoError(t, c.Inverse(&xwx))
		wxc.Mul(&wx, &c)
		pm.Mul(&wxc, wx.T())
		pm.Sub(&inv, &pm)
		for a := range k {
			var pa mat.Dense
			pa.Mul(&pm, dv[a])
			for b := range a + 1 {
				var pb mat.Dense
				pb.Mul(&pm, dv[b])
				want := traceOfProduct(&pa, &pb) / 2
				assert.InDelta(t, want, got.At(a, b), 1e-8*math.Sqrt(got.At(a, a)*got.At(b, b)), "%s %d %d", name, a, b)
			}
		}
	}
}

// The origin and the unit of time change how the effects are written, and nothing else: years of the calendar, days, seconds since 1970.
func TestOriginAndUnitOfTimeDoNotMatter(t *testing.T) {
	for _, random := range []string{"(1 + time | couple)", "(0 + role + role:time | couple)", "(1 + time | exchangeable(couple))", "(1 + time + I(time^2) | couple)"} {
		for _, serial := range []Serial{SerialNone, SerialCAR1} {
			var want *Fit
			var at0 []Spread
			for _, c := range []struct{ origin, unit float64 }{{0, 1}, {2020, 1}, {-20, 0.25}, {738_000, 30}, {1.7e9, 2.6e6}} {
				t.Run(fmt.Sprintf("%s %s from %v by %v", random, serial, c.origin, c.unit), func(t *testing.T) {
					f := drawn(rand.New(rand.NewPCG(8, 8)), 90, 5, 0.2, func(k int) float64 { return c.origin + c.unit*float64(k) })
					s := Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "role + x", Random: random, Method: ML, Residual: Residual{CrossPartner: true, Serial: serial}}
					m, err := New(f, s)
					require.NoError(t, err)
					r, err := m.Fit(context.Background())
					require.NoError(t, err)
					require.NoError(t, r.Err())
					e, err := r.Explained()
					require.NoError(t, err)
					effects, err := r.GroupEffects()
					require.NoError(t, err)
					var here []Spread // the effect at the first occasion, and its error
					for _, g := range effects[0][:5] {
						here = append(here, Spread{Estimate: g.Values[0] + c.origin*g.Values[1]})
					}
					if want == nil {
						want, at0 = r, here
						return
					}
					assert.InDelta(t, want.LogLik, r.LogLik, 1e-6)
					assert.Equal(t, want.Boundary, r.Boundary)
					assert.InEpsilon(t, want.Condition, r.Condition, 1e-2)
					for i, p := range want.Parameters {
						assert.InEpsilon(t, p.Estimate, r.Parameters[i].Estimate, 1e-4)
						assert.InEpsilon(t, p.SE, r.Parameters[i].SE, 1e-5)
						assert.InEpsilon(t, p.DF, r.Parameters[i].DF, 1e-2)
					}
					if serial == SerialCAR1 && want.Residual.Tau > 1e-3 {
						assert.InEpsilon(t, want.Residual.Tau, r.Residual.Tau/c.unit, 1e-2)
					}
					if random == "(1 + time | couple)" {
						assert.InEpsilon(t, want.Random[0].G.At(1, 1), r.Random[0].G.At(1, 1)*c.unit*c.unit, 1e-3)
						for i := range here {
							assert.InDelta(t, at0[i].Estimate, here[i].Estimate, 1e-4)
						}
					}
					old, err := want.Explained()
					require.NoError(t, err)
					assert.InEpsilon(t, old.Conditional, e.Conditional, 1e-5)
				})
			}
		}
	}
}

// Turning the random effects changes theta and nothing that is seen.
func TestTurnedModels(t *testing.T) {
	f := drawn(rand.New(rand.NewPCG(9, 9)), 30, 4, 0.2, plain)
	m, err := New(f, Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "role * time", Random: "(role * time | couple)"})
	require.NoError(t, err)
	theta := m.inside()
	want := m.LogLik(theta, nil, m.NewWorkspace())
	for _, turn := range [][]float64{reflection([]float64{1, -2, 0.5, 3}), reflection([]float64{2, 0, 0, 0}), permutation([]int{2, 0, 3, 1})} {
		turned, there := m.turned(0, turn), m.cov.turn(theta, 0, turn)
		assert.InDelta(t, want, turned.LogLik(there, nil, turned.NewWorkspace()), 1e-9)
		g, h := m.g(0, theta), turned.g(0, there)
		assert.InDeltaSlice(t, g, h, 1e-12)
	}
	x := []float64{1, -2, 0.5, 3}
	assert.InDelta(t, norm(x), timesRight(x, transpose(reflection(x), 4), 4)[0], 1e-12)
}
