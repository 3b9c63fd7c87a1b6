package agreement

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// solver evaluates the restricted likelihood of a design. It holds all memory that an evaluation needs; one goroutine uses it at a time.
type solver struct {
	*design
	yy, sum float64     // y'y, 1'y
	ry      [][]float64 // Z'y of each block
	by      []float64   // Z'y of the border

	work    []shapeWork
	schur   *mat.SymDense
	chol    mat.Cholesky
	inverse *mat.SymDense
	u1, uy  []float64 // of the border
	bu      [][]float64
	s1      []float64
	r2      float64
	s11     float64
	mean    float64
}

// shapeWork is what an evaluation computes once for all blocks of a shape.
type shapeWork struct {
	l    []float64 // m x m: Cholesky factor of D
	w    []float64 // m x touch: D^-1 B
	x1   []float64 // m: D^-1 Lambda Z'1
	u1   []float64
	t    []float64
	inv  []float64 // diagonal of A^-1
	temp []float64
}

func newSolver(d *design) *solver {
	nb := len(d.border)
	s := &solver{design: d, by: make([]float64, nb), u1: make([]float64, nb), uy: make([]float64, nb), s1: make([]float64, nb)}
	if nb > 0 {
		s.schur, s.inverse = mat.NewSymDense(nb, nil), mat.NewSymDense(nb, nil)
	}
	for _, sh := range d.shapes {
		m, w := len(sh.factor), len(sh.touch)
		s.work = append(s.work, shapeWork{make([]float64, m*m), make([]float64, m*w), make([]float64, m), make([]float64, m), make([]float64, m), make([]float64, m), make([]float64, max(m, w))})
	}
	s.ry, s.bu = make([][]float64, len(d.blocks)), make([][]float64, len(d.blocks))
	for g, at := range d.blocks {
		m := len(d.shapes[at].factor)
		s.ry[g], s.bu[g] = make([]float64, m), make([]float64, m)
	}
	return s
}

// load takes new outcomes. They should be centred and of a size near 1.
func (s *solver) load(y []float64) {
	s.yy, s.sum = 0, 0
	clear(s.by)
	for _, r := range s.ry {
		clear(r)
	}
	for _, v := range y {
		s.yy += v * v
		s.sum += v
	}
	for f := range s.factors {
		for i, p := range s.rowInner[f] {
			if s.rowBorder[f] {
				s.by[p] += y[i]
			} else {
				s.ry[s.rowBlock[i]][p] += y[i]
			}
		}
	}
}

// deviance returns -2 times the restricted log-likelihood at theta, profiled over mean and residual variance, less its constants:
// log|A| + log(1'V^-1 1) + (n-1) log r^2 (Bates et al. 2015, J. Stat. Softw. 67(1), section 3.4, for one fixed effect), and fills grad, if not nil, with its derivatives.
func (s *solver) deviance(theta, grad []float64) float64 {
	nb := len(s.border)
	logdet := 0.0
	s.r2 = math.NaN()
	for i := range nb {
		ti := theta[s.border[i]]
		for j := i; j < nb; j++ {
			v := ti * theta[s.border[j]] * float64(s.cross[i*nb+j])
			if i == j {
				v++
			}
			s.schur.SetSym(i, j, v)
		}
		s.u1[i], s.uy[i] = ti*s.ones[i], ti*s.by[i]
	}
	for a, sh := range s.shapes {
		ld, ok := s.work[a].factor(sh, s.border, theta)
		if !ok {
			return math.Inf(1)
		}
		logdet += float64(sh.count) * ld
		s.reduce(sh, &s.work[a], theta)
	}
	var q11, q1y, qyy float64 // what the blocks explain of 1'1, 1'y, y'y
	for g, at := range s.blocks {
		sh, w := s.shapes[at], &s.work[at]
		m, nt := len(sh.factor), len(sh.touch)
		x := s.bu[g]
		for i := range m {
			x[i] = theta[sh.factor[i]] * s.ry[g][i]
		}
		for j := range nt {
			sum := 0.0
			for i := range m {
				sum += w.w[i*nt+j] * x[i]
			}
			s.uy[sh.touch[j]] -= sum
		}
		solve(w.l, m, x)
		for i := range m {
			q1y += w.x1[i] * theta[sh.factor[i]] * s.ry[g][i]
			qyy += x[i] * theta[sh.factor[i]] * s.ry[g][i]
		}
	}
	for a, sh := range s.shapes {
		for i, x := range s.work[a].x1 {
			q11 += float64(sh.count) * x * theta[sh.factor[i]] * sh.ones[i]
		}
	}
	if nb > 0 {
		if !s.chol.Factorize(s.schur) {
			return math.Inf(1)
		}
		logdet += s.chol.LogDet()
		g1, gy := slices.Clone(s.u1), slices.Clone(s.uy)
		if s.chol.SolveVecTo(mat.NewVecDense(nb, s.u1), mat.NewVecDense(nb, g1)) != nil || s.chol.SolveVecTo(mat.NewVecDense(nb, s.uy), mat.NewVecDense(nb, gy)) != nil {
			return math.Inf(1)
		}
		for i := range nb {
			q11 += g1[i] * s.u1[i]
			q1y += g1[i] * s.uy[i]
			qyy += gy[i] * s.uy[i]
		}
	}
	s.s11 = float64(s.n) - q11
	s1y := s.sum - q1y
	s.mean = s1y / s.s11
	s.r2 = s.yy - qyy - s1y*s.mean
	if !(s.r2 > 0) || !(s.s11 > 0) {
		return math.Inf(1)
	}
	if grad != nil && !s.gradient(theta, grad) {
		return math.Inf(1)
	}
	return logdet + math.Log(s.s11) + float64(s.n-1)*math.Log(s.r2)
}

// factor computes the Cholesky factor of D, D^-1 B and D^-1 Lambda Z'1 of a shape.
func (w *shapeWork) factor(sh *shape, border []int, theta []float64) (logdet float64, ok bool) {
	m, nt := len(sh.factor), len(sh.touch)
	for i := range m {
		for j := range i + 1 {
			v := theta[sh.factor[i]] * theta[sh.factor[j]] * sh.d[i*m+j]
			if i == j {
				v++
			}
			for k := range j {
				v -= w.l[i*m+k] * w.l[j*m+k]
			}
			if i == j {
				if !(v > 0) {
					return 0, false
				}
				w.l[i*m+i] = math.Sqrt(v)
				logdet += math.Log(v)
			} else {
				w.l[i*m+j] = v / w.l[j*m+j]
			}
		}
	}
	column := w.temp[:m]
	for j := range nt {
		tb := theta[border[sh.touch[j]]]
		for i := range m {
			column[i] = theta[sh.factor[i]] * tb * sh.b[i*nt+j]
		}
		solve(w.l, m, column)
		for i := range m {
			w.w[i*nt+j] = column[i]
		}
	}
	for i := range m {
		w.x1[i] = theta[sh.factor[i]] * sh.ones[i]
	}
	solve(w.l, m, w.x1)
	return logdet, true
}

// reduce takes what the blocks of a shape explain out of the border: B' D^-1 B and B' D^-1 Lambda Z'1.
func (s *solver) reduce(sh *shape, w *shapeWork, theta []float64) {
	m, nt := len(sh.factor), len(sh.touch)
	count := float64(sh.count)
	var schur []float64 // the upper triangle, row by row
	if nt > 0 {
		schur = s.schur.RawSymmetric().Data
	}
	nb := len(s.border)
	for j := range nt {
		p := sh.touch[j]
		row := schur[p*nb : (p+1)*nb]
		for i := range m {
			b := sh.b[i*nt+j]
			if b == 0 {
				continue
			}
			b *= count * theta[s.border[p]] * theta[sh.factor[i]]
			wi := w.w[i*nt : (i+1)*nt]
			for k := j; k < nt; k++ {
				row[sh.touch[k]] -= b * wi[k]
			}
		}
		sum := 0.0
		for i := range m {
			sum += w.w[i*nt+j] * theta[sh.factor[i]] * sh.ones[i]
		}
		s.u1[p] -= count * sum
	}
}

// solve replaces x by (L L')^-1 x.
func solve(l []float64, m int, x []float64) {
	for i := range m {
		v := x[i]
		for k := range i {
			v -= l[i*m+k] * x[k]
		}
		x[i] = v / l[i*m+i]
	}
	for i := m - 1; i >= 0; i-- {
		v := x[i]
		for k := i + 1; k < m; k++ {
			v -= l[k*m+i] * x[k]
		}
		x[i] = v / l[i*m+i]
	}
}

// gradient fills in the derivatives of the deviance after an evaluation. With gamma = theta^2 and P the projection of V = Z Lambda^2 Z' + I,
//
//	d/d gamma_k = tr(V^-1 Z_k Z_k') - |Z_k' V^-1 1|^2 / s11 - (n-1) |Z_k' P y|^2 / r^2
//
// where tr(V^-1 Z_k Z_k') = (q_k - tr (A^-1)_kk) / gamma_k, Z'V^-1 1 = Z'1 - Z'Z Lambda u_1 and Z'P y likewise with y - mean.
func (s *solver) gradient(theta, grad []float64) bool {
	nb := len(s.border)
	trace, ones, fit := make([]float64, len(s.factors)), make([]float64, len(s.factors)), make([]float64, len(s.factors))
	var inverse []float64 // its upper triangle, row by row
	if nb > 0 {
		if s.chol.InverseTo(s.inverse) != nil {
			return false
		}
		inverse = s.inverse.RawSymmetric().Data
		for i, f := range s.border {
			trace[f] += s.inverse.At(i, i)
			s.uy[i] -= s.mean * s.u1[i]
		}
	}
	// The border's parts of Z'V^-1 1 and Z'P y: first what the border itself explains.
	t1, ty := make([]float64, nb), make([]float64, nb)
	for i := range nb {
		t1[i], ty[i] = s.ones[i], s.by[i]-s.mean*s.ones[i]
		for j := range nb {
			if c := s.cross[i*nb+j]; c != 0 {
				tj := float64(c) * theta[s.border[j]]
				t1[i] -= tj * s.u1[j]
				ty[i] -= tj * s.uy[j]
			}
		}
	}
	for a, sh := range s.shapes {
		w := &s.work[a]
		m, nt := len(sh.factor), len(sh.touch)
		count := float64(sh.count)
		for i := range m {
			w.u1[i] = w.x1[i]
			for j := range nt {
				w.u1[i] -= w.w[i*nt+j] * s.u1[sh.touch[j]]
			}
		}
		for i := range m {
			// (A^-1)_ii = (D^-1)_ii + w_i' S^-1 w_i
			unit := w.temp[:m]
			clear(unit)
			unit[i] = 1
			for r := i; r < m; r++ { // |L^-1 e_i|^2
				v := unit[r]
				for k := i; k < r; k++ {
					v -= w.l[r*m+k] * unit[k]
				}
				unit[r] = v / w.l[r*m+r]
			}
			v := 0.0
			for r := i; r < m; r++ {
				v += unit[r] * unit[r]
			}
			row := w.w[i*nt : (i+1)*nt]
			for j, x := range row {
				p := sh.touch[j]
				inv := inverse[p*nb : (p+1)*nb]
				sum := inv[p] * x / 2
				for k := j + 1; k < nt; k++ {
					sum += inv[sh.touch[k]] * row[k]
				}
				v += 2 * x * sum
			}
			trace[sh.factor[i]] += count * v
			t := sh.ones[i]
			for j := range m {
				t -= sh.d[i*m+j] * theta[sh.factor[j]] * w.u1[j]
			}
			for j := range nt {
				t -= sh.b[i*nt+j] * theta[s.border[sh.touch[j]]] * s.u1[sh.touch[j]]
			}
			ones[sh.factor[i]] += count * t * t
		}
		for j := range nt {
			sum := 0.0
			for i := range m {
				sum += sh.b[i*nt+j] * theta[sh.factor[i]] * w.u1[i]
			}
			t1[sh.touch[j]] -= count * sum
		}
	}
	for g, at := range s.blocks {
		sh, w := s.shapes[at], &s.work[at]
		m, nt := len(sh.factor), len(sh.touch)
		u := s.bu[g]
		for i := range m {
			u[i] -= s.mean * w.x1[i]
			for j := range nt {
				u[i] -= w.w[i*nt+j] * s.uy[sh.touch[j]]
			}
		}
		for i := range m {
			t := s.ry[g][i] - s.mean*sh.ones[i]
			for j := range m {
				t -= sh.d[i*m+j] * theta[sh.factor[j]] * u[j]
			}
			for j := range nt {
				t -= sh.b[i*nt+j] * theta[s.border[sh.touch[j]]] * s.uy[sh.touch[j]]
			}
			fit[sh.factor[i]] += t * t
		}
		for j := range nt {
			sum := 0.0
			for i := range m {
				sum += sh.b[i*nt+j] * theta[sh.factor[i]] * u[i]
			}
			ty[sh.touch[j]] -= sum
		}
	}
	for i, f := range s.border {
		ones[f] += t1[i] * t1[i]
		fit[f] += ty[i] * ty[i]
	}
	for k, t := range theta {
		grad[k] = 0
		if t != 0 { // at zero the deviance is level, being even in theta
			grad[k] = 2 * t * ((float64(s.factors[k].levels)-trace[k])/(t*t) - ones[k]/s.s11 - float64(s.n-1)*fit[k]/s.r2)
		}
	}
	return true
}

// components are what a fit estimates, in units of the outcomes that were loaded.
type components struct {
	variance []float64 // of each factor, then of the residual
	boundary []bool    // of each factor: the likelihood is highest where it has no variance
	mean     float64
	logLik   float64 // restricted, constants included
	theta    []float64
	deviance float64
}

// fit maximises the restricted likelihood from a start; fine asks for all digits. It returns false when the search does not arrive.
func (s *solver) fit(start []float64, fine bool) (*components, bool) {
	k := len(s.factors)
	theta, free := slices.Clone(start), make([]bool, k)
	for i := range free {
		free[i] = true
	}
	f, ok := s.descend(theta, free)
	if !ok {
		return nil, false
	}
	for i := range k { // variances that are nearly zero are tried without
		if math.Abs(theta[i]) > 0.05 {
			continue
		}
		without := slices.Clone(theta)
		without[i], free[i] = 0, false
		if f0, ok := s.descend(without, free); ok && f0 <= f+1e-9*(1+math.Abs(f)) && s.stays(without, i, f0) {
			theta, f = without, min(f0, f)
			continue
		}
		free[i] = true
	}
	if fine {
		s.polish(theta, free)
	}
	f = s.deviance(theta, nil)
	if math.IsInf(f, 0) {
		return nil, false
	}
	c := &components{theta: theta, deviance: f, mean: s.mean, boundary: make([]bool, k)}
	n1 := float64(s.n - 1)
	residual := s.r2 / n1
	for i, t := range theta {
		c.variance = append(c.variance, t*t*residual)
		c.boundary[i] = t == 0
	}
	c.variance = append(c.variance, residual)
	c.logLik = -(f + n1*(1+math.Log(2*math.Pi/n1))) / 2
	return c, true
}

// stays reports that the deviance does not fall when a variance of zero grows.
func (s *solver) stays(theta []float64, i int, f0 float64) bool {
	const little = 1e-3
	theta[i] = little
	f := s.deviance(theta, nil)
	theta[i] = 0
	return f >= f0-1e-10*(1+math.Abs(f0))
}

// descend minimises the deviance over the free elements of theta by BFGS (Nocedal & Wright 2006, algorithm 6.1) with halved steps.
func (s *solver) descend(theta []float64, free []bool) (float64, bool) {
	k := len(theta)
	grad, next, nextGrad := make([]float64, k), make([]float64, k), make([]float64, k)
	f := s.deviance(theta, grad)
	if math.IsInf(f, 0) {
		return f, false
	}
	h := make([]float64, k*k)
	step, y, hy := make([]float64, k), make([]float64, k), make([]float64, k)
	fresh := true
	for range 500 {
		if fresh { // the deviance bends by about 2 levels at theta = 1, and by less further out
			clear(h)
			for i := range k {
				if free[i] {
					h[i*k+i] = max(0.1, theta[i]*theta[i]) / float64(s.factors[i].levels) / 2
				}
			}
		}
		slope := 0.0
		for i := range k {
			step[i] = 0
			for j := range k {
				if free[j] {
					step[i] -= h[i*k+j] * grad[j]
				}
			}
			slope += step[i] * grad[i]
		}
		if -slope < 1e-13*(1+math.Abs(f)) {
			return f, true
		}
		t := 1.0
		for i := range k { // no element leaves its order of magnitude at once
			if limit := 2*math.Abs(theta[i]) + 0.5; math.Abs(step[i])*t > limit {
				t = limit / math.Abs(step[i])
			}
		}
		var fNext float64
		for ; t > 1e-12; t /= 2 {
			for i := range k {
				next[i] = theta[i] + t*step[i]
			}
			if fNext = s.deviance(next, nextGrad); fNext <= f+1e-4*t*slope {
				break
			}
		}
		if !(fNext < f) {
			if fresh {
				return f, -slope < 1e-7*(1+math.Abs(f))
			}
			fresh = true
			continue
		}
		fresh = false
		sy, yhy := 0.0, 0.0
		for i := range k {
			step[i], y[i] = next[i]-theta[i], nextGrad[i]-grad[i]
			if !free[i] {
				y[i] = 0
			}
			sy += step[i] * y[i]
		}
		for i := range k {
			hy[i] = 0
			for j := range k {
				hy[i] += h[i*k+j] * y[j]
			}
			yhy += y[i] * hy[i]
		}
		if sy > 1e-12*yhy && sy > 0 {
			for i := range k {
				for j := range k {
					h[i*k+j] += (1+yhy/sy)*step[i]*step[j]/sy - (hy[i]*step[j]+step[i]*hy[j])/sy
				}
			}
		}
		copy(theta, next)
		copy(grad, nextGrad)
		f = fNext
	}
	return f, false
}

// polish takes Newton steps on the gradient, with one Hessian by differences, as long as the gradient falls: where the deviance itself no longer
// tells points apart its derivatives still do.
func (s *solver) polish(theta []float64, free []bool) {
	var at []int
	for i, ok := range free {
		if ok && theta[i] != 0 {
			at = append(at, i)
		}
	}
	k := len(at)
	if k == 0 {
		return
	}
	grad, up, down := make([]float64, len(theta)), make([]float64, len(theta)), make([]float64, len(theta))
	s.deviance(theta, grad)
	norm := func(g []float64) float64 {
		sum := 0.0
		for _, i := range at {
			sum += square(g[i] * theta[i])
		}
		return sum
	}
	hess, columns := mat.NewSymDense(k, nil), mat.NewDense(k, k, nil)
	for c, i := range at {
		h := 1e-4 * math.Abs(theta[i])
		old := theta[i]
		theta[i] = old + h
		s.deviance(theta, up)
		theta[i] = old - h
		s.deviance(theta, down)
		theta[i] = old
		for r, j := range at {
			columns.Set(r, c, (up[j]-down[j])/(2*h))
		}
	}
	for r := range k {
		for c := r; c < k; c++ {
			hess.SetSym(r, c, (columns.At(r, c)+columns.At(c, r))/2)
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(hess) {
		return
	}
	for range 8 {
		rhs := mat.NewVecDense(k, nil)
		for c, i := range at {
			rhs.SetVec(c, -grad[i])
		}
		var step mat.VecDense
		if chol.SolveVecTo(&step, rhs) != nil {
			return
		}
		next := slices.Clone(theta)
		for c, i := range at {
			next[i] += step.AtVec(c)
		}
		if math.IsInf(s.deviance(next, up), 0) || !(norm(up) < 0.25*norm(grad)) {
			return
		}
		copy(theta, next)
		copy(grad, up)
	}
}

// few is the number of observations below which the likelihood may have more than one maximum that is worth looking for.
const few = 1000

// estimate fits outcomes of which nothing is known: from equal variances, and where observations are few also from effects that are smaller and larger than the
// residual.
func (s *solver) estimate() (best *components, ok bool) {
	for _, from := range []float64{1, 0.3, 10} {
		theta := make([]float64, len(s.factors))
		for i := range theta {
			theta[i] = from
		}
		if c, found := s.fit(theta, true); found && (!ok || c.deviance < best.deviance-1e-6*(1+math.Abs(best.deviance))) {
			best, ok = c, true
		}
		if ok && s.n >= few {
			break
		}
	}
	return best, ok
}

// exact reports that the effects explain the outcomes without any residual, so that the likelihood has no maximum.
func (s *solver) exact() bool {
	theta := make([]float64, len(s.factors))
	for i := range theta {
		theta[i] = 1e3
	}
	s.deviance(theta, nil)
	n := float64(s.n)
	return s.r2 <= 1e-6*(s.yy-s.sum*s.sum/n)
}
