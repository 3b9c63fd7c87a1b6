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
// order, by site and couple in natural order, then time, then role, then person, whatever their order in the frame.
type design struct {
	frame      *frame.Frame
	rows       []int // of the frame
	couple     []int // of each row, numbered from 0 in canonical order
	site       []int // of each row; 0 without a site column
	role       []int // of each row: index into roleLevels; 0 without a role column
	person     []int // of each row, numbered from 0 over all couples
	time       []float64
	roleLevels []string
	bounds     []int    // first row of each independent unit (couple or site), and the number of rows
	couples    []string // labels, by number
	sites      []string // labels, by number
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
	side   *side
	label  string // "couple", "person"
	group  []int  // of each row
	groups int
	names  []string  // length q
	z      []float64 // n x q row-major
	diag   bool      // uncorrelated: written with ||

	level      level // what the groups are
	difference bool  // it is the half difference of the partners
}

// buildDesign reads the formulas of a spec and applies them to a frame.
func buildDesign(f *frame.Frame, s Spec) (*design, error) {
	b := &builder{f: f, spec: s, d: &design{frame: f, missing: map[string]int{}}}
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
	columns, err := fixed.columns(d.rows, s.Contrasts)
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
		columns, err := r.side.columns(d.rows, s.Contrasts)
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
		d.random = append(d.random, randomTerm{label: r.label, side: r.side, group: groupsOf(r.level, d), names: names, z: r.rows(columns, d), diag: r.diag, level: r.level, difference: r.difference})
		t := &d.random[len(d.random)-1]
		t.groups = count(t.group)
	}
	d.bound()
	return d, nil
}

// unit names an independent unit.
func (d *design) unit(i int) string {
	if d.sites != nil {
		return d.sites[d.site[d.bounds[i]]]
	}
	return d.couples[d.couple[d.bounds[i]]]
}

// bound finds where the independent units begin.
func (d *design) bound() {
	unit := d.couple
	if d.sites != nil {
		unit = d.site
	}
	for i := range unit {
		if i == 0 || unit[i] != unit[i-1] {
			d.bounds = append(d.bounds, i)
		}
	}
	d.bounds = append(d.bounds, len(d.rows))
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
		return c, &SpecError{field, fmt.Sprintf("names %q, which is not a column%s; the columns are %s", name, frame.Suggest(name, b.f.Names()), strings.Join(b.f.Names(), ", "))}
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
	site, role, who, time := make([]int, n), make([]int, n), make([]int, n), make([]float64, n)
	if s.Site != "" {
		c, err := b.need("site", s.Site)
		if err != nil {
			return err
		}
		site, b.d.sites = natural(levelsOf(c))
	}
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
		case site[r] < 0:
			b.d.missing[s.Site]++
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
		return cmp.Or(site[x]-site[y], couple[x]-couple[y], cmp.Compare(time[x], time[y]), role[x]-role[y], who[x]-who[y], x-y)
	}
	if !slices.IsSortedFunc(b.all, byPlace) {
		slices.SortFunc(b.all, byPlace)
	}
	if err := oneSite(couple, site, b.all, s.Site, coupleLevels); err != nil {
		return err
	}
	b.d.couple, b.d.site, b.d.role, b.d.time = couple, site, role, time // of the frame's rows; keep reduces them to the kept
	b.coupleLevels = coupleLevels
	return b.people(couple, who, coupleLevels, whoLevels)
}

// oneSite refuses a couple that is at two sites.
func oneSite(couple, site, rows []int, column string, labels []string) error {
	at := map[int]int{}
	for _, r := range rows {
		if first, ok := at[couple[r]]; !ok {
			at[couple[r]] = r
		} else if site[first] != site[r] {
			return &DataError{column, fmt.Sprintf("couple %q has two values (rows %d and %d); expected one", labels[couple[r]], min(first, r)+1, max(first, r)+1)}
		}
	}
	return nil
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

// keep leaves out rows with a missing value and counts why.
func (b *builder) keep(all []*side) {
	d := b.d
	couple, site, role, person, time := d.couple, d.site, d.role, d.person, d.time
	d.site = make([]int, 0, len(b.all))
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
		d.couple, d.site, d.role, d.person, d.time = append(d.couple, len(d.couples)-1), append(d.site, site[r]), append(d.role, role[r]), append(d.person, person[r]), append(d.time, time[r])
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
