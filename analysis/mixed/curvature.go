package mixed

import "gonum.org/v1/gonum/mat"

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
	w.clearH()
	for i, pat := range m.stats.patterns {
		if pat.couples == 0 {
			continue
		}
		n := pat.layout.n
		wi, wmw := w.w[i][:n*n], w.t[:n*n]
		pat.moment(w.q, w.m, p, w)
		product(n, wi, w.m, w.v)
		product(n, w.v, wi, wmw)
		for j, x := range wi {
			w.d[j] = float64(pat.couples)*x - wmw[j]
		}
		m.cov.bend(pat.layout, theta, w.d, half, w)
		m.lean(pat, theta, wi, wmw, half, cross, w)
	}
	m.cov.bendFactors(half, w)
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

// lean adds, for one pattern, 2 tr(V_k W V_l P) - c tr(W V_k W V_l) to the lower triangle of half (params x params), where P = WMW, and
// the sum over the couples of B'W V_k W B to the lower triangles in cross.
func (m *Model) lean(pat *pattern, theta, wi, wmw, half, cross []float64, w *Workspace) {
	p, k, n, c := m.stats.p, m.cov.params, pat.layout.n, m.cov
	nn, width, couples := n*n, m.stats.width(), float64(pat.couples)
	s := &w.span
	s.lay(pat.layout, w)
	s.see(wi, pat.layout, w, s.wz, s.wzl, s.a, s.al, s.lal)
	s.see(wmw, pat.layout, w, s.pz, s.pzl, s.b, s.bl, s.lbl)
	w.places = c.places(pat.layout, w.places)
	for a, x := range w.places {
		for b, y := range w.places[:a+1] {
			half[a*k+b] += 2*s.traceWP(x, y) - couples*s.traceWW(x, y)
		}
	}
	m.crossFactors(pat, cross, w)
	for a := c.iSigma; a < k; a++ {
		d := w.v[:nn]
		c.derivative(pat.layout, theta, a, d, w)
		dw, dp := w.u[(a-c.iSigma)*nn:(a-c.iSigma+1)*nn], w.d[:nn] // D W, D P
		product(n, d, wi, dw)
		product(n, wi, dw, dp)
		pat.cross(dp, cross[a*width:(a+1)*width], p, w)
		product(n, d, wmw, dp)
		multiplied(n, n, s.z, d, s.wz, s.dz)
		for b, y := range w.places {
			half[a*k+b] -= 2 * couples * s.paired(n, y, s.dz, s.wzl)
		}
		multiplied(n, n, s.z, d, s.pz, s.dz)
		s.timesL(n, s.dz, s.dzl, pat.layout, w)
		for b, y := range w.places {
			half[a*k+b] += 2 * (s.paired(n, y, s.wz, s.dzl) + s.paired(n, y, s.dz, s.wzl))
		}
		for b := c.iSigma; b <= a; b++ {
			db := w.u[(b-c.iSigma)*nn : (b-c.iSigma+1)*nn]
			half[a*k+b] += 2*traceOf(n, db, dp) - couples*traceOf(n, dw, db)
		}
	}
}

// crossFactors adds the sum over the couples of B'W V_k W B for each parameter of a factor to the lower triangles in cross.
func (m *Model) crossFactors(pat *pattern, cross []float64, w *Workspace) {
	n, c, width, s := pat.layout.n, m.stats.p+1, m.stats.width(), &w.span
	if pat.sums != nil {
		v := w.d[:n*n]
		for k, x := range w.places {
			clear(v)
			for g, z := 0, x.first; g < x.groups; g, z = g+1, z+x.step {
				for i := range n {
					a, b := s.wz[i*s.z+z+x.i], s.wzl[i*s.z+z+x.j]
					for j := range i + 1 {
						v[i*n+j] += a*s.wzl[j*s.z+z+x.j] + b*s.wz[j*s.z+z+x.i]
					}
				}
			}
			pat.cross(v, cross[k*width:(k+1)*width], m.stats.p, w)
		}
		return
	}
	for at := 0; at < len(pat.rows); at += n * c {
		rows := pat.rows[at : at+n*c]
		across(n, c, s.z, rows, s.wz, s.t)
		across(n, c, s.z, rows, s.wzl, s.tl)
		for k, x := range w.places {
			out := cross[k*width : (k+1)*width]
			for g, z := 0, x.first; g < x.groups; g, z = g+1, z+x.step {
				t, tl := s.t[(z+x.i)*c:(z+x.i+1)*c], s.tl[(z+x.j)*c:(z+x.j+1)*c]
				i := 0
				for a, ta := range t {
					tla := tl[a]
					for b := range a + 1 {
						out[i] += ta*tl[b] + tla*t[b]
						i++
					}
				}
			}
		}
	}
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

// bend adds the sum over j, k of d_jk (d2V/dtheta_a dtheta_b)_jk to the lower triangle of out (params x params) for the parameters of the
// residuals, where d is symmetric, and gathers Z'DZ in w.h, from which bendFactors makes the rest.
func (c *covariance) bend(l *layout, theta, d, out []float64, w *Workspace) {
	n, k := l.n, c.params
	add := func(a, b int, x float64) { out[max(a, b)*k+min(a, b)] += x }
	r := c.residuals(theta, w)
	for i := range n {
		for j := range i + 1 {
			if c.apart(l, i, j) {
				continue
			}
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
	for t := range c.terms {
		c.zdz(l, t, d, w)
	}
}

// bendFactors adds to the lower triangle of out (params x params) what bend gathered for the factors.
func (c *covariance) bendFactors(out []float64, w *Workspace) {
	k := c.params
	for t, ct := range c.terms {
		// V = Z L L' Z': by two entries of one column of L the second derivative is z_i z_i2' + z_i2 z_i', else 0.
		for a, x := range ct.entries {
			for b, y := range ct.entries[:a+1] {
				if x[1] == y[1] {
					out[(ct.first+a)*k+ct.first+b] += 2 * w.h[t][x[0]*ct.q+y[0]]
				}
			}
		}
	}
}
