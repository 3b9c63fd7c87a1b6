package mixed

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// small is up to which order plain loops are faster than blocked ones, for which most couples have too few rows.
const small = 16

// product writes AB into out, n x n each. out must be none of the others.
func product(n int, a, b, out []float64) { multiplied(n, n, n, a, b, out) }

// multiplied writes AB into out, where a is n x m and b m x c. out must be none of the others.
func multiplied(n, m, c int, a, b, out []float64) {
	if n*m*c > small*small*small {
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, general(n, m, a), general(m, c, b), 0, general(n, c, out))
		return
	}
	for i := range n {
		row := out[i*c : i*c+c]
		clear(row)
		for k, x := range a[i*m : i*m+m] {
			if x == 0 {
				continue
			}
			for j, y := range b[k*c : k*c+c : k*c+c] {
				row[j] += x * y
			}
		}
	}
}

// transposed writes A'B into out (c x c), where a and b are n x c.
func transposed(n, c int, a, b, out []float64) {
	if n*c*c > small*small*small {
		blas64.Gemm(blas.Trans, blas.NoTrans, 1, general(n, c, a), general(n, c, b), 0, general(c, c, out))
		return
	}
	clear(out[:c*c])
	for r := range n {
		for i, x := range a[r*c : r*c+c] {
			if x == 0 {
				continue
			}
			row := out[i*c : i*c+c]
			for j, y := range b[r*c : r*c+c : r*c+c] {
				row[j] += x * y
			}
		}
	}
}

// across writes (B'A)' into out (z x c), where b is n x c and a is n x z.
func across(n, c, z int, b, a, out []float64) {
	clear(out[:z*c])
	for r := range n {
		br := b[r*c : r*c+c : r*c+c]
		for i, x := range a[r*z : r*z+z] {
			row := out[i*c : i*c+c]
			for j, y := range br {
				row[j] += x * y
			}
		}
	}
}

func general(rows, cols int, x []float64) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: x}
}

// rowsCross adds the lower triangle of B'WB to out, where b is n x c and w symmetric, n x n. wb has room for c numbers.
func rowsCross(n, c int, w, b, wb, out []float64) {
	for j := range n { // b_j (w_j1 b_1 + ... + w_jj b_j / 2)' and its transpose
		clear(wb)
		for k, x := range w[j*n : j*n+j+1] {
			if k == j {
				x /= 2
			}
			for e, y := range b[k*c : k*c+c : k*c+c] {
				wb[e] += x * y
			}
		}
		at := 0
		bj := b[j*c : j*c+c]
		for a, x := range bj {
			y := wb[a]
			row := out[at : at+a+1]
			at += a + 1
			for e := range row {
				row[e] += x*wb[e] + y*bj[e]
			}
		}
	}
}

// rowsMoment adds the lower triangle of B Q B' to m (n x n), where b is n x c and q symmetric, c x c. bq has room for c numbers.
func rowsMoment(n, c int, q, b, bq, m []float64) {
	for j := range n {
		clear(bq)
		for a, x := range b[j*c : j*c+c] {
			if x == 0 {
				continue
			}
			for e, y := range q[a*c : a*c+c : a*c+c] {
				bq[e] += x * y
			}
		}
		for k := range j + 1 {
			s := 0.0
			for e, y := range b[k*c : k*c+c : k*c+c] {
				s += bq[e] * y
			}
			m[j*n+k] += s
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
