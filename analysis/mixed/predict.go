package mixed

import (
	"fmt"
	"slices"

	"asem/analysis/frame"
)

// Prediction is the expected outcome of a row of new data, with its uncertainty from the fixed effects.
type Prediction struct {
	Mean  float64 // x'beta, in units of the outcome
	SE    float64
	DF    float64
	Lower float64 // of the pointwise confidence interval at Spec.Level
	Upper float64
}

// Predict returns the expected outcome for each row of new data, averaged over couples: random effects are zero. The
// frame needs the columns of the fixed effects; scale() and poly() are as they were in the data of the fit.
// What depends on other rows, such as partner(x) or within(x), is given as it is, in a column of that name. A
// row with a missing value is an error, as is a level that the fit has not seen: [*DataError] and [*FormulaError].
func (f *Fit) Predict(data *frame.Frame) ([]Prediction, error) {
	if err := f.Err(); err != nil {
		return nil, err
	}
	x, err := f.model.newRows(data)
	if err != nil {
		return nil, err
	}
	p := len(f.Beta)
	out := make([]Prediction, data.Rows())
	for i := range out {
		if out[i], err = f.predict(x[i*p : (i+1)*p]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (f *Fit) predict(x []float64) (Prediction, error) {
	c, err := f.Contrast("prediction", x)
	return Prediction{Mean: c.Estimate, SE: c.SE, DF: c.DF, Lower: c.Lower, Upper: c.Upper}, err
}

// newRows returns the model matrix of new data, n x p row-major.
func (m *Model) newRows(data *frame.Frame) ([]float64, error) {
	d := m.design
	e := evaluator{f: data, spec: m.spec, src: d.fixed.terms.src, learnt: d.eval.learnt, new: true}
	s := &side{terms: d.fixed.terms}
	for _, v := range d.fixed.variables {
		var again *variable
		var err error
		if v.isFactor() {
			again, err = e.factor(v)
		} else {
			again, err = e.variable(v.node)
		}
		if err != nil {
			return nil, err
		}
		if !v.isFactor() && (again.isFactor() || len(again.columns) != len(v.columns)) {
			return nil, &DataError{v.name, "holds other data than in the fit; expected numbers"}
		}
		for r := range data.Rows() {
			if again.missing(r) {
				return nil, &DataError{v.name, fmt.Sprintf("row %d is missing", r+1)}
			}
		}
		s.variables = append(s.variables, again)
	}
	return m.matrix(s, data.Rows())
}

// matrix returns the columns of the fit from the variables of another side of the same formula, n x p row-major.
func (m *Model) matrix(s *side, n int) ([]float64, error) {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	all, err := s.columns(rows, m.spec.Contrasts)
	if err != nil {
		return nil, err
	}
	kept := make([]column, len(m.design.xAt))
	for i, at := range m.design.xAt {
		kept[i] = all[at]
	}
	return rowMajor(kept, n), nil
}

// factor returns a factor of new data by the levels of the fit.
func (e *evaluator) factor(v *variable) (*variable, error) {
	c, ok := e.given(v.node)
	if n := v.node; !ok && n.text == "factor" && n.op == "call" {
		c, ok = e.f.Column(n.args[0].text)
	}
	if !ok {
		return nil, formulaError(e.src, v.node.at, "new data need a column named %q%s", v.name, frame.Suggest(v.name, e.f.Names()))
	}
	out := &variable{node: v.node, name: v.name, levels: v.levels, isRole: v.isRole, codes: make([]int, c.Len())}
	for r := range out.codes {
		if out.codes[r] = -1; c.Missing(r) {
			continue
		}
		if out.codes[r] = slices.Index(v.levels, c.Label(r)); out.codes[r] < 0 {
			return nil, &DataError{v.name, fmt.Sprintf("row %d is %q, which is none of the levels of the fit: %q", r+1, c.Label(r), v.levels)}
		}
	}
	return out, nil
}

// Trajectory is the expected course of the outcome of one role.
type Trajectory struct {
	Role   string // empty if the partners are exchangeable
	Time   []float64
	Points []Prediction // one for each time
}

// Trajectories returns the expected outcome of each role at given times, by role in order of the levels. Whatever else
// is in the fixed effects is averaged over the rows of that role, as they were observed; factor(time) knows the times of the fit. Times
// in whole-column functions such as within(time) cannot be set and are an error, as is a model without time.
func (f *Fit) Trajectories(times []float64) ([]Trajectory, error) {
	if err := f.Err(); err != nil {
		return nil, err
	}
	m, d := f.model, f.model.whole()
	if err := m.settable(times); err != nil {
		return nil, err
	}
	roles := d.roleLevels
	if len(roles) == 0 {
		roles = []string{""}
	}
	var out []Trajectory
	for r, role := range roles {
		var rows []int // of the design
		for i := range d.rows {
			if d.role[i] == r {
				rows = append(rows, i)
			}
		}
		if len(rows) == 0 {
			continue
		}
		t := Trajectory{Role: role, Time: slices.Clone(times)}
		for _, time := range times {
			x, err := m.averageRow(rows, time)
			if err != nil {
				return nil, err
			}
			point, err := f.predict(x)
			if err != nil {
				return nil, err
			}
			t.Points = append(t.Points, point)
		}
		out = append(out, t)
	}
	return out, nil
}

// averageRow returns the mean over rows of the model matrix with the time set.
func (m *Model) averageRow(rows []int, time float64) ([]float64, error) {
	s, err := m.sideAt(m.whole().fixed, rows, time)
	if err != nil {
		return nil, err
	}
	x, err := m.matrix(s, len(rows))
	if err != nil {
		return nil, err
	}
	p := m.stats.p
	mean := make([]float64, p)
	for i, v := range x {
		mean[i%p] += v / float64(len(rows))
	}
	return mean, nil
}

// sideAt returns the variables of one formula for some rows of the design, with the time set.
func (m *Model) sideAt(of *side, rows []int, time float64) (*side, error) {
	d := m.whole()
	now := make([]float64, len(rows))
	for i := range now {
		now[i] = time
	}
	s := &side{terms: of.terms}
	for _, v := range of.variables {
		w := &variable{node: v.node, name: v.name, suffix: v.suffix, levels: v.levels, isRole: v.isRole}
		switch {
		case mentions(v.node, m.spec.Time):
			again, err := m.setTime(v, of.terms.src, rows, now)
			if err != nil {
				return nil, err
			}
			w.columns, w.codes = again.columns, again.codes
		case v.isFactor():
			for _, i := range rows {
				w.codes = append(w.codes, v.codes[d.rows[i]])
			}
		default:
			for _, c := range v.columns {
				x := make([]float64, len(rows))
				for k, i := range rows {
					x[k] = c[d.rows[i]]
				}
				w.columns = append(w.columns, x)
			}
		}
		s.variables = append(s.variables, w)
	}
	return s, nil
}

// setTime evaluates a variable that depends on time with the time set and all other columns as they were.
func (m *Model) setTime(v *variable, src string, rows []int, now []float64) (*variable, error) {
	d := m.whole()
	columns := []frame.Column{frame.Numeric(m.spec.Time, now)}
	at := make([]int, len(rows))
	for k, i := range rows {
		at[k] = d.rows[i]
	}
	was := d.eval.f.Take(at)
	for _, name := range was.Names() {
		if c, _ := was.Column(name); name != m.spec.Time {
			columns = append(columns, c)
		}
	}
	f, err := frame.New(columns...)
	if err != nil {
		return nil, err
	}
	e := evaluator{f: f, spec: m.spec, src: src, learnt: d.eval.learnt, new: true}
	var again *variable
	if v.isFactor() {
		again, err = e.factor(v)
	} else {
		again, err = e.variable(v.node)
	}
	if err != nil {
		return nil, fmt.Errorf("set %s in %s: %w", m.spec.Time, v.name, err)
	}
	return again, nil
}

// mentions reports whether a column is used in a part of a formula.
func mentions(n *node, column string) bool {
	return n.op == "name" && n.text == column || slices.ContainsFunc(n.args, func(a *node) bool { return mentions(a, column) })
}
