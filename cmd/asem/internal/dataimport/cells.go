package dataimport

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"asem/domain"
)

// Messages about cells say what kind of thing stands there and never repeat it: a column that is mapped wrongly
// may hold names or answers.

var (
	numberPattern  = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)
	commaPattern   = regexp.MustCompile(`^[+-]?\d*,\d+([eE][+-]?\d+)?$`)
	missingPattern = regexp.MustCompile(`(?i)^(n\.?/?a\.?n?|null|none|nil|missing|[-.?*x]|#n/?a|#null!|nd|dk|system-missing)$`)
)

// number reads a cell with the mapping's decimal sign. The error says in words what stands there.
func (m *Mapping) number(cell string) (float64, error) {
	text := cell
	if m.Decimal == "," {
		if strings.Contains(text, ".") {
			return 0, errors.New("there is a dot, yet the mapping says decimal: \",\"")
		}
		text = strings.Replace(text, ",", ".", 1)
	}
	if !numberPattern.MatchString(text) {
		return 0, errors.New(m.notANumber(cell))
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, errors.New("the number is beyond what a 64-bit floating-point number holds")
	}
	return x + 0, nil // -0 and 0 are one value
}

func (m *Mapping) notANumber(cell string) string {
	switch lower := strings.TrimLeft(strings.ToLower(cell), "+-"); {
	case lower == "inf" || lower == "infinity":
		return "there is an infinity where a finite number was expected"
	case missingPattern.MatchString(cell):
		return fmt.Sprintf("there is %q where a number was expected; if it marks a missing value, list it under missing in the mapping", cell)
	case m.Decimal != "," && commaPattern.MatchString(cell):
		return "there is a number with a comma; write 3.5 instead of 3,5, or put decimal: \",\" into the mapping"
	}
	return fmt.Sprintf("there is a text of %s where a number was expected", count(utf8.RuneCountInString(cell), "character"))
}

// whole reads a cell as a whole number; 3.0 is one, for programs write it so once a column has missing values.
func (m *Mapping) whole(cell string) (int, error) {
	x, err := m.number(cell)
	switch {
	case err != nil:
		return 0, err
	case x != math.Trunc(x):
		return 0, errors.New("there is a fraction where a whole number was expected")
	case math.Abs(x) > math.MaxInt32:
		return 0, errors.New("the number is out of range")
	}
	return int(x), nil
}

// date reads a calendar day.
func date(cell, layout string) (domain.Date, error) {
	t, err := time.Parse(layout, cell)
	if err != nil {
		return domain.Date{}, fmt.Errorf("there is a text of %s where a date such as %s was expected", count(utf8.RuneCountInString(cell), "character"), example.Format(layout))
	}
	return domain.NewDate(t.Date()), nil
}

// example is a day whose year, month and day cannot be mistaken for each other.
var example = time.Date(2015, time.November, 23, 0, 0, 0, 0, time.UTC)

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// noon is when on a day something is taken to have happened whose hour is not known.
func noon(d domain.Date) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC)
}
