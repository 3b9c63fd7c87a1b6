package mixed

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// kenwardRoger is what the small-sample adjustment needs at the REML estimates, in the engine's scale. The symbols
// are those of Kenward & Roger (1997), Biometrics 53, 983-997, section 2:
//
//	P_i = -X'W V_i W X,  Q_ij = X'W V_i W V_j W X,  W = V^-1,  V_i = dV/ds_i
//
// Second derivatives of V are left out. They are zero without serial correlation, because the parameters here are the entries of
// G themselves and the adjustment is then the original one, as in R's pbkrtest; with serial correlation it is the one known as
// first-order. It does not depend on how the parameters are written, so the residual ones stay logarithms and z-transforms.
type kenwardRoger struct {
	phi      *mat.SymDense   // p x p: (X'WX)^-1
	adjusted *mat.SymDense   // p x p: its adjusted form
	p        []*mat.SymDense // P_i
	cov      *mat.SymDense   // covariance of the parameters: the inverse of their expected information
}

func (m *Model) kenwardRoger(theta []float64, w *Workspace) *kenwardRoger {
	p, k := m.stats.p, m.cov.params
	a := &kenwardRoger{phi: mat.NewSymDense(p, append([]float64(nil), w.c[:p*p]...))}
	info := m.traces(a, theta, w)
	phiP := make([]*mat.Dense, k)
	for i := range phiP {
		phiP[i] = mat.NewDense(p, p, nil)
		phiP[i].Mul(a.phi, a.p[i])
	}
	scales := make([]float64, k)
	for i := range k {
		for j := range i + 1 {
			info.SetSym(i, j, info.At(i, j)+traceOfProduct(phiP[i], phiP[j])/2)
		}
		if scales[i] = 1; info.At(i, i) > 0 {
			scales[i] = 1 / math.Sqrt(info.At(i, i))
		}
	}
	a.cov = scaled(pseudoInverse(scaled(info, scales)), scales)
	sum := m.weightedQ(a, theta, w)
	for i := range k {
		for j := range k {
			var pp mat.Dense
			pp.Mul(a.p[i], phiP[j])
			pp.Scale(-a.cov.At(i, j), &pp)
			sum.Add(sum, &pp)
		}
	}
	var half, full mat.Dense
	half.Mul(a.phi, sum)
	full.Mul(&half, a.phi)
	a.adjusted = mat.NewSymDense(p, nil)
	for i := range p {
		for j := range i + 1 {
			a.adjusted.SetSym(i, j, a.phi.At(i, j)+full.At(i, j)+full.At(j, i))
		}
	}
	return a
}

// traces fills P and returns the expected REML information without its last term: the sum over couples of
// 1/2 tr(W V_i W V_j) - tr(Phi Q_ij).
func (m *Model) traces(a *kenwardRoger, theta []float64, w *Workspace) *mat.SymDense {
	p, k := m.stats.p, m.cov.params
	crosses := make([][]float64, k)
	for i := range crosses {
		crosses[i] = make([]float64, m.stats.width())
	}
	q := make([]float64, m.stats.width()) // Phi as moment wants it
	at := 0
	for i := range p {
		for j := range i + 1 {
			if q[at] = a.phi.At(i, j); i != j {
				q[at] *= 2
			}
			at++
		}
	}
	info := mat.NewSymDense(k, nil)
	for pi, pat := range m.stats.patterns {
		n := pat.layout.n
		wi := square(n, w.w[pi])
		m.products(pat.layout, theta, wi, w)
		pat.moment(q, w.m, p, w)
		wm := square(n, w.t)
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, wi, square(n, w.m), 0, wm)
		for i := range k {
			ui := square(n, w.u[i*n*n:(i+1)*n*n])
			blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, ui, wi, 0, square(n, w.d))
			pat.cross(w.d[:n*n], crosses[i], p, w)
			for j := range i + 1 {
				uj := square(n, w.u[j*n*n:(j+1)*n*n])
				uu := square(n, w.v)
				blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, ui, uj, 0, uu)
				tr := 0.0
				for r := range n {
					tr += uu.Data[r*n+r] * float64(pat.couples) / 2
					for c := range n {
						tr -= uu.Data[r*n+c] * wm.Data[c*n+r]
					}
				}
				info.SetSym(i, j, info.At(i, j)+tr)
			}
		}
	}
	for i := range k {
		pk := lowerToSym(p, crosses[i])
		pk.ScaleSym(-1, pk)
		a.p = append(a.p, pk)
	}
	return info
}

// weightedQ returns the sum over i, j of cov_ij Q_ij.
func (m *Model) weightedQ(a *kenwardRoger, theta []float64, w *Workspace) *mat.Dense {
	p, k := m.stats.p, m.cov.params
	cross := make([]float64, m.stats.width())
	for pi, pat := range m.stats.patterns {
		n := pat.layout.n
		wi := square(n, w.w[pi])
		m.products(pat.layout, theta, wi, w)
		sum := square(n, w.d)
		clear(sum.Data[:n*n])
		for i := range k {
			weighted := square(n, w.v) // the sum over j of cov_ij U_j
			clear(weighted.Data[:n*n])
			for j := range k {
				blas64.Axpy(a.cov.At(i, j), vector(w.u[j*n*n:(j+1)*n*n]), vector(weighted.Data[:n*n]))
			}
			blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, square(n, w.u[i*n*n:(i+1)*n*n]), weighted, 1, sum)
		}
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, sum, wi, 0, square(n, w.t))
		pat.cross(w.t[:n*n], cross, p, w)
	}
	out := mat.NewDense(p, p, nil)
	out.Copy(lowerToSym(p, cross))
	return out
}

// products leaves U_i = W V_i of every parameter in w.u.
func (m *Model) products(l *layout, theta []float64, wi blas64.General, w *Workspace) {
	n := l.n
	for i := range m.cov.params {
		m.cov.component(l, theta, i, w.v, w)
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, wi, square(n, w.v), 0, square(n, w.u[i*n*n:(i+1)*n*n]))
	}
}

// component writes the derivative of V by an entry of G into v (n x n), or by the i-th parameter of theta if it
// belongs to R. The entries of G stand in the places of those of L.
func (c *covariance) component(l *layout, theta []float64, i int, v []float64, w *Workspace) {
	if i >= c.iSigma {
		c.derivative(l, theta, i, v, w)
		return
	}
	n := l.n
	clear(v[:n*n])
	for t, ct := range c.terms {
		if i < ct.first || i >= ct.first+ct.params() {
			continue
		}
		lt := &l.terms[t]
		a, b := ct.at(i - ct.first)
		for j := range n {
			for k := range n {
				if lt.group[j] != lt.group[k] {
					continue
				}
				x := lt.z[j*lt.q+a] * lt.z[k*lt.q+b]
				if a != b {
					x += lt.z[j*lt.q+b] * lt.z[k*lt.q+a]
				}
				v[j*n+k] = x
			}
		}
	}
}

// df returns the denominator degrees of freedom of the test that l beta = 0 (rows of l independent, in the
// engine's scale) and the factor lambda by which the F statistic is multiplied (Kenward & Roger 1997, section 2.3
// and the appendix).
func (a *kenwardRoger) df(l *mat.Dense) (df, lambda float64) {
	rows, _ := l.Dims()
	q := float64(rows)
	var lp, lpl, theta, half, inv mat.Dense
	lp.Mul(l, a.phi)
	lpl.Mul(&lp, l.T())
	if inv.Inverse(&lpl) != nil {
		return math.NaN(), math.NaN()
	}
	half.Mul(l.T(), &inv)
	theta.Mul(&half, l) // L'(L Phi L')^-1 L
	var tp mat.Dense
	tp.Mul(&theta, a.phi)
	tps := make([]*mat.Dense, len(a.p)) // Theta Phi P_i Phi
	for i, p := range a.p {
		var x mat.Dense
		x.Mul(&tp, p)
		tps[i] = new(mat.Dense)
		tps[i].Mul(&x, a.phi)
	}
	a1, a2 := 0.0, 0.0
	for i := range tps {
		for j := range tps {
			a1 += a.cov.At(i, j) * mat.Trace(tps[i]) * mat.Trace(tps[j])
			a2 += a.cov.At(i, j) * traceOfProduct(tps[i], tps[j])
		}
	}
	b := (a1 + 6*a2) / (2 * q)
	g := ((q+1)*a1 - (q+4)*a2) / ((q + 2) * a2)
	d := 3*q + 2*(1-g)
	v0, v1, v2 := 1+g/d*b, 1-(q-g)/d*b, 1-(q+2-g)/d*b
	e := 1 / (1 - a2/q)
	rho := v0 / (e * e * v1 * v1 * v2) / q // V* / (2 E*^2)
	df = 4 + (q+2)/(q*rho-1)
	if rows == 1 {
		return df, 1 // exactly, in section 2.3; below it would be lost where df <= 2
	}
	return df, df / (e * (df - 2))
}

// scaled returns S a S, where S is diagonal.
func scaled(a *mat.SymDense, scales []float64) *mat.SymDense {
	k := a.SymmetricDim()
	out := mat.NewSymDense(k, nil)
	for i := range k {
		for j := range i + 1 {
			out.SetSym(i, j, a.At(i, j)*scales[i]*scales[j])
		}
	}
	return out
}

func traceOfProduct(a, b *mat.Dense) float64 {
	n, _ := a.Dims()
	tr := 0.0
	for i := range n {
		for j := range n {
			tr += a.At(i, j) * b.At(j, i)
		}
	}
	return tr
}

// lowerToSym reads the leading p x p part of a lower triangle laid out by rows.
func lowerToSym(p int, lower []float64) *mat.SymDense {
	out := mat.NewSymDense(p, nil)
	i := 0
	for a := range p {
		for b := range a + 1 {
			out.SetSym(a, b, lower[i])
			i++
		}
	}
	return out
}
