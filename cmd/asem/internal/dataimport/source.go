package dataimport

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"asem/cmd/asem/internal/yamltext"
)

// Source is a CSV file as it was read from disk.
type Source struct {
	Name string // stands in errors
	Data []byte
}

// table is a CSV file taken apart. Cells have no spaces around them.
type table struct {
	name   string
	header []string
	index  map[string]int // column name -> place
	rows   []row
	open   bool // the last line has no line break: a sign, though no proof, of a file cut off
}

type row struct {
	line  int // in the file, from 1
	cells []string
}

// at is the place of a cell in words; without a column, of a row.
func (t *table) at(line int, column string) string { return cellPlace(t.name, line, column) }

func cellPlace(file string, line int, column string) string {
	if column == "" {
		return fmt.Sprintf("%s:%d", file, line)
	}
	return fmt.Sprintf("%s:%d column %s", file, line, yamltext.Clip(column))
}

// readTable takes a CSV file apart and notes everything that makes it no table.
func readTable(src Source, delimiter rune, p *yamltext.Problems) *table {
	t := &table{name: src.Name, index: map[string]int{}}
	data, ok := decodeText(src, p)
	if !ok {
		return t
	}
	t.open = data[len(data)-1] != '\n'
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma = delimiter
	r.FieldsPerRecord = -1 // counted below, for a better message
	ragged := 0
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			p.Add(csvProblem(src.Name, err))
			return t
		}
		line, _ := r.FieldPos(0)
		valid := true
		for i, c := range cells {
			if cells[i] = strings.TrimSpace(c); !utf8.ValidString(c) {
				p.At(t.at(line, t.columnName(i)), "the cell is not UTF-8; save the file as UTF-8")
				valid = false
			}
		}
		switch {
		case !valid && t.header == nil:
			return t
		case t.header == nil:
			if !t.takeHeader(line, cells, delimiter, p) {
				return t
			}
		case len(cells) != len(t.header):
			ragged = line
			p.At(t.at(line, ""), "the row has %s; the header has %d", cellCount(len(cells)), len(t.header))
		default:
			if ragged = 0; valid {
				t.rows = append(t.rows, row{line, cells})
			}
		}
	}
	switch {
	case ragged > 0:
		p.At(t.at(ragged, ""), "the last row is not whole; the file may have been cut off")
	case len(t.rows) == 0 && !p.Any():
		p.At(t.name, "there is a header but no row below it")
	}
	return t
}

func cellCount(n int) string {
	if n == 1 {
		return "1 cell"
	}
	return fmt.Sprintf("%d cells", n)
}

// columnName is a column's name, or its place if it has none.
func (t *table) columnName(i int) string {
	if i < len(t.header) && t.header[i] != "" {
		return t.header[i]
	}
	return fmt.Sprintf("%d", i+1)
}

// decodeText returns the text without its byte order mark, or says why it is no text.
func decodeText(src Source, p *yamltext.Problems) ([]byte, bool) {
	data := src.Data
	switch {
	case len(data) == 0:
		p.At(src.Name, "the file is empty")
		return nil, false
	case bytes.HasPrefix(data, []byte("\xFF\xFE")), bytes.HasPrefix(data, []byte("\xFE\xFF")), bytes.HasPrefix(data, []byte("\x00\x00\xFE\xFF")):
		p.At(src.Name, "the file starts with the byte order mark of UTF-16 or UTF-32; save it as \"CSV UTF-8\"")
		return nil, false
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		p.At(src.Name, "the file is a ZIP archive, as spreadsheets are; save it as \"CSV UTF-8\"")
		return nil, false
	}
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	if i := bytes.IndexByte(data, 0); i >= 0 {
		p.At(fmt.Sprintf("%s:%d", src.Name, 1+bytes.Count(data[:i], []byte("\n"))), "there is a NUL byte; the file is damaged, or UTF-16: save it as \"CSV UTF-8\"")
		return nil, false
	}
	if len(bytes.TrimSpace(data)) == 0 {
		p.At(src.Name, "the file is empty")
		return nil, false
	}
	if bytes.IndexByte(data, '\n') < 0 && bytes.IndexByte(bytes.TrimSpace(data), '\r') >= 0 {
		p.At(src.Name, "lines end in a bare carriage return, as on very old Macs; save the file with ordinary line breaks")
		return nil, false
	}
	return data, true
}

func csvProblem(name string, err error) error {
	var e *csv.ParseError
	if !errors.As(err, &e) {
		return yamltext.Invalid(name, "%v", err)
	}
	at := fmt.Sprintf("%s:%d", name, e.Line)
	switch {
	case errors.Is(e.Err, csv.ErrBareQuote):
		return yamltext.Invalid(at, "there is a quote inside a cell that has none around it; put the cell in quotes and double the quote")
	case errors.Is(e.Err, csv.ErrQuote) && e.StartLine != e.Line:
		return yamltext.Invalid(fmt.Sprintf("%s:%d", name, e.StartLine), "a quote opens in this row and is not closed properly by line %d; the file may have been cut off, or a quote inside a cell is not doubled", e.Line)
	case errors.Is(e.Err, csv.ErrQuote):
		return yamltext.Invalid(at, "a quoted cell is not closed properly; the file may have been cut off, or a quote inside the cell is not doubled")
	}
	return yamltext.Invalid(at, "%v", e.Err)
}

// takeHeader checks the first row. It reports whether the rows below can be read with it.
func (t *table) takeHeader(line int, cells []string, delimiter rune, p *yamltext.Problems) bool {
	t.header = cells
	if len(cells) == 1 {
		for _, other := range []rune{',', ';', '\t', '|'} {
			if other != delimiter && strings.ContainsRune(cells[0], other) {
				p.At(t.at(line, ""), "the header is one cell with %s in it; if that separates the cells, put delimiter: %s into the mapping", delimiterName(other), delimiterKey(other))
				return false
			}
		}
	}
	ok := true
	for i, name := range cells {
		if first, twice := t.index[name]; twice && name != "" {
			p.At(t.at(line, name), "the name stands twice in the header, over columns %d and %d", first+1, i+1)
			ok = false
			continue
		}
		t.index[name] = i
	}
	return ok
}

func delimiterName(r rune) string {
	switch r {
	case ';':
		return "semicolons"
	case '\t':
		return "tabs"
	case '|':
		return "bars"
	}
	return "commas"
}

// delimiterKey is how a mapping writes the delimiter.
func delimiterKey(r rune) string {
	if r == '\t' {
		return "tab"
	}
	return fmt.Sprintf("%q", string(r))
}
