package mixed

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// small is up to which order plain loops are faster than blocked ones, for which most couples have too few rows.
const small = 16

// product writes AB into out, n x n each. out must be none of the others.
func product(n int, a, b, out []float64) {
	if n > small {
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, square(n, a), square(n, b), 0, square(n, out))
		return
	}
	for i := range n {
		row := out[i*n : i*n+n]
		clear(row)
		for k, x := range a[i*n : i*n+n] {
			if x == 0 {
				continue
			}
			for j, y := range b[k*n : k*n+n : k*n+n] {
				row[j] += x * y
			}
		}
	}
}

// invertSmall does what invert does, by A = LL' and W = L^-T L^-1.
func invertSmall(n int, a, inv []float64) (logDet float64, ok bool) {
	det := 1.0
	for i := range n { // L takes the place of the lower triangle of A
		ai := a[i*n : i*n+n]
		for j := range i {
			aj := a[j*n : j*n+n]
			x := ai[j]
			for k := range j {
				x -= ai[k] * aj[k]
			}
			ai[j] = x / aj[j]
		}
		x := ai[i]
		for _, l := range ai[:i] {
			x -= l * l
		}
		if !(x > 0) || math.IsInf(x, 1) {
			return 0, false
		}
		if det *= x; det < 1e-250 || det > 1e250 {
			logDet += math.Log(det)
			det = 1
		}
		ai[i] = math.Sqrt(x)
	}
	for j := range n { // L^-1 by columns, then W
		a[j*n+j] = 1 / a[j*n+j]
		for i := j + 1; i < n; i++ {
			ai := a[i*n : i*n+n]
			x := 0.0
			for k := j; k < i; k++ {
				x -= ai[k] * a[k*n+j]
			}
			a[i*n+j] = x / ai[i]
		}
	}
	clear(inv[:n*n])
	for k := range n {
		ak := a[k*n : k*n+k+1]
		for i, x := range ak {
			row := inv[i*n : i*n+i+1]
			for j, y := range ak[:i+1] {
				row[j] += x * y
			}
		}
	}
	for i := range n {
		for j := range i {
			inv[j*n+i] = inv[i*n+j]
		}
	}
	return logDet + math.Log(det), true
}
