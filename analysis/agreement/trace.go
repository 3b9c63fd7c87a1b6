package agreement

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"asem/analysis/frame"
)

// Trace is what one judge rated continuously while watching.
type Trace struct {
	Judge  string
	Time   []float64 // seconds, rising
	Values []float64 // of each time; NaN where the judge let go
}

// Reading says what a trace is between two of its times.
type Reading string

// Linear traces are sampled from a moving lever. Held ones note only changes: a value holds until the next.
const (
	LinearReading Reading = "linear"
	HeldReading   Reading = "held"
)

// Traces are several judges' traces of the same clip on one grid of moments.
type Traces struct {
	Judges []string    // in natural order
	Start  float64     // seconds
	Step   float64     // seconds between moments
	Values [][]float64 // of each judge and moment; NaN is missing
}

const maxMoments = 10_000_000

// AlignTraces reads traces at common moments, step seconds apart, over the time that all of them cover. Times that do not rise, traces without two
// times and a judge who stands twice are [*InputError]s; traces that do not overlap are [ErrNotEstimable].
func AlignTraces(list []Trace, step float64, r Reading) (*Traces, error) {
	const what = "the agreement of traces"
	if !(step > 0) || math.IsInf(step, 0) {
		return nil, badInput("step", "is %v; expected seconds above 0", step)
	}
	if r != LinearReading && r != HeldReading {
		return nil, badInput("reading", "is %q; expected linear or held", r)
	}
	if len(list) < 2 {
		return nil, notEstimable(what, "there are %d traces; at least two are needed", len(list))
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Trace) int { return frame.Natural(a.Judge, b.Judge) })
	from, to := math.Inf(-1), math.Inf(1)
	for i, t := range list {
		if err := t.check(); err != nil {
			return nil, err
		}
		if i > 0 && t.Judge == list[i-1].Judge {
			return nil, badInput(fmt.Sprintf("the trace of judge %q", t.Judge), "stands twice")
		}
		from, to = max(from, t.Time[0]), min(to, t.Time[len(t.Time)-1])
	}
	if !(to > from) {
		return nil, notEstimable(what, "the traces do not overlap in time")
	}
	moments := math.Floor((to-from)/step*(1+1e-12)) + 1
	if moments*float64(len(list)) > maxMoments {
		return nil, badInput("step", "of %v s makes %.0f moments; at most %d for all judges together are possible", step, moments, maxMoments)
	}
	out := &Traces{Start: from, Step: step}
	for _, t := range list {
		out.Judges = append(out.Judges, t.Judge)
		values := make([]float64, int(moments))
		at := 0
		for m := range values {
			now := min(from+float64(m)*step, to)
			for at+2 < len(t.Time) && t.Time[at+1] <= now {
				at++
			}
			values[m] = t.read(at, now, r)
		}
		out.Values = append(out.Values, values)
	}
	return out, nil
}

// read returns the value between time at and the next.
func (t Trace) read(at int, now float64, r Reading) float64 {
	a, b := t.Values[at], t.Values[at+1]
	switch {
	case now >= t.Time[at+1]:
		return b
	case r == HeldReading || now == t.Time[at]:
		return a
	}
	w := (now - t.Time[at]) / (t.Time[at+1] - t.Time[at])
	return a + w*(b-a)
}

func (t Trace) check() error {
	where := fmt.Sprintf("the trace of judge %q", t.Judge)
	switch {
	case t.Judge == "":
		return badInput("a trace", "has no judge")
	case len(t.Time) != len(t.Values):
		return badInput(where, "has %d times and %d values", len(t.Time), len(t.Values))
	case len(t.Time) < 2:
		return badInput(where, "has %d times; expected at least two", len(t.Time))
	}
	for i, s := range t.Time {
		if !(math.Abs(s) <= 1e12) || i > 0 && !(s > t.Time[i-1]) {
			return badInput(where, "has time %v after %v; expected rising seconds", s, t.Time[max(0, i-1)])
		}
		if math.Abs(t.Values[i]) > maxValue {
			return badInput(where, "has value %v; expected a number within ±%v", t.Values[i], maxValue)
		}
	}
	return nil
}

// TraceAgreement says how far traces agree.
type TraceAgreement struct {
	Moments int // at which all judges rated
	// ICC(2,1) and ICC(3,1) with moments as targets, of one judge's trace; then ICC(2,k) and ICC(3,k) of the mean trace. Neighbouring moments are
	// alike, so there are no F tests, and intervals come from drawing blocks of moments.
	Coefficients [4]ICC
	Block        float64            // seconds in a block
	Pairs        []CrossCorrelation // of each two judges
	Bootstrap    *Resampled         // nil where no intervals were asked for
}

// CrossCorrelation says how a judge's trace follows another's.
type CrossCorrelation struct {
	Judges  [2]string
	R       []float64 // at lags -len/2 .. len/2: the second judge's trace that many steps later than the first's
	AtZero  float64
	Best    float64 // the largest
	BestLag float64 // seconds by which the second judge comes after the first there; negative: before
}

// AgreeTraces computes the agreement of traces moment by moment and the cross-correlation of each two judges up to a lag in seconds. The
// cross-correlation at lag h is sum_t (x_t - mean x)(y_t+h - mean y) / (n s_x s_y) (Box & Jenkins 1976). Intervals of the
// ICCs come from a moving-block bootstrap (Künsch 1989), if b is not nil, in blocks of three times the lag at which the traces' autocorrelation has
// fallen below 1/e. A judge who never moved is [ErrNotEstimable].
func AgreeTraces(ctx context.Context, tr *Traces, maxLag float64, b *Bootstrap) (*TraceAgreement, error) {
	const what = "the agreement of traces"
	var rows [][]float64 // of each moment that all judges rated
	moments := 0
	for j, v := range tr.Values {
		if moments = len(v); len(v) != len(tr.Values[0]) || len(tr.Judges) != len(tr.Values) {
			return nil, badInput("traces", "are of %d judges, and that of number %d has %d moments; expected one for each judge, of equal length", len(tr.Judges), j+1, len(v))
		}
	}
	if !(maxLag >= 0) || maxLag/tr.Step > float64(max(0, moments-2)) {
		return nil, badInput("lag", "is %v s; expected 0 to %v s, as long as the traces", maxLag, float64(max(0, moments-2))*tr.Step)
	}
	for m := range moments {
		row := make([]float64, len(tr.Values))
		whole := true
		for j, v := range tr.Values {
			row[j] = v[m]
			whole = whole && !math.IsNaN(v[m])
		}
		if whole {
			rows = append(rows, row)
		}
	}
	if len(rows) < 3 {
		return nil, notEstimable(what, "all judges rated at %d moments together; at least three are needed", len(rows))
	}
	a := &TraceAgreement{Moments: len(rows)}
	k := len(tr.Judges)
	for i := range k {
		if v := there(tr.Values[i]); slices.Min(v) == slices.Max(v) {
			return nil, notEstimable(what, "judge %s never moved", tr.Judges[i])
		}
	}
	decay := 1
	for i := range k {
		decay = max(decay, decayOf(tr.Values[i]))
		for j := i + 1; j < k; j++ {
			a.Pairs = append(a.Pairs, crossCorrelate(tr, i, j, int(maxLag/tr.Step+1e-9)))
		}
	}
	values := traceICC(rows)
	if values == nil {
		return nil, notEstimable(what, "the judges' mean never moves at the moments that all of them rated")
	}
	for i, at := range []int{1, 2, 4, 5} {
		a.Coefficients[i] = ICC{Name: iccNames[at][0], Alias: iccNames[at][1], Judges: 1, Value: values[i]}
		if i >= 2 {
			a.Coefficients[i].Judges = float64(k)
		}
		if math.IsNaN(values[i]) {
			a.Coefficients[i].Err = notEstimable(iccNames[at][0], "the mean trace has no variance beyond chance")
		}
	}
	block := min(max(3*decay, int(math.Ceil(math.Cbrt(float64(len(rows)))))), max(1, len(rows)/4))
	a.Block = float64(block) * tr.Step
	if b == nil {
		return a, nil
	}
	o, err := b.checked()
	if err != nil {
		return nil, err
	}
	o.Resampling = Blocks
	intervals, resampled, err := o.run(ctx, func() func(*rand.Rand) []float64 {
		drawn := make([][]float64, len(rows))
		return func(rng *rand.Rand) []float64 {
			for at := 0; at < len(drawn); at += block {
				copy(drawn[at:], rows[rng.IntN(len(rows)-block+1):][:block])
			}
			return traceICC(drawn)
		}
	})
	if err != nil {
		return nil, err
	}
	if a.Bootstrap = &resampled; intervals != nil {
		for i := range a.Coefficients {
			a.Coefficients[i].Interval = intervals[i]
		}
	}
	return a, nil
}

// traceICC returns ICC(2,1), ICC(3,1), ICC(2,k), ICC(3,k) of moments x judges, NaN where one is not estimable, or nil where none is.
func traceICC(rows [][]float64) []float64 {
	t := &Table{clips: make([]string, len(rows)), judges: make([]string, len(rows[0])), ratings: len(rows) * len(rows[0])}
	for _, row := range rows {
		cells := make([]cell, len(row))
		for j, v := range row {
			cells[j] = cell{j, v}
		}
		t.rows = append(t.rows, cells)
	}
	z, half := t.normal()
	if half == 0 {
		return nil
	}
	m := z.anova()
	if m.MSClips == 0 {
		return nil
	}
	v, _ := m.values()
	return []float64{v[1], v[2], v[4], v[5]}
}

func there(x []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(x), math.IsNaN)
}

// centred returns a trace less its mean and the mean of squares of that, missing values as NaN.
func centred(x []float64) (z []float64, variance float64) {
	z, _ = spanned(there(x))
	mean := 0.0
	for _, v := range z {
		mean += v / float64(len(z))
	}
	out := make([]float64, len(x))
	n := float64(len(z))
	for i, v := range x {
		if out[i] = v; !math.IsNaN(v) {
			out[i], z = z[0]-mean, z[1:]
			variance += square(out[i]) / n
		}
	}
	return out, variance
}

// lagged returns sum x_t y_t+h / (pairs + |h|).
func lagged(x, y []float64, h int) float64 {
	sum, pairs := 0.0, 0
	for t := max(0, -h); t < len(x) && t+h < len(y); t++ {
		if v := x[t] * y[t+h]; !math.IsNaN(v) {
			sum += v
			pairs++
		}
	}
	if pairs == 0 {
		return 0
	}
	return sum / float64(pairs+max(h, -h))
}

func crossCorrelate(tr *Traces, i, j, most int) CrossCorrelation {
	x, vx := centred(tr.Values[i])
	y, vy := centred(tr.Values[j])
	c := CrossCorrelation{Judges: [2]string{tr.Judges[i], tr.Judges[j]}, Best: math.Inf(-1)}
	for h := -most; h <= most; h++ {
		r := max(-1, min(1, lagged(x, y, h)/math.Sqrt(vx*vy)))
		c.R = append(c.R, r)
		if h == 0 {
			c.AtZero = r
		}
		if r > c.Best {
			c.Best, c.BestLag = r, float64(h)*tr.Step
		}
	}
	return c
}

// decayOf returns the lag at which the autocorrelation of a trace falls below 1/e.
func decayOf(v []float64) int {
	x, variance := centred(v)
	for h := 1; h < len(x); h++ {
		if lagged(x, x, h) < variance/math.E {
			return h
		}
	}
	return len(x)
}
