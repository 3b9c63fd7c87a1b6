package mixed

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/frame"
)

// Leaving a couple out and solving again with the same covariance changes the estimates by what Influence says.
func TestInfluenceIsExact(t *testing.T) {
	var couple, role []string
	var time, x, y []float64
	for c := range 12 {
		for w := range 3 {
			for i, r := range []string{"h", "w"} {
				if (c+w+i)%7 == 0 {
					continue
				}
				couple, role, time = append(couple, string(rune('a'+c))), append(role, r), append(time, float64(w))
				x = append(x, math.Sin(float64(13*c+5*w+i)))
				y = append(y, 2+math.Cos(float64(3*c+5*w+11*i))+math.Sin(float64(c))+float64(w*i)/3)
			}
		}
	}
	f, err := frame.New(frame.Categorical("couple", couple), frame.Categorical("role", role), frame.Numeric("time", time), frame.Numeric("x", x), frame.Numeric("y", y))
	require.NoError(t, err)
	s := Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "role * time + x", Random: "(1 | couple)", Residual: Residual{Variance: VarianceByRole}}
	m, err := New(f, s)
	require.NoError(t, err)
	fit, err := m.Fit(context.Background())
	require.NoError(t, err)
	require.NoError(t, fit.Err())
	all, err := fit.Influence()
	require.NoError(t, err)
	require.Len(t, all, 12)
	leverage := 0.0
	for i, in := range all {
		leverage += in.Leverage
		var rows []int
		for r := range couple {
			if couple[r] != in.Couple {
				rows = append(rows, r)
			}
		}
		without, err := New(f.Take(rows), s)
		require.NoError(t, err)
		theta := append([]float64(nil), fit.theta...) // in the scale of the other model
		k := m.scale.y / without.scale.y
		theta[0] *= k
		theta[1] += math.Log(k)
		theta[2] += math.Log(k)
		w := without.NewWorkspace()
		without.LogLik(theta, nil, w)
		beta := without.toNatural(w.gamma)
		for j := range beta {
			assert.InDelta(t, fit.Beta[j]-beta[j]-without.scale.b0[j], in.Beta[j], 1e-10, "couple %d, %s", i, fit.Names[j])
		}
		assert.Positive(t, in.CookD)
	}
	assert.InDelta(t, len(fit.Beta), leverage, 1e-9)
}
