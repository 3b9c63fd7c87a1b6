package agreement

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Moment is one judge's rating of one segment of one couple's interaction. A NaN stands for none.
type Moment struct {
	Couple, Judge, Segment string
	Value                  float64 // within ±1e100
}

// Layout says how segments relate to couples.
type Layout string

// In a crossed layout segment 3 is the same for every couple, such as the third topic of a protocol. Nested segments are each couple's own.
const (
	Crossed Layout = "crossed"
	Nested  Layout = "nested"
)

// GStudy says where the variance of ratings comes from.
type GStudy struct {
	Layout                             Layout
	Couples, Judges, Segments, Ratings int // Segments is the largest number that a couple has
	// Components are, crossed: couple, judge, segment, couple x judge, couple x segment, judge x segment, residual; nested: couple, judge, couple x
	// judge, segment within couple, residual.
	Components []Component
	Mean       float64
	LogLik     float64    // restricted, constants included
	Bootstrap  *Resampled // nil where no intervals were asked for
}

var layouts = map[Layout][]uint{
	Crossed: {effectSet(0), effectSet(1), effectSet(2), effectSet(0, 1), effectSet(0, 2), effectSet(1, 2)},
	Nested:  {effectSet(0), effectSet(1), effectSet(0, 1), effectSet(0, 2)},
}

// Generalise estimates the variance components of couple x judge x segment ratings (Cronbach, Gleser, Nanda & Rajaratnam 1972; Brennan 2001) by
// restricted maximum likelihood, which takes any pattern of missing ratings and equals the analysis of variance where that is complete and
// gives no negative variance. Intervals come from the bootstrap, if b is not nil: parametric only, as couples are too few a part of the design to
// be all that is drawn. A second rating of a segment by the same judge is an [*InputError]. What the design cannot tell apart is [ErrNotEstimable]; the
// error names it.
func Generalise(ctx context.Context, moments []Moment, l Layout, b *Bootstrap) (*GStudy, error) {
	const what = "the generalisability of ratings"
	effects, ok := layouts[l]
	if !ok {
		return nil, badInput("layout", "is %q; expected crossed or nested", l)
	}
	cells := make([][3]string, 0, len(moments))
	values := make([]float64, 0, len(moments))
	for _, m := range moments {
		if m.Couple == "" || m.Judge == "" || m.Segment == "" {
			return nil, badInput("a rating", "lacks its couple, judge or segment")
		}
		cells, values = append(cells, [3]string{m.Couple, m.Judge, m.Segment}), append(values, m.Value)
	}
	g, err := newGrid([3]string{"couple", "judge", "segment"}, cells, values, what)
	if err != nil {
		return nil, err
	}
	segments := 0
	seen := map[[2]int32]bool{}
	per := map[int32]int{}
	for i := range g.y {
		k := [2]int32{g.facets[0].level[i], g.facets[2].level[i]}
		if !seen[k] {
			seen[k] = true
			per[k[0]]++
			segments = max(segments, per[k[0]])
		}
	}
	v, err := g.estimate(effects, what)
	if err != nil {
		return nil, err
	}
	r := &GStudy{Layout: l, Couples: g.facets[0].levels, Judges: g.facets[1].levels, Segments: segments, Ratings: len(g.y), Components: v.components(), Mean: v.mean, LogLik: v.logLik}
	if l == Nested {
		r.Components[3].Name = "segment within couple"
	}
	if b == nil {
		return r, nil
	}
	intervals, resampled, err := v.bootstrap(ctx, *b, func(variance []float64) []float64 { return variance })
	if err != nil {
		return nil, err
	}
	r.Bootstrap = &resampled
	for i := range intervals {
		r.Components[i].Interval = intervals[i]
	}
	return r, nil
}

// Plan is a study to be: how many judges rate how many segments of a couple.
type Plan struct {
	Judges, Segments int
	// DifferentJudges: each couple is rated by judges of its own, so that what judges differ by also tells couples apart.
	DifferentJudges bool
	// FixedJudges, FixedSegments: conclusions are meant for these very judges or (crossed) segments, whose interaction with couples is then no error.
	FixedJudges, FixedSegments bool
}

// Dependability is what a plan promises.
type Dependability struct {
	Relative     float64 // generalisability coefficient, for comparing couples
	Absolute     float64 // dependability coefficient Phi, for the rating itself
	RelativeSE   float64 // standard error of measurement, in units of the rating
	AbsoluteSE   float64
	UniverseSD   float64 // SD between couples' true ratings
	MeanRatingOf int     // ratings of a couple
}

// Decide returns what a plan promises (Brennan 2001: a couple's mean over judges and segments). Without any variance between couples
// it is [ErrNotEstimable].
func (g *GStudy) Decide(p Plan) (Dependability, error) {
	if p.Judges < 1 || p.Segments < 1 {
		return Dependability{}, badInput("plan", "has %d judges and %d segments; expected at least one of each", p.Judges, p.Segments)
	}
	universe, relative, absolute := g.split(p)
	return dependability(universe, relative, absolute, p.Judges*p.Segments)
}

// split sorts the components of a plan into true variance, relative and absolute error.
func (g *GStudy) split(p Plan) (universe, relative, absolute float64) {
	v := make([]float64, 7) // couple, judge, segment, cj, cs, js, residual
	at := []int{0, 1, 2, 3, 4, 5, 6}
	if g.Layout == Nested {
		at = []int{0, 1, 3, 4, 6}
	}
	for i, c := range g.Components {
		v[at[i]] = c.Variance
	}
	j, s := float64(p.Judges), float64(p.Segments)
	universe = v[0]
	add := func(variance float64, fixed, relates bool) {
		switch {
		case fixed && relates:
			universe += variance
		case fixed:
		case relates:
			relative += variance
			absolute += variance
		default:
			absolute += variance
		}
	}
	fixedSegments := p.FixedSegments && g.Layout == Crossed
	if p.DifferentJudges && p.FixedJudges {
		p.FixedJudges = false // judges of one's own are a sample
	}
	add(v[1]/j, p.FixedJudges, p.DifferentJudges)
	add(v[2]/s, fixedSegments, false)
	add(v[3]/j, p.FixedJudges, true)
	add(v[4]/s, fixedSegments, true)
	add(v[5]/(j*s), p.FixedJudges && fixedSegments, p.DifferentJudges)
	add(v[6]/(j*s), false, true)
	return universe, relative, absolute
}

func dependability(universe, relative, absolute float64, ratings int) (Dependability, error) {
	if !(universe > 0) {
		return Dependability{}, notEstimable("the dependability of ratings", "the couples do not differ: the variance between them is 0")
	}
	return Dependability{universe / (universe + relative), universe / (universe + absolute), math.Sqrt(relative), math.Sqrt(absolute), math.Sqrt(universe), ratings}, nil
}

// JudgesNeeded returns the smallest number of judges with which a plan, otherwise as p, reaches a target: of the coefficient for absolute decisions
// or of that for relative ones. It is [ErrNotEstimable], with the reason, if no number does.
func (g *GStudy) JudgesNeeded(target float64, p Plan, absolute bool) (int, error) {
	return g.needed("judges", target, absolute, func(n int) Plan { p.Judges = n; return p })
}

// SegmentsNeeded is JudgesNeeded for the number of segments.
func (g *GStudy) SegmentsNeeded(target float64, p Plan, absolute bool) (int, error) {
	return g.needed("segments", target, absolute, func(n int) Plan { p.Segments = n; return p })
}

func (g *GStudy) needed(what string, target float64, absolute bool, plan func(int) Plan) (int, error) {
	if !(target > 0 && target < 1) {
		return 0, badInput("target", "is %v; expected a reliability between 0 and 1", target)
	}
	reached := func(n int) (float64, error) {
		d, err := g.Decide(plan(n))
		if absolute {
			return d.Absolute, err
		}
		return d.Relative, err
	}
	most, err := reached(maxJudges)
	if err != nil {
		return 0, err
	}
	if most < target {
		return 0, notEstimable("the number of "+what, "%d %s would reach %.3f, less than %.3f: the rest of the error lies elsewhere", maxJudges, what, most, target)
	}
	low, high := 0, maxJudges // low does not reach it, high does
	for high-low > 1 {
		mid := (low + high) / 2
		if r, err := reached(mid); err != nil {
			return 0, err
		} else if r >= target-1e-12 {
			high = mid
		} else {
			low = mid
		}
	}
	return high, nil
}

// grid is what was observed in cells of three facets, spanned to ±1 and centred.
type grid struct {
	facets       []facet
	y            []float64
	half, centre float64 // a value is centre + half y
}

// newGrid lays cells out in natural order. Missing values are left out; a cell that stands twice is an error.
func newGrid(names [3]string, cells [][3]string, values []float64, what string) (*grid, error) {
	var kept [3][]string
	var order []int
	for i, v := range values {
		if math.IsNaN(v) {
			continue
		}
		if math.Abs(v) > maxValue {
			return nil, badInput(fmt.Sprintf("the value of %s %q, %s %q, %s %q", names[0], cells[i][0], names[1], cells[i][1], names[2], cells[i][2]), "is %v; expected a number within ±%v", v, maxValue)
		}
		order = append(order, i)
		for f := range kept {
			kept[f] = append(kept[f], cells[i][f])
		}
	}
	if len(order) == 0 {
		return nil, notEstimable(what, "there are no values")
	}
	g := &grid{facets: make([]facet, 3)}
	var at [3]map[string]int
	for f := range kept {
		var list []string
		list, at[f] = distinct(kept[f])
		g.facets[f] = facet{name: names[f], levels: len(list)}
	}
	code := func(i int) [3]int { return [3]int{at[0][cells[i][0]], at[1][cells[i][1]], at[2][cells[i][2]]} }
	slices.SortStableFunc(order, func(a, b int) int { x, y := code(a), code(b); return slices.Compare(x[:], y[:]) })
	for k, i := range order {
		c := code(i)
		if k > 0 && c == code(order[k-1]) {
			return nil, badInput(fmt.Sprintf("the value of %s %q, %s %q, %s %q", names[0], cells[i][0], names[1], cells[i][1], names[2], cells[i][2]), "stands twice")
		}
		for f := range c {
			g.facets[f].level = append(g.facets[f].level, int32(c[f]))
		}
		g.y = append(g.y, values[i])
	}
	first := g.y[0]
	g.y, g.half = spanned(g.y)
	if g.half == 0 {
		return nil, notEstimable(what, "all values are equal")
	}
	mean := 0.0
	for _, v := range g.y {
		mean += v / float64(len(g.y))
	}
	g.centre = first + g.half*(mean-g.y[0])
	for i := range g.y {
		g.y[i] -= mean
	}
	return g, nil
}

// variances are the fitted components of a grid.
type variances struct {
	*grid
	solver *solver
	fit    *components
	mean   float64
	logLik float64
}

func (g *grid) estimate(effects []uint, what string) (*variances, error) {
	d := newDesign(g.facets, effects)
	if err := d.identified(what); err != nil {
		return nil, err
	}
	s := newSolver(d)
	s.load(g.y)
	if s.exact() {
		return nil, notEstimable(what, "the effects explain the values exactly, up to one part in a million, and leave no residual variance")
	}
	fit, ok := s.estimate()
	if !ok {
		return nil, notEstimable(what, "the likelihood has no maximum that can be found")
	}
	return &variances{g, s, fit, g.centre + g.half*fit.mean, fit.logLik - float64(len(g.y)-1)*math.Log(g.half)}, nil
}

// components returns the variances by name, the residual last.
func (v *variances) components() []Component {
	total := 0.0
	for _, x := range v.fit.variance {
		total += x
	}
	var list []Component
	for i, x := range v.fit.variance {
		c := Component{Name: "residual", Variance: x * v.half * v.half, Share: x / total}
		if i < len(v.solver.factors) {
			c.Name, c.Boundary = v.solver.factors[i].name, v.fit.boundary[i]
		}
		list = append(list, c)
	}
	return list
}

// bootstrap draws outcomes from the fitted variances, fits them and makes intervals for what is made of the variances, in squared units.
func (v *variances) bootstrap(ctx context.Context, b Bootstrap, of func(variance []float64) []float64) ([]*Interval, Resampled, error) {
	o, err := b.checked()
	if err != nil {
		return nil, Resampled{}, err
	}
	if o.Resampling != Parametric {
		return nil, Resampled{}, badInput("resampling", "is %q; this design knows only parametric", o.Resampling)
	}
	start := awake(v.fit.theta)
	return o.run(ctx, func() func(*rand.Rand) []float64 {
		s, y := newSolver(v.solver.design), make([]float64, len(v.y))
		return func(rng *rand.Rand) []float64 {
			s.simulate(rng, v.fit.variance, y)
			s.load(y)
			f, ok := s.fit(start, false)
			if !ok {
				return nil
			}
			scaled := make([]float64, len(f.variance))
			for i, x := range f.variance {
				scaled[i] = x * v.half * v.half
			}
			return of(scaled)
		}
	})
}
