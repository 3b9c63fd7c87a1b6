package apim

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
)

// calibrate puts, in the place of predictors that are measured with error, the values that are expected of the true ones: regression calibration
// (Carroll, Ruppert, Stefanski & Crainiceanu, 2006, Measurement Error in Nonlinear Models, 2nd ed., ch. 4). An effect of x + e is weaker than that of x by the reliability
// of what was measured, and where partners are alike, a part of each partner's effect is taken for the other's. Both are put right by
//
//	E(x_A, x_B | w_A, w_B) = m + S_x S_w^-1 (w - m),   S_x = S_w - diag((1 - r) S_w)
//
// with w what was measured, m its means and S_w (2 x 2) its covariance over couples by role, and r the reliability: of the mean of the judges, say, as asem agreement and
// the field ratingReliability of GraphQL give it. Where the partner's value is missing, a person's own alone is used: m + r (w - m). A predictor
// that does not change within persons counts once for each couple, others at every occasion.
//
// Standard errors hold r for known; a bootstrap of couples does not either. Errors are [*SpecError].
func (d *dyads) calibrate() error {
	names := make([]string, 0, len(d.spec.Reliability))
	for name := range d.spec.Reliability {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		i := slices.Index(d.spec.Predictors, name)
		if i < 0 {
			return &SpecError{"reliability", fmt.Sprintf("names %q, which is not one of the predictors; they are %s", name, strings.Join(d.spec.Predictors, ", "))}
		}
		r := d.spec.Reliability[name]
		if !(r > 0 && r <= 1) {
			return &SpecError{"reliability", fmt.Sprintf("of %s is %v; expected more than 0 and at most 1", name, r)}
		}
		if err := d.calibrateOne(i, name, r); err != nil {
			return err
		}
	}
	return nil
}

func (d *dyads) calibrateOne(i int, name string, r float64) error {
	seen := map[dyadKey]bool{}
	fixed := d.fixed(i)
	var mean [2]float64
	var values [2][]float64
	var pairs [][2]float64
	for _, o := range d.rows {
		key := o.dyadKey
		if fixed {
			key.time = 0
		}
		if seen[key] || math.IsNaN(o.x[i]) {
			continue
		}
		seen[key] = true
		k := slices.Index(d.roles, o.role)
		mean[k] += o.x[i]
		values[k] = append(values[k], o.x[i])
		if k == 0 {
			if w, ok := d.partnersValue(o, i, fixed); ok {
				pairs = append(pairs, [2]float64{o.x[i], w})
			}
		}
	}
	var variance [2]float64
	for k := range 2 {
		n := float64(len(values[k]))
		if n < 2 {
			return &SpecError{"reliability", fmt.Sprintf("of %s cannot be used: role %s has %d values; expected at least two", name, d.roles[k], len(values[k]))}
		}
		mean[k] /= n
		for _, v := range values[k] {
			variance[k] += (v - mean[k]) * (v - mean[k]) / (n - 1)
		}
	}
	if variance[0] == 0 || variance[1] == 0 {
		return &SpecError{"reliability", fmt.Sprintf("of %s cannot be used: it is the same for everybody", name)}
	}
	cov := 0.0
	if len(pairs) > 1 {
		for _, p := range pairs {
			cov += (p[0] - mean[0]) * (p[1] - mean[1]) / float64(len(pairs)-1)
		}
	}
	if cov*cov >= r*r*variance[0]*variance[1] {
		return &SpecError{"reliability", fmt.Sprintf("of %s is %v, too low to be true: partners correlate %.3f, and measured with so much error they could not", name, r, cov/math.Sqrt(variance[0]*variance[1]))}
	}
	// B = S_x S_w^-1, by rows of the true scores.
	det := variance[0]*variance[1] - cov*cov
	var b [2][2]float64
	for k := range 2 {
		own, other := variance[k], variance[1-k]
		b[k][k] = (r*own*other - cov*cov) / det
		b[k][1-k] = (cov*own - r*own*cov) / det
	}
	calibrated := make([]float64, len(d.rows))
	for n, o := range d.rows {
		k := slices.Index(d.roles, o.role)
		calibrated[n] = mean[k] + r*(o.x[i]-mean[k])
		if w, ok := d.partnersValue(o, i, fixed); ok {
			calibrated[n] = mean[k] + b[k][k]*(o.x[i]-mean[k]) + b[k][1-k]*(w-mean[1-k])
		}
	}
	for n := range d.rows {
		d.rows[n].x[i] = calibrated[n]
	}
	return nil
}

// fixed reports whether a predictor stays the same within every person.
func (d *dyads) fixed(i int) bool {
	first := map[[2]string]float64{}
	for _, o := range d.rows {
		if math.IsNaN(o.x[i]) {
			continue
		}
		key := [2]string{o.couple, o.role}
		if x, ok := first[key]; ok && x != o.x[i] {
			return false
		}
		first[key] = o.x[i]
	}
	return true
}

// partnersValue is what was measured of the partner at the same occasion or, where nothing changes, at any.
func (d *dyads) partnersValue(o observation, i int, fixed bool) (float64, bool) {
	key := o.dyadKey
	key.role = d.roles[1-slices.Index(d.roles, o.role)]
	at := func(key dyadKey) (float64, bool) {
		n, ok := d.at[key]
		if !ok || math.IsNaN(d.rows[n].x[i]) {
			return 0, false
		}
		return d.rows[n].x[i], true
	}
	if x, ok := at(key); ok || !fixed {
		return x, ok
	}
	for _, key.time = range d.occasions {
		if x, ok := at(key); ok {
			return x, true
		}
	}
	return 0, false
}
