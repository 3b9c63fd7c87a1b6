package apim

import (
	"math"

	"asem/analysis/frame"
	"asem/analysis/mixed"
)

// compileResidualisedChange builds the residualised-change model of neighbouring occasions. For the
// outcome of the person in role r of couple i on an occasion, given both partners' outcomes and
// predictors on the occasion before:
//
//	y_irt = b_rt + a_r y_ir,t-1 + p_r y_ir',t-1 + sum over predictors (a x_ir,t-1 + p x_ir',t-1) + e_irt
//
// Residuals have a variance by role and correlate between partners. With more than two occasions
// each has an intercept of its own. Outcomes before are not centred; predictors are, at the persons' mean.
// (Kenny, Kashy & Cook 2006, chapter 13: over-time actor-partner models.)
func compileResidualisedChange(d *dyads, s Spec) (*frame.Frame, mixed.Spec, error) {
	if len(d.occasions) < 2 {
		return nil, mixed.Spec{}, &SpecError{"time", "has one occasion; change needs two or more"}
	}
	own, theirs := column(s.Outcome, Actor), column(s.Outcome, Partner)
	names := []string{timeColumn, outcomeColumn, own, theirs}
	by := "role:"
	if s.Pooled {
		by = ""
	}
	fixed := "0 + role"
	if len(d.occasions) > 2 {
		fixed += " + role:occasion"
	}
	fixed += " + " + by + quoted(s.Outcome, Actor) + " + " + by + quoted(s.Outcome, Partner)
	for _, x := range s.Predictors {
		a, p := column(x, Actor), column(x, Partner)
		names = append(names, a, p)
		fixed += " + " + by + quoted(x, Actor) + " + " + by + quoted(x, Partner)
	}
	t := newTable(names...)
	var occasion []string
	nan := make([]float64, len(s.Predictors))
	for i := range nan {
		nan[i] = math.NaN()
	}
	absent := observation{y: math.NaN(), x: nan}
	for _, o := range d.rows {
		before, ok := d.before(o)
		if !ok {
			continue
		}
		mine, partner := absent, absent
		if i, ok := d.at[dyadKey{o.couple, o.role, before}]; ok {
			mine = d.rows[i]
		}
		if i, ok := d.at[dyadKey{o.couple, d.other(o.role), before}]; ok {
			partner = d.rows[i]
		}
		values := []float64{o.time, o.y, mine.y, partner.y}
		for i := range s.Predictors {
			values = append(values, mine.x[i], partner.x[i])
		}
		t.add(o.couple, o.role, values...)
		occasion = append(occasion, frame.Numeric("", []float64{o.time}).Label(0))
	}
	spec := mixed.Spec{Time: timeColumn, Fixed: fixed, Residual: mixed.Residual{Variance: mixed.VarianceByRole, CrossPartner: true}}
	f, err := d.frame(t, frame.Categorical("occasion", occasion))
	return f, spec, err
}

// before returns the occasion of the data that comes before an observation's.
func (d *dyads) before(o observation) (float64, bool) {
	for i, t := range d.occasions {
		if t == o.time && i > 0 {
			return d.occasions[i-1], true
		}
	}
	return 0, false
}
