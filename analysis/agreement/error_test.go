package agreement_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"

	"asem/analysis/agreement"
)

// Standard errors of kappas are what the kappas of simulated studies vary by: SE where judges see the same three kinds of clips, NullSE where they
// guess. The standard deviation over 1,500 studies has an error of about 2 %; the large-sample formulas differ from it by a little more at 120 clips.
func TestStandardErrorsOfKappas(t *testing.T) {
	const studies, clips, judges = 1500, 120, 4
	for _, guess := range []bool{false, true} {
		r := rand.New(rand.NewPCG(8, 8))
		values, errors := map[string][]float64{}, map[string][]float64{}
		for range studies {
			var list []agreement.Rating
			for i := range clips {
				right := kind(r)
				for j := range judges {
					seen := right
					if guess || r.Float64() < 0.35 {
						seen = kind(r)
					}
					list = append(list, agreement.Rating{Clip: strconv.Itoa(i), Judge: strconv.Itoa(j), Value: seen})
				}
			}
			tab := table(t, list)
			for _, w := range []agreement.Weights{agreement.Unweighted, agreement.Linear, agreement.Quadratic} {
				k, err := agreement.CohenKappa(tab, 0, 1, w, 0)
				require.NoError(t, err)
				note(values, errors, w.Name, k, guess)
			}
			k, err := agreement.FleissKappa(tab, 0)
			require.NoError(t, err)
			note(values, errors, "Fleiss", k, guess)
		}
		for name, v := range values {
			assert.InEpsilon(t, stat.StdDev(v, nil), stat.Mean(errors[name], nil), 0.08, "%s, guessing %v", name, guess)
			if guess {
				assert.InDelta(t, 0, stat.Mean(v, nil), 3*stat.StdDev(v, nil)/math.Sqrt(studies)+0.01, name)
			}
		}
	}
}

func kind(r *rand.Rand) float64 {
	switch u := r.Float64(); {
	case u < 0.5:
		return 1
	case u < 0.8:
		return 2
	}
	return 3
}

func note(values, errors map[string][]float64, name string, k *agreement.Kappa, guess bool) {
	values[name] = append(values[name], k.Value)
	if guess {
		errors[name] = append(errors[name], k.NullSE)
	} else {
		errors[name] = append(errors[name], k.SE)
	}
}

// The F interval of ICC(2,1), which is an approximation, holds about as often as it says: the truth is 1 / 1.89.
func TestIntervalOfICC2Covers(t *testing.T) {
	hits := 0
	const studies = 1000
	for s := range uint64(studies) {
		icc, err := agreement.ICCOf(table(t, simulate(rand.New(rand.NewPCG(s, 9)), 40, 5, 5)), 0.95)
		require.NoError(t, err)
		if iv := icc.Coefficients[1].Interval; iv.Lower <= 1/1.89 && 1/1.89 <= iv.Upper {
			hits++
		}
	}
	assert.InDelta(t, 0.95, float64(hits)/studies, 0.025)
}
