package mixed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/frame"
)

// A cluster sample is fitted as the data set would be in which the couples drawn twice stand twice under two names.
func TestAClusterSampleIsItsDataSet(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	type row struct {
		couple, role string
		time, y      float64
	}
	data := map[int][]row{}
	for c := range 25 {
		u, v := r.NormFloat64(), 0.3*r.NormFloat64()
		for w := range 4 {
			for _, role := range []string{"h", "w"} {
				if r.Float64() < 0.8 {
					data[c] = append(data[c], row{"", role, float64(w), u + (0.2+v)*float64(w) + r.NormFloat64()})
				}
			}
		}
	}
	build := func(times []int) *frame.Frame {
		var couple, role []string
		var time, y []float64
		for c, k := range times {
			for i := range k {
				for _, x := range data[c] {
					couple, role, time, y = append(couple, fmt.Sprintf("%d-%d", c, i)), append(role, x.role), append(time, x.time), append(y, x.y)
				}
			}
		}
		f, err := frame.New(frame.Categorical("couple", couple), frame.Categorical("role", role), frame.Numeric("time", time), frame.Numeric("y", y))
		require.NoError(t, err)
		return f
	}
	once := make([]int, 25)
	for c := range once {
		once[c] = 1
	}
	for _, method := range []Method{ML, REML} {
		s := Spec{Outcome: "y", Couple: "couple", Role: "role", Time: "time", Fixed: "role * time", Random: "(1 + time | couple)", Residual: Residual{Variance: VarianceByRole, CrossPartner: true}, Method: method}
		m, err := New(build(once), s)
		require.NoError(t, err)
		fit, err := m.Fit(context.Background())
		require.NoError(t, err)
		require.NoError(t, fit.Err())
		sampler := fit.sampleSource().sampler()
		for seed := range uint64(5) {
			rng := rand.New(rand.NewPCG(seed, 0))
			sampler.couples(rng)
			beta, _ := sampler.fit(context.Background())
			times := make([]int, 25)
			rng = rand.New(rand.NewPCG(seed, 0))
			for range times {
				times[rng.IntN(len(times))]++
			}
			whole, err := New(build(times), s)
			require.NoError(t, err)
			want, err := whole.Fit(context.Background())
			require.NoError(t, err)
			require.NotNil(t, beta)
			for j := range beta {
				assert.InDelta(t, want.Beta[j], beta[j], 1e-4, "%s, seed %d, %s", method, seed, want.Names[j])
			}
		}
	}
}
