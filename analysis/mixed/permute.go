package mixed

import (
	"math"
	"slices"
)

// turned returns the model in which the random effects u* of term t are Q u*, for an orthogonal Q (q x q).
func (m *Model) turned(t int, q []float64) *Model {
	out := *m
	out.bases = slices.Clone(m.bases)
	out.bases[t] = m.bases[t].turned(q)
	out.stats = m.stats.shared()
	for i, pat := range out.stats.patterns {
		p, l := *pat, *pat.layout
		l.terms = slices.Clone(l.terms)
		l.terms[t].z = timesRight(l.terms[t].z, transpose(q, l.terms[t].q), l.terms[t].q)
		p.layout = &l
		out.stats.patterns[i] = &p
	}
	return &out
}

// turn returns theta for the model in which the random effects of term t, with an unstructured G, are turned by Q: G is Q G Q'.
func (c *covariance) turn(theta []float64, t int, turn []float64) []float64 {
	ct, out := c.terms[t], slices.Clone(theta)
	q := ct.q
	g := make([]float64, q*q)
	c.g(t, theta, g)
	g = timesRight(timesRight(turn, g, q), transpose(turn, q), q)
	l := make([]float64, q*q)
	for i := range q {
		for j := range i + 1 {
			x := g[i*q+j] - dot(l[i*q:i*q+j], l[j*q:j*q+j])
			switch {
			case i == j:
				if l[i*q+i] = math.Sqrt(math.Max(x, 0)); x < 1e-14*g[i*q+i] { // nothing is left but rounding
					l[i*q+i] = 0
				}
			case l[j*q+j] > 0:
				l[i*q+j] = x / l[j*q+j]
			}
		}
	}
	for k, e := range ct.entries {
		out[ct.first+k] = l[e[0]*q+e[1]]
	}
	return out
}

// pivots returns the order of the random effects of term t in which each has the most variance that is left beyond those before it.
func (m *Model) pivots(t int, theta []float64) []int {
	q := m.cov.terms[t].q
	g, order := make([]float64, q*q), make([]int, q)
	m.cov.g(t, theta, g)
	for i := range q {
		order[i] = i
	}
	for k := range q {
		best := k
		for i := k + 1; i < q; i++ {
			if g[order[i]*q+order[i]] > g[order[best]*q+order[best]] {
				best = i
			}
		}
		order[k], order[best] = order[best], order[k]
		p := order[k]
		if pivot := g[p*q+p]; pivot > 0 {
			for _, i := range order[k+1:] {
				for _, j := range order[k+1:] {
					g[i*q+j] -= g[i*q+p] * g[j*q+p] / pivot
				}
			}
		}
	}
	return order
}
