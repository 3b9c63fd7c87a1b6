package mixed

// Explained says how the variance of the outcome divides between the parts of a model.
type Explained struct {
	Fixed       float64   // variance of X b over the rows
	Random      []float64 // mean of z'G z over the rows, for each random term
	Residual    float64   // mean residual variance over the rows
	Marginal    float64   // R2 of the fixed effects
	Conditional float64   // R2 of fixed and random effects together
	ICC         []float64 // share of each random term in what the fixed effects leave
}

// Explained returns the variances and the R2 of Nakagawa & Schielzeth (2013), eq. 26 and 30, with the mean variance of
// random slopes as Johnson (2014), eq. 10:
//
//	R2 marginal = Fixed / (Fixed + sum Random + Residual),   R2 conditional = (Fixed + sum Random) / (the same)
//	ICC_t = Random_t / (sum Random + Residual)
//
// Variances have squared units of the outcome.
func (f *Fit) Explained() (Explained, error) {
	if err := f.Err(); err != nil {
		return Explained{}, err
	}
	m, d := f.model, f.model.whole()
	n, p := len(d.rows), len(f.Beta)
	fitted, mean := make([]float64, n), 0.0
	var e Explained
	for i := range n {
		fitted[i] = dot(d.x[i*p:(i+1)*p], f.Beta)
		mean += fitted[i] / float64(n)
		s := m.scale.y * m.cov.sigma(f.theta, d.role[i])
		e.Residual += s * s / float64(n)
	}
	for _, x := range fitted {
		e.Fixed += (x - mean) * (x - mean) / float64(n-1)
	}
	random := 0.0
	for t, term := range d.random {
		q := len(term.names)
		v, rows, g := 0.0, m.bases[t].rows(term.z), make([]float64, q*q)
		m.cov.g(t, f.theta, g)
		for i := range n {
			z := rows[i*q : (i+1)*q]
			for a := range q {
				for b := range q {
					v += z[a] * z[b] * g[a*q+b] * m.scale.y * m.scale.y / float64(n)
				}
			}
		}
		e.Random = append(e.Random, v)
		random += v
	}
	for _, v := range e.Random {
		e.ICC = append(e.ICC, v/(random+e.Residual))
	}
	total := e.Fixed + random + e.Residual
	e.Marginal, e.Conditional = e.Fixed/total, (e.Fixed+random)/total
	return e, nil
}
