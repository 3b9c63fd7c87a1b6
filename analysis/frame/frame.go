package frame

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Column is one variable: numbers, or categories with levels. Exactly one of Values and Codes is used.
type Column struct {
	Name   string
	Values []float64 // a numeric column; NaN is missing
	Codes  []int     // a categorical column: index into Levels; -1 is missing
	Levels []string  // in order; the first is the reference of treatment contrasts
}

// Numeric makes a numeric column. NaN is missing.
func Numeric(name string, values []float64) Column { return Column{Name: name, Values: values} }

// Categorical makes a categorical column from labels. Empty labels are missing. The levels are the
// labels that occur, in numeric order if all are numbers, else bytewise.
func Categorical(name string, labels []string) Column {
	seen := map[string]bool{}
	var levels []string
	for _, l := range labels {
		if l != "" && !seen[l] {
			seen[l] = true
			levels = append(levels, l)
		}
	}
	sortLevels(levels)
	code := make(map[string]int, len(levels))
	for i, l := range levels {
		code[l] = i
	}
	codes := make([]int, len(labels))
	for i, l := range labels {
		if c, ok := code[l]; ok {
			codes[i] = c
		} else {
			codes[i] = -1
		}
	}
	return Column{Name: name, Codes: codes, Levels: levels}
}

// sortLevels puts labels in numeric order if all are numbers, else in bytewise order.
func sortLevels(levels []string) {
	numbers := make(map[string]float64, len(levels))
	for _, l := range levels {
		x, err := strconv.ParseFloat(l, 64)
		if err != nil || math.IsNaN(x) {
			sort.Strings(levels)
			return
		}
		numbers[l] = x
	}
	slices.SortFunc(levels, func(a, b string) int {
		switch x, y := numbers[a], numbers[b]; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return strings.Compare(a, b)
	})
}

// IsNumeric reports whether the column holds numbers.
func (c Column) IsNumeric() bool { return c.Codes == nil }

// Len returns the number of rows.
func (c Column) Len() int {
	if c.IsNumeric() {
		return len(c.Values)
	}
	return len(c.Codes)
}

// Missing reports whether the value of a row is missing.
func (c Column) Missing(row int) bool {
	if c.IsNumeric() {
		return math.IsNaN(c.Values[row])
	}
	return c.Codes[row] < 0
}

// Label returns the value of a row as text: the level, or the shortest decimal number that reads back as the
// same value, whole numbers below 1e15 without an exponent, as identifiers want it; empty if missing.
func (c Column) Label(row int) string {
	switch {
	case c.Missing(row):
		return ""
	case c.IsNumeric() && c.Values[row] == math.Trunc(c.Values[row]) && math.Abs(c.Values[row]) < 1e15:
		return strconv.FormatFloat(c.Values[row], 'f', -1, 64)
	case c.IsNumeric():
		return strconv.FormatFloat(c.Values[row], 'g', -1, 64)
	}
	return c.Levels[c.Codes[row]]
}

// Find returns the rows whose value has one of the labels, in order.
func (c Column) Find(labels ...string) []int {
	var rows []int
	if c.IsNumeric() {
		wanted := map[float64]bool{}
		for _, l := range labels {
			if x, err := strconv.ParseFloat(l, 64); err == nil {
				wanted[x] = true
			}
		}
		for r, x := range c.Values {
			if wanted[x] {
				rows = append(rows, r)
			}
		}
		return rows
	}
	wanted := make([]bool, len(c.Levels))
	for k, l := range c.Levels {
		wanted[k] = slices.Contains(labels, l)
	}
	for r, k := range c.Codes {
		if k >= 0 && wanted[k] {
			rows = append(rows, r)
		}
	}
	return rows
}

// take returns the column with only the given rows, levels kept.
func (c Column) take(rows []int) Column {
	out := Column{Name: c.Name, Levels: c.Levels}
	if c.IsNumeric() {
		out.Values = make([]float64, len(rows))
		for i, r := range rows {
			out.Values[i] = c.Values[r]
		}
		return out
	}
	out.Codes = make([]int, len(rows))
	for i, r := range rows {
		out.Codes[i] = c.Codes[r]
	}
	return out
}

// Frame is a table of columns of equal length with distinct names. It is not changed after it is made.
type Frame struct {
	columns []Column
	byName  map[string]int
	rows    int
}

// New makes a frame. Columns of different lengths, without a name or with one that stands twice are an
// error.
func New(columns ...Column) (*Frame, error) {
	f := &Frame{columns: columns, byName: make(map[string]int, len(columns))}
	for i, c := range columns {
		if i == 0 {
			f.rows = c.Len()
		}
		if c.Len() != f.rows {
			return nil, fmt.Errorf("column %q has %d rows; the first has %d", c.Name, c.Len(), f.rows)
		}
		if c.Name == "" {
			return nil, fmt.Errorf("column %d has no name", i+1)
		}
		if _, twice := f.byName[c.Name]; twice {
			return nil, fmt.Errorf("column %q stands twice", c.Name)
		}
		f.byName[c.Name] = i
	}
	return f, nil
}

// Rows returns the number of rows.
func (f *Frame) Rows() int { return f.rows }

// Names returns the names of the columns in order.
func (f *Frame) Names() []string {
	names := make([]string, len(f.columns))
	for i, c := range f.columns {
		names[i] = c.Name
	}
	return names
}

// Column returns the column with a name.
func (f *Frame) Column(name string) (Column, bool) {
	i, ok := f.byName[name]
	if !ok {
		return Column{}, false
	}
	return f.columns[i], true
}

// Take returns a frame of the given rows, in that order. Levels are kept, also those that no
// longer occur.
func (f *Frame) Take(rows []int) *Frame {
	out := &Frame{byName: f.byName, rows: len(rows)}
	for _, c := range f.columns {
		out.columns = append(out.columns, c.take(rows))
	}
	return out
}

// With returns a frame with further columns.
func (f *Frame) With(columns ...Column) (*Frame, error) {
	return New(append(slices.Clone(f.columns), columns...)...)
}

// Replace returns a frame with a column in the place of the one of the same name.
func (f *Frame) Replace(c Column) (*Frame, error) {
	i, ok := f.byName[c.Name]
	if !ok {
		return nil, fmt.Errorf("there is no column %q to replace", c.Name)
	}
	columns := slices.Clone(f.columns)
	columns[i] = c
	return New(columns...)
}

// WriteCSV writes the frame as comma-separated text with a header; missing values are empty. Numbers
// read back as the same values.
func (f *Frame) WriteCSV(w io.Writer) error {
	var b strings.Builder
	for i, c := range f.columns {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(c.Name))
	}
	b.WriteByte('\n')
	for r := range f.rows {
		for i, c := range f.columns {
			if i > 0 {
				b.WriteByte(',')
			}
			cell := quote(c.Label(r))
			if cell == "" && len(f.columns) == 1 {
				cell = `""` // an empty line would be no row
			}
			b.WriteString(cell)
		}
		b.WriteByte('\n')
		if b.Len() > 1<<16 {
			if _, err := io.WriteString(w, b.String()); err != nil {
				return err
			}
			b.Reset()
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func quote(s string) string {
	if !strings.ContainsAny(s, ",\"\r\n") {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// Hash returns the SHA-256 of the frame's content in lower-case hexadecimal: of its CSV form. Equal
// frames have equal hashes, however they were made.
func (f *Frame) Hash() string {
	h := sha256.New()
	_ = f.WriteCSV(h) // a hash never fails to take what is written
	return hex.EncodeToString(h.Sum(nil))
}

// Natural compares two labels as people order them: runs of digits by their value, everything else
// bytewise, so that "2" comes before "10" and "c2" before "c10". It is a total order: labels that
// differ only in leading zeros are ordered bytewise.
func Natural(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		dx, dy := digits(x), digits(y)
		if dx > 0 && dy > 0 {
			nx, ny := strings.TrimLeft(x[:dx], "0"), strings.TrimLeft(y[:dy], "0")
			if len(nx) != len(ny) {
				return len(nx) - len(ny)
			}
			if c := strings.Compare(nx, ny); c != 0 {
				return c
			}
			x, y = x[dx:], y[dy:]
			continue
		}
		if x[0] != y[0] {
			return int(x[0]) - int(y[0])
		}
		x, y = x[1:], y[1:]
	}
	if len(x) != len(y) {
		return len(x) - len(y)
	}
	return strings.Compare(a, b)
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
