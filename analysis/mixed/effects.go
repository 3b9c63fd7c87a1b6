package mixed

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// GroupEffect is what is predicted of the random effects of one couple or person.
type GroupEffect struct {
	Site   string    // of a site's
	Couple string    // empty for a site's
	Person string    // empty for a couple's or a site's
	Values []float64 // length q, empirical best linear unbiased predictions
	SE     []float64 // standard errors of prediction, with that of the fixed effects, without that of the covariance
}

// GroupEffects returns the predicted random effects of each group of each term of Spec.Random, in the order of Fit.Random. For
// couple i, with W = V^-1 and r = y - X b (Henderson 1975; Laird & Ware 1982, eq. 3.2 and 3.4),
//
//	u = G Z'W r,   Var(u^ - u) = G - G Z'(W - W X C X'W) Z G
//
// in units of the outcome per unit of the column of Z.
func (f *Fit) GroupEffects() ([][]GroupEffect, error) {
	if err := f.Err(); err != nil {
		return nil, err
	}
	m, d := f.model, f.model.whole()
	p := len(f.Beta)
	phi := mat.NewSymDense(p, append([]float64(nil), f.work.c[:p*p]...))
	out, rows := make([][]GroupEffect, len(d.random)), make([][]float64, len(d.random))
	for t, term := range d.random {
		rows[t] = m.bases[t].rows(term.z)
		out[t] = make([]GroupEffect, term.groups)
	}
	f.each(func(i int, c couple) {
		n := len(c.r)
		var wr mat.VecDense
		wr.MulVec(c.w, mat.NewVecDense(n, c.r))
		var wx, wxc, middle mat.Dense
		wx.Mul(c.w, c.x)
		wxc.Mul(&wx, phi)
		middle.Mul(&wxc, wx.T())
		middle.Sub(c.w, &middle)
		for t, term := range d.random {
			q := len(term.names)
			g := make([]float64, q*q)
			m.cov.g(t, f.theta, g)
			gm := mat.NewDense(q, q, g)
			for local := range n {
				group := term.group[c.lo+local]
				e := &out[t][group]
				if e.Values != nil {
					continue
				}
				z := mat.NewDense(n, q, nil) // zero outside the group
				for j := range n {
					if term.group[c.lo+j] == group {
						z.SetRow(j, rows[t][(c.lo+j)*q:(c.lo+j+1)*q])
					}
				}
				var zg, mzg, v mat.Dense
				zg.Mul(z, gm)
				var u mat.VecDense
				u.MulVec(zg.T(), &wr)
				mzg.Mul(&middle, &zg)
				v.Mul(zg.T(), &mzg)
				if term.level == sites {
					e.Site = d.sites[d.site[c.lo+local]]
				} else {
					e.Couple = d.couples[d.couple[c.lo+local]]
				}
				if term.level == persons {
					e.Person = d.persons[d.person[c.lo+local]]
				}
				v.Sub(gm, &v)
				left := m.bases[t].natural(v.RawMatrix().Data)
				e.Values, e.SE = m.bases[t].effects(u.RawVector().Data), make([]float64, q)
				for a := range q {
					e.Values[a] *= m.scale.y
					e.SE[a] = m.scale.y * math.Sqrt(math.Max(0, left[a*q+a]))
				}
			}
		}
	})
	return out, nil
}

// Residuals are what is left of the outcome, row by row of the data, in units of the outcome unless said
// otherwise. They stand in the canonical order of the rows: by couple, time, role and person.
type Residuals struct {
	Row         []int     // of the frame, from 0
	Fitted      []float64 // X b, over all couples
	Marginal    []float64 // y - X b
	Couple      []float64 // X b + Z u, of this couple or person
	Conditional []float64 // y - X b - Z u
	Pearson     []float64 // conditional, divided by the residual standard deviation
	Whitened    []float64 // L^-1 (y - X b) with V = L L': uncorrelated with variance 1 if the model is right
}

// Residuals returns the residuals of a fit.
func (f *Fit) Residuals() (Residuals, error) {
	effects, err := f.GroupEffects()
	if err != nil {
		return Residuals{}, err
	}
	m, d := f.model, f.model.whole()
	n := len(d.rows)
	r := Residuals{Row: append([]int(nil), d.rows...), Fitted: make([]float64, n), Marginal: make([]float64, n), Couple: make([]float64, n),
		Conditional: make([]float64, n), Pearson: make([]float64, n), Whitened: make([]float64, n)}
	p := len(f.Beta)
	for i := range n {
		r.Fitted[i] = dot(d.x[i*p:(i+1)*p], f.Beta)
		r.Marginal[i] = d.y[i] - r.Fitted[i]
		r.Couple[i] = r.Fitted[i]
		for t, term := range d.random {
			q := len(term.names)
			r.Couple[i] += dot(term.z[i*q:(i+1)*q], effects[t][term.group[i]].Values)
		}
		r.Conditional[i] = d.y[i] - r.Couple[i]
		r.Pearson[i] = r.Conditional[i] / (m.scale.y * m.cov.sigma(f.theta, d.role[i]))
	}
	f.each(func(_ int, c couple) {
		var l mat.TriDense
		c.chol.LTo(&l)
		copy(r.Whitened[c.lo:c.hi], c.r)
		for j := range c.r { // forward substitution
			row := r.Whitened[c.lo : c.lo+j+1]
			for k := range j {
				row[j] -= l.At(j, k) * row[k]
			}
			row[j] /= l.At(j, j)
		}
	})
	return r, nil
}

// Influence is what leaving out one couple, or one site with its couples where there are sites, would change, with the covariance parameters as they are.
type Influence struct {
	Couple   string    // or site
	Beta     []float64 // change of the estimates, length p: all data less without this couple
	CookD    float64   // Beta' VBeta^-1 Beta / p, with VBeta = (X'V^-1 X)^-1
	Leverage float64   // trace of X_i C X_i' W_i: the couple's share of the p fixed effects
}

// Influence returns the influence of each couple, in canonical order (Cook & Weisberg 1982, section 3.5; Demidenko & Stukel
// 2005 for mixed models). With C = (X'WX)^-1 and H_i = X_i C X_i'W_i it is exact:
//
//	b - b_(i) = C X_i'W_i (I - H_i)^-1 r_i
//
// A couple without which some fixed effect cannot be estimated has changes and a distance of +Inf.
func (f *Fit) Influence() ([]Influence, error) {
	if err := f.Err(); err != nil {
		return nil, err
	}
	m := f.model
	p := len(f.Beta)
	phi := mat.NewSymDense(p, append([]float64(nil), f.work.c[:p*p]...))
	var out []Influence
	f.each(func(i int, c couple) {
		n := len(c.r)
		var xc, wx, h, ih mat.Dense
		xc.Mul(c.x, phi)
		wx.Mul(c.w, c.x)
		h.Mul(&xc, wx.T())
		ih.Scale(-1, &h)
		for j := range n {
			ih.Set(j, j, 1+ih.At(j, j))
		}
		e := Influence{Couple: m.whole().unit(i), Leverage: mat.Trace(&h), Beta: make([]float64, p)}
		var s, score, change mat.VecDense
		if err := s.SolveVec(&ih, mat.NewVecDense(n, c.r)); err != nil {
			e.CookD = math.Inf(1)
			for k := range e.Beta {
				e.Beta[k] = math.Inf(1)
			}
			out = append(out, e)
			return
		}
		score.MulVec(wx.T(), &s) // C^-1 times the change
		change.MulVec(phi, &score)
		e.CookD = mat.Dot(&change, &score) / float64(p)
		e.Beta = m.toNatural(change.RawVector().Data)
		out = append(out, e)
	})
	return out, nil
}
