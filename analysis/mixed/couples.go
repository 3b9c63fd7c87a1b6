package mixed

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// couple is one couple's part of the data, in the engine's scale, with its covariance at the estimates.
type couple struct {
	lo, hi int        // rows of the design
	layout *layout    // what its covariance depends on
	x      *mat.Dense // n x p
	r      []float64  // n: y - X b, the marginal residuals
	*shape
}

// shape is the covariance that couples with one layout share.
type shape struct {
	v, w *mat.SymDense // V and its inverse, n x n
	chol *mat.Cholesky // of V
}

// each visits the couples in order at the estimates. The shapes are shared and must not be changed.
func (f *Fit) each(visit func(i int, c couple)) {
	m, p := f.model, f.model.stats.p
	w := m.NewWorkspace()
	shapes := map[string]*shape{}
	r := blas64.Triangular{N: p, Stride: p, Data: m.scale.r, Uplo: blas.Upper, Diag: blas.NonUnit}
	var key []byte
	d := m.whole()
	for i, l := range m.layouts(d) {
		lo, hi := d.bounds[i], d.bounds[i+1]
		n := hi - lo
		key = l.key(key[:0])
		s, ok := shapes[string(key)]
		if !ok {
			s = &shape{v: mat.NewSymDense(n, nil), w: mat.NewSymDense(n, nil), chol: new(mat.Cholesky)}
			m.cov.fill(l, f.theta, w.v, w)
			copy(s.v.RawSymmetric().Data, w.v[:n*n])
			s.chol.Factorize(s.v) // the likelihood was finite here
			_ = s.chol.InverseTo(s.w)
			shapes[string(key)] = s
		}
		x := append([]float64(nil), d.x[lo*p:hi*p]...)
		blas64.Trsm(blas.Right, blas.NoTrans, 1, r, blas64.General{Rows: n, Cols: p, Stride: p, Data: x})
		c := couple{lo: lo, hi: hi, layout: l, x: mat.NewDense(n, p, x), r: make([]float64, n), shape: s}
		for j := range n {
			c.r[j] = (d.y[lo+j] - dot(d.x[(lo+j)*p:(lo+j+1)*p], f.Beta)) / m.scale.y
		}
		visit(i, c)
	}
}
