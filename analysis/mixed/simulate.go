package mixed

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"

	"asem/analysis/frame"
)

// Truth holds values of all parameters of a model, in their own units, from which outcomes are drawn. It is not changed after it is made and may be
// used with every model of the same spec and roles, whatever the couples.
type Truth struct {
	beta      []float64
	factors   [][]float64 // of each random term: the Cholesky factor of G, q x q
	residuals residuals
}

// Names returns the names of the fixed effects, in the order of Fit.Beta.
func (m *Model) Names() []string { return slices.Clone(m.design.xNames) }

// ComponentNames returns the names of the covariance parameters, in the order of [Fit.Components].
func (m *Model) ComponentNames() []string {
	var names []string
	for _, c := range m.components(make([]float64, m.cov.params)) {
		names = append(names, c.Name)
	}
	return names
}

// Row returns the row of the frame that a row of the model comes from. Rows of the frame with something missing are not in the model.
func (m *Model) Row(i int) int { return m.whole().rows[i] }

// Truth makes parameter values from fixed effects in the order of Names and covariance parameters in the order of ComponentNames.
// Standard deviations must be 0 or more, those of residuals more; correlations must make a covariance: a [*SpecError] names the component that does not.
func (m *Model) Truth(beta, components []float64) (*Truth, error) {
	names := m.ComponentNames()
	if len(beta) != len(m.design.xNames) || len(components) != len(names) {
		panic("mixed: a truth needs a value for each parameter")
	}
	for i, b := range beta {
		if math.IsNaN(b) || math.IsInf(b, 0) {
			return nil, &SpecError{m.design.xNames[i], fmt.Sprintf("is %v; expected a finite number", b)}
		}
	}
	t := &Truth{beta: slices.Clone(beta)}
	at := 0
	next := func(low, high float64, open bool, want string) (float64, error) {
		x := components[at]
		if !(x >= low && x <= high) || open && (x == low || x == high) || math.IsInf(x, 0) {
			return 0, &SpecError{names[at], fmt.Sprintf("is %v; expected %s", x, want)}
		}
		at++
		return x, nil
	}
	inf := math.Inf(1)
	for _, term := range m.design.random {
		q := len(term.names)
		sd, first := make([]float64, q), names[at]
		cor := mat.NewSymDense(q, nil)
		var err error
		for i := range q {
			if sd[i], err = next(0, inf, false, "a standard deviation of 0 or more"); err != nil {
				return nil, err
			}
			cor.SetSym(i, i, 1)
		}
		for i := 0; i < q && !term.diag; i++ {
			for j := range i {
				r, err := next(-1, 1, false, "a correlation from -1 to 1")
				if err != nil {
					return nil, err
				}
				cor.SetSym(i, j, r)
			}
		}
		l, ok := semiCholesky(cor)
		if !ok {
			return nil, &SpecError{first, fmt.Sprintf("and the other random effects of the %s have correlations that no variables can have together (the matrix is not positive semidefinite)", term.label)}
		}
		for i := range q {
			for j := range i + 1 {
				l[i*q+j] *= sd[i]
			}
		}
		t.factors = append(t.factors, l)
	}
	r := &t.residuals
	for range m.cov.roles {
		s, err := next(0, inf, true, "a standard deviation greater than 0")
		if err != nil {
			return nil, err
		}
		r.sigma = append(r.sigma, s)
	}
	for len(r.sigma) < len(m.roles) {
		r.sigma = append(r.sigma, r.sigma[0])
	}
	var err error
	if m.cov.iRho >= 0 {
		if r.rho, err = next(-1, 1, true, "a correlation between -1 and 1"); err != nil {
			return nil, err
		}
	}
	switch m.spec.Residual.Serial {
	case SerialAR1:
		if r.phi, err = next(-1, 1, true, "a correlation between -1 and 1"); err != nil {
			return nil, err
		}
		r.power = make([]float64, 64)
		x := 1.0
		for d := range r.power {
			r.power[d] = x
			x *= r.phi
		}
	case SerialCAR1:
		if r.tau, err = next(0, inf, true, "a range greater than 0, in units of time"); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// semiCholesky returns a lower triangular L with LL' = a (q x q), also where a is singular. It reports false if a has a negative eigenvalue.
func semiCholesky(a *mat.SymDense) (l []float64, ok bool) {
	q := a.SymmetricDim()
	l = make([]float64, q*q)
	const tiny = 1e-10
	for j := range q {
		pivot := a.At(j, j)
		for k := range j {
			pivot -= l[j*q+k] * l[j*q+k]
		}
		if pivot < -tiny {
			return nil, false
		}
		root := math.Sqrt(math.Max(pivot, 0))
		for i := j; i < q; i++ {
			x := a.At(i, j)
			for k := range j {
				x -= l[i*q+k] * l[j*q+k]
			}
			switch {
			case pivot > tiny:
				l[i*q+j] = x / root
			case math.Abs(x) > math.Sqrt(tiny):
				return nil, false
			}
		}
	}
	return l, true
}

// Chance is one draw of what is random in the outcomes of a model: u and e of y = Xb + Zu + e.
type Chance struct {
	u [][]float64 // of each random term: groups x q
	e []float64   // of each row
}

// Draw draws random effects and residuals for every group and row of the model, unit by unit. Equal states of rng give equal draws.
func (m *Model) Draw(t *Truth, rng *rand.Rand) *Chance {
	d := m.whole()
	c := &Chance{e: make([]float64, len(d.rows))}
	for i, term := range d.random {
		q, l := len(term.names), t.factors[i]
		u, z := make([]float64, term.groups*q), make([]float64, q)
		for g := range term.groups {
			for k := range z {
				z[k] = rng.NormFloat64()
				for j := range k + 1 {
					u[g*q+k] += l[k*q+j] * z[j]
				}
			}
		}
		c.u = append(c.u, u)
	}
	var chol []float64
	var last *layout
	z := make([]float64, 0, m.stats.maxRows)
	residuals := t.residuals
	residuals.tau /= m.timeUnit // layouts count time in units of the model
	for i, l := range m.residualLayouts(d) {
		if last == nil || !last.sameResiduals(l) { // most units are laid out as the one before
			chol, last = m.residualFactor(l, &residuals), l
		}
		z = z[:l.n]
		for j := range z {
			z[j] = rng.NormFloat64()
			for k := range j + 1 {
				c.e[d.bounds[i]+j] += chol[j*l.n+k] * z[k]
			}
		}
	}
	return c
}

// residualLayouts describes units by what their residuals depend on.
func (m *Model) residualLayouts(d *design) []*layout {
	only := *d
	only.random = nil
	return m.layouts(&only)
}

func (l *layout) sameResiduals(o *layout) bool {
	return l.n == o.n && slices.Equal(l.role, o.role) && slices.Equal(l.couple, o.couple) && slices.Equal(l.person, o.person) && slices.Equal(l.time, o.time)
}

// residualFactor returns the Cholesky factor of R of one unit, n x n.
func (m *Model) residualFactor(l *layout, r *residuals) []float64 {
	cor := mat.NewSymDense(l.n, nil)
	for j := range l.n {
		for k := range j + 1 {
			if !m.cov.apart(l, j, k) {
				cor.SetSym(j, k, m.cov.correlation(l, r, j, k).c)
			}
		}
	}
	out, ok := semiCholesky(cor)
	if !ok {
		panic("mixed: the correlations of residuals are not positive semidefinite")
	}
	for j := range l.n {
		for k := range j + 1 {
			out[j*l.n+k] *= r.sigma[l.role[j]]
		}
	}
	return out
}

// Outcomes returns y = Xb + Zu + e of each row of the model; which row of the frame that is says [Model.Row].
func (m *Model) Outcomes(t *Truth, c *Chance) []float64 {
	d := m.whole()
	p := len(d.xNames)
	y := make([]float64, len(d.rows))
	for r := range y {
		y[r] = dot(d.x[r*p:r*p+p], t.beta)
	}
	for r := range y {
		y[r] += c.e[r]
	}
	for i, term := range d.random {
		q := len(term.names)
		for r, g := range term.group {
			y[r] += dot(term.z[r*q:r*q+q], c.u[i][g*q:g*q+q])
		}
	}
	return y
}

// WithOutcome returns the model of the same frame with another outcome: a value for each row of the frame, NaN where it is missing. It is what New would
// return, at the cost of the sums alone, if no formula mentions the outcome. Errors are [*DataError].
func (m *Model) WithOutcome(y []float64) (*Model, error) {
	d := m.whole()
	if len(y) != d.frame.Rows() {
		panic("mixed: the outcome needs a value for each row of the frame")
	}
	var keep []int
	for i, r := range d.rows {
		switch {
		case math.IsNaN(y[r]):
			continue
		case !(math.Abs(y[r]) <= largest):
			return nil, &DataError{m.spec.Outcome, fmt.Sprintf("row %d is %v, too large to compute with", r+1, y[r])}
		}
		keep = append(keep, i)
	}
	if len(keep) == 0 {
		return nil, &DataError{m.spec.Outcome, "no row is complete in all columns of the model"}
	}
	f, err := d.frame.Replace(frame.Numeric(m.spec.Outcome, y))
	if err != nil {
		return nil, &DataError{m.spec.Outcome, err.Error()}
	}
	return join(m.spec, d.only(keep, f, m.spec.Outcome))
}

// only returns the design of some of its rows, in the same columns, over another frame.
func (d *design) only(keep []int, f *frame.Frame, outcome string) *design {
	out := *d
	out.frame = f
	y, _ := f.Column(outcome)
	out.y = make([]float64, len(keep))
	for i, r := range keep {
		out.y[i] = y.Values[d.rows[r]]
	}
	out.missing = map[string]int{}
	for name, n := range d.missing {
		out.missing[name] = n
	}
	if n := len(d.rows) - len(keep); n > 0 {
		out.missing[outcome] += n
	} else {
		return &out
	}
	p := len(d.xNames)
	out.rows, out.couple, out.site, out.role, out.person = pick(d.rows, keep, 1), pick(d.couple, keep, 1), pick(d.site, keep, 1), pick(d.role, keep, 1), pick(d.person, keep, 1)
	out.time, out.x = pick(d.time, keep, 1), pick(d.x, keep, p)
	out.couples = nil
	for i, c := range out.couple { // couples stand together and are numbered in the order of their appearance
		if label := d.couples[c]; i == 0 || label != out.couples[len(out.couples)-1] {
			out.couples = append(out.couples, label)
		}
		out.couple[i] = len(out.couples) - 1
	}
	out.random = slices.Clone(d.random)
	for t := range out.random {
		term := &out.random[t]
		term.z = pick(term.z, keep, len(term.names))
		term.group = groupsOf(term.level, &out)
		term.groups = count(term.group)
	}
	out.bounds = nil
	out.bound()
	return &out
}

// pick returns the rows of a matrix that is w wide.
func pick[T any](all []T, rows []int, w int) []T {
	out := make([]T, 0, len(rows)*w)
	for _, r := range rows {
		out = append(out, all[r*w:r*w+w]...)
	}
	return out
}
