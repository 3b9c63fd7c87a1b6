package mixed

import (
	"fmt"
	"math"
	"slices"
)

// layout is what the covariance of one unit's outcomes depends on: who was observed when, and the
// rows of the random-effects design. Units (couples, or sites with their couples) with equal layouts share V.
type layout struct {
	n      int
	role   []int     // index of the role of each row
	couple []int     // of each row, numbered from 0 within the unit
	person []int     // who, numbered from 0 within the unit
	time   []float64 // occasion
	terms  []layoutTerm
}

// layoutTerm is the part of a random term that one couple sees.
type layoutTerm struct {
	q      int
	group  []int // group of each row, numbered from 0 within the couple
	groups int
	z      []float64 // n x q, row-major
}

// covariance maps the parameters theta to V(theta) = sum over terms of Z G Z' + R and its
// derivatives. The parameters stand in this order:
//
//	for each random term, the lower Cholesky factor L of its G by rows (diagonal terms: its diagonal),
//	log sigma, for each role if the variance is by role,
//	atanh rho, if partners' residuals correlate,
//	atanh phi (AR1) or log tau (CAR1).
//
// L itself is the parameter, not the logarithm of its diagonal: a variance of zero is then an
// ordinary point that Newton steps reach, where a logarithm would run away to minus infinity. The signs of L are free and are normalised after the fit.
type covariance struct {
	terms    []covTerm
	residual Residual
	roles    int // number of residual variances
	iSigma   int // index of the first log sigma
	iRho     int // of atanh rho, -1 if there is none
	iSerial  int // of the serial parameter, -1 if there is none
	params   int
}

type covTerm struct {
	q       int
	diag    bool
	first   int      // index of the first parameter
	entries [][2]int // row and column in L of each parameter of the term, by rows
}

func newCovTerm(q int, diag bool, first int) covTerm {
	t := covTerm{q: q, diag: diag, first: first}
	for i := range q {
		for j := range i + 1 {
			if i == j || !diag {
				t.entries = append(t.entries, [2]int{i, j})
			}
		}
	}
	return t
}

func (t covTerm) params() int { return len(t.entries) }

// at returns the row and column in L of the k-th parameter of the term.
func (t covTerm) at(k int) (row, col int) { return t.entries[k][0], t.entries[k][1] }

func newCovariance(random []randomTerm, r Residual, roles int) *covariance {
	c := &covariance{residual: r, roles: 1, iRho: -1, iSerial: -1}
	for _, t := range random {
		ct := newCovTerm(len(t.names), t.diag, c.params)
		c.terms = append(c.terms, ct)
		c.params += ct.params()
	}
	if r.Variance == VarianceByRole {
		c.roles = roles
	}
	c.iSigma = c.params
	c.params += c.roles
	if r.CrossPartner {
		c.iRho = c.params
		c.params++
	}
	if r.Serial != SerialNone {
		c.iSerial = c.params
		c.params++
	}
	return c
}

// chol writes the Cholesky factor L of term t at theta into l (q x q, row-major).
func (c *covariance) chol(t int, theta, l []float64) {
	ct := c.terms[t]
	clear(l[:ct.q*ct.q])
	for k := range ct.params() {
		i, j := ct.at(k)
		l[i*ct.q+j] = theta[ct.first+k]
	}
}

// g writes G = L L' of term t into g (q x q).
func (c *covariance) g(t int, theta, g []float64) {
	q := c.terms[t].q
	l := make([]float64, q*q)
	c.chol(t, theta, l)
	for i := range q {
		for j := range q {
			s := 0.0
			for k := range min(i, j) + 1 {
				s += l[i*q+k] * l[j*q+k]
			}
			g[i*q+j] = s
		}
	}
}

// sigma returns the residual standard deviation of a role.
func (c *covariance) sigma(theta []float64, role int) float64 {
	if c.roles == 1 {
		role = 0
	}
	return math.Exp(theta[c.iSigma+role])
}

// residuals holds what the residual parameters stand for at one theta.
type residuals struct {
	of    []float64 // the parameters, for which the rest was computed
	sigma []float64 // standard deviation of each role that a layout may name
	rho   float64   // correlation of partners on one occasion
	phi   float64   // AR1: correlation of neighbouring occasions
	tau   float64   // CAR1: range, in units of time
	power []float64 // phi^0, phi^1, ...
}

// factors computes the Cholesky factors of all terms at theta, once for each theta.
func (c *covariance) factors(theta []float64, w *Workspace) {
	if slices.Equal(w.lOf, theta[:c.iSigma]) {
		return
	}
	w.lOf = append(w.lOf[:0], theta[:c.iSigma]...)
	for t := range c.terms {
		c.chol(t, theta, w.l[t])
	}
}

// residuals computes them, once for each theta.
func (c *covariance) residuals(theta []float64, w *Workspace) *residuals {
	r := &w.residuals
	if slices.Equal(r.of, theta[c.iSigma:]) {
		return r
	}
	r.of = append(r.of[:0], theta[c.iSigma:]...)
	for i := range r.sigma {
		r.sigma[i] = c.sigma(theta, i)
	}
	if c.iRho >= 0 {
		r.rho = math.Tanh(theta[c.iRho])
	}
	switch c.residual.Serial {
	case SerialAR1:
		r.phi = math.Tanh(theta[c.iSerial])
		x := 1.0
		for d := range r.power {
			r.power[d] = x
			x *= r.phi
		}
	case SerialCAR1:
		r.tau = math.Exp(theta[c.iSerial])
	}
	return r
}

// residualCor is the correlation of the residuals of two rows and its derivatives by atanh rho and the serial parameter.
type residualCor struct{ c, rho, serial, rhoRho, rhoSerial, serialSerial float64 }

// any reports whether it matters to V or its derivatives.
func (x residualCor) any() bool {
	return x.c != 0 || x.rho != 0 || x.serial != 0 || x.serialSerial != 0 || x.rhoSerial != 0
}

// serialCor is the correlation of two residuals of one person that are d apart.
func (c *covariance) serialCor(r *residuals, d float64) residualCor {
	if d == 0 {
		return residualCor{c: 1}
	}
	if c.residual.Serial == SerialCAR1 {
		x := d / r.tau
		e := math.Exp(-x)
		return residualCor{c: e, serial: e * x, serialSerial: e * x * (x - 1)}
	}
	if k := int(d); k < len(r.power) { // whole d: negative phi is fine
		return ar1(d, r.phi, r.power[max(k-2, 0)], k)
	}
	return ar1(d, r.phi, math.Pow(r.phi, d-2), 2)
}

// ar1 is phi^d with its derivatives by atanh phi, where before is phi^(d-2), or 1 for k = 1.
func ar1(d, phi, before float64, k int) residualCor {
	bent := 1 - phi*phi // dphi / datanh phi
	if k == 1 {
		return residualCor{c: phi, serial: bent, serialSerial: -2 * phi * bent}
	}
	below := before * phi
	return residualCor{c: below * phi, serial: d * below * bent, serialSerial: d * bent * ((d-1)*before*bent - 2*below*phi)}
}

// apart reports, for many pairs of rows and fast, that their residuals have nothing to do with each other.
func (c *covariance) apart(l *layout, j, k int) bool {
	return j != k && (l.couple[j] != l.couple[k] || c.iSerial < 0 && (c.iRho < 0 || l.time[j] != l.time[k]))
}

// correlation returns c_jk of the residuals of two rows.
func (c *covariance) correlation(l *layout, r *residuals, j, k int) residualCor {
	if j == k {
		return residualCor{c: 1}
	}
	d := math.Abs(l.time[j] - l.time[k])
	samePerson := l.person[j] == l.person[k]
	if l.couple[j] != l.couple[k] || samePerson && c.iSerial < 0 || !samePerson && (c.iRho < 0 || c.iSerial < 0 && d != 0) {
		return residualCor{}
	}
	x := residualCor{c: 1}
	if c.iSerial >= 0 {
		x = c.serialCor(r, d)
	}
	if !samePerson {
		bent := 1 - r.rho*r.rho // drho / datanh rho
		x = residualCor{c: x.c * r.rho, rho: x.c * bent, serial: x.serial * r.rho,
			rhoRho: -2 * r.rho * bent * x.c, rhoSerial: bent * x.serial, serialSerial: x.serialSerial * r.rho}
	}
	return x
}

// hits returns how often the residual deviation of role r is a factor of the covariance of two rows.
func (c *covariance) hits(r, one, other int) float64 {
	n := 0.0
	if c.roles == 1 || one == r {
		n++
	}
	if c.roles == 1 || other == r {
		n++
	}
	return n
}

// fill writes V(theta) of a layout into v (n x n, row-major, both triangles).
func (c *covariance) fill(l *layout, theta, v []float64, w *Workspace) {
	n := l.n
	r := c.residuals(theta, w)
	c.factors(theta, w)
	for j := range n {
		for k := range j + 1 {
			if v[j*n+k] = 0; !c.apart(l, j, k) {
				v[j*n+k] = r.sigma[l.role[j]] * r.sigma[l.role[k]] * c.correlation(l, r, j, k).c
			}
		}
	}
	for t := range c.terms {
		lt := &l.terms[t]
		q := lt.q
		f := w.l[t]
		for j := range n { // w.zl = Z L
			for b := range q {
				s := 0.0
				for a := b; a < q; a++ {
					s += lt.z[j*q+a] * f[a*q+b]
				}
				w.zl[j*q+b] = s
			}
		}
		for j := range n {
			for k := range j + 1 {
				if lt.group[j] != lt.group[k] {
					continue
				}
				s := 0.0
				for b := range q {
					s += w.zl[j*q+b] * w.zl[k*q+b]
				}
				v[j*n+k] += s
			}
		}
	}
	for j := range n {
		for k := range j {
			v[k*n+j] = v[j*n+k]
		}
	}
}

// contract adds, for every parameter of the residuals, the sum over j, k of d_jk (dV/dtheta)_jk to out, where d is
// symmetric, and gathers Z'DZ in w.h, from which settle makes those of the factors.
func (c *covariance) contract(l *layout, theta, d, out []float64, w *Workspace) {
	n := l.n
	r := c.residuals(theta, w)
	for j := range n {
		for k := range j + 1 {
			if c.apart(l, j, k) {
				continue
			}
			cor := c.correlation(l, r, j, k)
			if !cor.any() {
				continue
			}
			x := d[j*n+k] * r.sigma[l.role[j]] * r.sigma[l.role[k]]
			if j != k {
				x *= 2
			}
			if c.roles == 1 {
				out[c.iSigma] += 2 * x * cor.c
			} else {
				out[c.iSigma+l.role[j]] += x * cor.c
				out[c.iSigma+l.role[k]] += x * cor.c
			}
			if c.iRho >= 0 {
				out[c.iRho] += x * cor.rho
			}
			if c.iSerial >= 0 {
				out[c.iSerial] += x * cor.serial
			}
		}
	}
	for t := range c.terms {
		c.zdz(l, t, d, w)
	}
}

// settle adds what contract gathered by the parameters of the factors.
func (c *covariance) settle(out []float64, w *Workspace) {
	// V = Z L L' Z', so the derivative by L is 2 Z'D Z L.
	for t, ct := range c.terms {
		for p, e := range ct.entries {
			s := 0.0
			for a := range ct.q {
				s += w.h[t][e[0]*ct.q+a] * w.l[t][a*ct.q+e[1]]
			}
			out[ct.first+p] += 2 * s
		}
	}
}

// zdz adds the sum over the groups of term t of Z'DZ to w.h[t] (q x q).
func (c *covariance) zdz(l *layout, t int, d []float64, w *Workspace) {
	lt := &l.terms[t]
	n, q := l.n, lt.q
	h := w.h[t]
	dz := w.zl[:n*q]
	for j := range n {
		row := dz[j*q : j*q+q]
		clear(row)
		for k := range n {
			if lt.group[j] != lt.group[k] {
				continue
			}
			x := d[j*n+k]
			for b := range q {
				row[b] += x * lt.z[k*q+b]
			}
		}
	}
	for j := range n {
		for a := range q {
			x := lt.z[j*q+a]
			if x == 0 {
				continue
			}
			for b := range q {
				h[a*q+b] += x * dz[j*q+b]
			}
		}
	}
}

// derivative writes dV/dtheta_p of a layout into v (n x n).
func (c *covariance) derivative(l *layout, theta []float64, p int, v []float64, w *Workspace) {
	n := l.n
	clear(v[:n*n])
	if p >= c.iSigma {
		r := c.residuals(theta, w)
		for j := range n {
			for k := range j + 1 {
				if c.apart(l, j, k) {
					continue
				}
				cor := c.correlation(l, r, j, k)
				x := r.sigma[l.role[j]] * r.sigma[l.role[k]]
				switch p {
				case c.iRho:
					x *= cor.rho
				case c.iSerial:
					x *= cor.serial
				default:
					x *= c.hits(p-c.iSigma, l.role[j], l.role[k]) * cor.c
				}
				v[j*n+k], v[k*n+j] = x, x
			}
		}
		return
	}
	for t, ct := range c.terms {
		if p < ct.first || p >= ct.first+ct.params() {
			continue
		}
		c.factors(theta, w)
		lt := &l.terms[t]
		q := lt.q
		row, col := ct.at(p - ct.first)
		f := w.l[t]
		// dG = e_row L_col' + L_col e_row', so dV = z_row (Z L_col)' + its transpose.
		for j := range n {
			s := 0.0
			for a := col; a < q; a++ {
				s += lt.z[j*q+a] * f[a*q+col]
			}
			w.zl[j] = s
		}
		for j := range n {
			for k := range n {
				if lt.group[j] == lt.group[k] {
					v[j*n+k] = lt.z[j*q+row]*w.zl[k] + w.zl[j]*lt.z[k*q+row]
				}
			}
		}
	}
}

// paramNames names the parameters for messages: "L[couple: rolew, roleh]", "log sigma[w]".
func (c *covariance) paramNames(random []randomTerm, roleLevels []string) []string {
	names := make([]string, 0, c.params)
	for t, ct := range c.terms {
		for k := range ct.params() {
			i, j := ct.at(k)
			if i == j {
				names = append(names, fmt.Sprintf("variance of %s in %s", random[t].names[i], random[t].label))
			} else {
				names = append(names, fmt.Sprintf("covariance of %s and %s in %s", random[t].names[i], random[t].names[j], random[t].label))
			}
		}
	}
	for r := range c.roles {
		if c.roles == 1 {
			names = append(names, "residual variance")
		} else {
			names = append(names, "residual variance of "+roleLevels[r])
		}
	}
	if c.iRho >= 0 {
		names = append(names, "residual correlation of partners")
	}
	if c.iSerial >= 0 {
		names = append(names, "serial correlation")
	}
	return names
}
