package mixed

import (
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// curvature is how the likelihood bends at theta, and how X'WX changes along it.
type curvature struct {
	observed *mat.SymDense   // -d2 l / dtheta2, params x params
	slopes   []*mat.SymDense // F_k = X'W dV_k W X for each parameter, p x p each
}

// curvature uses what LogLik left in w at theta, and leaves it as it was.
//
// With D as in [Model.LogLik], M the sum over couples of r r' + X C X' (ML: of r r'), V_k = dV/dtheta_k and c the number of
// couples that share V, the observed information is half of
//
//	sum [ tr(D V_kl) - c tr(W V_k W V_l) + 2 tr(W V_k W V_l W M) ] - tr(C F_k C F_l) - 2 g_k' C g_l
//
// where g_k = X'W V_k W r; with ML the term with F is not there. That is the derivative of the score: V, b and C
// all depend on theta.
func (m *Model) curvature(theta []float64, w *Workspace) curvature {
	p, k := m.stats.p, m.cov.params
	m.weigh(w)
	half := make([]float64, k*k)
	cross := make([]float64, k*m.stats.width())
	for i, pat := range m.stats.patterns {
		if pat.couples == 0 {
			continue
		}
		n := pat.layout.n
		nn := n * n
		wi, wmw := w.w[i][:nn], w.t[:nn]
		pat.moment(w.q, w.m, p, w)
		product(n, wi, w.m, w.v)
		product(n, w.v, wi, wmw)
		for j, x := range wi {
			w.d[j] = float64(pat.couples)*x - wmw[j]
		}
		m.cov.bend(pat.layout, theta, w.d, half, w)
		for a := range k {
			ua := w.u[a*nn : (a+1)*nn]
			m.cov.derivative(pat.layout, theta, a, w.v, w)
			product(n, wi, w.v, ua)
			product(n, ua, wi, w.d)
			pat.cross(w.d[:nn], cross[a*m.stats.width():(a+1)*m.stats.width()], p, w)
			product(n, w.v, wmw, w.d)
			for b := range a + 1 {
				ub := w.u[b*nn : (b+1)*nn]
				// tr(W V_b W V_a W M) is the sum of the entries of W V_b times those of V_a W M W.
				half[a*k+b] += 2*blas64.Dot(vector(ub), vector(w.d[:nn])) - float64(pat.couples)*traceOf(n, ua, ub)
			}
		}
	}
	out := curvature{observed: mat.NewSymDense(k, nil)}
	c := mat.NewSymDense(p, append([]float64(nil), w.c...))
	gamma := mat.NewVecDense(p, w.gamma)
	cf := make([]mat.Dense, k) // C F_k
	g, cg := make([]mat.VecDense, k), make([]mat.VecDense, k)
	for a := range k {
		lower := cross[a*m.stats.width() : (a+1)*m.stats.width()]
		f := lowerToSym(p, lower)
		out.slopes = append(out.slopes, f)
		cf[a].Mul(c, f)
		g[a].MulVec(f, gamma)
		g[a].SubVec(mat.NewVecDense(p, lower[p*(p+1)/2:p*(p+1)/2+p]), &g[a])
		cg[a].MulVec(c, &g[a])
		for b := range a + 1 {
			h := half[a*k+b] - 2*mat.Dot(&g[a], &cg[b])
			if m.spec.Method == REML {
				h -= traceOfProduct(&cf[a], &cf[b])
			}
			out.observed.SetSym(a, b, h/2)
		}
	}
	return out
}

// traceOf returns tr(AB) of two n x n matrices.
func traceOf(n int, a, b []float64) float64 {
	tr := 0.0
	for r := range n {
		for c, x := range a[r*n : r*n+n] {
			tr += x * b[c*n+r]
		}
	}
	return tr
}

// bend adds the sum over j, k of d_jk (d2V/dtheta_a dtheta_b)_jk to the lower triangle of out (params x params),
// where d is symmetric.
func (c *covariance) bend(l *layout, theta, d, out []float64, w *Workspace) {
	n, k := l.n, c.params
	add := func(a, b int, x float64) { out[max(a, b)*k+min(a, b)] += x }
	r := c.residuals(theta, w)
	for i := range n {
		for j := range i + 1 {
			cor := c.correlation(l, r, i, j)
			x := d[i*n+j] * r.sigma[l.role[i]] * r.sigma[l.role[j]]
			if x == 0 || !cor.any() {
				continue
			}
			if i != j {
				x *= 2
			}
			if c.iRho >= 0 {
				add(c.iRho, c.iRho, x*cor.rhoRho)
			}
			if c.iSerial >= 0 {
				add(c.iSerial, c.iSerial, x*cor.serialSerial)
			}
			if c.iRho >= 0 && c.iSerial >= 0 {
				add(c.iRho, c.iSerial, x*cor.rhoSerial)
			}
			for a := range c.roles { // the derivative by log sigma is so many times the covariance itself
				hits := c.hits(a, l.role[i], l.role[j])
				if hits == 0 {
					continue
				}
				for b := range a + 1 {
					add(c.iSigma+a, c.iSigma+b, x*cor.c*hits*c.hits(b, l.role[i], l.role[j]))
				}
				if c.iRho >= 0 {
					add(c.iSigma+a, c.iRho, x*cor.rho*hits)
				}
				if c.iSerial >= 0 {
					add(c.iSigma+a, c.iSerial, x*cor.serial*hits)
				}
			}
		}
	}
	for t, ct := range c.terms {
		h := w.h[:ct.q*ct.q] // the sum over groups of Z'DZ
		c.zdz(l, t, d, h, w)
		// V = Z L L' Z': by two entries of one column of L the second derivative is z_i z_i2' + z_i2 z_i', else 0.
		for a := range ct.params() {
			i, j := ct.at(a)
			for b := range a + 1 {
				if i2, j2 := ct.at(b); j == j2 {
					out[(ct.first+a)*k+ct.first+b] += 2 * h[i*ct.q+i2]
				}
			}
		}
	}
}
