package apim

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"asem/analysis/frame"
)

// The columns of compiled frames.
const (
	coupleColumn  = "couple"
	roleColumn    = "role"
	timeColumn    = "time"
	outcomeColumn = "outcome"
)

// column names a person's own (actor) or the partner's column of a variable.
func column(name string, p Path) string { return name + "_" + string(p) }

// quoted writes a column's name so that a formula can hold it, whatever characters it has.
func quoted(name string, p Path) string { return "`" + column(name, p) + "`" }

// dyads is long data indexed by couple, role and occasion.
type dyads struct {
	spec      Spec
	rows      []observation // in the order of the frame
	at        map[dyadKey]int
	roles     []string
	occasions []float64 // distinct, ascending
	centres   map[string]float64
	excluded  int
	missing   map[string]int // rows without couple, role or time
}

// firstMissing names the first of the columns that has no value in a row.
func firstMissing(row int, columns ...frame.Column) string {
	for _, c := range columns {
		if c.Missing(row) {
			return c.Name
		}
	}
	return ""
}

type dyadKey struct {
	couple, role string
	time         float64
}

type observation struct {
	dyadKey
	y float64
	x []float64 // a value for each predictor
}

func newDyads(f *frame.Frame, s Spec) (*dyads, error) {
	d := &dyads{spec: s, at: map[dyadKey]int{}, centres: map[string]float64{}, missing: map[string]int{}}
	couple, err := need(f, "couple", s.Couple, false)
	if err != nil {
		return nil, err
	}
	role, err := need(f, "role", s.Role, false)
	if err != nil {
		return nil, err
	}
	time, err := need(f, "time", s.Time, true)
	if err != nil {
		return nil, err
	}
	y, err := need(f, "outcome", s.Outcome, true)
	if err != nil {
		return nil, err
	}
	var xs []frame.Column
	for i, name := range s.Predictors {
		x, err := need(f, fmt.Sprintf("predictors[%d]", i), name, true)
		if err != nil {
			return nil, err
		}
		if name == s.Outcome || slices.Contains(s.Predictors[:i], name) {
			return nil, &SpecError{fmt.Sprintf("predictors[%d]", i), fmt.Sprintf("is %q, which stands in the model already", name)}
		}
		xs = append(xs, x)
	}
	for r := range f.Rows() {
		if where := firstMissing(r, couple, role, time); where != "" {
			d.missing[where]++
			continue
		}
		o := observation{dyadKey: dyadKey{couple.Label(r), role.Label(r), time.Values[r]}, y: y.Values[r]}
		if len(s.Occasions) > 0 && !slices.Contains(s.Occasions, o.time) {
			continue
		}
		for _, x := range xs {
			o.x = append(o.x, x.Values[r])
		}
		if _, twice := d.at[o.dyadKey]; twice {
			return nil, &SpecError{"couple", fmt.Sprintf("%q, role %q has two rows at %s %v; expected one", o.couple, o.role, s.Time, o.time)}
		}
		d.at[o.dyadKey] = len(d.rows)
		d.rows = append(d.rows, o)
		if !slices.Contains(d.roles, o.role) {
			d.roles = append(d.roles, o.role)
		}
		if i, found := slices.BinarySearch(d.occasions, o.time); !found {
			d.occasions = slices.Insert(d.occasions, i, o.time)
		}
	}
	for _, t := range s.Occasions {
		if _, found := slices.BinarySearch(d.occasions, t); !found {
			return nil, &SpecError{"waves", fmt.Sprintf("asks for %v, and no row has that %s", t, s.Time)}
		}
	}
	slices.SortFunc(d.roles, frame.Natural)
	if len(d.roles) != 2 {
		return nil, &SpecError{"role", fmt.Sprintf("has the values %s; an actor-partner model needs two", strings.Join(d.roles, ", "))}
	}
	if err := d.calibrate(); err != nil {
		return nil, err
	}
	d.centre()
	return d, nil
}

// need finds a column of the right type.
func need(f *frame.Frame, field, name string, numeric bool) (frame.Column, error) {
	if name == "" {
		return frame.Column{}, &SpecError{field, "is missing; expected the name of a column"}
	}
	c, ok := f.Column(name)
	if !ok {
		return frame.Column{}, &SpecError{field, fmt.Sprintf("names %q, which is not a column; the columns are %s", name, strings.Join(f.Names(), ", "))}
	}
	if numeric && !c.IsNumeric() {
		return frame.Column{}, &SpecError{field, fmt.Sprintf("names %q, which holds text; expected numbers", name)}
	}
	return c, nil
}

// centre subtracts from each predictor the mean of the persons' means, so that levels and slopes are those
// at an average predictor.
func (d *dyads) centre() {
	type mean struct {
		sum float64
		n   int
	}
	for i, name := range d.spec.Predictors {
		persons := map[[2]string]*mean{}
		var order []*mean
		for _, o := range d.rows {
			if math.IsNaN(o.x[i]) {
				continue
			}
			key := [2]string{o.couple, o.role}
			if persons[key] == nil {
				persons[key] = &mean{}
				order = append(order, persons[key])
			}
			persons[key].sum += o.x[i]
			persons[key].n++
		}
		grand := 0.0
		for _, m := range order {
			grand += m.sum / float64(m.n)
		}
		if len(order) > 0 {
			grand /= float64(len(order))
		}
		d.centres[name] = grand
		for r := range d.rows {
			d.rows[r].x[i] -= grand
		}
	}
}

// partner returns the partner's observation on the same occasion.
func (d *dyads) partner(o observation) (observation, bool) {
	k := o.dyadKey
	k.role = d.roles[0]
	if o.role == d.roles[0] {
		k.role = d.roles[1]
	}
	i, ok := d.at[k]
	if !ok {
		return observation{}, false
	}
	return d.rows[i], true
}

// stable returns, for each person and each predictor that does not change over time, the person's value; NaN for the others.
// A predictor does not change if nobody who was observed more than once shows two values, and somebody was: of a person seen
// once alone nothing can be said.
func (d *dyads) stable() map[[2]string][]float64 {
	out := map[[2]string][]float64{}
	varies, repeated := make([]bool, len(d.spec.Predictors)), make([]bool, len(d.spec.Predictors))
	for _, o := range d.rows {
		key := [2]string{o.couple, o.role}
		have, ok := out[key]
		if !ok {
			out[key] = slices.Clone(o.x)
			continue
		}
		for i, x := range o.x {
			switch {
			case math.IsNaN(x):
			case math.IsNaN(have[i]):
				have[i] = x
			default:
				repeated[i] = true
				varies[i] = varies[i] || x != have[i]
			}
		}
	}
	for _, xs := range out {
		for i := range xs {
			if varies[i] || !repeated[i] {
				xs[i] = math.NaN()
			}
		}
	}
	return out
}

// table gathers the rows of a compiled frame.
type table struct {
	couple, role []string
	numbers      map[string][]float64
	names        []string // of numbers, in order
}

func (t *table) add(couple, role string, values ...float64) {
	t.couple, t.role = append(t.couple, couple), append(t.role, role)
	for i, name := range t.names {
		t.numbers[name] = append(t.numbers[name], values[i])
	}
}

func newTable(names ...string) *table { return &table{numbers: map[string][]float64{}, names: names} }

// frame makes the frame, leaving out occasions with an incomplete partner if the spec says so.
func (d *dyads) frame(t *table, extra ...frame.Column) (*frame.Frame, error) {
	columns := []frame.Column{frame.Categorical(coupleColumn, t.couple), frame.Categorical(roleColumn, t.role)}
	for _, n := range t.names {
		columns = append(columns, frame.Numeric(n, t.numbers[n]))
	}
	f, err := frame.New(append(columns, extra...)...)
	if err != nil || !d.spec.CompletePairs {
		return f, err
	}
	type occasion struct {
		couple string
		time   float64
	}
	complete := map[occasion]int{}
	at := func(r int) occasion { return occasion{t.couple[r], t.numbers[timeColumn][r]} }
	for r := range t.couple {
		ok := true
		for _, n := range t.names {
			ok = ok && !math.IsNaN(t.numbers[n][r])
		}
		if ok {
			complete[at(r)]++
		}
	}
	var keep []int
	for r := range t.couple {
		if complete[at(r)] == 2 {
			keep = append(keep, r)
		}
	}
	d.excluded = f.Rows() - len(keep)
	return f.Take(keep), nil
}
