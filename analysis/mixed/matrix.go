package mixed

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// full tells, for each variable of each term, whether a factor is coded by an indicator for every level rather than
// by treatment contrasts. A factor is coded by Contrasts where the rest of its term is empty or part of a term
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

// columns returns the model matrix of the given rows of the frame.
func (s *side) columns(rows []int, by Contrasts) ([]column, error) {
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
func (v *variable) code(rows []int, full bool, by Contrasts) []column {
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
	case by == ContrastsSum:
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
			case v.codes[r] == base && by == ContrastsSum:
				x[k] = -1
			}
		}
		if by == ContrastsSum && !full {
			name = strconv.Itoa(l + 1) // as R, for it is no level that the column stands for
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
