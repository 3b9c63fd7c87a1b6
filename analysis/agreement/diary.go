package agreement

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// Answer is one person's answer to one item of a scale on one day. A NaN stands for none.
type Answer struct {
	Person, Day, Item string
	Value             float64 // within ±1e100
}

// DiaryReliability says how reliably a scale that is asked on many days tells persons apart, and one person's days. With m items (a fixed set), days k and
// the variances of person (p), day (d), their interactions with items (i) and each other, and the residual e:
//
//	R1F = (p + pi/m) / (p + pi/m + e/m)                         one day, the same for all
//	RKF = (p + pi/m) / (p + pi/m + e/(k m))                     the mean of k days, the same for all
//	R1R = (p + pi/m) / (p + pi/m + d + pd + e/m)                one day, drawn at random
//	RKR = (p + pi/m) / (p + pi/m + (d + pd)/k + e/(k m))        the mean of k days, drawn at random
//	RC  = pd / (pd + e/m)                                       change within a person
//
// Source: Cranford, Shrout, Iida, Rafaeli, Yip & Bolger (2006), Personality and Social Psychology Bulletin 32, 917-929; R1R and RKR as in Shrout &
// Lane (2012). Where days are each person's own there is no day effect, and as in Shrout & Lane
//
//	RKRN = p / (p + d/k + e/(k m))      RCN = d / (d + e/m)
//
// with d the variance of days within persons and all that items differ by in e.
type DiaryReliability struct {
	Persons, Days, Items, Answers int     // Days is the number of different days
	K                             float64 // harmonic mean of the days of a person
	Components                    []Component
	Coefficients                  []Reliability // R1F, RKF, R1R, RKR, RC; or RKRN, RCN
	Bootstrap                     *Resampled    // nil where no intervals were asked for

	days Layout
}

// Reliability is one coefficient.
type Reliability struct {
	Name     string
	Meaning  string
	Value    float64 // 0 to 1; NaN with Err
	Interval *Interval
	Err      error // why this one is not estimable although others are
}

var diaryEffects = map[Layout][]uint{
	Crossed: {effectSet(0), effectSet(1), effectSet(2), effectSet(0, 1), effectSet(0, 2), effectSet(1, 2)},
	Nested:  {effectSet(0), effectSet(0, 1)},
}

// Diary estimates the reliability of a diary scale from variance components by restricted maximum likelihood, with unequal numbers of days and
// answers missing. Days are crossed with persons where the same days count for all, such as days of the protocol, else nested. Intervals come from a
// parametric bootstrap, if b is not nil. What the design cannot tell apart is [ErrNotEstimable].
func Diary(ctx context.Context, answers []Answer, days Layout, b *Bootstrap) (*DiaryReliability, error) {
	const what = "the reliability of a diary scale"
	effects, ok := diaryEffects[days]
	if !ok {
		return nil, badInput("days", "are %q; expected crossed or nested", days)
	}
	cells := make([][3]string, 0, len(answers))
	values := make([]float64, 0, len(answers))
	for _, a := range answers {
		if a.Person == "" || a.Day == "" || a.Item == "" {
			return nil, badInput("an answer", "lacks its person, day or item")
		}
		cells, values = append(cells, [3]string{a.Person, a.Day, a.Item}), append(values, a.Value)
	}
	g, err := newGrid([3]string{"person", "day", "item"}, cells, values, what)
	if err != nil {
		return nil, err
	}
	for f, least := range []string{"person", "day", "item"} {
		if g.facets[f].levels < 2 {
			return nil, notEstimable(what, "there is only one %s; at least two are needed", least)
		}
	}
	v, err := g.estimate(effects, what)
	if err != nil {
		return nil, err
	}
	r := &DiaryReliability{Persons: g.facets[0].levels, Days: g.facets[1].levels, Items: g.facets[2].levels, Answers: len(g.y), K: g.meanDays(), Components: v.components(), days: days}
	if days == Nested {
		r.Components[1].Name = "day within person"
	}
	variance := make([]float64, len(r.Components))
	for i, c := range r.Components {
		variance[i] = c.Variance
	}
	r.Coefficients = r.coefficients(variance, r.K)
	if b == nil {
		return r, nil
	}
	intervals, resampled, err := v.bootstrap(ctx, *b, func(variance []float64) []float64 {
		out := slices.Clone(variance)
		for _, c := range r.coefficients(variance, r.K) {
			out = append(out, c.Value)
		}
		return out
	})
	if err != nil {
		return nil, err
	}
	if r.Bootstrap = &resampled; intervals != nil {
		for i := range r.Components {
			r.Components[i].Interval = intervals[i]
		}
		for i := range r.Coefficients {
			r.Coefficients[i].Interval = intervals[len(r.Components)+i]
		}
	}
	return r, nil
}

// Over returns the coefficients for the mean of another number of days.
func (r *DiaryReliability) Over(days int) ([]Reliability, error) {
	if days < 1 {
		return nil, badInput("days", "are %d; expected at least one", days)
	}
	variance := make([]float64, len(r.Components))
	for i, c := range r.Components {
		variance[i] = c.Variance
	}
	return r.coefficients(variance, float64(days)), nil
}

func (r *DiaryReliability) coefficients(v []float64, k float64) []Reliability {
	m := float64(r.Items)
	if r.days == Nested {
		p, d, e := v[0], v[1], v[2]
		return []Reliability{
			ratio("RKRN", fmt.Sprintf("persons, by the mean of %.3g days of their own", k), p, d/k+e/(k*m), "persons do not differ, nor do their days"),
			ratio("RCN", "change within a person", d, e/m, "neither days nor answers differ"),
		}
	}
	p, d, pd, e := v[0]+v[4]/m, v[1], v[3], v[6]
	const none = "persons do not differ, nor do their answers"
	return []Reliability{
		ratio("R1F", "persons, by one day that is the same for all", p, e/m, none),
		ratio("RKF", fmt.Sprintf("persons, by the mean of %.3g days that are the same for all", k), p, e/(k*m), none),
		ratio("R1R", "persons, by one day at random", p, d+pd+e/m, none),
		ratio("RKR", fmt.Sprintf("persons, by the mean of %.3g days at random", k), p, (d+pd)/k+e/(k*m), none),
		ratio("RC", "change within a person", pd, e/m, "neither days nor answers differ"),
	}
}

// ratio makes the coefficient true / (true + noise).
func ratio(name, meaning string, true, noise float64, none string) Reliability {
	r := Reliability{Name: name, Meaning: meaning, Value: true / (true + noise)}
	if !(true+noise > 0) {
		r.Value, r.Err = math.NaN(), notEstimable(name, "%s", none)
	}
	return r
}

// meanDays returns the harmonic mean of the number of days on which each person answered.
func (g *grid) meanDays() float64 {
	days := map[[2]int32]bool{}
	per := make([]float64, g.facets[0].levels)
	for i := range g.y {
		d := [2]int32{g.facets[0].level[i], g.facets[1].level[i]}
		if !days[d] {
			days[d] = true
			per[d[0]]++
		}
	}
	sum := 0.0
	for _, n := range per {
		sum += 1 / n
	}
	return float64(len(per)) / sum
}
