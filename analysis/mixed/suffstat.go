package mixed

import (
	"encoding/binary"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// pattern holds what the likelihood needs to know of all couples that share a layout, and so V.
//
// Let b_j be row j of [X y] of one couple, width p+1. For every pair of rows j >= k the sum over the
// couples of b_j b_k' + b_k b_j' (b_j b_j' for j = k) is all that the data enter by: X'V^-1 X, X'V^-1 y
// and y'V^-1 y are linear in these sums. One evaluation so costs the same for ten couples as for ten
// thousand. Where fewer couples share a layout than a row is wide, their rows are kept instead, which is
// then the cheaper way.
type pattern struct {
	key     string // of the layout
	layout  *layout
	couples int
	sums    []float64 // pairs x width, nil while rows are kept
	rows    []float64 // couples x n x (p+1), nil once summed
}

// stats are the sufficient statistics of a data set for a family of models with one design.
type stats struct {
	p        int // columns of X
	patterns []*pattern
	n        int // rows
	couples  int // or sites, where these are the independent units
	maxRows  int // of a layout
}

// width is the number of entries of the lower triangle of a (p+1) x (p+1) matrix.
func (s *stats) width() int { return (s.p + 1) * (s.p + 2) / 2 }

// collect groups couples by layout and sums them up. x and y are the rows of all couples one after the
// other, bounds[i] the first row of couple i, with the number of rows at the end.
func collect(layouts []*layout, bounds []int, x, y []float64, p int) *stats {
	s := &stats{p: p, n: len(y), couples: len(layouts)}
	index := map[string]*pattern{}
	var key []byte
	row := make([]float64, 0, p+1)
	for i, l := range layouts {
		key = l.key(key[:0])
		pat, ok := index[string(key)]
		if !ok {
			pat = &pattern{key: string(key), layout: l}
			index[pat.key] = pat
			s.patterns = append(s.patterns, pat)
			s.maxRows = max(s.maxRows, l.n)
		}
		pat.couples++
		for r := bounds[i]; r < bounds[i+1]; r++ {
			row = append(append(row[:0], x[r*p:r*p+p]...), y[r])
			pat.rows = append(pat.rows, row...)
		}
		if pat.sums != nil || pat.crowded(s) {
			pat.fold(s)
		}
	}
	return s
}

// crowded reports whether the pattern has so many couples that sums are cheaper than their rows.
func (pat *pattern) crowded(s *stats) bool { return pat.couples > s.p+1 }

// fold adds the kept rows to the sums and lets go of them.
func (pat *pattern) fold(s *stats) {
	n, w := pat.layout.n, s.p+1
	if pat.sums == nil {
		pat.sums = make([]float64, n*(n+1)/2*s.width())
	}
	for at := 0; at < len(pat.rows); at += n * w {
		pat.add(pat.rows[at:at+n*w], w, s.width(), 1)
	}
	pat.rows = pat.rows[:0]
}

// add adds one couple's rows, times sign, to the sums.
func (pat *pattern) add(rows []float64, w, width int, sign float64) {
	n := pat.layout.n
	at := 0
	for j := range n {
		bj := rows[j*w : j*w+w]
		for k := range j + 1 {
			bk := rows[k*w : k*w+w]
			out := pat.sums[at : at+width]
			at += width
			i := 0
			if j == k {
				for a, xa := range bj {
					xa *= sign
					for _, xb := range bj[:a+1] {
						out[i] += xa * xb
						i++
					}
				}
				continue
			}
			for a, ja := range bj {
				ja, ka := sign*ja, sign*bk[a]
				for b := range a + 1 {
					out[i] += ja*bk[b] + ka*bj[b]
					i++
				}
			}
		}
	}
}

// key appends a text that is equal for equal layouts.
func (l *layout) key(b []byte) []byte {
	num := func(i int) { b = binary.AppendUvarint(b, uint64(i)) }
	float := func(x float64) { b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x+0)) } // +0: -0 is 0
	num(l.n)
	for j := range l.n {
		num(l.role[j])
		num(l.couple[j])
		num(l.person[j])
		float(l.time[j])
	}
	for _, t := range l.terms {
		for _, g := range t.group {
			num(g)
		}
		for _, z := range t.z {
			float(z)
		}
	}
	return b
}

// cross adds the lower triangle of the sum over the couples of B'WB to out, where B = [X y] and W is
// n x n and symmetric.
func (pat *pattern) cross(wm, out []float64, p int, w *Workspace) {
	n, width := pat.layout.n, len(out)
	if pat.sums != nil {
		pairs := w.pairs[:n*(n+1)/2]
		i := 0
		for j := range n {
			i += copy(pairs[i:], wm[j*n:j*n+j+1])
		}
		s := blas64.General{Rows: len(pairs), Cols: width, Stride: width, Data: pat.sums}
		blas64.Gemv(blas.Trans, 1, s, vector(pairs), 1, vector(out))
		return
	}
	c := p + 1
	for m := range pat.couples {
		rowsCross(n, c, wm, pat.rows[m*n*c:(m+1)*n*c], w.wb[:c], out)
	}
}

// moment writes the sum over the couples of B Q B' into m (n x n), where q holds the lower triangle of the
// symmetric Q with its off-diagonal entries doubled.
func (pat *pattern) moment(q, m []float64, p int, w *Workspace) {
	n := pat.layout.n
	if pat.sums != nil {
		pairs := w.pairs[:n*(n+1)/2]
		s := blas64.General{Rows: len(pairs), Cols: len(q), Stride: len(q), Data: pat.sums}
		blas64.Gemv(blas.NoTrans, 1, s, vector(q), 0, vector(pairs))
		i := 0
		for j := range n {
			for k := range j {
				m[j*n+k] = pairs[i] / 2
				m[k*n+j] = pairs[i] / 2
				i++
			}
			m[j*n+j] = pairs[i]
			i++
		}
		return
	}
	c := p + 1
	full := w.bb[:c*c]
	i := 0
	for a := range c {
		for e := range a {
			full[a*c+e], full[e*c+a] = q[i]/2, q[i]/2
			i++
		}
		full[a*c+a] = q[i]
		i++
	}
	clear(m[:n*n])
	for k := range pat.couples {
		rowsMoment(n, c, full, pat.rows[k*n*c:(k+1)*n*c], w.wb[:c], m)
	}
	for j := range n {
		for k := range j {
			m[k*n+j] = m[j*n+k]
		}
	}
}

func vector(x []float64) blas64.Vector { return blas64.Vector{N: len(x), Inc: 1, Data: x} }

func square(n int, x []float64) blas64.General {
	return blas64.General{Rows: n, Cols: n, Stride: n, Data: x}
}
