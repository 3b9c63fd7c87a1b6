package apim

import (
	"math"

	"asem/analysis/frame"
	"asem/analysis/mixed"
)

// compileGrowth builds the dyadic growth model with actor and partner predictors of level and slope.
// For the outcome of the person in role r of couple i at time t, with own predictor x and the
// partner's x':
//
//	y_irt = (b0_r + a0_r x + p0_r x' + u0_ir) + (b1_r + a1_r x + p1_r x' + u1_ir) t + e_irt
//
// The random intercepts and slopes of both partners have an unstructured 4 x 4 covariance; residuals
// have a variance by role and correlate between partners on the same occasion. a and p are the
// actor and partner effects, on the level at t = 0 and on the slope. (Raudenbush, Brennan & Barnett 1995,
// the two-intercept model; Kashy & Donnellan 2012 for actor-partner predictors of growth.)
//
// Where a predictor does not change over time in the whole data set, the partner's value is used also on occasions that the
// partner missed.
func compileGrowth(d *dyads, s Spec) (*frame.Frame, mixed.Spec, error) {
	if len(d.occasions) < 2 {
		return nil, mixed.Spec{}, &SpecError{"time", "has one occasion; growth needs two or more"}
	}
	names := []string{timeColumn, outcomeColumn}
	fixed, by := "0 + role + role:time", "role:"
	if s.Pooled {
		by = ""
	}
	for _, x := range s.Predictors {
		a, p := column(x, Actor), column(x, Partner)
		names = append(names, a, p)
		qa, qp := quoted(x, Actor), quoted(x, Partner)
		fixed += " + " + by + qa + " + " + by + qp + " + " + by + "time:" + qa + " + " + by + "time:" + qp
	}
	stable := d.stable()
	t := newTable(names...)
	for _, o := range d.rows {
		partner, there := d.partner(o)
		values := []float64{o.time, o.y}
		for i, x := range o.x {
			theirs := math.NaN()
			if there {
				theirs = partner.x[i]
			}
			if math.IsNaN(theirs) {
				if known, ok := stable[[2]string{o.couple, d.other(o.role)}]; ok {
					theirs = known[i]
				}
			}
			values = append(values, x, theirs)
		}
		t.add(o.couple, o.role, values...)
	}
	f, err := d.frame(t)
	return f, mixed.Spec{
		Time: timeColumn, Fixed: fixed, Random: "(0 + role + role:time | couple)",
		Residual: mixed.Residual{Variance: mixed.VarianceByRole, CrossPartner: true},
	}, err
}

func (d *dyads) other(role string) string {
	if role == d.roles[0] {
		return d.roles[1]
	}
	return d.roles[0]
}
