package mixed

import (
	"cmp"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Sandwich is a cluster-robust estimator of the covariance of the fixed effects, with couples as clusters.
type Sandwich string

// CR0 takes the residuals as they are (Liang & Zeger 1986) and is too small with few couples. CR2 adjusts them so that
// the estimator is unbiased if the covariance of the model is right (Bell & McCaffrey 2002; Pustejovsky &
// Tipton 2018, eq. 4 and 6), and hardly worse if it is not.
const (
	CR0 Sandwich = "CR0"
	CR2 Sandwich = "CR2"
)

// Robust is the inference on the fixed effects of a fit that holds whatever the covariance within couples is. An effect that
// one couple alone decides leaves no residual to learn from: its standard error and all that follows from it are NaN.
type Robust struct {
	Kind       Sandwich
	V          *mat.SymDense // p x p, covariance of the estimates
	Parameters []Parameter   // the fixed effects, length p; DF by Satterthwaite with the covariance of the model

	fit     *Fit
	couples []robustCouple
}

// robustCouple is a couple's part in the degrees of freedom, p x p each, in the engine's scale: with G = A W X C,
// G'VG, X'G and the score G'r.
type robustCouple struct {
	gvg, xg *mat.Dense
	score   *mat.VecDense
}

// Robust returns cluster-robust inference. With fewer than two couples it is a [*DataError]; a fit that did not
// converge returns its own error.
func (f *Fit) Robust(kind Sandwich) (*Robust, error) {
	if err := f.Err(); err != nil {
		return nil, err
	}
	if kind != CR0 && kind != CR2 {
		return nil, &SpecError{"robust", fmt.Sprintf("is %q; expected CR0 or CR2", kind)}
	}
	if f.model.stats.couples < 2 {
		return nil, &DataError{cmp.Or(f.model.spec.Site, f.model.spec.Couple), "names one independent unit; cluster-robust inference needs more"}
	}
	p := len(f.Beta)
	c := mat.NewSymDense(p, append([]float64(nil), f.work.c[:p*p]...))
	r := &Robust{Kind: kind, fit: f}
	meat := mat.NewSymDense(p, nil)
	f.each(func(_ int, u couple) {
		var wx, g, vg mat.Dense
		wx.Mul(u.w, u.x)
		if kind == CR2 {
			var awx mat.Dense
			awx.Mul(u.adjustment(c), &wx)
			wx = awx
		}
		g.Mul(&wx, c)
		part := robustCouple{new(mat.Dense), new(mat.Dense), new(mat.VecDense)}
		part.score.MulVec(g.T(), mat.NewVecDense(len(u.r), u.r))
		meat.SymRankOne(meat, 1, part.score)
		vg.Mul(u.v, &g)
		part.gvg.Mul(g.T(), &vg)
		part.xg.Mul(u.x.T(), &g)
		r.couples = append(r.couples, part)
	})
	r.V = f.model.natural(mat.DenseCopyOf(meat).RawMatrix().Data)
	for i, name := range f.Names {
		l := make([]float64, p)
		l[i] = 1
		r.Parameters = append(r.Parameters, r.parameter(name, l, c))
	}
	return r, nil
}

// adjustment returns the CR2 matrix A of a couple: with V = D'D, B = D (V - X C X') D' and
// A = D' B^(-1/2) D (Pustejovsky & Tipton 2018, eq. 6). Directions in which B vanishes do not count.
func (u couple) adjustment(c *mat.SymDense) *mat.Dense {
	var d mat.TriDense
	u.chol.UTo(&d)
	var dx, hat, half, b mat.Dense
	dx.Mul(&d, u.x)
	half.Mul(&dx, c)
	hat.Mul(&half, dx.T())
	var dv mat.Dense
	dv.Mul(&d, u.v)
	b.Mul(&dv, d.T())
	b.Sub(&b, &hat)
	n := len(u.r)
	sym := mat.NewSymDense(n, nil)
	for i := range n {
		for j := range i + 1 {
			sym.SetSym(i, j, (b.At(i, j)+b.At(j, i))/2)
		}
	}
	var eig mat.EigenSym
	eig.Factorize(sym, true) // never fails on finite numbers
	values := eig.Values(nil)
	var q mat.Dense
	eig.VectorsTo(&q)
	var dq mat.Dense
	dq.Mul(d.T(), &q)
	scaled := mat.DenseCopyOf(&dq)
	for e, x := range values {
		s := 0.0
		if x > 1e-12*values[n-1] {
			s = 1 / math.Sqrt(x)
		}
		for i := range n {
			scaled.Set(i, e, scaled.At(i, e)*s)
		}
	}
	a := new(mat.Dense)
	a.Mul(scaled, dq.T())
	return a
}

// df returns the Satterthwaite degrees of freedom of the robust variance of l'beta if the covariance of the model
// is right: (sum of P_ii)^2 / sum of P_ij^2, where P_ij is the covariance of the parts of couples i and j (Bell &
// McCaffrey 2002; Pustejovsky & Tipton 2018, eq. 10). P_ii = g'Vg - h'Ch and P_ij = -h_i'C h_j with h = X'g. It is NaN
// where the robust variance is zero whatever the data.
func (r *Robust) df(c *mat.SymDense, l []float64) float64 {
	e := mat.NewVecDense(len(l), r.fit.model.toEngine(l))
	trace, square, size, own := 0.0, 0.0, 0.0, 0.0
	hh := mat.NewSymDense(len(l), nil) // the sum of h h'
	for _, u := range r.couples {
		var h mat.VecDense
		h.MulVec(u.xg, e)
		a, b := mat.Inner(e, u.gvg, e), mat.Inner(&h, c, &h)
		trace += a - b
		size += a
		square += (a - b) * (a - b)
		own += b * b
		hh.SymRankOne(hh, 1, &h)
	}
	var ch mat.Dense
	ch.Mul(c, hh)
	square += math.Max(0, traceOfProduct(&ch, &ch)-own) // of different couples
	if !(trace > 1e-9*size) {
		return math.NaN()
	}
	return trace * trace / square
}

// Contrast returns the estimate of the linear combination l'beta with robust inference. l has a weight for
// each fixed effect.
func (r *Robust) Contrast(name string, l []float64) (Parameter, error) {
	f := r.fit
	if err := f.checkContrast(name, l); err != nil {
		return Parameter{}, err
	}
	if norm(l) == 0 {
		return Parameter{}, &ContrastError{name, "has no weight"}
	}
	p := len(f.Beta)
	return r.parameter(name, l, mat.NewSymDense(p, append([]float64(nil), f.work.c[:p*p]...))), nil
}

func (r *Robust) parameter(name string, l []float64, c *mat.SymDense) Parameter {
	f := r.fit
	e := mat.NewVecDense(len(l), f.model.toEngine(l))
	v := 0.0 // l'Vl as a sum of squares, which rounding cannot make negative
	for _, u := range r.couples {
		s := mat.Dot(u.score, e)
		v += s * s
	}
	df, se := r.df(c, l), math.Sqrt(v)
	if math.IsNaN(df) || se == 0 {
		df, se = math.NaN(), math.NaN()
	}
	return f.model.parameter(name, dot(l, f.Beta), se, df)
}
