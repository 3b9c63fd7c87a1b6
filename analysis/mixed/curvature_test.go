package mixed

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"

	"asem/analysis/frame"
)

// curvatureModels are models with every kind of parameter, on couples that miss rows.
func curvatureModels(t *testing.T) map[string]*Model {
	rng := rand.New(rand.NewPCG(7, 7))
	var couple, role []string
	var time, x, y []float64
	for c := range 25 {
		for w := range 5 {
			for _, r := range []string{"a", "b"} {
				if rng.Float64() < 0.2 {
					continue
				}
				couple, role = append(couple, fmt.Sprint(c)), append(role, r)
				time, x, y = append(time, float64(w)), append(x, rng.NormFloat64()), append(y, rng.NormFloat64()+float64(c%5))
			}
		}
	}
	f, err := frame.New(frame.Categorical("couple", couple), frame.Categorical("role", role), frame.Numeric("time", time), frame.Numeric("x", x), frame.Numeric("y", y))
	require.NoError(t, err)
	models := map[string]*Model{}
	for name, s := range map[string]Spec{
		"residuals alone":           {Fixed: "role * time", Residual: Residual{Variance: VarianceByRole, CrossPartner: true, Serial: SerialAR1}},
		"continuous time":           {Fixed: "x", Random: "(1 | couple/role)", Residual: Residual{CrossPartner: true, Serial: SerialCAR1}},
		"growth":                    {Fixed: "0 + role + role:time + x", Random: "(0 + role + role:time | couple)", Residual: Residual{Variance: VarianceByRole, CrossPartner: true}},
		"without correlations":      {Fixed: "role", Random: "(0 + role + time || couple)", Residual: Residual{Variance: VarianceByRole}},
		"growth with serial errors": {Fixed: "role + time", Random: "(role | couple)", Residual: Residual{Variance: VarianceByRole, CrossPartner: true, Serial: SerialAR1}},
	} {
		for _, method := range []Method{ML, REML} {
			s.Outcome, s.Couple, s.Role, s.Time, s.Method = "y", "couple", "role", "time", method
			m, err := New(f, s)
			require.NoError(t, err)
			models[name+" "+string(method)] = m
		}
	}
	return models
}

// The observed information is the derivative of the score, and the slopes are those of X'WX.
func TestCurvatureIsTheDerivativeOfTheScore(t *testing.T) {
	for name, m := range curvatureModels(t) {
		rng := rand.New(rand.NewPCG(3, 3))
		k, p := m.Params(), m.stats.p
		for range 3 {
			theta := m.start(0.5)
			for i := range theta {
				theta[i] += 0.3 * rng.NormFloat64()
			}
			w := m.NewWorkspace()
			require.False(t, math.IsInf(m.LogLik(theta, nil, w), -1), name)
			got := m.curvature(theta, w)
			size := mat.Max(got.observed)
			up, down, at := make([]float64, k), make([]float64, k), make([]float64, k)
			for i := range k {
				h := 1e-5
				copy(at, theta)
				at[i] += h
				m.LogLik(at, up, w)
				xwxUp := lowerToSym(p, w.cross)
				at[i] = theta[i] - h
				m.LogLik(at, down, w)
				xwxDown := lowerToSym(p, w.cross)
				for j := range k {
					assert.InDelta(t, (down[j]-up[j])/(2*h), got.observed.At(i, j), 1e-7*size, "%s %d %d", name, i, j)
				}
				for a := range p {
					for b := range p { // d(X'WX) = -X'W dV W X
						assert.InDelta(t, (xwxDown.At(a, b)-xwxUp.At(a, b))/(2*h), got.slopes[i].At(a, b), 1e-7*mat.Max(xwxUp), "%s %d", name, i)
					}
				}
			}
		}
	}
}

// Small matrices are computed with plain loops, and large ones by a library; they agree.
func TestSmallKernels(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for n := 1; n <= small; n++ {
		a := mat.NewDense(n, n+2, nil)
		for i := range n {
			for j := range n + 2 {
				a.Set(i, j, rng.NormFloat64()*math.Pow(10, float64(i%5)))
			}
		}
		var v, want mat.Dense
		v.Mul(a, a.T())
		require.NoError(t, want.Inverse(&v))
		inv := make([]float64, n*n)
		logDet, ok := invert(n, append([]float64(nil), v.RawMatrix().Data...), inv)
		require.True(t, ok)
		det, sign := mat.LogDet(&v)
		assert.Positive(t, sign)
		assert.InDelta(t, det, logDet, 1e-9*math.Max(1, math.Abs(det)))
		var one mat.Dense
		one.Mul(&v, mat.NewDense(n, n, inv))
		prod := make([]float64, n*n)
		product(n, v.RawMatrix().Data, inv, prod)
		for i, x := range prod {
			assert.InDelta(t, one.RawMatrix().Data[i], x, 1e-6)
		}
		_, ok = invert(n, make([]float64, n*n), inv)
		assert.False(t, ok, "nothing inverts zero")
	}
	_, ok := invert(1, []float64{math.NaN()}, []float64{0})
	assert.False(t, ok)
}
