package mixed

import (
	"math"
	"slices"
)

// permuted returns the model with the random effects of term t in another order: the one that was order[k] is the k-th.
func (m *Model) permuted(t int, order []int) *Model {
	columns := func(z []float64) []float64 {
		q := len(order)
		out := make([]float64, len(z))
		for r := 0; r < len(z); r += q {
			for to, from := range order {
				out[r+to] = z[r+from]
			}
		}
		return out
	}
	out, d := *m, *m.design
	d.random = slices.Clone(d.random)
	term := &d.random[t]
	names := term.names
	term.names, term.z = make([]string, len(order)), columns(term.z)
	for to, from := range order {
		term.names[to] = names[from]
	}
	out.design, out.scales = &d, slices.Clone(m.scales)
	ct := m.cov.terms[t]
	for k, e := range ct.entries {
		out.scales[ct.first+k] = m.scales[ct.first+ct.rowStart(order[e[0]])]
	}
	out.stats = m.stats.shared()
	for i, pat := range out.stats.patterns {
		p, l := *pat, *pat.layout
		l.terms = slices.Clone(l.terms)
		l.terms[t].z = columns(l.terms[t].z)
		p.layout = &l
		out.stats.patterns[i] = &p
	}
	return &out
}

// turned returns theta for the model with the random effects of term t in another order.
func (m *Model) turned(theta []float64, t int, order []int) []float64 {
	ct, out := m.cov.terms[t], slices.Clone(theta)
	q := ct.q
	g := make([]float64, q*q)
	m.cov.g(t, theta, g)
	if ct.diag {
		for to, from := range order {
			out[ct.first+to] = theta[ct.first+from]
		}
		return out
	}
	l := make([]float64, q*q)
	for i, from := range order {
		for j, other := range order[:i+1] {
			x := g[from*q+other] - dot(l[i*q:i*q+j], l[j*q:j*q+j])
			switch diagonal := g[other*q+other]; {
			case i == j:
				if l[i*q+i] = math.Sqrt(math.Max(x, 0)); x < 1e-14*diagonal { // nothing is left but rounding
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

// pivots returns the order of the random effects of term t in which each has the most variance, in units of its scale, that is left beyond those before it.
func (m *Model) pivots(t int, theta []float64) []int {
	ct := m.cov.terms[t]
	q := ct.q
	g, order := make([]float64, q*q), make([]int, q)
	m.cov.g(t, theta, g)
	for i := range q {
		order[i] = i
		for j := range q {
			g[i*q+j] /= m.scales[ct.first+ct.rowStart(i)] * m.scales[ct.first+ct.rowStart(j)]
		}
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
