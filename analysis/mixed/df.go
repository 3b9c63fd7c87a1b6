package mixed

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// satterthwaite returns the degrees of freedom of the t statistic of the contrast l'beta,
//
//	2 (l'Cl)^2 / (g'Ag)
//
// where C is the covariance of the estimates, g the gradient of l'Cl by theta and A the asymptotic covariance
// of theta (Giesbrecht & Burns 1985; Fai & Cornelius 1996, section 2). Directions of theta along which the likelihood
// does not bend, as on the boundary, do not count, as in R's lmerTest.
func (f *Fit) satterthwaite(l []float64) float64 {
	e := f.model.toEngine(l)
	p, k := len(e), len(f.theta)
	c := mat.NewSymDense(p, append([]float64(nil), f.work.c...))
	le := mat.NewVecDense(p, e)
	v := mat.Inner(le, c, le)
	g := mat.NewVecDense(k, nil)
	for i, dc := range f.grads {
		g.SetVec(i, mat.Inner(le, dc, le))
	}
	return 2 * v * v / mat.Inner(g, f.vcov, g)
}

// toEngine returns the contrast of the engine's coefficients that equals l'beta up to a constant:
// s R^-T l.
func (m *Model) toEngine(l []float64) []float64 {
	p := m.stats.p
	e := append([]float64(nil), l...)
	blas64.Trsv(blas.Trans, blas64.Triangular{N: p, Stride: p, Data: m.scale.r, Uplo: blas.Upper, Diag: blas.NonUnit}, vector(e))
	for i := range e {
		e[i] *= m.scale.y
	}
	return e
}

// prepareGradients computes dC/dtheta_k = C F_k C for every k, in the engine's scale, and the asymptotic covariance of theta.
func (f *Fit) prepareGradients(slopes []*mat.SymDense) {
	p := f.model.stats.p
	c := mat.NewSymDense(p, append([]float64(nil), f.work.c...))
	for _, s := range slopes {
		var half, full mat.Dense
		half.Mul(c, s)
		full.Mul(&half, c)
		dc := mat.NewSymDense(p, nil)
		for a := range p {
			for b := range a + 1 {
				dc.SetSym(a, b, (full.At(a, b)+full.At(b, a))/2)
			}
		}
		f.grads = append(f.grads, dc)
	}
	f.vcov = pseudoInverse(f.hess)
}

// pseudoInverse inverts a symmetric matrix along the directions in which it is positive.
func pseudoInverse(a *mat.SymDense) *mat.SymDense {
	k := a.SymmetricDim()
	out := mat.NewSymDense(k, nil)
	var eig mat.EigenSym
	if !eig.Factorize(a, true) {
		return out
	}
	values := eig.Values(nil)
	var v mat.Dense
	eig.VectorsTo(&v)
	for i := range k {
		for j := range i + 1 {
			sum := 0.0
			for e, x := range values {
				if x > 1e-8*values[k-1] {
					sum += v.At(i, e) * v.At(j, e) / x
				}
			}
			out.SetSym(i, j, sum)
		}
	}
	return out
}

// containment counts degrees of freedom as R's nlme does (Pinheiro & Bates 2000, section 2.4.2). The strata
// are the groupings from the outermost to the innermost and then the rows. A stratum has as many degrees of freedom as it has units,
// less the units of the stratum around it and less the columns estimated in it. A column is
// estimated in the stratum just below the innermost grouping within whose groups it varies; the
// intercept is estimated everywhere and gets the most that any stratum has.
func (m *Model) containment() []float64 {
	x, p, n := m.whole().x, m.stats.p, m.stats.n
	groupings := m.groupings()
	q := len(groupings)
	df := make([]float64, q+1)
	for s := range df {
		units, around := n, 0
		if s < q {
			units = count(groupings[s])
		}
		if s > 0 {
			around = count(groupings[s-1])
		}
		df[s] = float64(units - around)
	}
	stratum := make([]int, p) // -1 for a constant column
	constant := false
	for c := range p {
		stratum[c] = -1
		if isConstant(x, p, c) {
			constant = true
			continue
		}
		stratum[c] = 0
		for s, g := range groupings {
			if variesWithin(x, p, c, g) {
				stratum[c] = s + 1
			}
		}
		df[stratum[c]]--
	}
	if constant {
		df[0]--
	} else {
		for s := 1; s <= q; s++ {
			df[s]++
		}
	}
	top := math.Inf(-1)
	for _, d := range df {
		top = math.Max(top, d)
	}
	out := make([]float64, p)
	for c, s := range stratum {
		if out[c] = top; s >= 0 {
			out[c] = df[s]
		}
	}
	return out
}

// groupings returns the distinct groupings of the random terms, from the outermost to the innermost.
func (m *Model) groupings() [][]int {
	var list [][]int
	var sizes []int
	for _, t := range m.whole().random {
		at := len(list)
		known := false
		for i, s := range sizes {
			if s == t.groups {
				known = true
			}
			if t.groups < s {
				at = min(at, i)
			}
		}
		if known {
			continue
		}
		list = append(list[:at], append([][]int{t.group}, list[at:]...)...)
		sizes = append(sizes[:at], append([]int{t.groups}, sizes[at:]...)...)
	}
	return list
}

func count(group []int) int {
	n := 0
	for _, g := range group {
		n = max(n, g+1)
	}
	return n
}

func isConstant(x []float64, p, c int) bool {
	for at := c; at < len(x); at += p {
		if x[at] != x[c] {
			return false
		}
	}
	return true
}

// variesWithin reports whether a column takes two values in some group.
func variesWithin(x []float64, p, c int, group []int) bool {
	first := make([]float64, count(group))
	seen := make([]bool, len(first))
	for r, g := range group {
		v := x[r*p+c]
		if seen[g] && v != first[g] {
			return true
		}
		first[g], seen[g] = v, true
	}
	return false
}
