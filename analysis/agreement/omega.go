package agreement

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// McDonald is omega and the one-factor model it comes from.
type McDonald struct {
	Persons   int
	Omega     float64   // 0 to 1
	SE        *float64  // delta method from expected information; nil where a residual variance is on its boundary or the data do not say
	Interval  *Interval // nil where there is no SE
	Items     []Loading
	Heywood   []string // items whose residual variance would be negative and was kept at 0: the model does not describe them
	ChiSquare float64  // of the model against any covariances: persons times the minimum of the discrepancy
	DF        int
	P         *float64 // nil with 0 df
}

// Loading is what an item shares with the factor.
type Loading struct {
	Name     string
	Loading  float64 // on a factor of variance 1, in units of the item
	Residual float64 // variance
}

// Omega returns McDonald's omega, (sum l)^2 / ((sum l)^2 + sum u), with the loadings l and residual variances u of a one-factor model that is fitted by
// maximum likelihood (McDonald 1999; Jöreskog 1969) with residual variances of 0 or more, by scoring with the expected information. Sign of the
// factor: that in which loadings sum to 0 or more. The level is 0.95 if 0. Fewer than three items, or items of which some determine
// others, are [ErrNotEstimable].
func Omega(it *Items, level float64) (*McDonald, error) {
	const what = "McDonald's omega"
	level, err := checkLevel(level)
	if err != nil {
		return nil, err
	}
	if it.missing == Pairwise && it.Incomplete > 0 {
		return nil, badInput("missing", "is pairwise; the likelihood of a factor needs complete persons, listwise")
	}
	p := len(it.Names)
	if p < 3 {
		return nil, notEstimable(what, "a factor needs three items, and there are %d", p)
	}
	r := mat.NewSymDense(p, nil)
	for i := range p {
		for j := i; j < p; j++ {
			r.SetSym(i, j, it.correlation(i, j))
		}
	}
	var chol mat.Cholesky
	if it.persons <= p || !chol.Factorize(r) || chol.Cond() > 1e12 {
		return nil, notEstimable(what, "some of the %d items follow from the others in %d persons", p, it.persons)
	}
	f := newFactor(r)
	if !f.minimise() {
		return nil, notEstimable(what, "the search for the loadings did not arrive at a maximum of the likelihood")
	}
	m := &McDonald{Persons: it.persons, ChiSquare: float64(it.persons) * max(0, f.value-chol.LogDet()-float64(p)), DF: p*(p+1)/2 - 2*p}
	if m.DF > 0 {
		m.P = known(distuv.ChiSquared{K: float64(m.DF)}.Survival(m.ChiSquare))
	}
	common, own := 0.0, 0.0
	for i, name := range it.Names {
		sd := math.Sqrt(it.cov.At(i, i))
		common, own = common+f.at[i]*sd, own+f.at[p+i]*sd*sd
		sd *= it.half * math.Sqrt(1-1/float64(it.persons)) // maximum likelihood divides by persons
		m.Items = append(m.Items, Loading{name, f.at[i] * sd, f.at[p+i] * sd * sd})
		if f.at[p+i] == 0 {
			m.Heywood = append(m.Heywood, name)
		}
	}
	if common < 0 {
		common = -common
		for i := range m.Items {
			m.Items[i].Loading = -m.Items[i].Loading
		}
		for i := range p {
			f.at[i] = -f.at[i]
		}
	}
	total := common*common + own
	if !(total > 0) {
		return nil, notEstimable(what, "the sum of the items does not vary")
	}
	m.Omega = common * common / total
	if len(m.Heywood) > 0 {
		return m, nil
	}
	g := mat.NewVecDense(2*p, nil) // gradient of omega in the parameters of the correlations
	for i := range p {
		sd := math.Sqrt(it.cov.At(i, i))
		g.SetVec(i, 2*common*own/square(total)*sd)
		g.SetVec(p+i, -square(common/total)*sd*sd)
	}
	f.evaluate(true)
	var info mat.Cholesky
	var x mat.VecDense
	if !info.Factorize(f.hess) || info.Cond() > 1e12 { // as where only two items load: omega stands, and the data do not say how well
		return m, nil
	}
	if err := info.SolveVecTo(&x, g); err != nil {
		return nil, notEstimable(what, "the information about the loadings cannot be inverted")
	}
	se := math.Sqrt(2 / float64(it.persons) * mat.Dot(g, &x))
	m.SE = &se
	z := distuv.UnitNormal.Quantile((1 + level) / 2)
	m.Interval = &Interval{Lower: max(0, m.Omega-z*se), Upper: min(1, m.Omega+z*se), Level: level}
	return m, nil
}

// oneFactor is a factor model of a correlation matrix R: Sigma = l l' + diag(u). Its discrepancy is log|Sigma| + tr(R Sigma^-1).
type oneFactor struct {
	r     *mat.SymDense
	at    []float64 // l, then u
	value float64
	grad  []float64
	hess  *mat.SymDense // expected
	sigma *mat.SymDense
	chol  mat.Cholesky
	inv   *mat.SymDense
}

// newFactor starts from the first principal component.
func newFactor(r *mat.SymDense) *oneFactor {
	p := r.SymmetricDim()
	f := &oneFactor{r: r, at: make([]float64, 2*p), grad: make([]float64, 2*p), hess: mat.NewSymDense(2*p, nil), sigma: mat.NewSymDense(p, nil), inv: mat.NewSymDense(p, nil)}
	var eig mat.EigenSym
	var v mat.Dense
	first := 0.5
	if eig.Factorize(r, true) {
		eig.VectorsTo(&v)
		first = eig.Values(nil)[p-1]
	}
	for i := range p {
		l := 0.5
		if !v.IsEmpty() {
			l = v.At(i, p-1) * math.Sqrt(first)
		}
		l = max(-0.95, min(0.95, l))
		f.at[i], f.at[p+i] = l, 1-l*l
	}
	return f
}

// evaluate computes the discrepancy, and its gradient and expected second derivatives if wanted:
//
//	l_i, l_j: 2 (W_ij l'Wl + v_i v_j)   l_i, u_j: 2 W_ij v_j   u_i, u_j: W_ij^2,   W = Sigma^-1, v = W l
func (f *oneFactor) evaluate(derivatives bool) bool {
	p := f.r.SymmetricDim()
	l, u := f.at[:p], f.at[p:]
	for i := range p {
		for j := i; j < p; j++ {
			v := l[i] * l[j]
			if i == j {
				v += u[i]
			}
			f.sigma.SetSym(i, j, v)
		}
	}
	if !f.chol.Factorize(f.sigma) || f.chol.InverseTo(f.inv) != nil {
		f.value = math.Inf(1)
		return false
	}
	f.value = f.chol.LogDet()
	for i := range p {
		for j := range p {
			f.value += f.inv.At(i, j) * f.r.At(i, j)
		}
	}
	if !derivatives {
		return true
	}
	var wr, g mat.Dense // g = W (Sigma - R) W
	wr.Mul(f.inv, f.r)
	g.Mul(&wr, f.inv)
	v, c := make([]float64, p), 0.0
	for i := range p {
		for j := range p {
			v[i] += f.inv.At(i, j) * l[j]
		}
		c += v[i] * l[i]
	}
	for i := range p {
		f.grad[i] = 0
		for j := range p {
			f.grad[i] += 2 * (f.inv.At(i, j) - g.At(i, j)) * l[j]
			w := f.inv.At(i, j)
			f.hess.SetSym(i, j, 2*(w*c+v[i]*v[j]))
			f.hess.SetSym(i, p+j, 2*w*v[j])
			f.hess.SetSym(p+i, p+j, w*w)
		}
		f.grad[p+i] = f.inv.At(i, i) - g.At(i, i)
	}
	return true
}

// minimise takes scoring steps that keep residual variances at 0 or more. It reports whether no step leads further down.
func (f *oneFactor) minimise() bool {
	p := f.r.SymmetricDim()
	if !f.evaluate(true) {
		return false
	}
	best := math.Inf(1)
	for range 1000 {
		var free []int
		for i, g := range f.grad {
			if i < p || f.at[i] > 0 || g < 0 { // else it is held by its bound
				free = append(free, i)
			}
		}
		step := f.step(free)
		gain := 0.0 // twice what the step promises
		for c, i := range free {
			gain -= step[c] * f.grad[i]
		}
		// From here on the discrepancy no longer tells points apart, and only what is still to be gained does.
		const flat = 1e-11
		if gain < flat && !(gain < best/2) || gain < 1e-24 {
			return true
		}
		best = gain
		old, from := slices.Clone(f.at), f.value
		moved := false
		for t := 1.0; t > 1e-10 && !moved; t /= 2 {
			for c, i := range free {
				f.at[i] = old[i] + t*step[c]
				if i >= p {
					f.at[i] = max(0, f.at[i])
				}
			}
			moved = f.evaluate(false) && (gain < flat || f.value <= from-1e-4*t*gain)
		}
		if !moved {
			copy(f.at, old)
			f.evaluate(true)
			return gain < 1e-9
		}
		if !f.evaluate(true) {
			return false
		}
	}
	return false
}

// step solves H step = -gradient for the free parameters, with H made larger where it is singular.
func (f *oneFactor) step(free []int) []float64 {
	k := len(free)
	h, g := mat.NewSymDense(k, nil), mat.NewVecDense(k, nil)
	for ridge := 0.0; ; ridge = max(1e-8, 10*ridge) {
		for a, i := range free {
			g.SetVec(a, -f.grad[i])
			for b := a; b < k; b++ {
				h.SetSym(a, b, f.hess.At(i, free[b]))
			}
			h.SetSym(a, a, h.At(a, a)*(1+ridge)+ridge)
		}
		var chol mat.Cholesky
		var x mat.VecDense
		if chol.Factorize(h) && chol.Cond() < 1e13 && chol.SolveVecTo(&x, g) == nil {
			return x.RawVector().Data
		}
		if ridge > 1e6 {
			return g.RawVector().Data
		}
	}
}
