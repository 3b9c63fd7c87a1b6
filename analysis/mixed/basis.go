package mixed

import (
	"math"
	"slices"
)

// basis is the change of variables under which the likelihood sees one random term. With Z the columns that the formula names and u
// their effects,
//
//	Z* = Z B,   u = B u*,   G = B G* B'
//
// An unstructured G is as free as G*, so B may be chosen to make the columns of Z* orthonormal over the rows: a slope by calendar year is
// then as easy as one by years since the beginning. With uncorrelated effects B is diagonal and only takes away units.
type basis struct {
	q   int
	b   []float64 // q x q, row-major
	own []float64 // root mean square of each column of Z beyond what the others of the term say of it
	// poor says that a column is zero or that others determine it, as in a study that just began.
	poor bool
}

// newBasis returns the basis for Z (n x q, row-major). Columns that others determine are left as they are, but for their units.
func newBasis(z []float64, q int, diag bool) basis {
	n := len(z) / q
	out := basis{q: q, b: make([]float64, q*q), own: make([]float64, q)}
	column := func(z []float64, j int) float64 {
		ss := 0.0
		for at := j; at < len(z); at += q {
			ss += z[at] * z[at]
		}
		return math.Sqrt(ss / float64(n))
	}
	for j := range q {
		out.own[j] = 1
		if rms := column(z, j); rms > 0 {
			out.own[j] = rms
		} else {
			out.poor = true
		}
		out.b[j*q+j] = 1 / out.own[j]
	}
	if diag || q == 1 || out.poor {
		return out
	}
	// Gram-Schmidt, twice for what rounding leaves; every step is made on B as well.
	star, b := out.rows(z), slices.Clone(out.b)
	for j := range q {
		for range 2 {
			for k := range j {
				r := 0.0
				for at := 0; at < len(star); at += q {
					r += star[at+k] * star[at+j]
				}
				if r /= float64(n); r == 0 {
					continue
				}
				for at := 0; at < len(star); at += q {
					star[at+j] -= r * star[at+k]
				}
				for i := range j {
					b[i*q+j] -= r * b[i*q+k]
				}
			}
			length := column(star, j)
			if !(length > 1e-12) {
				out.poor = true
				return out
			}
			for at := j; at < len(star); at += q {
				star[at] /= length
			}
			for i := range j + 1 {
				b[i*q+j] /= length
			}
		}
	}
	out.b = b
	for i := range q { // Z'Z is n (B B')^-1
		out.own[i] = 1 / norm(b[i*q:i*q+q])
	}
	return out
}

// rows returns Z B for rows of Z.
func (b basis) rows(z []float64) []float64 { return timesRight(z, b.b, b.q) }

// natural returns B G* B' (q x q).
func (b basis) natural(g []float64) []float64 {
	bg := timesRight(b.b, g, b.q)
	return timesRight(bg, transpose(b.b, b.q), b.q)
}

// effects returns u = B u*.
func (b basis) effects(star []float64) []float64 {
	u := make([]float64, b.q)
	for i := range u {
		u[i] = dot(b.b[i*b.q:(i+1)*b.q], star)
	}
	return u
}

// turned returns the basis of Q u* for an orthogonal Q.
func (b basis) turned(q []float64) basis {
	b.b = timesRight(b.b, transpose(q, b.q), b.q)
	return b
}

// timesRight returns A M, where A is n x q and M is q x q.
func timesRight(a, m []float64, q int) []float64 {
	out := make([]float64, len(a))
	for at := 0; at < len(a); at += q {
		for k, x := range a[at : at+q] {
			if x == 0 {
				continue
			}
			for j, y := range m[k*q : k*q+q] {
				out[at+j] += x * y
			}
		}
	}
	return out
}

func transpose(a []float64, q int) []float64 {
	out := make([]float64, len(a))
	for i := range q {
		for j := range q {
			out[j*q+i] = a[i*q+j]
		}
	}
	return out
}

// reflection returns the orthogonal matrix (q x q) that turns x to the direction of the first axis (Householder).
func reflection(x []float64) []float64 {
	q := len(x)
	v := make([]float64, q)
	for i := range v {
		v[i] = x[i] / norm(x)
	}
	v[0]--
	size := dot(v, v)
	out := make([]float64, q*q)
	for i := range q {
		out[i*q+i] = 1
		if size < 1e-30 {
			continue
		}
		for j := range q {
			out[i*q+j] -= 2 * v[i] * v[j] / size
		}
	}
	return out
}

// permutation returns the orthogonal matrix (q x q) that makes the effect that was order[k] the k-th.
func permutation(order []int) []float64 {
	q := len(order)
	out := make([]float64, q*q)
	for to, from := range order {
		out[to*q+from] = 1
	}
	return out
}

// rebase chooses the bases of the random terms and the unit of time.
func (m *Model) rebase() {
	for _, t := range m.design.random {
		m.bases = append(m.bases, newBasis(t.z, len(t.names), t.diag))
	}
	m.timeUnit, m.timed = 1, true
	if m.spec.Residual.Serial != SerialCAR1 {
		return
	}
	d := m.design
	sum, gaps := 0.0, 0
	for i := 1; i < len(d.time); i++ { // by couple and then time
		if gap := d.time[i] - d.time[i-1]; d.couple[i] == d.couple[i-1] && gap > 0 {
			sum += gap
			gaps++
		}
	}
	if m.timed = gaps > 0; m.timed {
		m.timeUnit = sum / float64(gaps)
	}
}

// g returns G of a term in the units of its columns and of the engine's outcome (q x q).
func (m *Model) g(t int, theta []float64) []float64 {
	q := m.cov.terms[t].q
	star := make([]float64, q*q)
	m.cov.g(t, theta, star)
	return m.bases[t].natural(star)
}
