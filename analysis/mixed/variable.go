package mixed

import (
	"math"
	"slices"
	"strconv"

	"asem/analysis/frame"
)

// variable is a column of a design before coding: numbers (one or more columns, as poly makes) or a factor.
type variable struct {
	node    *node // of the formula
	name    string
	columns [][]float64 // numeric: one slice a column, over all rows of the frame; NaN is missing
	suffix  []string    // what is appended to name for each column; one empty text for a single column
	codes   []int       // factor: level of each row, -1 is missing
	levels  []string
	isRole  bool // it is the role column
}

func (v *variable) isFactor() bool { return v.levels != nil }

func (v *variable) missing(row int) bool {
	if v.isFactor() {
		return v.codes[row] < 0
	}
	for _, c := range v.columns {
		if math.IsNaN(c[row]) {
			return true
		}
	}
	return false
}

// evaluator computes variables over all rows of a frame.
type evaluator struct {
	f      *frame.Frame
	spec   Spec
	src    string // of the formula, for messages
	couple []int  // which each row is of
	person []int  // who each row is of
	others []int  // row of the partner on the same occasion, -1 if there is none
	time   []float64
	at     map[moment]int // row of each person and time; made when first needed
	crowd  string         // a couple with more than two persons on an occasion, if there is one

	// learnt holds what functions of whole columns took from the data, by how the call is written: the mean and standard
	// deviation of scale(), the recurrence of poly(). With new set it is used, not learnt, and columns are looked up under
	// the name of any part of a formula, so that new data can give "partner(x)" as it is.
	learnt map[string][]float64
	new    bool
}

// given returns the column of new data that is named like a part of a formula.
func (e *evaluator) given(n *node) (frame.Column, bool) {
	if !e.new {
		return frame.Column{}, false
	}
	return e.f.Column(n.String())
}

// learn returns what a call took from the data, making it of the data if there is none yet.
func (e *evaluator) learn(n *node, from func() ([]float64, error)) ([]float64, error) {
	if l, ok := e.learnt[n.String()]; ok {
		return l, nil
	}
	l, err := from()
	if err == nil {
		e.learnt[n.String()] = l
	}
	return l, err
}

// moment is a person on an occasion.
type moment struct {
	person int
	time   float64
}

// variable evaluates a name or a call.
func (e *evaluator) variable(n *node) (*variable, error) {
	v := &variable{node: n, name: n.String(), suffix: []string{""}}
	c, given := e.given(n)
	if n.op == "name" || given {
		var err error
		if !given {
			if c, err = e.column(n); err != nil {
				return nil, err
			}
		}
		if !c.IsNumeric() || n.text == e.spec.Role || n.text == e.spec.Couple || n.text == e.spec.Person {
			v.codes, v.levels = levelsOf(c)
			v.isRole = n.text == e.spec.Role
			return v, nil
		}
		v.columns = [][]float64{c.Values}
		return v, nil
	}
	switch n.text {
	case "poly":
		return e.poly(n, v)
	case "factor":
		if err := e.arguments(n, 1); err != nil {
			return nil, err
		}
		if n.args[0].op != "name" {
			return nil, formulaError(e.src, n.at, "factor() takes the name of a column")
		}
		c, err := e.column(n.args[0])
		if err != nil {
			return nil, err
		}
		v.codes, v.levels = levelsOf(c)
		return v, nil
	case "partner":
		if err := e.partners(n); err != nil {
			return nil, err
		}
		if inner := n.args[0]; inner.op == "name" || inner.op == "call" {
			of, err := e.variable(inner)
			if err != nil {
				return nil, err
			}
			if of.isFactor() {
				v.levels, v.codes = of.levels, make([]int, len(of.codes))
				for r := range v.codes {
					if v.codes[r] = -1; e.others[r] >= 0 {
						v.codes[r] = of.codes[e.others[r]]
					}
				}
				return v, nil
			}
		}
	}
	x, err := e.number(n)
	if err != nil {
		return nil, err
	}
	v.columns = [][]float64{x}
	return v, nil
}

func (e *evaluator) column(n *node) (frame.Column, error) {
	c, ok := e.f.Column(n.text)
	if !ok {
		return c, formulaError(e.src, n.at, "there is no column %q%s", n.text, frame.Suggest(n.text, e.f.Names()))
	}
	return c, nil
}

// functions of one number that formulas may use beside arithmetic.
var functions = map[string]func(float64) float64{"log": math.Log, "exp": math.Exp, "sqrt": math.Sqrt, "abs": math.Abs}

// number evaluates arithmetic and numeric functions over all rows.
func (e *evaluator) number(n *node) ([]float64, error) {
	rows := e.f.Rows()
	if c, ok := e.given(n); ok && c.IsNumeric() {
		return c.Values, nil
	}
	switch n.op {
	case "num":
		out := make([]float64, rows)
		for i := range out {
			out[i] = n.num
		}
		return out, nil
	case "name":
		c, err := e.column(n)
		if err != nil {
			return nil, err
		}
		if !c.IsNumeric() {
			return nil, formulaError(e.src, n.at, "column %q holds text; a number was expected", n.text)
		}
		return c.Values, nil
	case "()":
		return e.number(n.args[0])
	case "neg":
		x, err := e.number(n.args[0])
		return apply(x, x, func(a, _ float64) float64 { return -a }), err
	case "call":
		return e.call(n)
	}
	a, err := e.number(n.args[0])
	if err != nil {
		return nil, err
	}
	b, err := e.number(n.args[1])
	if err != nil {
		return nil, err
	}
	switch n.op {
	case "+":
		return apply(a, b, func(x, y float64) float64 { return x + y }), nil
	case "-":
		return apply(a, b, func(x, y float64) float64 { return x - y }), nil
	case "*":
		return apply(a, b, func(x, y float64) float64 { return x * y }), nil
	case "/":
		return apply(a, b, func(x, y float64) float64 { return x / y }), nil
	case "^":
		return apply(a, b, math.Pow), nil
	}
	return nil, formulaError(e.src, n.at, "%s is not arithmetic", n.op)
}

func apply(a, b []float64, f func(x, y float64) float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = f(a[i], b[i])
	}
	return out
}

// arguments refuses a call with too many arguments.
func (e *evaluator) arguments(n *node, most int) error {
	if len(n.args) <= most { // a call has at least one, or does not parse
		return nil
	}
	expected := "1"
	if most > 1 {
		expected = "1 to " + strconv.Itoa(most)
	}
	return formulaError(e.src, n.at, "%s has %d arguments; expected %s", n.text, len(n.args), expected)
}

// partners refuses partner() where it has no meaning.
func (e *evaluator) partners(n *node) error {
	if err := e.arguments(n, 1); err != nil {
		return err
	}
	if err := e.persons(n); err != nil {
		return err
	}
	if e.crowd != "" {
		return formulaError(e.src, n.at, "couple %q has more than two persons on one occasion, so it is not clear who the partner is", e.crowd)
	}
	return nil
}

// persons refuses functions that need to know who is who where nothing tells.
func (e *evaluator) persons(n *node) error {
	if e.new {
		return formulaError(e.src, n.at, "new data need a column named %q, for whose it would be is not known", n)
	}
	if e.spec.Role == "" && e.spec.Person == "" {
		return formulaError(e.src, n.at, "%s() needs a role or a person column to tell the partners apart", n.text)
	}
	return nil
}

func (e *evaluator) call(n *node) ([]float64, error) {
	most := 1
	if n.text == "lag" {
		most = 2
	}
	known := []string{"I", "abs", "between", "exp", "factor", "lag", "log", "partner", "poly", "scale", "sqrt", "within"}
	if !slices.Contains(known, n.text) {
		return nil, formulaError(e.src, n.at, "there is no function %q%s", n.text, frame.Suggest(n.text, known))
	}
	if err := e.arguments(n, most); err != nil {
		return nil, err
	}
	switch n.text {
	case "poly":
		return nil, formulaError(e.src, n.at, "poly() makes several columns and cannot stand inside another function")
	case "factor":
		return nil, formulaError(e.src, n.at, "factor() makes no number and cannot stand inside another function but partner()")
	}
	switch n.text {
	case "partner":
		if err := e.partners(n); err != nil {
			return nil, err
		}
	case "within", "between", "lag":
		if err := e.persons(n); err != nil {
			return nil, err
		}
	}
	x, err := e.number(n.args[0])
	if err != nil {
		return nil, err
	}
	if f, ok := functions[n.text]; ok {
		return apply(x, x, func(a, _ float64) float64 { return f(a) }), nil
	}
	switch n.text {
	case "I":
		return x, nil
	case "scale":
		return e.scale(n, x)
	case "partner":
		out := make([]float64, len(x))
		for r := range out {
			if out[r] = math.NaN(); e.others[r] >= 0 {
				out[r] = x[e.others[r]]
			}
		}
		return out, nil
	case "lag":
		return e.lag(n, x)
	}
	means, grand := e.personMeans(x)
	out := make([]float64, len(x))
	for r := range out {
		if n.text == "within" {
			out[r] = x[r] - means[e.person[r]]
		} else {
			out[r] = means[e.person[r]] - grand
		}
	}
	return out, nil
}

// lag returns the person's value k occasions before. Where all times are whole numbers, as with numbered waves or
// days, k occasions before t is the time t - k. Otherwise it is the k-th before t of the distinct occasions of the
// couple, whoever of the two was there. The value is missing where the person was not observed then.
func (e *evaluator) lag(n *node, x []float64) ([]float64, error) {
	k := 1.0
	if len(n.args) == 2 {
		if k = n.args[1].num; n.args[1].op != "num" || k != math.Trunc(k) || k < 1 {
			return nil, formulaError(e.src, n.args[1].at, "the lag must be a whole number from 1")
		}
	}
	if e.spec.Time == "" {
		return nil, formulaError(e.src, n.at, "lag() needs a time column")
	}
	if e.at == nil {
		e.at = make(map[moment]int, len(e.person))
		for r, p := range e.person {
			e.at[moment{p, e.time[r]}] = r
		}
	}
	before := e.shifted(k)
	out := make([]float64, len(x))
	found := false
	for r, p := range e.person {
		out[r] = math.NaN()
		if at, ok := e.at[moment{p, before[r]}]; ok && p >= 0 {
			out[r], found = x[at], true
		}
	}
	if !found {
		return nil, formulaError(e.src, n.at, "nobody was observed %v before an occasion; lag() counts in whole units of %s", k, e.spec.Time)
	}
	return out, nil
}

// shifted returns, for each row, the time k occasions before; NaN if there is none.
func (e *evaluator) shifted(k float64) []float64 {
	whole := true
	occasions := map[int][]float64{} // of each couple
	for r, t := range e.time {
		whole = whole && (math.IsNaN(t) || t == math.Trunc(t))
		if e.person[r] >= 0 {
			occasions[e.couple[r]] = append(occasions[e.couple[r]], t)
		}
	}
	out := make([]float64, len(e.time))
	if whole {
		for r, t := range e.time {
			out[r] = t - k
		}
		return out
	}
	for c, ts := range occasions {
		slices.Sort(ts)
		occasions[c] = slices.Compact(ts)
	}
	for r, t := range e.time {
		ts := occasions[e.couple[r]]
		i, _ := slices.BinarySearch(ts, t)
		if out[r] = math.NaN(); e.person[r] >= 0 && float64(i) >= k {
			out[r] = ts[i-int(k)]
		}
	}
	return out
}

// personMeans returns the mean of x for each person, over the rows where x is there, and the mean of these means.
func (e *evaluator) personMeans(x []float64) (means map[int]float64, grand float64) {
	means = map[int]float64{}
	counts := map[int]float64{}
	var order []int
	for r, p := range e.person {
		if p < 0 || math.IsNaN(x[r]) {
			continue
		}
		if counts[p] == 0 {
			order = append(order, p)
		}
		means[p] += x[r]
		counts[p]++
	}
	slices.Sort(order)
	for _, p := range order {
		means[p] /= counts[p]
		grand += means[p]
	}
	return means, grand / float64(len(order))
}

// scale centres x and divides it by its standard deviation, both over the rows where it is there.
func (e *evaluator) scale(n *node, x []float64) ([]float64, error) {
	by, err := e.learn(n, func() ([]float64, error) {
		sum, count := 0.0, 0.0
		for _, v := range x {
			if !math.IsNaN(v) {
				sum, count = sum+v, count+1
			}
		}
		mean, ss := sum/count, 0.0
		for _, v := range x {
			if !math.IsNaN(v) {
				ss += (v - mean) * (v - mean)
			}
		}
		sd := math.Sqrt(ss / (count - 1))
		if !(sd > 0) {
			return nil, formulaError(e.src, n.at, "%s does not vary, so it has no standard deviation to be scaled by", n.args[0])
		}
		return []float64{mean, sd}, nil
	})
	if err != nil {
		return nil, err
	}
	return apply(x, x, func(v, _ float64) float64 { return (v - by[0]) / by[1] }), nil
}

// poly returns orthogonal polynomials of degree 1 to k, as R's poly(): orthonormal over the rows where x is
// there, and orthogonal to the constant. They are made by the three-term recurrence (Emerson 1968; Kennedy & Gentle 1980, section 8.2.3).
func (e *evaluator) poly(n *node, v *variable) (*variable, error) {
	if err := e.arguments(n, 2); err != nil {
		return nil, err
	}
	k := 1
	if len(n.args) == 2 {
		if d := n.args[1]; d.op != "num" || d.num != math.Trunc(d.num) || d.num < 1 || d.num > 20 {
			return nil, formulaError(e.src, d.at, "the degree must be a whole number from 1 to 20")
		}
		k = int(n.args[1].num)
	}
	x, err := e.number(n.args[0])
	if err != nil {
		return nil, err
	}
	r, err := e.learn(n, func() ([]float64, error) { return e.recurrence(n, x, k) })
	if err != nil {
		return nil, err
	}
	mean, r := r[0], r[1:]
	v.suffix = nil
	before, p := make([]float64, len(x)), apply(x, x, func(float64, float64) float64 { return 1 })
	for d := range k {
		alpha, beta, norm := r[3*d], r[3*d+1], r[3*d+2]
		next, column := make([]float64, len(x)), make([]float64, len(x))
		for i := range x { // missing values stay so: x is a factor of each term
			next[i] = (x[i]-mean-alpha)*p[i] - beta*before[i]
			column[i] = next[i] / norm
		}
		before, p = p, next
		v.columns = append(v.columns, column)
		suffix := strconv.Itoa(d + 1)
		if k == 1 {
			suffix = ""
		}
		v.suffix = append(v.suffix, suffix)
	}
	return v, nil
}

// recurrence returns the mean of x and then alpha, beta and the length for each degree d from 1 to k, such that
// p_d = (x - mean - alpha) p_(d-1) - beta p_(d-2) are orthogonal over the rows where x is there.
func (e *evaluator) recurrence(n *node, x []float64, k int) ([]float64, error) {
	var there []float64
	distinct := map[float64]bool{}
	for _, a := range x {
		if !math.IsNaN(a) {
			distinct[a] = true
			there = append(there, a)
		}
	}
	if len(distinct) <= k {
		return nil, formulaError(e.src, n.at, "%s has %d different values; degree %d needs more than %d", n.args[0], len(distinct), k, k)
	}
	mean := 0.0
	for _, a := range there {
		mean += a / float64(len(there))
	}
	for i := range there { // far from zero the sums below would lose digits
		there[i] -= mean
	}
	out := []float64{mean}
	before, p := make([]float64, len(there)), apply(there, there, func(float64, float64) float64 { return 1 })
	length := 0.0 // of before, squared
	for range k {
		pp := dot(p, p)
		alpha, beta := dot(there, apply(p, p, func(a, b float64) float64 { return a * b }))/pp, 0.0
		if length > 0 {
			beta = pp / length
		}
		next := make([]float64, len(there))
		for i, a := range there {
			next[i] = (a-alpha)*p[i] - beta*before[i]
		}
		before, p, length = p, next, pp
		out = append(out, alpha, beta, norm(next))
	}
	return out, nil
}
