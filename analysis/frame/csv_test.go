package frame_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/analysis/frame"
)

func TestReadCSV(t *testing.T) {
	f, err := frame.ReadCSV(strings.NewReader("\xEF\xBB\xBFcouple,role,y\r\n10,w,1.5\r\n2,\"h\",\r\n2,w,NA\r\n"), frame.CSVOptions{})
	require.NoError(t, err)
	assert.Equal(t, []string{"couple", "role", "y"}, f.Names())
	role, _ := f.Column("role")
	assert.Equal(t, []string{"h", "w"}, role.Levels)
	y, _ := f.Column("y")
	require.True(t, y.IsNumeric())
	assert.Equal(t, 1.5, y.Values[0])
	assert.True(t, math.IsNaN(y.Values[1]) && math.IsNaN(y.Values[2]))
}

func TestReadCSVRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"an empty file", "", "the file is empty"},
		{"a header alone", "a,b\n", "no rows"},
		{"a name that stands twice", "a,a\n1,2\n", `line 1: column "a": the name stands twice`},
		{"a column without a name", "a,\n1,2\n", `line 1: column "2": the column has no name`},
		{"a short row", "a,b\n1\n2,3\n", "line 2: the row has 1 of 2 fields"},
		{"a file cut in half", "a,b\n1,2\n3", "line 3: the row has 1 of 2 fields; the file may have been cut off here"},
		{"a long row", "a,b\n1,2,3\n", "line 2: the row has 3 of 2 fields"},
		{"a quote never closed", "a,b\n1,\"2\n", "line 2: a quote"},
		{"UTF-16", "\xFF\xFEa\x00", "UTF-16"},
		{"Latin-1", "a,b\n1,M\xFCller\n", "line 2: byte 0xFC is not UTF-8"},
		{"NUL", "a,b\n1,\x00\n", "line 2: the file contains a NUL byte"},
		{"an old Macintosh's lines", "a,b\r1,2\r", "carriage returns alone"},
		{"a name that stands twice but for space", "a, a\n1,2\n", `line 1: column "a": the name stands twice`},
		{"an infinite number", "a,b\n1,2\n2,Inf\n", `line 3: column "b": "Inf" is not a finite number`},
		{"a number beyond all bounds", "a\n1e999\n", `line 2: column "a": "1e999" is not a finite number`},
	} {
		_, err := frame.ReadCSV(strings.NewReader(c.text), frame.CSVOptions{})
		var cell *frame.CellError
		require.ErrorAs(t, err, &cell, c.name)
		assert.ErrorContains(t, err, c.want, c.name)
	}
}

func TestLevelsStandInOrder(t *testing.T) {
	c := frame.Categorical("x", []string{"10", "9", "", "1.5"})
	assert.Equal(t, []string{"1.5", "9", "10"}, c.Levels)
	assert.Equal(t, []int{2, 1, -1, 0}, c.Codes)
	assert.Equal(t, []string{"10", "9", "b"}, frame.Categorical("x", []string{"b", "9", "10"}).Levels)
}

func TestNaturalIsATotalOrder(t *testing.T) {
	assert.Negative(t, frame.Natural("c2", "c10"))
	assert.Negative(t, frame.Natural("2", "10"))
	label := rapid.StringMatching(`[a-b]?[0-2]{0,3}[a-b]?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := label.Draw(t, "a"), label.Draw(t, "b"), label.Draw(t, "c")
		if sign(frame.Natural(a, b)) != -sign(frame.Natural(b, a)) {
			t.Fatalf("%q and %q are in no order", a, b)
		}
		if (frame.Natural(a, b) == 0) != (a == b) {
			t.Fatalf("%q and %q are equal only if they are the same", a, b)
		}
		if frame.Natural(a, b) <= 0 && frame.Natural(b, c) <= 0 && frame.Natural(a, c) > 0 {
			t.Fatalf("%q, %q, %q go round in a circle", a, b, c)
		}
	})
}

func sign(x int) int {
	switch {
	case x < 0:
		return -1
	case x > 0:
		return 1
	}
	return 0
}

func TestWhatIsWrittenReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "rows")
		numbers := rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), n, n).Draw(t, "numbers")
		labels := rapid.SliceOfN(rapid.StringMatching(`[a-z][a-z,"\n]{0,4}[a-z]`), n, n).Draw(t, "labels")
		f, err := frame.New(frame.Numeric("x", numbers), frame.Categorical("g", labels))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := f.WriteCSV(&b); err != nil {
			t.Fatal(err)
		}
		back, err := frame.ReadCSV(&b, frame.CSVOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if back.Hash() != f.Hash() {
			t.Fatal("the frame does not read back as it was written")
		}
	})
}

func TestALoneColumnKeepsItsMissingValues(t *testing.T) {
	f, err := frame.New(frame.Numeric("x", []float64{1, math.NaN(), 1e6}))
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, f.WriteCSV(&b))
	assert.Equal(t, "x\n1\n\"\"\n1000000\n", b.String())
	back, err := frame.ReadCSV(&b, frame.CSVOptions{})
	require.NoError(t, err)
	assert.Equal(t, 3, back.Rows())
}

func FuzzReadCSV(f *testing.F) {
	f.Add([]byte("a,b\n1,x\n"))
	f.Add([]byte("a,b\n1,\"x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		fr, err := frame.ReadCSV(bytes.NewReader(text), frame.CSVOptions{})
		if (err == nil) == (fr == nil) {
			t.Fatal("expected a frame or an error, and not both")
		}
		if fr != nil {
			for _, name := range fr.Names() {
				c, _ := fr.Column(name)
				for r := range fr.Rows() {
					if c.IsNumeric() && math.IsInf(c.Values[r], 0) {
						t.Fatal("an infinite number got in")
					}
				}
			}
		}
	})
}
