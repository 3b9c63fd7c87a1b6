package frame

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// CSVOptions say how a file is written.
type CSVOptions struct {
	Comma   rune     // 0 means ','
	Missing []string // texts that mean a missing value; nil means the empty text and NA
}

// CellError says which cell of a file is wrong, what was found and what was expected.
type CellError struct {
	Line    int    // of the file, from 1; 0 if the file as a whole is meant
	Column  string // name of the column, or its number; empty if the line as a whole is meant
	Message string
}

func (e *CellError) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Column != "" {
		fmt.Fprintf(&b, "column %q: ", e.Column)
	}
	return b.String() + e.Message
}

// ReadCSV reads a table with a header line from UTF-8 text. A column whose every value that is not missing is a decimal number
// becomes numeric, any other categorical. A file that is cut off, wrongly encoded or ragged is refused with the
// line; so are numbers that are not finite. All errors are [*CellError].
func ReadCSV(r io.Reader, o CSVOptions) (*Frame, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read the table: %w", err)
	}
	t, err := ReadTable(text, o.Comma)
	if err != nil {
		return nil, err
	}
	if len(t.Rows) == 0 {
		return nil, &CellError{Message: "the file has a header and no rows"}
	}
	missing := o.Missing
	if missing == nil {
		missing = []string{"", "NA"}
	}
	columns := make([]Column, len(t.Header))
	for c, name := range t.Header {
		if columns[c], err = t.column(c, name, missing); err != nil {
			return nil, err
		}
	}
	return New(columns...)
}

// Table is a delimited file as text: a header and rows of equal length.
type Table struct {
	Header []string
	Rows   [][]string
	Lines  []int // on which each row begins, from 1
}

// ReadTable splits delimited text. It takes a byte-order mark of UTF-8, refuses any other encoding, and refuses rows
// that are longer or shorter than the header. Space around a name in the header is left out.
func ReadTable(text []byte, comma rune) (*Table, error) {
	text, err := utf8Text(text)
	if err != nil {
		return nil, err
	}
	in := csv.NewReader(bytes.NewReader(text))
	in.FieldsPerRecord = -1
	if comma != 0 {
		in.Comma = comma
	}
	t := &Table{}
	for {
		record, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, parseError(err)
		}
		line, _ := in.FieldPos(0)
		if t.Header == nil {
			for c := range record {
				record[c] = strings.TrimSpace(record[c])
			}
			if t.Header = record; len(record) == 1 && record[0] == "" {
				return nil, &CellError{Line: line, Message: "the header is empty"}
			}
			if err := checkHeader(record, line); err != nil {
				return nil, err
			}
			continue
		}
		if len(record) != len(t.Header) {
			message := fmt.Sprintf("the row has %d of %d fields", len(record), len(t.Header))
			if len(record) < len(t.Header) && in.InputOffset() == int64(len(text)) {
				message += "; the file may have been cut off here"
			}
			return nil, &CellError{Line: line, Message: message}
		}
		t.Rows, t.Lines = append(t.Rows, record), append(t.Lines, line)
	}
	if t.Header == nil {
		return nil, &CellError{Message: "the file is empty; expected a header line and rows"}
	}
	return t, nil
}

func checkHeader(header []string, line int) error {
	for c, name := range header {
		switch {
		case name == "":
			return &CellError{Line: line, Column: strconv.Itoa(c + 1), Message: "the column has no name"}
		case slices.Contains(header[:c], name):
			return &CellError{Line: line, Column: name, Message: "the name stands twice in the header"}
		}
	}
	return nil
}

func parseError(err error) error {
	var e *csv.ParseError
	if !errors.As(err, &e) {
		return &CellError{Message: err.Error()}
	}
	message := "a quote stands inside an unquoted field, or is not closed before the file ends"
	if !errors.Is(err, csv.ErrQuote) && !errors.Is(err, csv.ErrBareQuote) {
		message = e.Err.Error()
	}
	return &CellError{Line: e.StartLine, Message: message}
}

// utf8Text returns the text without its byte-order mark, or says in what way it is not UTF-8.
func utf8Text(text []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(text, []byte{0xEF, 0xBB, 0xBF}):
		text = text[3:]
	case bytes.HasPrefix(text, []byte{0xFF, 0xFE}), bytes.HasPrefix(text, []byte{0xFE, 0xFF}):
		return nil, &CellError{Line: 1, Message: "the file is UTF-16 text; save it as UTF-8"}
	}
	if bytes.IndexByte(text, '\r') >= 0 && bytes.IndexByte(text, '\n') < 0 {
		return nil, &CellError{Line: 1, Message: "the lines end in carriage returns alone; save the file with line feeds"}
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return nil, &CellError{Line: lineOf(text, i), Message: "the file contains a NUL byte; expected text in UTF-8"}
	}
	if !utf8.Valid(text) {
		for i := 0; i < len(text); {
			r, w := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && w == 1 {
				return nil, &CellError{Line: lineOf(text, i), Message: fmt.Sprintf("byte 0x%02X is not UTF-8; save the file as UTF-8", text[i])}
			}
			i += w
		}
	}
	return text, nil
}

func lineOf(text []byte, at int) int { return 1 + bytes.Count(text[:at], []byte{'\n'}) }

// column decides the type of a column and reads it.
func (t *Table) column(c int, name string, missing []string) (Column, error) {
	values := make([]float64, len(t.Rows))
	labels := make([]string, len(t.Rows))
	numeric, any := true, false
	badLine, badText := 0, ""
	for r, row := range t.Rows {
		cell := strings.TrimSpace(row[c])
		if slices.Contains(missing, cell) {
			values[r] = math.NaN()
			continue
		}
		any = true
		labels[r] = cell
		x, err := ParseNumber(cell)
		if errors.Is(err, errNotFinite) && badLine == 0 {
			badLine, badText = t.Lines[r], cell
		} else if err != nil {
			numeric = false
		}
		values[r] = x
	}
	if numeric && badLine > 0 {
		return Column{}, &CellError{Line: badLine, Column: name, Message: fmt.Sprintf("%q is not a finite number; leave a missing value empty", badText)}
	}
	if numeric && (any || len(t.Rows) > 0) {
		return Numeric(name, values), nil
	}
	return Categorical(name, labels), nil
}

var (
	errNotFinite = errors.New("not a finite number")
	errNotNumber = errors.New("not a decimal number")
)

// ParseNumber reads a finite decimal number such as -1.5 or 2e-3. Other forms that Go knows, such as
// hexadecimal or digits with underscores, are refused.
func ParseNumber(s string) (float64, error) {
	x, err := strconv.ParseFloat(s, 64)
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, errNotFinite
	}
	if err != nil || strings.ContainsAny(s, "xXpP_") {
		return 0, errNotNumber
	}
	return x, nil
}
