package mixed

import (
	"errors"
	"maps"
	"slices"
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"

	"asem/analysis/frame"
)

// Update returns the model of a frame in which the rows of some couples changed, came or went since that of m; all other rows must be those
// of m's frame, in the same order. It is what [New] would return for the frame and m's spec, but takes time for the rows of these couples only,
// besides finding them: their part of the sums is replaced. With [Model.FitFrom] a fit so follows a study that goes on.
//
// Where a formula looks beyond the couple (scale, poly, between, lag), where couples are nested in sites, where the couples bring levels that were not there or leave a column that
// others determine, where columns of the random effects still determine each other, and after many changes, it makes the model anew. Errors are those of New.
func (m *Model) Update(f *frame.Frame, couples ...string) (*Model, error) {
	u, err := m.update(f, couples)
	if errors.Is(err, errAnew) {
		return New(f, m.spec)
	}
	return u, err
}

// errAnew says that a change cannot be made in place.
var errAnew = errors.New("the model must be made anew")

// maxUpdates bounds what rounding can add up to: each change leaves about 1e-16 of a couple in the sums.
const maxUpdates = 10_000

// later is the data of a model that was updated: read in full when the rows themselves are asked for.
type later struct {
	frame  *frame.Frame
	once   sync.Once
	design *design
	err    error
}

// whole returns the design with all its rows.
func (m *Model) whole() *design {
	if m.later == nil {
		return m.design
	}
	m.later.once.Do(func() { m.later.design, m.later.err = buildDesign(m.later.frame, m.spec) })
	if m.later.err != nil || len(m.later.design.xNames) != m.stats.p { // update has read every row that changed and seen that the columns are the same
		panic("mixed: an updated model does not fit its frame")
	}
	return m.later.design
}

func (m *Model) update(f *frame.Frame, couples []string) (*Model, error) {
	poor := !m.timed || slices.ContainsFunc(m.bases, func(b basis) bool { return b.poor })
	if m.updates+len(couples) > maxUpdates || len(m.design.dropped) > 0 || m.spec.Site != "" || poor || !m.design.local() {
		return nil, errAnew
	}
	list := slices.Compact(slices.Sorted(slices.Values(couples)))
	old, err := m.part(m.design.frame, list)
	if err != nil {
		return nil, errAnew
	}
	now, err := m.part(f, list)
	if err != nil {
		return nil, errAnew // which says what is wrong, and in which row of the whole
	}
	d := *m.design
	d.frame, d.missing, d.random = f, maps.Clone(d.missing), slices.Clone(d.random)
	for name, n := range now.missing {
		d.missing[name] += n
	}
	for name, n := range old.missing {
		if d.missing[name] -= n; d.missing[name] == 0 {
			delete(d.missing, name)
		}
	}
	for t := range d.random {
		d.random[t].groups += now.random[t].groups - old.random[t].groups
	}
	// What is about rows is read when it is needed.
	d.rows, d.couple, d.site, d.role, d.person, d.time, d.y, d.x, d.bounds, d.couples, d.persons = nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil
	u := *m
	u.design, u.later, u.updates = &d, &later{frame: f}, m.updates+len(list)
	u.stats = m.stats.shared()
	for _, part := range []struct {
		d    *design
		sign float64
	}{{old, -1}, {now, 1}} {
		if !u.change(part.d, part.sign) {
			return nil, errAnew
		}
	}
	if u.stats.n <= u.stats.p || !u.stats.independent() {
		return nil, errAnew
	}
	return &u, nil
}

// local reports whether the columns of a couple depend on its own rows only.
func (d *design) local() bool {
	var beyond func(n *node) bool
	beyond = func(n *node) bool {
		return n.op == "call" && slices.Contains([]string{"scale", "poly", "between", "lag"}, n.text) || slices.ContainsFunc(n.args, beyond)
	}
	check := func(s *side) bool {
		return !slices.ContainsFunc(s.variables, func(v *variable) bool { return beyond(v.node) })
	}
	for _, t := range d.random {
		if !check(t.side) {
			return false
		}
	}
	return check(d.fixed)
}

// part builds the design of some couples of a frame, in the columns and levels of the model.
func (m *Model) part(f *frame.Frame, couples []string) (*design, error) {
	c, ok := f.Column(m.spec.Couple)
	if !ok {
		return nil, errAnew
	}
	b := &builder{f: f.Take(c.Find(couples...)), spec: m.spec, d: &design{missing: map[string]int{}}}
	if err := b.order(); err != nil {
		return nil, err
	}
	for r, k := range b.d.role {
		if k < 0 || len(m.roles) == 0 {
			continue
		}
		if b.d.role[r] = slices.Index(m.roles, b.d.roleLevels[k]); b.d.role[r] < 0 {
			return nil, errAnew
		}
	}
	fixed, err := b.again(m.design.fixed)
	if err != nil {
		return nil, err
	}
	all := []*side{fixed}
	for _, t := range m.design.random {
		s, err := b.again(t.side)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	b.keep(all)
	if err := b.finite(all); err != nil {
		return nil, err
	}
	d := b.d
	columns, err := fixed.columns(d.rows, m.spec.Contrasts)
	if err != nil {
		return nil, err
	}
	kept := make([]column, len(m.design.xAt))
	for i, at := range m.design.xAt {
		kept[i] = columns[at]
	}
	d.x = rowMajor(kept, len(d.rows))
	for i, t := range m.design.random {
		columns, err := all[i+1].columns(d.rows, m.spec.Contrasts)
		if err != nil {
			return nil, err
		}
		r := randomTerm{names: t.names, z: signed(rowMajor(columns, len(d.rows)), t.difference, d), group: groupsOf(t.level, d)}
		r.groups = count(r.group)
		d.random = append(d.random, r)
	}
	d.bound()
	return d, nil
}

// again evaluates the variables of a side over other data, with the levels they have.
func (b *builder) again(s *side) (*side, error) {
	out := &side{terms: s.terms}
	b.eval.src = s.terms.src
	for _, v := range s.variables {
		x, err := b.eval.variable(v.node)
		if err != nil {
			return nil, err
		}
		if x.isFactor() != v.isFactor() || len(x.columns) != len(v.columns) {
			return nil, errAnew
		}
		if x.isFactor() {
			to := make([]int, len(x.levels))
			for k, l := range x.levels {
				to[k] = slices.Index(v.levels, l)
			}
			codes := make([]int, len(x.codes))
			for r, k := range x.codes {
				if codes[r] = -1; k < 0 {
					continue
				}
				if codes[r] = to[k]; codes[r] < 0 {
					return nil, errAnew
				}
			}
			x.codes, x.levels = codes, v.levels
		}
		out.variables = append(out.variables, x)
	}
	return out, nil
}

// change adds the couples of a design, times sign, to the sums. It reports false if there is nothing to take away from.
func (m *Model) change(d *design, sign float64) bool {
	s, n, p := m.stats, len(d.rows), m.stats.p
	if n == 0 {
		return true
	}
	x := blas64.General{Rows: n, Cols: p, Stride: p, Data: d.x}
	y := slices.Clone(d.y)
	blas64.Gemv(blas.NoTrans, -1, x, vector(m.scale.b0), 1, vector(y))
	blas64.Trsm(blas.Right, blas.NoTrans, 1, blas64.Triangular{N: p, Stride: p, Data: m.scale.r, Uplo: blas.Upper, Diag: blas.NonUnit}, x)
	var key []byte
	rows := make([]float64, 0, s.maxRows*(p+1))
	for i, l := range m.layouts(d) {
		rows = rows[:0]
		for r := d.bounds[i]; r < d.bounds[i+1]; r++ {
			rows = append(append(rows, d.x[r*p:r*p+p]...), y[r]/m.scale.y)
		}
		key = l.key(key[:0])
		if !s.change(string(key), l, rows, sign) {
			return false
		}
	}
	return true
}

// shared returns stats of which changes do not show in s.
func (s *stats) shared() *stats {
	out := *s
	out.patterns = slices.Clone(s.patterns)
	return &out
}

// change adds a couple's rows (n x (p+1)), times sign, to the pattern of its layout.
func (s *stats) change(key string, l *layout, rows []float64, sign float64) bool {
	w := s.p + 1
	at := slices.IndexFunc(s.patterns, func(p *pattern) bool { return p.key == key })
	if at < 0 {
		if sign < 0 {
			return false
		}
		s.patterns = append(s.patterns, &pattern{key: key, layout: l})
		at = len(s.patterns) - 1
		s.maxRows = max(s.maxRows, l.n)
	}
	pat := *s.patterns[at]
	s.patterns[at] = &pat
	pat.couples += int(sign)
	s.couples += int(sign)
	s.n += int(sign) * l.n
	switch {
	case pat.couples == 0:
		s.patterns = slices.Delete(s.patterns, at, at+1)
	case pat.sums != nil:
		pat.sums = slices.Clone(pat.sums)
		pat.add(rows, w, s.width(), sign)
	case sign > 0:
		pat.rows = slices.Concat(pat.rows, rows)
		if pat.crowded(s) {
			pat.fold(s)
		}
	default: // the rows as they were computed before may differ in the last digits
		best, at := 1e-12*(1+dot(rows, rows)), -1
		for from := 0; from < len(pat.rows); from += len(rows) {
			d := 0.0
			for i, x := range rows {
				d += (x - pat.rows[from+i]) * (x - pat.rows[from+i])
			}
			if d < best {
				best, at = d, from
			}
		}
		if at < 0 {
			return false
		}
		pat.rows = slices.Concat(pat.rows[:at], pat.rows[at+len(rows):])
	}
	return true
}

// independent reports whether the columns of the fixed effects are as good as independent in the scale of the sums, in which they were
// orthonormal when these were made.
func (s *stats) independent() bool {
	lower := make([]float64, s.width())
	w := &Workspace{pairs: make([]float64, s.maxRows*(s.maxRows+1)/2), wb: make([]float64, s.p+1)}
	identity := make([]float64, s.maxRows*s.maxRows)
	for _, pat := range s.patterns {
		n := pat.layout.n
		clear(identity)
		for j := range n {
			identity[j*n+j] = 1
		}
		pat.cross(identity[:n*n], lower, s.p, w)
	}
	xx := make([]float64, s.p*s.p)
	i := 0
	for a := range s.p {
		for b := range a + 1 {
			xx[a*s.p+b] = lower[i] / float64(s.n)
			i++
		}
	}
	t, ok := lapack64.Potrf(blas64.Symmetric{N: s.p, Stride: s.p, Data: xx, Uplo: blas.Lower})
	for j := range s.p {
		ok = ok && t.Data[j*s.p+j] > 1e-3 // the share of the column's length beyond those before it
	}
	return ok
}
