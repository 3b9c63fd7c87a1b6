package mixed

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
)

// Workspace is the memory that evaluations of one model use. Each goroutine needs its own.
type Workspace struct {
	at         []float64   // theta of the last evaluation
	v, m, d, t []float64   // n x n each, of the largest layout
	w          [][]float64 // V^-1 of each pattern
	pairs      []float64   // lower triangle of n x n
	wb         []float64   // n x (p+1)
	bb         []float64   // (p+1) x (p+1)
	cross      []float64   // lower triangle of the sum of B'WB
	q          []float64   // lower triangle of Q
	xwx        []float64   // p x p: X'V^-1 X, then its Cholesky factor
	c          []float64   // p x p: (X'V^-1 X)^-1
	gamma      []float64   // p: the profiled fixed effects, in the scale of the engine
	lOf        []float64   // the parameters of the factors in l
	l, h       [][]float64 // of each term: q x q
	zl         []float64   // n x max(q, 1)
	u          []float64   // params x n x n, for the information
	span       span
	places     []place
	residuals  residuals
}

// NewWorkspace returns memory for evaluations of m. It can be used any number of times.
func (m *Model) NewWorkspace() *Workspace {
	n, c := m.stats.maxRows, m.stats.p+1
	q := 1
	for _, t := range m.cov.terms {
		q = max(q, t.q)
	}
	w := &Workspace{
		v: make([]float64, n*n), m: make([]float64, n*n), d: make([]float64, n*n), t: make([]float64, n*n),
		pairs: make([]float64, n*(n+1)/2), wb: make([]float64, n*c), bb: make([]float64, c*c),
		cross: make([]float64, m.stats.width()), q: make([]float64, m.stats.width()),
		xwx: make([]float64, m.stats.p*m.stats.p), c: make([]float64, m.stats.p*m.stats.p), gamma: make([]float64, m.stats.p),
		zl:        make([]float64, n*q),
		u:         make([]float64, m.cov.params*n*n),
		residuals: residuals{sigma: make([]float64, m.cov.roles)},
	}
	if m.spec.Residual.Serial == SerialAR1 {
		w.residuals.power = make([]float64, 64)
	}
	z := 0
	for _, pat := range m.stats.patterns {
		w.w = append(w.w, make([]float64, pat.layout.n*pat.layout.n))
		z = max(z, pat.layout.columns())
	}
	for _, t := range m.cov.terms {
		w.l, w.h = append(w.l, make([]float64, t.q*t.q)), append(w.h, make([]float64, t.q*t.q))
	}
	w.span = newSpan(n, z, c)
	return w
}

func (w *Workspace) clearH() {
	for _, h := range w.h {
		clear(h)
	}
}

// LogLik returns the profiled log-likelihood at theta, ML or REML as the spec says, constants
// included, and its gradient in score if that is not nil (length len(theta)). Where V(theta) or
// X'V^-1 X cannot be inverted it returns minus infinity. m is only read.
//
// With W = V^-1, r = y - X b and b = (X'WX)^-1 X'Wy (Laird & Ware 1982; Harville 1977):
//
//	ML:   -1/2 [ N log 2 pi + sum log|V| + r'Wr ]
//	REML: -1/2 [ (N-p) log 2 pi + sum log|V| + log|X'WX| + r'Wr ]
//
// The gradient by a parameter t is -1/2 tr(D dV/dt), where D is the sum over couples of
// W - W (r r' + X C X') W, and C = (X'WX)^-1 for REML, 0 for ML.
func (m *Model) LogLik(theta, score []float64, w *Workspace) float64 {
	s := m.stats
	logDet := 0.0
	w.at = append(w.at[:0], theta...)
	clear(w.cross)
	for i, pat := range s.patterns {
		if pat.couples == 0 { // in a bootstrap sample
			continue
		}
		n := pat.layout.n
		m.cov.fill(pat.layout, theta, w.v, w)
		ld, ok := invert(n, w.v, w.w[i])
		if !ok {
			return math.Inf(-1)
		}
		logDet += float64(pat.couples) * ld
		pat.cross(w.w[i], w.cross, s.p, w)
	}
	quad, logDetX, ok := w.profile(s.p)
	if !ok {
		return math.Inf(-1)
	}
	df := float64(s.n)
	ll := logDet + quad
	if m.spec.Method == REML {
		df -= float64(s.p)
		ll += logDetX + m.scale.logDetR
	}
	ll = -(ll + df*(math.Log(2*math.Pi)+2*math.Log(m.scale.y))) / 2
	if math.IsNaN(ll) {
		return math.Inf(-1)
	}
	if score != nil {
		m.score(theta, score, w)
	}
	return ll
}

// profile solves for the fixed effects from w.cross. It leaves gamma, C and X'WX's factor in w and
// returns r'Wr and log|X'WX|.
func (w *Workspace) profile(p int) (quad, logDet float64, ok bool) {
	i := 0
	for a := range p {
		for b := range a + 1 {
			w.xwx[a*p+b], w.xwx[b*p+a] = w.cross[i], w.cross[i]
			i++
		}
	}
	copy(w.gamma, w.cross[i:i+p])
	quad = w.cross[i+p]
	logDet, ok = invert(p, w.xwx, w.c)
	if !ok {
		return 0, 0, false
	}
	xwy := w.cross[i : i+p]
	blas64.Gemv(blas.NoTrans, 1, square(p, w.c), vector(xwy), 0, vector(w.gamma))
	quad -= blas64.Dot(vector(xwy), vector(w.gamma))
	return quad, logDet, quad > 0
}

// weigh fills q: the lower triangle of Q = [-gamma; 1][-gamma; 1]' + [C 0; 0 0], without C for ML, its off-diagonal entries
// doubled. The sum over couples of B Q B' is that of r r' + X C X'.
func (m *Model) weigh(w *Workspace) {
	p := m.stats.p
	i := 0
	for a := range p {
		for b := range a + 1 {
			q := w.gamma[a] * w.gamma[b]
			if m.spec.Method == REML {
				q += w.c[a*p+b]
			}
			if a != b {
				q *= 2
			}
			w.q[i] = q
			i++
		}
	}
	for b := range p {
		w.q[i] = -2 * w.gamma[b]
		i++
	}
	w.q[i] = 1
}

// score fills the gradient. It uses what LogLik left in w.
func (m *Model) score(theta, score []float64, w *Workspace) {
	s := m.stats
	p := s.p
	m.weigh(w)
	clear(score)
	w.clearH()
	for i, pat := range s.patterns {
		if pat.couples == 0 {
			continue
		}
		n := pat.layout.n
		pat.moment(w.q, w.m, p, w)
		product(n, w.w[i], w.m, w.t)
		product(n, w.t, w.w[i], w.d)
		for j, x := range w.w[i] {
			w.d[j] = float64(pat.couples)*x - w.d[j]
		}
		m.cov.contract(pat.layout, theta, w.d, score, w)
	}
	m.cov.settle(score, w)
	for k := range score {
		score[k] *= -0.5
	}
}

// information writes the expected information of theta, 1/2 sum tr(W dV_k W dV_l), into e (params x
// params). It uses the W that LogLik left in w.
func (m *Model) information(theta, e []float64, w *Workspace) {
	k, c, s := m.cov.params, m.cov, &w.span
	clear(e)
	for i, pat := range m.stats.patterns {
		if pat.couples == 0 {
			continue
		}
		n, half := pat.layout.n, float64(pat.couples)/2
		nn := n * n
		s.lay(pat.layout, w)
		s.see(w.w[i], pat.layout, w, s.wz, s.wzl, s.a, s.al, s.lal)
		w.places = c.places(pat.layout, w.places)
		for a, x := range w.places {
			for b, y := range w.places[:a+1] {
				e[a*k+b] += half * s.traceWW(x, y)
			}
		}
		for a := c.iSigma; a < k; a++ {
			d, dw := w.v[:nn], w.u[(a-c.iSigma)*nn:(a-c.iSigma+1)*nn]
			c.derivative(pat.layout, theta, a, d, w)
			multiplied(n, n, s.z, d, s.wz, s.dz)
			for b, y := range w.places {
				e[a*k+b] += 2 * half * s.paired(n, y, s.dz, s.wzl)
			}
			product(n, d, w.w[i], dw)
			for b := c.iSigma; b <= a; b++ {
				e[a*k+b] += half * traceOf(n, dw, w.u[(b-c.iSigma)*nn:(b-c.iSigma+1)*nn])
			}
		}
	}
	for a := range k {
		for b := range a {
			e[b*k+a] = e[a*k+b]
		}
	}
}

// invert writes the inverse of the symmetric positive definite a (n x n) into inv and returns log|a|.
// It destroys a. It reports false if a is not positive definite.
func invert(n int, a, inv []float64) (logDet float64, ok bool) {
	if n <= small {
		return invertSmall(n, a, inv)
	}
	copy(inv[:n*n], a[:n*n])
	sym := blas64.Symmetric{N: n, Stride: n, Data: inv, Uplo: blas.Lower}
	t, ok := lapack64.Potrf(sym)
	if !ok {
		return 0, false
	}
	for j := range n {
		logDet += math.Log(inv[j*n+j])
	}
	lapack64.Potri(t)
	for j := range n {
		for k := range j {
			inv[k*n+j] = inv[j*n+k]
		}
	}
	return 2 * logDet, !math.IsNaN(logDet) && !math.IsInf(logDet, 0)
}

// Params returns the number of covariance parameters: the length of theta.
func (m *Model) Params() int { return m.cov.params }
