package mixed

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is a confidence interval of one parameter.
type Interval struct {
	Name     string
	Estimate float64 // by ML
	Lower    float64 // -Inf, or 0 for a standard deviation, where the likelihood does not fall far enough
	Upper    float64 // +Inf likewise
}

// Profile returns profile-likelihood intervals at Spec.Level: the values of a parameter at which twice the ML
// log-likelihood, maximised over all others, lies less than the chi-squared quantile below its maximum (Bates et al. 2015,
// J. Stat. Softw. 67(1), section 5.1). Parameters come in the order of the fixed effects and then of
// Fit.Components, without the correlations of random effects, for which [Fit.Bootstrap] serves. A REML model is fitted again by ML.
func (f *Fit) Profile(ctx context.Context) ([]Interval, error) {
	ml, err := f.byML(ctx)
	if err != nil {
		return nil, err
	}
	var out []Interval
	for i, name := range f.Names {
		in, err := ml.profileFixed(ctx, i)
		if err != nil {
			return nil, fmt.Errorf("profile %s: %w", name, err)
		}
		out = append(out, in)
	}
	for t, term := range ml.model.design.random {
		for i, name := range term.names {
			in, err := ml.profileEffect(ctx, t, i)
			if err != nil {
				return nil, fmt.Errorf("profile the standard deviation of %s: %w", name, err)
			}
			out = append(out, in)
		}
	}
	residual := ml.Components()
	for k := ml.model.cov.iSigma; k < len(ml.theta); k++ {
		c := residual[len(residual)-len(ml.theta)+k]
		in, err := ml.profileTheta(ctx, k, c.Name, func(theta []float64) float64 {
			list := ml.model.components(theta)
			return list[len(list)-len(theta)+k].Value
		})
		if err != nil {
			return nil, fmt.Errorf("profile %s: %w", c.Name, err)
		}
		out = append(out, in)
	}
	return out, nil
}

// byML returns the ML fit of the same model.
func (f *Fit) byML(ctx context.Context) (*Fit, error) {
	if err := f.Err(); err != nil || f.Method == ML {
		return f, err
	}
	m := *f.model
	m.spec.Method = ML
	if m.spec.DF == DFKenwardRoger {
		m.spec.DF = DFSatterthwaite
	}
	ml, err := m.fitFrom(ctx, f.theta)
	if err == nil {
		err = ml.Err()
	}
	return ml, err
}

// profileFixed profiles a fixed effect. Where l'g is held at c the best coefficients are g^ - C l (l'g^ - c) / l'Cl
// and the log-likelihood is lower by (l'g^ - c)^2 / (2 l'Cl).
func (f *Fit) profileFixed(ctx context.Context, i int) (Interval, error) {
	m, p := f.model, len(f.Beta)
	unit := make([]float64, p)
	unit[i] = 1
	l := m.toEngine(unit)
	at := 0.0
	s := &search{m: m, w: m.NewWorkspace()}
	s.objective = func(theta, grad []float64) float64 {
		w := s.w
		ll := m.LogLik(theta, nil, w)
		if math.IsInf(ll, -1) {
			return ll
		}
		cl := make([]float64, p)
		for a := range cl {
			cl[a] = dot(w.c[a*p:(a+1)*p], l)
		}
		lcl := dot(l, cl)
		gap := dot(l, w.gamma) + m.scale.b0[i] - at
		for a := range cl {
			w.gamma[a] -= cl[a] * gap / lcl
		}
		if grad != nil {
			m.score(theta, grad, w)
		}
		return ll - gap*gap/(2*lcl)
	}
	metric := inverseMetric(f.hess)
	return f.cross(ctx, Interval{Name: f.Names[i], Estimate: f.Beta[i], Lower: math.Inf(-1), Upper: math.Inf(1)}, math.Sqrt(f.VBeta.At(i, i)),
		func(value float64, theta []float64) (float64, bool) {
			at = value
			s.theta = theta
			ok := s.follow(metric, enough)
			return s.ll, ok
		})
}

// profileTheta profiles one entry of theta; value returns the parameter that it stands for, in its own units.
func (f *Fit) profileTheta(ctx context.Context, k int, name string, value func([]float64) float64) (Interval, error) {
	m := f.model
	s := &search{m: m, w: m.NewWorkspace()}
	s.objective = func(theta, grad []float64) float64 {
		ll := m.LogLik(theta, grad, s.w)
		if grad != nil {
			grad[k] = 0
		}
		return ll
	}
	held := mat.NewSymDense(len(f.theta), nil) // the information without the parameter that is held
	held.CopySym(f.hess)
	for i := range f.theta {
		held.SetSym(i, k, 0)
	}
	held.SetSym(k, k, 1)
	metric := inverseMetric(held)
	metric.SetSym(k, k, 0)
	se := 1.0
	if v := inverseMetric(f.hess).At(k, k); v > 0 && v < se*se {
		se = math.Sqrt(v)
	}
	in := Interval{Name: name, Estimate: f.theta[k], Lower: math.Inf(-1), Upper: math.Inf(1)}
	in, err := f.cross(ctx, in, se, func(at float64, theta []float64) (float64, bool) {
		theta[k] = at
		s.theta = theta
		ok := s.follow(metric, enough)
		return s.ll, ok
	})
	theta := slices.Clone(f.theta)
	for _, x := range []*float64{&in.Estimate, &in.Lower, &in.Upper} {
		theta[k] = *x
		*x = value(theta)
	}
	return in, err
}

// profileEffect profiles the standard deviation of a random effect, which is the size of the first entry of L if the effect
// is the first of its term.
func (f *Fit) profileEffect(ctx context.Context, t, i int) (Interval, error) {
	m, ct := f.model, f.model.cov.terms[t]
	g, k, size := f, ct.first, m.bases[t].b[i*ct.q+i] // the deviation is size times the entry of L
	if ct.diag {
		k += i
	} else if ct.q > 1 {
		row := m.bases[t].b[i*ct.q : (i+1)*ct.q]
		turn := reflection(row)
		size = norm(row)
		m = m.turned(t, turn)
		var err error
		if g, err = m.fitFrom(ctx, m.cov.turn(f.theta, t, turn)); err != nil {
			return Interval{}, err
		}
		if err := g.Err(); err != nil {
			return Interval{}, err
		}
	}
	if g.theta[k] < 0 { // the sign of a column of L is free
		flipped := *g
		flipped.theta = slices.Clone(g.theta)
		flipped.hess = mat.NewSymDense(len(g.theta), nil)
		flipped.hess.CopySym(g.hess)
		for a := range ct.params() {
			if _, col := ct.at(a); ct.first+a == k || !ct.diag && col == 0 {
				flipped.theta[ct.first+a] *= -1
				for b := range g.theta {
					if b != ct.first+a {
						flipped.hess.SetSym(ct.first+a, b, -flipped.hess.At(ct.first+a, b))
					}
				}
			}
		}
		g = &flipped
	}
	term := f.model.design.random[t]
	in, err := g.profileTheta(ctx, k, fmt.Sprintf("sd(%s, %s)", term.label, term.names[i]), func(theta []float64) float64 { return m.scale.y * size * theta[k] })
	in.Lower = math.Max(0, in.Lower)
	return in, err
}

// cross finds where the profile falls to the edge of the interval, on both sides of the estimate. The root of the
// fall is nearly linear in the parameter, so secant steps get there in a few.
func (f *Fit) cross(ctx context.Context, in Interval, se float64, maximum func(value float64, theta []float64) (float64, bool)) (Interval, error) {
	z := distuv.UnitNormal.Quantile((1 + f.model.spec.Level) / 2)
	for _, side := range []float64{-1, 1} {
		theta := slices.Clone(f.theta)
		root := func(d float64) (float64, error) {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			for range 5 {
				ll, ok := maximum(in.Estimate+side*d, theta)
				if ok {
					return math.Sqrt(math.Max(0, 2*(f.LogLik-ll))), nil
				}
				if math.IsInf(ll, -1) {
					return math.Inf(1), nil
				}
			}
			return 0, &NotConvergedError{"the likelihood could not be maximised with the parameter held"}
		}
		d0, r0 := 0.0, 0.0
		d1 := z * se
		r1, err := root(d1)
		if err != nil {
			return in, err
		}
		found := false
		for range 60 {
			if math.Abs(r1-z) < 1e-7*z {
				found = true
				break
			}
			slope := (r1 - r0) / (d1 - d0)
			d2 := d1 + (z-r1)/slope
			switch {
			case !(slope > 0), d2 > 4*d1:
				d2 = 4 * d1
			case d2 < d1/4:
				d2 = d1 / 4
			}
			if d2 > 1e6*se {
				break
			}
			d0, r0, d1 = d1, r1, d2
			if r1, err = root(d1); err != nil {
				return in, err
			}
		}
		if !found {
			continue // it never falls far enough
		}
		if side < 0 {
			in.Lower = in.Estimate - d1
		} else {
			in.Upper = in.Estimate + d1
		}
	}
	return in, nil
}
