package dataimport

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"asem/cmd/asem/internal/yamltext"
	"asem/domain"
)

// couple is what the rows say of one couple.
type couple struct {
	code     string
	line     int // of its first row
	enrolled domain.Date
	persons  map[string]int // labels of persons -> line of the first row; only where rows name persons
	visits   map[occasion]*visit
}

// occasion is one sitting of one partner.
type occasion struct {
	who  string // role, or label of the person
	wave int
	day  domain.Date // of a diary
}

// visit is what one partner answered on an occasion.
type visit struct {
	line   int
	on     domain.Date // day of measurement; zero: the nominal day
	values []value
}

type value struct {
	target *target
	x      float64
}

// reader turns rows into couples.
type reader struct {
	*Mapping
	*plan
	yamltext.Problems
	table *table

	couple, enrolled, who, when, measured int   // places of columns; -1: there is none
	columns                               []int // of the targets
	couples                               map[string]*couple
	rows                                  map[rowKey]int // -> line
	missing                               map[int]int    // column -> cells
}

// rowKey is what a row is about, as far as the row itself says.
type rowKey struct {
	couple string
	occasion
}

func newReader(m *Mapping, p *plan, t *table) *reader {
	r := &reader{Mapping: m, plan: p, table: t, couples: map[string]*couple{}, rows: map[rowKey]int{}, missing: map[int]int{},
		enrolled: -1, who: -1, when: -1, measured: -1}
	r.couple = r.find(m.Couple, "couple")
	if m.Enrolled.Column != "" {
		r.enrolled = r.find(m.Enrolled.Column, "enrolled.column")
	}
	if m.Role != nil {
		if r.who = r.find(m.Role.Column+m.Role.Person, "role"); m.Role.Column != "" {
			r.checkRoleValues()
		}
	}
	switch {
	case m.Wave != nil:
		r.when = r.find(m.Wave.Column+m.Wave.Date, "wave")
		for _, cell := range slices.Sorted(maps.Keys(m.Wave.Values)) {
			if _, ok := p.protocol.Wave(m.Wave.Values[cell]); !ok {
				r.At(m.doc.Where("wave.values."+cell), "there is no wave %d; expected 1 to %d", m.Wave.Values[cell], len(p.protocol.Waves))
			}
		}
	case m.Diary != nil:
		r.when = r.find(m.Diary.Column+m.Diary.Date, "diary")
	}
	if m.Measured != nil {
		r.measured = r.find(m.Measured.Column, "measured.column")
	}
	for _, t := range p.targets {
		r.columns = append(r.columns, r.find(t.column, t.path))
	}
	return r
}

// find returns the place of a column that the mapping names at a path.
func (r *reader) find(name, path string) int {
	if i, ok := r.table.index[name]; ok && name != "" {
		return i
	}
	r.At(r.doc.Where(path), "%s has no column %q%s", r.table.name, yamltext.Clip(name), yamltext.DidYouMean(name, r.table.header))
	return -1
}

func (r *reader) checkRoleValues() {
	for _, cell := range slices.Sorted(maps.Keys(r.Role.Values)) {
		if _, ok := r.role(r.Role.Values[cell]); !ok {
			r.At(r.doc.Where("role.values."+cell), "%q is not a role; expected one of %s", yamltext.Clip(r.Role.Values[cell]), rolesInWords(r.protocol.Roles))
		}
	}
}

// wrong notes a problem with a cell.
func (r *reader) wrong(row row, column int, format string, args ...any) {
	r.At(r.table.at(row.line, r.table.columnName(column)), format, args...)
}

// read takes one row.
func (r *reader) read(row row) {
	c, ok := r.coupleOf(row)
	key := rowKey{}
	who, okWho := r.whoOf(row)
	enrolled := domain.Date{}
	if ok {
		enrolled, key.couple = c.enrolled, c.code
	}
	wave, day, on, okWhen := r.whenOf(row, enrolled)
	ok = ok && okWho && okWhen
	key.occasion = occasion{who, wave, day}
	if first, twice := r.rows[key]; ok && twice {
		r.At(r.table.at(row.line, ""), "row %d has the same %s already", first, r.keyInWords())
		ok = false
	}
	if ok {
		r.rows[key] = row.line
		if r.Role != nil && r.Role.Person != "" {
			if _, known := c.persons[who]; !known {
				c.persons[who] = row.line
			}
		}
	}
	for i := range r.targets {
		t := &r.targets[i]
		x, given := r.valueOf(row, r.columns[i], t)
		if !ok || !given {
			continue
		}
		o := key.occasion
		if t.role != "" {
			o.who = string(t.role)
		}
		if t.wave != 0 {
			o.wave = t.wave
		}
		v := c.visits[o]
		if v == nil {
			v = &visit{line: row.line, on: on}
			c.visits[o] = v
		}
		v.values = append(v.values, value{t, x})
		if t.instrument != (domain.InstrumentRef{}) && o.wave > 0 {
			r.ask(o.wave, t.instrument)
		}
	}
}

// keyInWords says what no two rows may share.
func (r *reader) keyInWords() string {
	parts := []string{"couple"}
	if r.Role != nil {
		if r.Role.Person != "" {
			parts = append(parts, "person")
		} else {
			parts = append(parts, "role")
		}
	}
	if r.Wave != nil {
		parts = append(parts, "wave")
	}
	if r.Diary != nil {
		parts = append(parts, "day")
	}
	if n := len(parts); n > 1 {
		return strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
	return parts[0]
}

// coupleOf returns the couple of a row, which is new to the file or known.
func (r *reader) coupleOf(row row) (*couple, bool) {
	code := row.cells[r.couple]
	if r.isMissing(code) {
		r.wrong(row, r.couple, "the couple's code is missing")
		return nil, false
	}
	if domain.CheckCode("", code) != nil {
		r.wrong(row, r.couple, "the cell is no code for a couple; expected 1 to 64 letters, digits, dots, dashes or underscores, starting with a letter or digit")
		return nil, false
	}
	enrolled, ok := r.enrolledOn(row)
	if !ok {
		return nil, false
	}
	c, known := r.couples[code]
	if !known {
		c = &couple{code: code, line: row.line, enrolled: enrolled, persons: map[string]int{}, visits: map[occasion]*visit{}}
		r.couples[code] = c
	}
	if c.enrolled != enrolled {
		r.wrong(row, r.enrolled, "the couple has another day of enrolment in row %d", c.line)
		return nil, false
	}
	return c, true
}

func (r *reader) enrolledOn(row row) (domain.Date, bool) {
	if r.enrolled < 0 {
		d, err := domain.ParseDate(r.Enrolled.Date)
		return d, err == nil // checked with the mapping
	}
	return r.dateOf(row, r.enrolled, r.Enrolled.Format, "the couple's day of enrolment")
}

// dateOf reads a day that must be there.
func (r *reader) dateOf(row row, column int, format, what string) (domain.Date, bool) {
	cell := row.cells[column]
	if r.isMissing(cell) {
		r.wrong(row, column, "%s is missing", what)
		return domain.Date{}, false
	}
	d, err := date(cell, format)
	if err != nil {
		r.wrong(row, column, "%v", err)
		return domain.Date{}, false
	}
	return d, true
}

// whoOf returns the role that a row names, or the person's label; empty if rows name neither.
func (r *reader) whoOf(row row) (string, bool) {
	if r.who < 0 {
		return "", true
	}
	cell := row.cells[r.who]
	switch {
	case r.Role.Person != "":
		if r.isMissing(cell) {
			r.wrong(row, r.who, "the person's label is missing")
			return "", false
		}
		if domain.CheckCode("", cell) != nil {
			r.wrong(row, r.who, "the cell is no label for a person; expected 1 to 64 letters, digits, dots, dashes or underscores, starting with a letter or digit")
			return "", false
		}
		return cell, true
	case r.Role.Values != nil:
		if name, ok := r.Role.Values[cell]; ok {
			role, ok := r.role(name)
			return string(role.Role), ok
		}
		r.wrong(row, r.who, "the cell is none of the values that the mapping gives a role; expected one of %s", list(r.Role.Values))
		return "", false
	}
	role, ok := r.role(cell)
	if !ok {
		r.wrong(row, r.who, "the cell is not a role; expected one of %s, or a translation under role.values in the mapping", rolesInWords(r.protocol.Roles))
	}
	return string(role.Role), ok
}

// list names the keys of a map, shortened.
func list[T any](m map[string]T) string {
	keys := slices.SortedFunc(maps.Keys(m), natural)
	const most = 10
	for i := range keys {
		keys[i] = fmt.Sprintf("%q", yamltext.Clip(keys[i]))
	}
	if len(keys) > most {
		keys = append(keys[:most], "…")
	}
	return strings.Join(keys, ", ")
}

// whenOf returns the wave or diary day that a row names, and the day of measurement if it says so.
func (r *reader) whenOf(row row, enrolled domain.Date) (wave int, day, on domain.Date, ok bool) {
	ok = true
	if r.measured >= 0 {
		on, ok = r.dateOf(row, r.measured, r.Measured.Format, "the day of measurement")
	}
	switch {
	case r.Diary != nil:
		day, ok = r.diaryDay(row, enrolled)
		on = day
	case r.Wave == nil:
	case r.Wave.Date != "":
		if on, ok = r.dateOf(row, r.when, r.Wave.Format, "the day of measurement"); ok && !enrolled.IsZero() {
			wave, ok = r.nearestWave(row, enrolled, on)
		}
	default:
		var known bool
		wave, known = r.namedWave(row)
		ok = ok && known
	}
	return wave, day, on, ok
}

func (r *reader) namedWave(row row) (int, bool) {
	cell := row.cells[r.when]
	if r.Wave.Values != nil {
		wave, ok := r.Wave.Values[cell]
		if !ok {
			r.wrong(row, r.when, "the cell is none of the values that the mapping gives a wave; expected one of %s", list(r.Wave.Values))
		}
		return wave, ok
	}
	wave, err := r.whole(cell)
	if err != nil {
		r.wrong(row, r.when, "%v", err)
		return 0, false
	}
	if _, ok := r.protocol.Wave(wave); !ok {
		r.wrong(row, r.when, "there is no such wave; expected 1 to %d, or a translation under wave.values in the mapping", len(r.protocol.Waves))
		return 0, false
	}
	return wave, true
}

// nearestWave finds the wave whose nominal day lies nearest to a day; of two at the same distance the earlier.
func (r *reader) nearestWave(row row, enrolled, on domain.Date) (int, bool) {
	best, off := 0, 0
	for _, w := range r.protocol.Waves {
		d := w.NominalDay(domain.Beginnings{Enrolled: enrolled}).DaysUntil(on)
		if d = max(d, -d); best == 0 || d < off {
			best, off = w.Index, d
		}
	}
	if off > *r.Wave.WithinDays {
		r.wrong(row, r.when, "the day lies %s from that of the nearest wave, which is wave %d; expected at most %d", count(off, "day"), best, *r.Wave.WithinDays)
		return 0, false
	}
	return best, true
}

func (r *reader) diaryDay(row row, enrolled domain.Date) (domain.Date, bool) {
	begins := r.burst.FirstDay(domain.Beginnings{Enrolled: enrolled}) // zero: not told by the file; see planner.diary
	if r.Diary.Date != "" {
		day, ok := r.dateOf(row, r.when, r.Diary.Format, "the day of the diary")
		if n := begins.DaysUntil(day); ok && !begins.IsZero() && (n < 0 || n >= r.burst.Days) {
			r.wrong(row, r.when, "the day is not one of diary %s; for this couple it runs from %s to %s", r.burst.Code, begins, begins.AddDays(r.burst.Days-1))
			return domain.Date{}, false
		}
		return day, ok
	}
	cell := row.cells[r.when]
	first := 1
	if r.Diary.First != nil {
		first = *r.Diary.First
	}
	n, err := r.whole(cell)
	switch {
	case err != nil:
		r.wrong(row, r.when, "%v", err)
		return domain.Date{}, false
	case n < first || n >= first+r.burst.Days:
		r.wrong(row, r.when, "diary %s has no such day; expected %d to %d", r.burst.Code, first, first+r.burst.Days-1)
		return domain.Date{}, false
	}
	return begins.AddDays(n - first), true
}

// valueOf reads what a cell holds for a target. It reports whether there is a value.
func (r *reader) valueOf(row row, column int, t *target) (float64, bool) {
	cell := row.cells[column]
	if r.isMissing(cell) {
		r.missing[column]++
		return 0, false
	}
	if t.instrument != (domain.InstrumentRef{}) {
		n, err := r.whole(cell)
		if err != nil {
			r.wrong(row, column, "%v", err)
			return 0, false
		}
		if n < t.item.Min || n > t.item.Max {
			r.wrong(row, column, "the answer to item %s is out of range; expected %d to %d", t.item.ID, t.item.Min, t.item.Max)
			return 0, false
		}
		return float64(n), true
	}
	x, err := r.number(cell)
	if err != nil {
		r.wrong(row, column, "%v", err)
		return 0, false
	}
	if lo, hi := t.construct.Min, t.construct.Max; (lo != nil && x < *lo) || (hi != nil && x > *hi) {
		r.wrong(row, column, "the value of %s is out of range; expected %s to %s", t.construct.Code, bound(lo), bound(hi))
		return 0, false
	}
	return x, true
}

func bound(b *float64) string {
	if b == nil {
		return "anything"
	}
	return fmt.Sprintf("%g", *b)
}
