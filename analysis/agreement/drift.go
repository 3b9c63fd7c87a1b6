package agreement

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"asem/analysis/frame"
)

// Coded is a rating and the week of coding in which it was made.
type Coded struct {
	Rating
	Week int // any number that rises with time
}

// DriftOptions steer control charts of judges.
type DriftOptions struct {
	// Criterion holds the right rating of clips that have one, such as those coded by experts. Judges are held against it there and against each other
	// elsewhere.
	Criterion map[string]float64
	// Baseline is how many of a judge's first weeks say what is usual for that judge: centre and spread of the chart. 0 means all weeks.
	Baseline int
	Limit    float64 // of the charts, in standard errors; 0 means 3
	Lambda   float64 // weight of the newest week in the moving average; 0 means 0.2
	Level    float64 // of the confidence of bias and trend; 0 means 0.95
}

// Flag says why a week stands out.
type Flag string

// BeyondLimits: the week's mean lies outside its limits. Run: it is at least the eighth in a row on the same side of the centre (Western Electric 1956,
// rule 4). Drifting: the moving average lies outside its limits, which finds small lasting shifts sooner (Roberts 1959; Montgomery 2013, ch. 9.2).
const (
	BeyondLimits Flag = "beyond limits"
	Run          Flag = "run"
	Drifting     Flag = "drifting"
)

const runLength = 8

// JudgeChart is the control chart of one judge: week for week how far the judge's ratings lie above those of the others.
type JudgeChart struct {
	Judge    string
	Ratings  int       // that can be compared
	Bias     float64   // mean deviation, in units of the rating; above 0: the judge rates higher
	BiasSE   *float64  // nil for one rating
	BiasCI   *Interval // nil for one rating
	Trend    *Trend    // nil with fewer than three ratings or one week only
	Baseline int       // weeks in it
	Centre   float64   // mean deviation in the baseline
	Sigma    float64   // SD of a deviation within a week, over the baseline
	Weeks    []JudgeWeek
	Err      error // why the chart has no limits: the weeks then have means alone
}

// Trend is the change of a judge's deviation by week, by least squares.
type Trend struct {
	Slope, SE float64 // a week
	P         float64 // two-sided, of no change
}

// JudgeWeek is one point of a chart.
type JudgeWeek struct {
	Week         int
	Ratings      int
	Mean         float64 // deviation
	Limits       *Limits // centre ± limit sigma / sqrt(ratings); nil with Err of the chart
	Moving       float64 // exponentially weighted moving average up to this week
	MovingLimits *Limits
	Flags        []Flag
}

// Limits bound what is usual.
type Limits struct{ Lower, Upper float64 }

// Drift compares each judge's ratings with the criterion, or with the mean of the other judges' ratings of the same clip, and charts the deviations by
// week: a Shewhart chart of means and a moving average (Montgomery 2013, Introduction to Statistical Quality Control, ch. 6 and 9). Where
// judges are only held against each other one judge's drift moves all others a little the other way. Weeks without ratings are passed over. Charts stand in
// natural order of the judges. Without a rating that can be compared, drift is [ErrNotEstimable]; a judge whose deviations do not vary in the
// baseline has a chart without limits.
func Drift(list []Coded, o DriftOptions) ([]JudgeChart, error) {
	const what = "the drift of judges"
	level, err := checkLevel(o.Level)
	if err != nil {
		return nil, err
	}
	if o.Limit == 0 {
		o.Limit = 3
	}
	if o.Lambda == 0 {
		o.Lambda = 0.2
	}
	switch {
	case !(o.Limit > 0) || math.IsInf(o.Limit, 0):
		return nil, badInput("limit", "is %v; expected standard errors above 0", o.Limit)
	case !(o.Lambda > 0 && o.Lambda <= 1):
		return nil, badInput("lambda", "is %v; expected a weight above 0, at most 1", o.Lambda)
	case o.Baseline < 0:
		return nil, badInput("baseline", "is %d weeks; expected 0 or more", o.Baseline)
	}
	for clip, v := range o.Criterion {
		if !(math.Abs(v) <= maxValue) {
			return nil, badInput(fmt.Sprintf("the criterion of clip %q", clip), "is %v; expected a number within ±%v", v, maxValue)
		}
	}
	ratings := make([]Rating, len(list))
	for i, c := range list {
		ratings[i] = c.Rating
	}
	t, err := NewTable(ratings)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(slices.Clone(list), func(c Coded) bool { return math.IsNaN(c.Value) })
	slices.SortFunc(list, func(a, b Coded) int {
		if c := frame.Natural(a.Judge, b.Judge); c != 0 {
			return c
		}
		if a.Week != b.Week {
			if a.Week < b.Week {
				return -1
			}
			return 1
		}
		return frame.Natural(a.Clip, b.Clip)
	})
	var charts []JudgeChart
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Judge == list[0].Judge {
			n++
		}
		if c, ok := t.chart(list[:n], o, level); ok {
			charts = append(charts, c)
		}
		list = list[n:]
	}
	if len(charts) == 0 {
		return nil, notEstimable(what, "no clip was rated by two judges, and none has a criterion")
	}
	return charts, nil
}

// deviation returns how far a rating lies above the criterion or the other judges' mean.
func (t *Table) deviation(r Rating, criterion map[string]float64) (float64, bool) {
	if right, ok := criterion[r.Clip]; ok {
		return r.Value - right, true
	}
	i, _ := slices.BinarySearchFunc(t.clips, r.Clip, frame.Natural)
	others, n := 0.0, float64(len(t.rows[i])-1)
	if n == 0 {
		return 0, false
	}
	for _, c := range t.rows[i] {
		if t.judges[c.judge] != r.Judge {
			others += (c.value - r.Value) / n // so that agreement leaves no rounding
		}
	}
	return -others, true
}

// chart makes the chart of one judge, whose ratings are in order of weeks.
func (t *Table) chart(list []Coded, o DriftOptions, level float64) (JudgeChart, bool) {
	c := JudgeChart{Judge: list[0].Judge}
	var deviations, weeks []float64
	var byWeek [][]float64
	for _, r := range list {
		d, ok := t.deviation(r.Rating, o.Criterion)
		if !ok {
			continue
		}
		if n := len(c.Weeks); n == 0 || c.Weeks[n-1].Week != r.Week {
			c.Weeks, byWeek = append(c.Weeks, JudgeWeek{Week: r.Week}), append(byWeek, nil)
		}
		byWeek[len(byWeek)-1] = append(byWeek[len(byWeek)-1], d)
		deviations, weeks = append(deviations, d), append(weeks, float64(r.Week))
	}
	if len(deviations) == 0 {
		return c, false
	}
	c.Ratings = len(deviations)
	bias, ss := moments(deviations)
	c.Bias = bias
	if n := float64(c.Ratings); n > 1 {
		c.BiasSE = known(math.Sqrt(ss / (n - 1) / n))
		half := distuv.StudentsT{Nu: n - 1, Sigma: 1}.Quantile((1+level)/2) * *c.BiasSE
		c.BiasCI = &Interval{bias - half, bias + half, level}
	}
	c.trend(deviations, weeks, ss)
	for w := range c.Weeks {
		c.Weeks[w].Ratings = len(byWeek[w])
		c.Weeks[w].Mean, _ = moments(byWeek[w])
	}
	c.Baseline = len(byWeek)
	if o.Baseline > 0 {
		c.Baseline = min(o.Baseline, len(byWeek))
	}
	c.limits(byWeek, o)
	return c, true
}

// moments returns the mean and the sum of squares around it.
func moments(x []float64) (mean, ss float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		ss += square(v - mean)
	}
	if lo, hi := slices.Min(x), slices.Max(x); lo == hi {
		return lo, 0
	}
	return mean, ss
}

func (c *JudgeChart) trend(deviations, weeks []float64, total float64) {
	n := float64(len(deviations))
	week, sxx := moments(weeks)
	if n < 3 || sxx == 0 {
		return
	}
	sxy := 0.0
	for i, d := range deviations {
		sxy += (weeks[i] - week) * (d - c.Bias)
	}
	r := &Trend{Slope: sxy / sxx}
	residual := max(0, total-r.Slope*sxy)
	r.SE = math.Sqrt(residual / (n - 2) / sxx)
	switch {
	case r.SE > 0:
		r.P = 2 * distuv.StudentsT{Nu: n - 2, Sigma: 1}.Survival(math.Abs(r.Slope)/r.SE)
	case r.Slope == 0:
		r.P = 1
	}
	c.Trend = r
}

// limits fills in centre, spread and limits from the baseline, and flags the weeks.
func (c *JudgeChart) limits(byWeek [][]float64, o DriftOptions) {
	var all []float64
	within, df := 0.0, 0.0
	for _, w := range byWeek[:c.Baseline] {
		_, ss := moments(w)
		within, df = within+ss, df+float64(len(w)-1)
		all = append(all, w...)
	}
	c.Centre, _ = moments(all)
	if df > 0 {
		c.Sigma = math.Sqrt(within / df)
	} else if c.Baseline > 1 { // one rating a week: the mean range of neighbouring weeks over its expectation for a normal pair, 2/sqrt(pi)
		for w := 1; w < c.Baseline; w++ {
			c.Sigma += math.Abs(c.Weeks[w].Mean-c.Weeks[w-1].Mean) / float64(c.Baseline-1) * math.Sqrt(math.Pi) / 2
		}
	}
	if !(c.Sigma > 0) {
		reason := "the deviations in its baseline are all equal"
		if len(all) < 2 {
			reason = "there is only one rating in its baseline"
		}
		c.Err = notEstimable(fmt.Sprintf("the chart of judge %s", c.Judge), "%s", reason)
	}
	moving, variance, run := c.Centre, 0.0, 0
	for i := range c.Weeks {
		w := &c.Weeks[i]
		moving = o.Lambda*w.Mean + (1-o.Lambda)*moving
		w.Moving = moving
		if c.Err != nil {
			continue
		}
		own := square(c.Sigma) / float64(w.Ratings)
		variance = square(o.Lambda)*own + square(1-o.Lambda)*variance
		half, movingHalf := o.Limit*math.Sqrt(own), o.Limit*math.Sqrt(variance)
		w.Limits, w.MovingLimits = &Limits{c.Centre - half, c.Centre + half}, &Limits{c.Centre - movingHalf, c.Centre + movingHalf}
		side := 0
		switch {
		case w.Mean > c.Centre:
			side = 1
		case w.Mean < c.Centre:
			side = -1
		}
		switch {
		case side == 0:
			run = 0
		case run*side > 0:
			run += side
		default:
			run = side
		}
		if w.Mean < w.Limits.Lower || w.Mean > w.Limits.Upper {
			w.Flags = append(w.Flags, BeyondLimits)
		}
		if run >= runLength || run <= -runLength {
			w.Flags = append(w.Flags, Run)
		}
		if moving < w.MovingLimits.Lower || moving > w.MovingLimits.Upper {
			w.Flags = append(w.Flags, Drifting)
		}
	}
}

// Flagged returns the weeks that stand out, in words, empty if none does.
func (c *JudgeChart) Flagged() string {
	var out []string
	for _, w := range c.Weeks {
		if len(w.Flags) > 0 {
			words := make([]string, len(w.Flags))
			for i, f := range w.Flags {
				words[i] = string(f)
			}
			out = append(out, fmt.Sprintf("week %d (%s)", w.Week, strings.Join(words, ", ")))
		}
	}
	return strings.Join(out, "; ")
}
