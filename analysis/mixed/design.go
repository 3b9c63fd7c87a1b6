package mixed

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"asem/analysis/frame"
)

// design is the data of a model: a row for each observation that is complete. Rows stand in canonical
// order, by couple in natural order, then time, then role, then person, whatever their order in the frame.
type design struct {
	rows       []int // of the frame
	couple     []int // of each row, numbered from 0 in canonical order
	role       []int // of each row: index into roleLevels; 0 without a role column
	person     []int // of each row, numbered from 0 over all couples
	time       []float64
	roleLevels []string
	couples    []string // labels, by number
	persons    []string // labels, by number: the person's within the couple

	y         []float64
	x         []float64 // n x p row-major, of full column rank
	xNames    []string  // as R's model.matrix names them
	xTerm     []int     // term of each column, an index into termNames
	xRole     []string  // level of the role column to which each column belongs; empty if to both partners or to a difference
	termNames []string
	xAt       []int // place of each column among all columns of the formula, dropped ones included
	fixed     *side // the formula behind x
	eval      evaluator
	dropped   []string // columns that earlier ones determine

	random  []randomTerm
	missing map[string]int // rows left out, by the first of their variables that was missing
}

// randomTerm is the design of one random term.
type randomTerm struct {
	label  string // "couple", "person"
	group  []int  // of each row
	groups int
	names  []string  // length q
	z      []float64 // n x q row-major
	diag   bool      // uncorrelated: written with ||

	byPerson bool // the groups are persons
}

// buildDesign reads the formulas of a spec and applies them to a frame.
func buildDesign(f *frame.Frame, s Spec) (*design, error) {
	b := &builder{f: f, spec: s, d: &design{missing: map[string]int{}}}
	if err := b.order(); err != nil {
		return nil, err
	}
	fixed, err := b.formula(s.Fixed)
	if err != nil {
		return nil, err
	}
	randoms, err := b.randoms()
	if err != nil {
		return nil, err
	}
	b.keep(append([]*side{fixed}, sides(randoms)...))
	if err := b.finite(append([]*side{fixed}, sides(randoms)...)); err != nil {
		return nil, err
	}
	d := b.d
	if len(d.y) == 0 {
		return d, nil
	}
	for _, sd := range append([]*side{fixed}, sides(randoms)...) {
		for _, v := range sd.variables {
			v.dropLevels(d.rows)
		}
	}
	columns, err := fixed.columns(d.rows, treatmentContrasts)
	if err != nil {
		return nil, err
	}
	columns, d.dropped = independent(columns)
	d.x = rowMajor(columns, len(d.rows))
	for _, c := range columns {
		d.xNames, d.xTerm, d.xRole, d.xAt = append(d.xNames, c.name), append(d.xTerm, c.term), append(d.xRole, c.role), append(d.xAt, c.at)
	}
	d.termNames, d.fixed, d.eval = fixed.termNames(), fixed, b.eval
	for _, r := range randoms {
		columns, err := r.side.columns(d.rows, treatmentContrasts)
		if err != nil {
			return nil, err
		}
		if len(columns) == 0 {
			return nil, formulaError(s.Random, r.at, "the random term has no column")
		}
		var names []string
		for _, c := range columns {
			names = append(names, c.name)
		}
		d.random = append(d.random, randomTerm{label: r.label, group: r.group(d), names: names, z: rowMajor(columns, len(d.rows)), diag: r.diag, byPerson: r.byPerson})
		t := &d.random[len(d.random)-1]
		for _, g := range t.group {
			t.groups = max(t.groups, g+1)
		}
	}
	return d, nil
}

type builder struct {
	f    *frame.Frame
	spec Spec
	d    *design
	eval evaluator
	y    []float64
	all  []int // every usable row in canonical order

	coupleLevels []string
}

// need returns a column that the spec names.
func (b *builder) need(field, name string) (frame.Column, error) {
	c, ok := b.f.Column(name)
	if !ok {
		return c, &SpecError{field, fmt.Sprintf("names %q, which is not a column%s; the columns are %s", name, nearest(name, b.f.Names()), strings.Join(b.f.Names(), ", "))}
	}
	return c, nil
}

func (b *builder) numeric(field, name string) ([]float64, error) {
	c, err := b.need(field, name)
	if err != nil {
		return nil, err
	}
	if !c.IsNumeric() {
		return nil, &SpecError{field, fmt.Sprintf("names %q, which holds text; expected numbers", name)}
	}
	return c.Values, nil
}

// levelsOf returns a column's labels as ordered levels, and the level of each row, -1 where it is missing.
// Categories keep the order of their levels; numbers are ordered by value.
func levelsOf(c frame.Column) (codes []int, levels []string) {
	if !c.IsNumeric() {
		used := make([]int, len(c.Levels))
		for _, k := range c.Codes {
			if k >= 0 {
				used[k] = 1
			}
		}
		n := 0
		for k := range used { // levels that do not occur are left out, as R's droplevels
			if used[k] == 1 {
				used[k] = n
				levels = append(levels, c.Levels[k])
				n++
			}
		}
		codes = make([]int, len(c.Codes))
		for r, k := range c.Codes {
			if codes[r] = -1; k >= 0 {
				codes[r] = used[k]
			}
		}
		return codes, orNone(levels)
	}
	values := slices.Clone(c.Values)
	slices.Sort(values) // NaN come first
	for len(values) > 0 && math.IsNaN(values[0]) {
		values = values[1:]
	}
	values = slices.Compact(values)
	codes = make([]int, len(c.Values))
	for r, v := range c.Values {
		if codes[r] = -1; !math.IsNaN(v) {
			codes[r], _ = slices.BinarySearch(values, v)
		}
	}
	return codes, orNone(frameLabels(values))
}

// orNone keeps a factor without levels a factor.
func orNone(levels []string) []string {
	if levels == nil {
		return []string{}
	}
	return levels
}

func frameLabels(values []float64) []string {
	var out []string
	c := frame.Numeric("", values)
	for r := range values {
		out = append(out, c.Label(r))
	}
	return out
}

// natural renumbers codes so that levels stand in natural order.
func natural(codes []int, levels []string) ([]int, []string) {
	order := make([]int, len(levels))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, c int) int { return frame.Natural(levels[a], levels[c]) })
	rank, sorted := make([]int, len(levels)), make([]string, len(levels))
	for at, i := range order {
		rank[i], sorted[at] = at, levels[i]
	}
	out := make([]int, len(codes))
	for r, c := range codes {
		if out[r] = -1; c >= 0 {
			out[r] = rank[c]
		}
	}
	return out, sorted
}

// order reads couple, role, person and time, puts the rows in canonical order and finds partners.
func (b *builder) order() error {
	s, n := b.spec, b.f.Rows()
	var err error
	if b.y, err = b.numeric("outcome", s.Outcome); err != nil {
		return err
	}
	couples, err := b.need("couple", s.Couple)
	if err != nil {
		return err
	}
	couple, coupleLevels := natural(levelsOf(couples))
	role, who, time := make([]int, n), make([]int, n), make([]float64, n)
	var roleLevels, whoLevels []string
	if s.Role != "" {
		c, err := b.need("role", s.Role)
		if err != nil {
			return err
		}
		role, roleLevels = natural(levelsOf(c))
		b.d.roleLevels = roleLevels
		who, whoLevels = role, roleLevels
	}
	if s.Person != "" {
		c, err := b.need("person", s.Person)
		if err != nil {
			return err
		}
		who, whoLevels = natural(levelsOf(c))
	}
	if s.Time != "" {
		if time, err = b.numeric("time", s.Time); err != nil {
			return err
		}
	}
	for r := range n {
		switch {
		case couple[r] < 0:
			b.d.missing[s.Couple]++
		case role[r] < 0:
			b.d.missing[s.Role]++
		case who[r] < 0:
			b.d.missing[s.Person]++
		case math.IsNaN(time[r]):
			b.d.missing[s.Time]++
		case math.IsInf(time[r], 0):
			return &DataError{s.Time, fmt.Sprintf("row %d is not finite", r+1)}
		default:
			b.all = append(b.all, r)
		}
	}
	byPlace := func(x, y int) int {
		return cmp.Or(couple[x]-couple[y], cmp.Compare(time[x], time[y]), role[x]-role[y], who[x]-who[y], x-y)
	}
	if !slices.IsSortedFunc(b.all, byPlace) {
		slices.SortFunc(b.all, byPlace)
	}
	b.d.couple, b.d.role, b.d.time = couple, role, time // of the frame's rows; keep reduces them to the kept
	b.coupleLevels = coupleLevels
	return b.people(couple, who, coupleLevels, whoLevels)
}

// people numbers the persons and finds each row's partner on the same occasion. Two rows of one person
// on one occasion are an error, except where nothing tells the partners apart.
func (b *builder) people(couple, who []int, coupleLevels, whoLevels []string) error {
	n := b.f.Rows()
	person, others := make([]int, n), make([]int, n)
	for r := range n {
		person[r], others[r] = -1, -1
	}
	numbers := make([]int, max(1, len(whoLevels))) // 1 + the number of the person so called, if of this couple or a later one
	time := b.d.time
	start, crowd := 0, ""     // start of the rows of the same couple and occasion
	first := len(b.d.persons) // number of the couple's first person
	for i, r := range b.all {
		if i > 0 && couple[b.all[i-1]] != couple[r] {
			first = len(b.d.persons)
		}
		if numbers[who[r]] <= first {
			label := ""
			if whoLevels != nil {
				label = whoLevels[who[r]]
			}
			b.d.persons = append(b.d.persons, label)
			numbers[who[r]] = len(b.d.persons)
		}
		person[r] = numbers[who[r]] - 1
		if p := b.all[start]; couple[p] != couple[r] || time[p] != time[r] {
			start = i
		}
		for _, p := range b.all[start:i] {
			if who[p] == who[r] {
				if whoLevels == nil {
					continue
				}
				message := fmt.Sprintf("couple %q, %q has two rows", coupleLevels[couple[r]], whoLevels[who[r]])
				if b.spec.Time != "" {
					message += fmt.Sprintf(" at %s %v", b.spec.Time, time[r])
				}
				return &DataError{b.spec.Couple, fmt.Sprintf("%s (rows %d and %d); expected one", message, min(p, r)+1, max(p, r)+1)}
			}
			if others[p] >= 0 && crowd == "" {
				crowd = coupleLevels[couple[r]]
			}
			others[p], others[r] = r, p
		}
	}
	b.d.person = person
	b.eval = evaluator{f: b.f, spec: b.spec, couple: couple, person: person, others: others, time: time, crowd: crowd, learnt: map[string][]float64{}}
	return nil
}

// side is one formula with its variables evaluated.
type side struct {
	terms     *terms
	variables []*variable
}

func (b *builder) formula(src string) (*side, error) {
	n, err := parseFormula(src)
	if err != nil {
		return nil, err
	}
	return b.side(src, n)
}

func (b *builder) side(src string, n *node) (*side, error) {
	t, err := expandTerms(src, n)
	if err != nil {
		return nil, err
	}
	s := &side{terms: t}
	b.eval.src = src
	for _, v := range t.variables {
		x, err := b.eval.variable(v)
		if err != nil {
			return nil, err
		}
		s.variables = append(s.variables, x)
	}
	return s, nil
}

// randomSide is one random term with its variables evaluated.
type randomSide struct {
	side     *side
	at       int
	label    string
	byPerson bool
	diag     bool
}

func sides(list []randomSide) []*side {
	out := make([]*side, len(list))
	for i := range list {
		out[i] = list[i].side
	}
	return out
}

// group returns the group of each kept row.
func (r randomSide) group(d *design) []int {
	of := d.couple
	if r.byPerson {
		of = d.person
	}
	most := 0
	for _, g := range of {
		most = max(most, g)
	}
	number, next := make([]int, most+1), 1 // 1 + the number of each; 0 before it appears
	group := make([]int, len(of))
	for i, g := range of {
		if number[g] == 0 {
			number[g] = next
			next++
		}
		group[i] = number[g] - 1
	}
	return group
}

// randoms reads the random formula: terms (a | g) or (a || g) joined by +.
func (b *builder) randoms() ([]randomSide, error) {
	src := b.spec.Random
	if strings.TrimSpace(src) == "" {
		return nil, nil
	}
	n, err := parseFormula(src)
	if err != nil {
		return nil, err
	}
	var list []randomSide
	var walk func(*node) error
	walk = func(n *node) error {
		switch {
		case n.op == "+":
			if err := walk(n.args[0]); err != nil {
				return err
			}
			return walk(n.args[1])
		case n.op == "()":
			return walk(n.args[0])
		case n.op != "|" && n.op != "||":
			return formulaError(src, n.at, "expected random terms such as (1 | %s), joined by +", b.spec.Couple)
		}
		sd, err := b.side(src, n.args[0])
		if err != nil {
			return err
		}
		groups, err := b.groupings(n.args[1])
		if err != nil {
			return err
		}
		for _, r := range groups {
			r.side, r.at, r.diag = sd, n.at, n.op == "||"
			list = append(list, r)
		}
		return nil
	}
	return list, walk(n)
}

// groupings reads what stands behind the bar: the couple, the person (also written couple:role or couple:person), or
// couple/person for both.
func (b *builder) groupings(n *node) ([]randomSide, error) {
	s := b.spec
	name := func(n *node) string {
		if n.op == "name" {
			return n.text
		}
		return ""
	}
	couple, person := randomSide{label: s.Couple}, randomSide{label: s.Person, byPerson: true}
	if person.label == "" {
		person.label = s.Couple + ":" + s.Role
	}
	isPerson := func(x string) bool { return x != "" && (x == s.Person || x == s.Role) }
	switch {
	case name(n) == s.Couple:
		return []randomSide{couple}, nil
	case s.Person != "" && name(n) == s.Person:
		return []randomSide{person}, nil
	case n.op == ":" && name(n.args[0]) == s.Couple && isPerson(name(n.args[1])):
		return []randomSide{person}, nil
	case n.op == "/" && name(n.args[0]) == s.Couple && isPerson(name(n.args[1])):
		return []randomSide{couple, person}, nil
	}
	return nil, formulaError(s.Random, n.at, "cannot group by %s; random effects vary over couples (%s), persons, or both (%s/person): couples are the independent units", n, s.Couple, s.Couple)
}

// keep leaves out rows with a missing value and counts why.
func (b *builder) keep(all []*side) {
	d := b.d
	couple, role, person, time := d.couple, d.role, d.person, d.time
	d.couple, d.role, d.person, d.time = nil, nil, nil, nil
	d.rows, d.y = make([]int, 0, len(b.all)), make([]float64, 0, len(b.all))
	d.couple, d.role, d.person, d.time = make([]int, 0, len(b.all)), make([]int, 0, len(b.all)), make([]int, 0, len(b.all)), make([]float64, 0, len(b.all))
	last := -1
	for _, r := range b.all {
		if why := b.missingIn(r, all); why != "" {
			d.missing[why]++
			continue
		}
		if couple[r] != last {
			last = couple[r]
			d.couples = append(d.couples, b.coupleLevels[last])
		}
		d.rows, d.y = append(d.rows, r), append(d.y, b.y[r])
		d.couple, d.role, d.person, d.time = append(d.couple, len(d.couples)-1), append(d.role, role[r]), append(d.person, person[r]), append(d.time, time[r])
	}
}

func (b *builder) missingIn(row int, all []*side) string {
	if math.IsNaN(b.y[row]) {
		return b.spec.Outcome
	}
	for _, s := range all {
		for _, v := range s.variables {
			if v.missing(row) {
				return v.name
			}
		}
	}
	return ""
}

// largest is where numbers are refused: their squares, and sums of these, must not overflow.
const largest = 1e100

func (b *builder) finite(all []*side) error {
	check := func(x float64, name string, row int) error {
		switch {
		case math.IsInf(x, 0):
			return &DataError{name, fmt.Sprintf("row %d is not finite", row+1)}
		case math.Abs(x) > largest:
			return &DataError{name, fmt.Sprintf("row %d is %.3g, too large to compute with; use other units", row+1, x)}
		}
		return nil
	}
	for _, r := range b.d.rows {
		if err := check(b.y[r], b.spec.Outcome, r); err != nil {
			return err
		}
		for _, s := range all {
			for _, v := range s.variables {
				for _, c := range v.columns {
					if err := check(c[r], v.name, r); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// mostMissing says what most rows were left out for.
func (d *design) mostMissing() string {
	names := slices.Sorted(maps.Keys(d.missing))
	if len(names) == 0 {
		return ""
	}
	most := slices.MaxFunc(names, func(a, b string) int { return d.missing[a] - d.missing[b] })
	return fmt.Sprintf("; %s is missing in %d rows", most, d.missing[most])
}

// full tells, for each variable of each term, whether a factor is coded by an indicator for every level rather than
// by treatment contrasts. A factor is coded by contrasts where the rest of its term is empty or part of a term
// before it; without an intercept, the first factor of the first term that has one is coded in full (Chambers &
// Hastie 1992, section 2.4.1; the rule is that of R's terms.formula, which looks at terms before, not at all).
func (s *side) full() [][]bool {
	out := make([][]bool, len(s.terms.list))
	for i, t := range s.terms.list {
		out[i] = make([]bool, len(t))
		for j := range t {
			margin := slices.Delete(slices.Clone(t), j, j+1)
			out[i][j] = len(margin) > 0 && !slices.ContainsFunc(s.terms.list[:i], margin.within)
		}
	}
	if s.terms.intercept {
		return out
	}
	for i, t := range s.terms.list {
		for j, v := range t {
			if s.variables[v].isFactor() {
				out[i][j] = true
				return out
			}
		}
	}
	return out
}

func (s *side) termNames() []string {
	names := []string{"(Intercept)"}
	for _, t := range s.terms.list {
		parts := make([]string, len(t))
		for i, v := range t {
			parts[i] = s.variables[v].name
		}
		names = append(names, strings.Join(parts, ":"))
	}
	return names
}

// column is one column of a model matrix.
type column struct {
	name   string
	term   int    // 0 is the intercept, i the i-th term of the formula
	at     int    // place among the columns of the formula
	role   string // level of the role column that it singles out; empty if none
	values []float64
}

// maxColumns bounds a model matrix, against a factor with a level for each couple.
const maxColumns = 1000

// contrasts are the ways to code a factor where indicators of all levels would be too many.
type contrasts int

const (
	treatmentContrasts contrasts = iota // each level but the first against the first
	sumContrasts                        // each level but the last against the mean of all
)

// columns returns the model matrix of the given rows of the frame.
func (s *side) columns(rows []int, by contrasts) ([]column, error) {
	var out []column
	if s.terms.intercept {
		ones := make([]float64, len(rows))
		for i := range ones {
			ones[i] = 1
		}
		out = append(out, column{name: "(Intercept)", values: ones})
	}
	full := s.full()
	for i, t := range s.terms.list {
		var made []column
		for j, v := range t {
			coded := s.variables[v].code(rows, full[i][j], by)
			if j == 0 {
				made = coded
			} else {
				if len(out)+len(made)*len(coded) > maxColumns {
					return nil, s.tooWide()
				}
				var next []column
				for _, c := range coded { // the first variable's columns vary fastest
					for _, m := range made {
						next = append(next, m.times(c))
					}
				}
				made = next
			}
		}
		if len(out)+len(made) > maxColumns {
			return nil, s.tooWide()
		}
		for _, c := range made {
			c.term, c.at = i+1, len(out)
			out = append(out, c)
		}
	}
	return out, nil
}

func (s *side) tooWide() error {
	return formulaError(s.terms.src, 0, "it stands for more than %d columns; is a column of numbers read as text, or does a factor have a level for each couple?", maxColumns)
}

func (c column) times(d column) column {
	return column{name: c.name + ":" + d.name, role: cmp.Or(c.role, d.role), values: apply(c.values, d.values, func(a, b float64) float64 { return a * b })}
}

// dropLevels leaves out the levels of a factor that occur in none of the rows.
func (v *variable) dropLevels(rows []int) {
	if !v.isFactor() {
		return
	}
	number := make([]int, len(v.levels)) // -1 where it does not occur
	for l := range number {
		number[l] = -1
	}
	for _, r := range rows {
		number[v.codes[r]] = 0
	}
	levels := []string{}
	for l, name := range v.levels {
		if number[l] == 0 {
			number[l] = len(levels)
			levels = append(levels, name)
		}
	}
	codes := make([]int, len(v.codes))
	for r, c := range v.codes {
		if codes[r] = -1; c >= 0 {
			codes[r] = number[c]
		}
	}
	v.codes, v.levels = codes, levels
}

// code returns the columns of a variable over some rows of its frame.
func (v *variable) code(rows []int, full bool, by contrasts) []column {
	var out []column
	for i, c := range v.columns {
		x := make([]float64, len(rows))
		for k, r := range rows {
			x[k] = c[r]
		}
		out = append(out, column{name: v.name + v.suffix[i], values: x})
	}
	levels := v.levels
	base := -1
	switch {
	case full || len(levels) == 0:
	case by == sumContrasts:
		base = len(levels) - 1
		levels = levels[:base]
	default:
		base = 0
	}
	for l, name := range levels {
		if l == base || len(out) > maxColumns { // more will be refused
			continue
		}
		x := make([]float64, len(rows))
		for k, r := range rows {
			switch {
			case v.codes[r] == l:
				x[k] = 1
			case v.codes[r] == base && by == sumContrasts:
				x[k] = -1
			}
		}
		c := column{name: v.name + name, values: x}
		if v.isRole && full {
			c.role = name
		}
		out = append(out, c)
	}
	return out
}

// rowMajor lays columns of length n out by rows.
func rowMajor(columns []column, n int) []float64 {
	p := len(columns)
	x := make([]float64, n*p)
	for c, col := range columns {
		for r, v := range col.values {
			x[r*p+c] = v
		}
	}
	return x
}

// aliased is the share of a column's length that must be left after projection on the columns before it, as in
// R's lm.
const aliased = 1e-7

// independent leaves out columns that those before them determine, and names them.
func independent(columns []column) (kept []column, dropped []string) {
	var basis [][]float64
	for _, c := range columns {
		rest := slices.Clone(c.values)
		size := norm(rest)
		for range 2 { // once more, for what rounding left
			for _, b := range basis {
				d := dot(b, rest)
				for r := range rest {
					rest[r] -= d * b[r]
				}
			}
		}
		left := norm(rest)
		if !(left > aliased*size) {
			dropped = append(dropped, c.name)
			continue
		}
		for r := range rest {
			rest[r] /= left
		}
		basis, kept = append(basis, rest), append(kept, c)
	}
	return kept, dropped
}
