package agreement

import (
	"context"
	"math"
	"math/rand/v2"
)

// IncompleteICC holds the coefficients of a design in which judges rated different clips, overlapping in part or not, and the variances they are
// made of.
type IncompleteICC struct {
	Clips, Judges, Ratings int
	// K is the harmonic mean of the number of judges of a clip: the number that the mean ratings count for.
	K float64
	// Q is the part of the judges' variance that tells mean ratings of clips apart because clips have different judges: 0 where all share the
	// same, 1/K where none do (Putka, Le, McCloy & Diaz 2008).
	Q float64

	Variances []Component // between clips, between judges, residual, by restricted maximum likelihood
	Mean      float64     // of the ratings, by generalised least squares
	LogLik    float64     // restricted, constants included
	// ICC(1,1), (2,1), (3,1), (1,k), (2,k), (3,k) as in CompleteICC, k being K; then G(q,k), the reliability of the mean ratings as they stand for
	// telling clips apart: clips / (clips + Q judges + residual/K).
	Coefficients [7]ICC
	Bootstrap    *Resampled // nil where no intervals were asked for
}

// Component is an estimated variance.
type Component struct {
	Name     string    // of the effect, as "clip" or "couple x judge"
	Variance float64   // in squared units of the rating, 0 or more
	Share    float64   // of the sum of all variances
	Interval *Interval // nil where none was asked for or could be found
	Boundary bool      // the likelihood is highest at a variance of 0
}

// IncompleteICCOf estimates the intraclass correlations from the variance components of clip and judge, crossed random effects that are fitted by
// restricted maximum likelihood to whatever ratings there are (McGraw & Wong 1996, case 2; ten Hove, Jorgensen & van der Ark 2022, Psychological
// Methods). Where the design is complete and no variance is on its boundary they equal those of [ICCOf]. ICC(1) comes from a model of clips alone.
//
// Intervals come from the bootstrap, if b is not nil. What the design cannot tell, such as clips that one judge each has rated, is
// [ErrNotEstimable].
func IncompleteICCOf(ctx context.Context, t *Table, b *Bootstrap) (*IncompleteICC, error) {
	const what = "the ICC"
	if err := t.rated(what); err != nil {
		return nil, err
	}
	z, half := t.normal()
	if half == 0 {
		return nil, notEstimable(what, "all ratings are equal")
	}
	m, err := newCrossing(z, what)
	if err != nil {
		return nil, err
	}
	var fits [2]*components
	var ok, both bool
	fits[0], ok = m.two.estimate()
	fits[1], both = m.one.estimate()
	if !ok || !both {
		return nil, notEstimable(what, "the likelihood has no maximum that can be found")
	}
	r := &IncompleteICC{Clips: len(t.clips), Judges: len(t.judges), Ratings: t.ratings, K: m.k, Q: m.q}
	scale := half * half
	total := 0.0
	for _, v := range fits[0].variance {
		total += v
	}
	for i, name := range []string{"clip", "judge", "residual"} {
		v := fits[0].variance[i]
		r.Variances = append(r.Variances, Component{Name: name, Variance: v * scale, Share: v / total, Boundary: i < 2 && fits[0].boundary[i]})
	}
	all := t.values()
	lo := math.Inf(1)
	for _, v := range all {
		lo = min(lo, v)
	}
	r.Mean = lo + half + half*(fits[0].mean+m.centre)
	r.LogLik = fits[0].logLik - float64(t.ratings-1)*math.Log(half)
	values := m.coefficients(fits)
	for i := range r.Coefficients {
		c := ICC{Name: "G(q,k)", Alias: "G(q,k)", Judges: 1, Value: values[3+i]}
		if i < 6 {
			c.Name, c.Alias = iccNames[i][0], iccNames[i][1]
		}
		if i >= 3 {
			c.Judges = m.k
		}
		r.Coefficients[i] = c
	}
	if b == nil {
		return r, nil
	}
	o, err := b.checked()
	if err != nil {
		return nil, err
	}
	draw := func() func(*rand.Rand) []float64 { return m.redraw(fits) }
	if o.Resampling == Clips {
		draw = func() func(*rand.Rand) []float64 {
			return func(rng *rand.Rand) []float64 { return z.resampled(rng, fits) }
		}
	}
	intervals, resampled, err := o.run(ctx, draw)
	if err != nil {
		return nil, err
	}
	r.Bootstrap = &resampled
	if intervals == nil {
		return r, nil
	}
	for i := range r.Variances {
		if iv := intervals[i]; iv != nil {
			r.Variances[i].Interval = &Interval{iv.Lower * scale, iv.Upper * scale, iv.Level}
		}
	}
	for i := range r.Coefficients {
		r.Coefficients[i].Interval = intervals[3+i]
	}
	return r, nil
}

// crossing is a table as a model of clips and judges, and as one of clips alone.
type crossing struct {
	two, one *solver
	y        []float64
	centre   float64
	k, q     float64
}

func newCrossing(t *Table, what string) (*crossing, error) {
	clip, judge := facet{name: "clip", levels: len(t.clips)}, facet{name: "judge", levels: len(t.judges)}
	m := &crossing{y: t.values()}
	shares := make([]float64, len(t.judges)) // of each judge: sum over clips of 1/judges
	same := 0.0
	for i, row := range t.rows {
		w := 1 / float64(len(row))
		m.k += w
		for _, c := range row {
			clip.level, judge.level = append(clip.level, int32(i)), append(judge.level, int32(c.judge))
			shares[c.judge] += w
			same += w * w
		}
	}
	n := float64(len(t.clips))
	m.k = n / m.k
	m.q = 1 / m.k // less the mean over pairs of clips of (judges in common) / (judges of one x judges of the other)
	pairs := -same
	for _, s := range shares {
		pairs += s * s
	}
	m.q = max(0, m.q-pairs/(n*(n-1)))
	if m.q < 1e-12 {
		m.q = 0
	}
	for _, y := range m.y {
		m.centre += y / float64(len(m.y))
	}
	for i := range m.y {
		m.y[i] -= m.centre
	}
	design := newDesign([]facet{clip, judge}, []uint{effectSet(0), effectSet(1)})
	if err := design.identified(what); err != nil {
		return nil, err
	}
	m.two, m.one = newSolver(design), newSolver(newDesign([]facet{clip}, []uint{effectSet(0)}))
	m.two.load(m.y)
	m.one.load(m.y)
	if m.two.exact() {
		return nil, notEstimable(what, "clip and judge explain the ratings exactly, up to one part in a million, and leave no residual variance")
	}
	return m, nil
}

// follow fits both models to the loaded outcomes of a sample, from the estimates.
func (m *crossing) follow(two, one []float64) (fits [2]*components, ok bool) {
	if fits[0], ok = m.two.fit(two, false); !ok {
		return fits, false
	}
	fits[1], ok = m.one.fit(one, false)
	return fits, ok
}

// coefficients returns the variances of clip, judge and residual, then ICC(1,1) to G(q,k).
func (m *crossing) coefficients(fits [2]*components) []float64 {
	c, j, e := fits[0].variance[0], fits[0].variance[1], fits[0].variance[2]
	c1, w := fits[1].variance[0], fits[1].variance[1]
	return []float64{c, j, e, c1 / (c1 + w), c / (c + j + e), c / (c + e), c1 / (c1 + w/m.k), c / (c + (j+e)/m.k), c / (c + e/m.k), c / (c + m.q*j + e/m.k)}
}

// redraw returns a drawer of outcomes from the fitted variances.
func (m *crossing) redraw(fits [2]*components) func(*rand.Rand) []float64 {
	own := &crossing{two: newSolver(m.two.design), one: newSolver(m.one.design), k: m.k, q: m.q}
	y := make([]float64, len(m.y))
	two, one := awake(fits[0].theta), awake(fits[1].theta)
	return func(rng *rand.Rand) []float64 {
		own.two.simulate(rng, fits[0].variance, y)
		own.two.load(y)
		own.one.load(y)
		if f, ok := own.follow(two, one); ok {
			return own.coefficients(f)
		}
		return nil
	}
}

// simulate draws outcomes with mean 0 from variances of the factors and the residual.
func (d *design) simulate(rng *rand.Rand, variance, y []float64) {
	sd := math.Sqrt(variance[len(d.factors)])
	for i := range y {
		y[i] = sd * rng.NormFloat64()
	}
	for f, fac := range d.factors {
		sd := math.Sqrt(variance[f])
		u := make([]float64, fac.levels)
		for l := range u {
			u[l] = sd * rng.NormFloat64()
		}
		for i, l := range fac.level {
			y[i] += u[l]
		}
	}
}

// awake returns a start for samples: the estimates, with a little where they are zero, as no search leaves a zero.
func awake(theta []float64) []float64 {
	out := make([]float64, len(theta))
	for i, t := range theta {
		out[i] = max(math.Abs(t), 0.1)
	}
	return out
}

// resampled draws clips with replacement and fits the models to them.
func (t *Table) resampled(rng *rand.Rand, fits [2]*components) []float64 {
	m, err := newCrossing(t.drawClips(rng), "")
	if err != nil {
		return nil
	}
	if f, ok := m.follow(awake(fits[0].theta), awake(fits[1].theta)); ok {
		return m.coefficients(f)
	}
	return nil
}

// drawClips returns a table of as many clips drawn with replacement, and the judges that rated any.
func (t *Table) drawClips(rng *rand.Rand) *Table {
	out := &Table{clips: make([]string, len(t.clips)), rows: make([][]cell, len(t.clips))} // the names of drawn clips do not matter
	at := make([]int, len(t.judges))
	for i := range out.rows {
		out.rows[i] = append([]cell(nil), t.rows[rng.IntN(len(t.rows))]...)
		out.ratings += len(out.rows[i])
		for _, c := range out.rows[i] {
			at[c.judge] = 1
		}
	}
	for j, used := range at {
		at[j] = len(out.judges)
		if used == 1 {
			out.judges = append(out.judges, t.judges[j])
		}
	}
	for _, row := range out.rows {
		for k := range row {
			row[k].judge = at[row[k].judge]
		}
	}
	return out
}
