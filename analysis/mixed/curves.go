package mixed

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Curve is the course predicted for one person: what the model expects of everybody, drawn towards what this couple showed.
type Curve struct {
	Site   string // empty without sites
	Couple string
	Person string // empty where nothing tells the partners apart: one curve for both
	Role   string // empty if the partners are exchangeable
	Time   []float64
	Points []Prediction // one for each time; DF is +Inf, for the covariance is taken as known
}

// Curves returns the predicted course at given times of every person with a row in the fit, in canonical order: the fixed effects with the
// empirical best linear unbiased predictions of the random ones (EBLUP), in units of the outcome. Whatever else is in the formulas is averaged over the
// person's own rows. With x and z the rows of X and Z at that time, W = V^-1 and k = Z_i G z the covariance of z'u with the couple's outcomes (Henderson
// 1975; Robinson 1991, Statist. Sci. 6, section 5.2),
//
//	x'b + k'W r,   variance of its error: z'Gz - k'Wk + a'Ca  with  a = x - X'Wk
//
// Serially correlated residuals are not part of a curve. Errors are those of [Fit.Trajectories].
func (f *Fit) Curves(times []float64) ([]Curve, error) {
	if err := f.Err(); err != nil {
		return nil, err
	}
	m, d := f.model, f.model.whole()
	if err := m.settable(times); err != nil {
		return nil, err
	}
	people := m.peopleRows()
	at, err := m.personRows(people, times)
	if err != nil {
		return nil, err
	}
	p := len(f.Beta)
	c := mat.NewSymDense(p, slices.Clone(f.work.c[:p*p]))
	z95 := distuv.UnitNormal.Quantile((1 + m.spec.Level) / 2)
	gs, rows := make([][]float64, len(d.random)), make([][]float64, len(d.random))
	for t, term := range d.random {
		q := len(term.names)
		gs[t] = make([]float64, q*q)
		m.cov.g(t, f.theta, gs[t])
		rows[t] = m.bases[t].rows(term.z)
	}
	out := make([]Curve, 0, len(people))
	next := 0
	f.each(func(_ int, u couple) {
		n := len(u.r)
		var wr, wk, xwk mat.VecDense
		wr.MulVec(u.w, mat.NewVecDense(n, u.r))
		for ; next < len(people) && people[next][0] < u.hi; next++ {
			first := people[next][0]
			curve := Curve{Couple: d.couples[d.couple[first]], Person: d.persons[d.person[first]], Time: slices.Clone(times)}
			if d.sites != nil {
				curve.Site = d.sites[d.site[first]]
			}
			if len(d.roleLevels) > 0 {
				curve.Role = d.roleLevels[d.role[first]]
			}
			for _, when := range at {
				k, own := mat.NewVecDense(n, nil), 0.0
				for t, term := range d.random {
					q := len(term.names)
					gz := timesRight(when.z[t][next*q:(next+1)*q], gs[t], q) // G is symmetric
					own += dot(gz, when.z[t][next*q:(next+1)*q])
					for j := range n {
						if term.group[u.lo+j] == term.group[first] {
							k.SetVec(j, k.AtVec(j)+dot(rows[t][(u.lo+j)*q:(u.lo+j+1)*q], gz))
						}
					}
				}
				wk.MulVec(u.w, k)
				xwk.MulVec(u.x.T(), &wk)
				x := when.x[next*p : (next+1)*p]
				a := mat.NewVecDense(p, slices.Clone(x))
				blas64.Trsv(blas.Trans, blas64.Triangular{N: p, Stride: p, Data: m.scale.r, Uplo: blas.Upper, Diag: blas.NonUnit}, vector(a.RawVector().Data))
				a.SubVec(a, &xwk)
				variance := own - mat.Dot(k, &wk) + mat.Inner(a, c, a)
				point := Prediction{Mean: dot(x, f.Beta) + m.scale.y*mat.Dot(k, &wr), SE: m.scale.y * math.Sqrt(math.Max(0, variance)), DF: math.Inf(1)}
				point.Lower, point.Upper = point.Mean-z95*point.SE, point.Mean+z95*point.SE
				curve.Points = append(curve.Points, point)
			}
			out = append(out, curve)
		}
	})
	return out, nil
}

// peopleRows returns the rows of the design of each person, in the order of their first rows.
func (m *Model) peopleRows() [][]int {
	d := m.whole()
	number := map[int]int{}
	var out [][]int
	for i, who := range d.person {
		at, ok := number[who]
		if !ok {
			at = len(out)
			number[who] = at
			out = append(out, nil)
		}
		out[at] = append(out[at], i)
	}
	return out
}

// personRow holds the design of every person at one time.
type personRow struct {
	x []float64   // persons x p
	z [][]float64 // of each random term: persons x q, in its basis
}

// personRows returns it for each time, with all else averaged over the person's rows.
func (m *Model) personRows(people [][]int, times []float64) ([]personRow, error) {
	d := m.whole()
	all := make([]int, len(d.rows))
	for i := range all {
		all[i] = i
	}
	mean := func(x []float64, q int) []float64 {
		out := make([]float64, len(people)*q)
		for k, rows := range people {
			for _, r := range rows {
				for j := range q {
					out[k*q+j] += x[r*q+j] / float64(len(rows))
				}
			}
		}
		return out
	}
	out := make([]personRow, len(times))
	for i, time := range times {
		s, err := m.sideAt(d.fixed, all, time)
		if err != nil {
			return nil, err
		}
		x, err := m.matrix(s, len(all))
		if err != nil {
			return nil, err
		}
		out[i].x = mean(x, m.stats.p)
		for t, term := range d.random {
			s, err := m.sideAt(term.side, all, time)
			if err != nil {
				return nil, err
			}
			columns, err := s.columns(all, m.spec.Contrasts)
			if err != nil {
				return nil, err
			}
			z := signed(rowMajor(columns, len(all)), term.difference, d)
			out[i].z = append(out[i].z, m.bases[t].rows(mean(z, len(term.names))))
		}
	}
	return out, nil
}

// settable refuses times that a course cannot be computed at.
func (m *Model) settable(times []float64) error {
	if m.spec.Time == "" {
		return &SpecError{"time", "is missing; a trajectory needs a time column"}
	}
	for _, t := range times {
		if math.IsNaN(t) || math.IsInf(t, 0) {
			return &DataError{m.spec.Time, "is not finite"}
		}
	}
	return nil
}
