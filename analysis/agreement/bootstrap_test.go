package agreement_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/analysis/agreement"
)

// simulate makes ratings of clips by judges, per of them for each clip, with variances 1 of clips, 0.25 of judges and 0.64 of the residual.
func simulate(r *rand.Rand, clips, judges, per int) []agreement.Rating {
	bias := make([]float64, judges)
	for j := range bias {
		bias[j] = 0.5 * r.NormFloat64()
	}
	var list []agreement.Rating
	for i := range clips {
		clip := r.NormFloat64()
		for _, j := range r.Perm(judges)[:per] {
			list = append(list, agreement.Rating{Clip: strconv.Itoa(i), Judge: strconv.Itoa(j), Value: 4 + clip + bias[j] + 0.8*r.NormFloat64()})
		}
	}
	return list
}

func TestBootstrapIsSeededWhateverTheWorkers(t *testing.T) {
	tab := readIncomplete(t)
	for _, how := range []agreement.Resampling{agreement.Parametric, agreement.Clips} {
		one, err := agreement.IncompleteICCOf(context.Background(), tab, &agreement.Bootstrap{Resampling: how, Samples: 60, Seed: 4, Workers: 1})
		require.NoError(t, err)
		three, err := agreement.IncompleteICCOf(context.Background(), tab, &agreement.Bootstrap{Resampling: how, Samples: 60, Seed: 4, Workers: 3})
		require.NoError(t, err)
		assert.Equal(t, one, three)
		other, err := agreement.IncompleteICCOf(context.Background(), tab, &agreement.Bootstrap{Resampling: how, Samples: 60, Seed: 5})
		require.NoError(t, err)
		assert.NotEqual(t, one.Coefficients[1].Interval, other.Coefficients[1].Interval)
		for _, c := range one.Coefficients {
			assert.True(t, c.Interval.Lower < c.Value && c.Value < c.Interval.Upper, "%s: %v in %v", c.Name, c.Value, c.Interval)
		}
		assert.Zero(t, one.Bootstrap.Failed)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := agreement.IncompleteICCOf(ended, tab, &agreement.Bootstrap{})
	assert.ErrorIs(t, err, context.Canceled)
	_, err = agreement.Generalise(context.Background(), readMoments(t), agreement.Nested, &agreement.Bootstrap{Resampling: agreement.Clips})
	assert.ErrorContains(t, err, "only parametric")
}

// The parametric interval of a complete design is about the F interval, where that is exact.
func TestBootstrapAgreesWithF(t *testing.T) {
	tab := table(t, simulate(rand.New(rand.NewPCG(1, 1)), 80, 4, 4))
	f, err := agreement.ICCOf(tab, 0)
	require.NoError(t, err)
	b, err := agreement.IncompleteICCOf(context.Background(), tab, &agreement.Bootstrap{Samples: 1000, Seed: 1})
	require.NoError(t, err)
	for _, i := range []int{2, 5} { // ICC(3); ICC(1) is wider here, as its F interval does not know of judges
		exact, boot := f.Coefficients[i].Interval, b.Coefficients[i].Interval
		assert.InDelta(t, exact.Lower, boot.Lower, 0.03, f.Coefficients[i].Name)
		assert.InDelta(t, exact.Upper, boot.Upper, 0.03, f.Coefficients[i].Name)
	}
}

// Coverage of 95 % intervals over simulated studies; ASEM_COVERAGE says how many. The table in doc.go comes from here.
func TestCoverage(t *testing.T) {
	studies, err := strconv.Atoi(os.Getenv("ASEM_COVERAGE"))
	if err != nil {
		t.Skip("set ASEM_COVERAGE to a number of studies, such as 1000")
	}
	for _, design := range [][3]int{{60, 9, 3}, {60, 4, 2}} {
		for _, how := range []agreement.Resampling{agreement.Parametric, agreement.Clips} {
			hits, n := [3]int{}, 0
			for s := range studies {
				r, err := agreement.IncompleteICCOf(context.Background(), table(t, simulate(rand.New(rand.NewPCG(uint64(s), 7)), design[0], design[1], design[2])), &agreement.Bootstrap{Resampling: how, Samples: 300, Seed: uint64(s)})
				require.NoError(t, err)
				n++
				for k, truth := range []float64{1 / 1.89, 1 / 1.64} {
					if iv := r.Coefficients[k+1].Interval; iv.Lower <= truth && truth <= iv.Upper {
						hits[k]++
					}
				}
			}
			t.Logf("%d clips, %d of %d judges each, %s: ICC(2,1) %.1f %%, ICC(3,1) %.1f %%", design[0], design[2], design[1], how, 100*float64(hits[0])/float64(n), 100*float64(hits[1])/float64(n))
		}
	}
}

// A judge who begins to rate one point higher in week 9 is flagged from then on and not before; others who stay are not flagged beyond chance.
func TestDriftIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	var list []agreement.Coded
	right := map[string]float64{}
	for week := 1; week <= 16; week++ {
		for c := range 10 {
			name := fmt.Sprintf("%d-%d", week, c)
			right[name] = 4 + r.NormFloat64()
			for j := range 4 {
				v := right[name] + 0.5*r.NormFloat64()
				if j == 2 && week >= 9 {
					v++
				}
				list = append(list, agreement.Coded{Rating: agreement.Rating{Clip: name, Judge: fmt.Sprintf("j%d", j), Value: v}, Week: week})
			}
		}
	}
	for _, criterion := range []map[string]float64{nil, right} {
		charts, err := agreement.Drift(list, agreement.DriftOptions{Baseline: 8, Criterion: criterion})
		require.NoError(t, err)
		require.Len(t, charts, 4)
		for _, c := range charts {
			require.NoError(t, c.Err)
			early, late := 0, 0
			for _, w := range c.Weeks {
				require.LessOrEqual(t, w.Limits.Lower, w.Limits.Upper)
				if len(w.Flags) > 0 && w.Week < 9 {
					early++
				} else if len(w.Flags) > 0 {
					late++
				}
			}
			assert.Zero(t, early, c.Judge)
			if c.Judge == "j2" {
				assert.Equal(t, 8, late)
				assert.Less(t, c.Trend.P, 1e-6)
				assert.Positive(t, c.Trend.Slope)
				assert.InDelta(t, 0.5, c.Bias, 0.2)
				assert.Contains(t, c.Flagged(), "week 16 (beyond limits, run, drifting)")
			} else if criterion != nil {
				assert.LessOrEqual(t, late, 1, c.Judge)
				assert.InDelta(t, 0, c.Bias, 0.15)
			}
		}
	}
}

func TestDriftOfFewRatings(t *testing.T) {
	one := agreement.Coded{Rating: agreement.Rating{Clip: "a", Judge: "x", Value: 1}, Week: 1}
	other := agreement.Coded{Rating: agreement.Rating{Clip: "a", Judge: "y", Value: 3}, Week: 1}
	_, err := agreement.Drift([]agreement.Coded{one}, agreement.DriftOptions{})
	require.ErrorIs(t, err, agreement.ErrNotEstimable)
	charts, err := agreement.Drift([]agreement.Coded{one, other}, agreement.DriftOptions{})
	require.NoError(t, err)
	require.Len(t, charts, 2)
	assert.Equal(t, -2.0, charts[0].Bias)
	assert.Nil(t, charts[0].BiasCI)
	assert.Nil(t, charts[0].Trend)
	assert.ErrorContains(t, charts[0].Err, "only one rating")
	// One rating a week: limits come from the steps between weeks.
	var weekly []agreement.Coded
	for w, d := range []float64{0, 1, 0, 1, 0, 9} {
		clip := strconv.Itoa(w)
		weekly = append(weekly, agreement.Coded{Rating: agreement.Rating{Clip: clip, Judge: "x", Value: d}, Week: w})
	}
	charts, err = agreement.Drift(weekly, agreement.DriftOptions{Baseline: 5, Criterion: map[string]float64{"0": 0, "1": 0, "2": 0, "3": 0, "4": 0, "5": 0}})
	require.NoError(t, err)
	assert.InDelta(t, math.Sqrt(math.Pi)/2, charts[0].Sigma, 1e-12, "steps of 1 over 2/sqrt(pi)")
	assert.Contains(t, charts[0].Flagged(), "week 5 (beyond limits")
}

func TestTracesAreAligned(t *testing.T) {
	a := agreement.Trace{Judge: "b", Time: []float64{0, 1, 2, 4}, Values: []float64{0, 2, 4, 0}}
	b := agreement.Trace{Judge: "a", Time: []float64{0.5, 3.5}, Values: []float64{1, 4}}
	tr, err := agreement.AlignTraces([]agreement.Trace{a, b}, 1, agreement.LinearReading)
	require.NoError(t, err)
	assert.Equal(t, &agreement.Traces{Judges: []string{"a", "b"}, Start: 0.5, Step: 1, Values: [][]float64{{1, 2, 3, 4}, {1, 3, 3, 1}}}, tr)
	tr, err = agreement.AlignTraces([]agreement.Trace{a, b}, 1, agreement.HeldReading)
	require.NoError(t, err)
	assert.Equal(t, [][]float64{{1, 1, 1, 4}, {0, 2, 4, 4}}, tr.Values)
	for _, c := range []struct {
		list []agreement.Trace
		step float64
		want string
	}{
		{[]agreement.Trace{a}, 1, "at least two"},
		{[]agreement.Trace{a, a}, 1, "stands twice"},
		{[]agreement.Trace{a, b}, 0, "step"},
		{[]agreement.Trace{a, b}, 1e-9, "makes"},
		{[]agreement.Trace{a, {Judge: "c", Time: []float64{5, 6}, Values: []float64{1, 2}}}, 1, "do not overlap"},
		{[]agreement.Trace{a, {Judge: "c", Time: []float64{1, 1}, Values: []float64{1, 2}}}, 1, "rising"},
		{[]agreement.Trace{a, {Judge: "c", Time: []float64{1, 2}, Values: []float64{1}}}, 1, "2 times and 1 values"},
	} {
		_, err := agreement.AlignTraces(c.list, c.step, agreement.LinearReading)
		assert.ErrorContains(t, err, c.want)
	}
	still := agreement.Trace{Judge: "c", Time: []float64{0, 4}, Values: []float64{2, 2}}
	tr, err = agreement.AlignTraces([]agreement.Trace{a, still}, 0.5, agreement.LinearReading)
	require.NoError(t, err)
	_, err = agreement.AgreeTraces(context.Background(), tr, 0, nil)
	assert.ErrorContains(t, err, "judge c never moved")
}

func BenchmarkIncompleteICC(b *testing.B) {
	for _, clips := range []int{300, 3000} {
		tab := table(b, simulate(rand.New(rand.NewPCG(1, 1)), clips, 50, 3))
		b.Run(fmt.Sprintf("estimate/clips=%d", clips), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := agreement.IncompleteICCOf(context.Background(), tab, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(clips), "ns/clip")
		})
		b.Run(fmt.Sprintf("1000 samples/clips=%d", clips), func(b *testing.B) {
			for b.Loop() {
				if _, err := agreement.IncompleteICCOf(context.Background(), tab, &agreement.Bootstrap{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGeneralise(b *testing.B) {
	for _, couples := range []int{50, 500} {
		r := rand.New(rand.NewPCG(1, 1))
		var list []agreement.Moment
		for c := range couples {
			u := r.NormFloat64()
			for s := range 10 {
				v := 0.5 * r.NormFloat64()
				for j := range 4 {
					if r.Float64() < 0.9 {
						list = append(list, agreement.Moment{Couple: strconv.Itoa(c), Judge: strconv.Itoa(j), Segment: strconv.Itoa(s), Value: u + v + 0.3*float64(j) + 0.7*r.NormFloat64()})
					}
				}
			}
		}
		b.Run(fmt.Sprintf("couples=%d", couples), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := agreement.Generalise(context.Background(), list, agreement.Crossed, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(couples), "ns/couple")
		})
	}
}
