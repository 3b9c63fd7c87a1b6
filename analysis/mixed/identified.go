package mixed

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Where an eigenvalue of the information counts as zero, as a share of what the covariance alone would tell; and from which
// condition number on the information is looked at for it.
const (
	zeroInformation = 1e-9
	wellConditioned = 1e3
)

// identified returns the condition number of the information scaled to unit diagonal and the names of the parameters along
// which it is flat: no data of this layout can tell them apart.
//
// That is a property of the layout, not of where the search came to rest. On a ridge of equal likelihood it may do so anywhere, also where the
// ridge meets the boundary, and there the observed information is singular only up to rounding. So it is asked of the expected
// information, and of it at a point inside the parameter space where nothing vanishes by chance; the end of the search comes second, and
// parameters on the boundary are left out of it: they are flat by nature. Where the search arrived at a well-conditioned maximum off the boundary
// there is nothing to ask.
func (s *search) identified(arrived bool) (condition float64, flat []string) {
	m := s.m
	onEdge := m.edgeParams(s.theta)
	var keep, all []int
	for i := range s.theta {
		if all = append(all, i); !onEdge[i] {
			keep = append(keep, i)
		}
	}
	condition = 1
	if len(keep) > 0 {
		condition, _ = flatness(s.around.observed, keep)
	}
	if arrived && condition < wellConditioned && len(keep) == len(all) && len(s.conv.Boundary) == 0 {
		return condition, nil
	}
	_, along := flatness(m.expectedAt(m.inside(), m.NewWorkspace()), all)
	if len(along) == 0 && len(keep) > 0 && !(condition < wellConditioned) {
		condition, along = flatness(m.expectedAt(s.theta, m.NewWorkspace()), keep)
	}
	if len(along) == 0 {
		return condition, nil
	}
	names := m.cov.paramNames(m.design.random, m.roles)
	for _, i := range along {
		flat = append(flat, names[i])
	}
	return math.Inf(1), flat
}

// inside returns values of the parameters that are in no special relation to each other, to zero or to the boundary.
func (m *Model) inside() []float64 {
	theta := m.start(0.5)
	for i := range theta {
		theta[i] += 0.2 * math.Sin(1+math.Sqrt2*float64(i))
	}
	return theta
}

// expectedAt returns the expected information of theta (params x params), in units of what there would be if the fixed effects were known:
// with REML some of it is lost to them, all of it where they already say what a random effect would. It is nil where the likelihood cannot be computed.
func (m *Model) expectedAt(theta []float64, w *Workspace) *mat.SymDense {
	if math.IsInf(m.LogLik(theta, nil, w), -1) {
		return nil
	}
	k := m.cov.params
	known := make([]float64, k*k)
	m.information(theta, known, w)
	e := mat.NewSymDense(k, slices.Clone(known))
	if m.spec.Method == REML {
		e = m.restricted(theta, w)
	}
	unit := make([]float64, k)
	for i := range unit {
		if x := known[i*k+i]; x > 0 {
			unit[i] = 1 / math.Sqrt(x)
		}
	}
	return scaled(e, unit)
}

// restricted returns the expected information with REML, 1/2 tr(P V_k P V_l) with P = W - W X C X'W over all couples (Harville 1977,
// section 5), as half of
//
//	sum [ c tr(W V_k W V_l) - 2 tr(W V_k W V_l W X C X') ] + tr(C F_k C F_l)
//
// in the symbols of curvature. It uses what LogLik left in w at theta.
func (m *Model) restricted(theta []float64, w *Workspace) *mat.SymDense {
	p, k := m.stats.p, m.cov.params
	gamma := w.gamma
	w.gamma = make([]float64, p) // weigh gives the whole of r r' + X C X'
	m.weigh(w)
	w.gamma = gamma
	w.q[len(w.q)-1] = 0
	half, cross := make([]float64, k*k), make([]float64, k*m.stats.width())
	for i, pat := range m.stats.patterns {
		if pat.couples == 0 {
			continue
		}
		n := pat.layout.n
		wi, wmw := w.w[i][:n*n], w.t[:n*n]
		pat.moment(w.q, w.m, p, w)
		product(n, wi, w.m, w.v)
		product(n, w.v, wi, wmw)
		m.lean(pat, theta, wi, wmw, half, cross, w)
	}
	c := mat.NewSymDense(p, slices.Clone(w.c))
	cf := make([]mat.Dense, k)
	out := mat.NewSymDense(k, nil)
	for a := range k {
		cf[a].Mul(c, lowerToSym(p, cross[a*m.stats.width():(a+1)*m.stats.width()]))
		for b := range a + 1 {
			out.SetSym(a, b, (traceOfProduct(&cf[a], &cf[b])-half[a*k+b])/2)
		}
	}
	return out
}

// flatness returns the condition number of an information matrix (k x k) of the kept parameters scaled to unit
// diagonal, +Inf where it is singular, and then the parameters along which it is.
func flatness(e *mat.SymDense, keep []int) (condition float64, along []int) {
	if e == nil {
		return math.Inf(1), nil
	}
	cor := mat.NewSymDense(len(keep), nil)
	for a, i := range keep {
		if !(e.At(i, i) > zeroInformation) {
			return math.Inf(1), []int{i}
		}
		for b, j := range keep[:a+1] {
			cor.SetSym(a, b, e.At(i, j)/math.Sqrt(e.At(i, i)*e.At(j, j)))
		}
	}
	var eig mat.EigenSym
	if !eig.Factorize(cor, true) {
		return math.Inf(1), nil
	}
	values := eig.Values(nil)
	low, high := values[0], values[len(values)-1]
	if low > zeroInformation*high {
		return high / low, nil
	}
	var vectors mat.Dense
	eig.VectorsTo(&vectors)
	for a, i := range keep {
		share := 0.0 // of the parameter in all flat directions, for which of these come first is up to rounding
		for e, x := range values {
			if x <= zeroInformation*high {
				share += vectors.At(a, e) * vectors.At(a, e)
			}
		}
		if share > 0.01 {
			along = append(along, i)
		}
	}
	return math.Inf(1), along
}
