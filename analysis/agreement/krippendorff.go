package agreement

import (
	"context"
	"math/rand/v2"
	"slices"
)

// Metric is the level of measurement of ratings: what a difference between two of them means.
type Metric string

// The metrics. Ordinal ratings differ by the ratings that lie between them, ratio ones by their difference over their sum.
const (
	NominalScale  Metric = "nominal"
	OrdinalScale  Metric = "ordinal"
	IntervalScale Metric = "interval"
	RatioScale    Metric = "ratio"
)

// Alpha is Krippendorff's alpha: 1 for full agreement, 0 for that of chance.
type Alpha struct {
	Metric   Metric
	Value    float64
	Clips    int // that count: rated by two judges or more
	Ratings  int // of those clips
	Observed float64
	Expected float64   // disagreement: mean squared difference within clips and over all pairs of ratings
	Interval *Interval // nil where none was asked for or could be found
	// Bootstrap is nil where no interval was asked for. Samples in which all ratings are equal have no alpha and are left out.
	Bootstrap *Resampled
}

// Krippendorff returns the agreement of any number of judges on clips that not all need to have rated (Krippendorff 2019, Content Analysis,
// 4th ed., ch. 12). Clips with fewer than two ratings do not count. The interval comes from drawing clips with replacement, if b is not nil: clips
// are the independent units, and what their ratings are like needs no model. Without two different ratings to compare alpha is [ErrNotEstimable].
func Krippendorff(ctx context.Context, t *Table, m Metric, b *Bootstrap) (*Alpha, error) {
	const what = "Krippendorff's alpha"
	if !slices.Contains([]Metric{NominalScale, OrdinalScale, IntervalScale, RatioScale}, m) {
		return nil, badInput("metric", "is %q; expected nominal, ordinal, interval or ratio", m)
	}
	if t.ratings == 0 {
		return nil, notEstimable(what, "there are no ratings")
	}
	if len(t.judges) < 2 {
		return nil, notEstimable(what, "there is only one judge; at least two are needed")
	}
	var units [][]float64
	var all []float64
	for _, row := range t.rows {
		if len(row) < 2 {
			continue
		}
		u := make([]float64, len(row))
		for k, c := range row {
			u[k] = c.value
		}
		units, all = append(units, u), append(all, u...)
	}
	switch {
	case len(units) == 0:
		return nil, notEstimable(what, "no clip was rated by two judges")
	case slices.Min(all) == slices.Max(all):
		return nil, notEstimable(what, "all ratings are equal, so that there is no disagreement to expect")
	case m == RatioScale && slices.Min(all) < 0:
		return nil, notEstimable(what, "a ratio needs ratings of 0 or more, and the smallest is %v", slices.Min(all))
	}
	p := newPairing(units, all, m)
	times := make([]int, len(units))
	for i := range times {
		times[i] = 1
	}
	a := &Alpha{Metric: m, Clips: len(units), Ratings: len(all)}
	a.Observed, a.Expected = p.disagreement(times, p.memory())
	if !(a.Expected > 0) {
		return nil, notEstimable(what, "the ratings differ by less than numbers can tell")
	}
	a.Value = 1 - a.Observed/a.Expected
	if b == nil {
		return a, nil
	}
	o, err := b.checked()
	if err != nil {
		return nil, err
	}
	o.Resampling = Clips
	intervals, resampled, err := o.run(ctx, func() func(*rand.Rand) []float64 {
		times, w := make([]int, len(units)), p.memory()
		return func(rng *rand.Rand) []float64 {
			clear(times)
			for range times {
				times[rng.IntN(len(times))]++
			}
			observed, expected := p.disagreement(times, w)
			if !(expected > 0) {
				return nil
			}
			return []float64{1 - observed/expected}
		}
	})
	if err != nil {
		return nil, err
	}
	if a.Bootstrap = &resampled; intervals != nil {
		a.Interval = intervals[0]
	}
	return a, nil
}

// pairing holds units as codes of distinct values.
type pairing struct {
	metric Metric
	values []float64 // distinct, in order; nominal, interval: spanned to ±1
	units  [][]int32
}

// counter is the memory of one evaluation.
type counter struct{ count, rank []float64 }

func newPairing(units [][]float64, all []float64, m Metric) *pairing {
	p := &pairing{metric: m, values: sortedSet(all)}
	for _, u := range units {
		codes := make([]int32, len(u))
		for k, v := range u {
			at, _ := slices.BinarySearch(p.values, v)
			codes[k] = int32(at)
		}
		p.units = append(p.units, codes)
	}
	if m == IntervalScale {
		p.values, _ = spanned(p.values)
	}
	return p
}

func (p *pairing) memory() *counter {
	return &counter{make([]float64, len(p.values)), make([]float64, len(p.values))}
}

// disagreement returns what is observed within units, each counted some times, and what is expected between all their ratings. The squared
// difference of ordinal values is that of their mid-ranks, as sum_{g=c..k} n_g - (n_c + n_k)/2 is the distance between these.
func (p *pairing) disagreement(times []int, w *counter) (observed, expected float64) {
	clear(w.count)
	n := 0.0
	for i, u := range p.units {
		for _, c := range u {
			w.count[c] += float64(times[i])
		}
		n += float64(times[i] * len(u))
	}
	score := p.values
	if p.metric == OrdinalScale {
		below := 0.0
		for c, k := range w.count {
			w.rank[c] = (below + k/2) / n // in units of n, so that nothing grows
			below += k
		}
		score = w.rank
	}
	for i, u := range p.units {
		if times[i] == 0 {
			continue
		}
		sum := 0.0
		for a, x := range u {
			for _, y := range u[:a] {
				if x != y {
					sum += p.difference(score[x], score[y])
				}
			}
		}
		observed += float64(times[i]) * 2 * sum / float64(len(u)-1)
	}
	switch p.metric {
	case NominalScale:
		same := 0.0
		for _, k := range w.count {
			same += k * (k - 1)
		}
		expected = n*(n-1) - same
	case RatioScale:
		for c, k := range w.count {
			if k == 0 {
				continue
			}
			for d, l := range w.count[:c] {
				expected += 2 * k * l * p.difference(score[c], score[d])
			}
		}
	default:
		mean := 0.0
		for c, k := range w.count {
			mean += k * score[c] / n
		}
		for c, k := range w.count {
			expected += 2 * n * k * square(score[c]-mean)
		}
		kinds := 0
		for _, k := range w.count {
			if k > 0 {
				kinds++
			}
		}
		if kinds < 2 {
			expected = 0
		}
	}
	return observed / n, expected / (n * (n - 1))
}

// difference returns the squared difference of two unequal values.
func (p *pairing) difference(x, y float64) float64 {
	switch p.metric {
	case NominalScale:
		return 1
	case RatioScale:
		return square((x - y) / (x + y))
	}
	return square(x - y)
}
