package agreement_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/agreement"
)

// The reliability data of four observers and twelve units that Krippendorff works through in "Computing Krippendorff's Alpha-Reliability" (2011) with the
// values that he gives, to three digits. 0 is a missing value.
var krippendorffData = [4][12]float64{
	{1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0},
	{1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3},
	{0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0},
	{1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0},
}

func krippendorffTable(t testing.TB) *agreement.Table {
	var list []agreement.Rating
	for j, row := range krippendorffData {
		for i, v := range row {
			if v == 0 {
				v = math.NaN()
			}
			list = append(list, agreement.Rating{Clip: fmt.Sprint(i + 1), Judge: string(rune('A' + j)), Value: v})
		}
	}
	return table(t, list)
}

func TestKrippendorffsOwnExample(t *testing.T) {
	for m, want := range map[agreement.Metric]float64{agreement.NominalScale: 0.743, agreement.OrdinalScale: 0.815, agreement.IntervalScale: 0.849, agreement.RatioScale: 0.797} {
		a, err := agreement.Krippendorff(context.Background(), krippendorffTable(t), m, &agreement.Bootstrap{Samples: 500, Seed: 3})
		require.NoError(t, err)
		assert.Equal(t, want, math.Round(1000*a.Value)/1000, m)
		assert.Equal(t, 11, a.Clips, "the last unit has one value only")
		assert.Equal(t, 40, a.Ratings)
		require.NotNil(t, a.Interval)
		assert.Less(t, a.Interval.Lower, a.Value)
		assert.Greater(t, a.Interval.Upper, a.Value)
	}
}

// Ten units, fourteen judges, five categories; counts of each. By hand: P = 0.37802, Pe = 0.21276, kappa = 0.20993.
func TestFleissKappaByHand(t *testing.T) {
	counts := [10][5]int{{0, 0, 0, 0, 14}, {0, 2, 6, 4, 2}, {0, 0, 3, 5, 6}, {0, 3, 9, 2, 0}, {2, 2, 8, 1, 1}, {7, 7, 0, 0, 0}, {3, 2, 6, 3, 0}, {2, 5, 3, 2, 2}, {6, 5, 2, 1, 0}, {0, 2, 2, 3, 7}}
	var list []agreement.Rating
	for i, row := range counts {
		judge := 0
		for c, n := range row {
			for range n {
				judge++
				list = append(list, agreement.Rating{Clip: fmt.Sprint(i), Judge: fmt.Sprint(judge), Value: float64(c)})
			}
		}
	}
	k, err := agreement.FleissKappa(table(t, list), 0)
	require.NoError(t, err)
	assert.InDelta(t, 0.37802, k.Observed, 5e-6)
	assert.InDelta(t, 0.21276, k.Expected, 5e-6)
	assert.InDelta(t, 0.20993, k.Value, 5e-6)
	assert.Positive(t, k.SE)
	assert.Positive(t, k.NullSE)
}

// With custom weights the named ones come back; without a category they refuse.
func TestCustomWeights(t *testing.T) {
	tab := wide(t, readCSV(t, "testdata/two_judges_ordinal.csv"), "a", "b")
	categories := []float64{1, 2, 3, 4, 5}
	matrix := make([][]float64, 5)
	for i := range matrix {
		for j := range 5 {
			d := float64(i-j) / 4
			matrix[i] = append(matrix[i], 1-d*d)
		}
	}
	w, err := agreement.CustomWeights(categories, matrix)
	require.NoError(t, err)
	custom, err := agreement.CohenKappa(tab, 0, 1, w, 0)
	require.NoError(t, err)
	quadratic, err := agreement.CohenKappa(tab, 0, 1, agreement.Quadratic, 0)
	require.NoError(t, err)
	assert.InDelta(t, quadratic.Value, custom.Value, 1e-14)
	assert.InDelta(t, quadratic.SE, custom.SE, 1e-14)
	few, err := agreement.CustomWeights(categories[:2], [][]float64{{1, 0}, {0, 1}})
	require.NoError(t, err)
	_, err = agreement.CohenKappa(tab, 0, 1, few, 0)
	assert.ErrorContains(t, err, "no category")
	for _, bad := range [][][]float64{{{1, 0}}, {{1}, {0, 1}}, {{1, 2}, {0, 1}}, {{1, 0}, {0, 0.5}}, {{1, math.NaN()}, {0, 1}}} {
		_, err := agreement.CustomWeights(categories[:2], bad)
		var e *agreement.InputError
		assert.ErrorAs(t, err, &e, "%v", bad)
	}
}

// Three items whose correlations .8, .8, .4 make a factor explain 1.6 of the first item's variance of 1.
func TestHeywoodCaseIsReported(t *testing.T) {
	// Columns of a Hadamard matrix are uncorrelated; a Cholesky factor of the correlations mixes them.
	l := [3][3]float64{{1, 0, 0}, {0.8, 0.6, 0}}
	l[2][0] = 0.8
	l[2][1] = (0.4 - 0.64) / l[1][1]
	l[2][2] = math.Sqrt(1 - l[2][0]*l[2][0] - l[2][1]*l[2][1])
	var rows [][]float64
	for r := range 32 {
		h := [3]float64{sign(r&1 == 0), sign(r&2 == 0), sign(r&4 == 0)}
		row := make([]float64, 3)
		for i := range row {
			for j := range h {
				row[i] += l[i][j] * h[j]
			}
		}
		rows = append(rows, row)
	}
	it, err := agreement.NewItems([]string{"a", "b", "c"}, rows, agreement.Listwise)
	require.NoError(t, err)
	o, err := agreement.Omega(it, 0)
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, o.Heywood)
	assert.Nil(t, o.Interval)
	assert.Zero(t, o.Items[0].Residual)
	assert.True(t, o.Omega > 0 && o.Omega < 1)
}

func sign(positive bool) float64 {
	if positive {
		return 1
	}
	return -1
}
