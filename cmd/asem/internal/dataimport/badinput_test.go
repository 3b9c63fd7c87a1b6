package dataimport

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// Every file is refused as a whole, with the place of what is wrong and what was expected.
func TestBadFiles(t *testing.T) {
	const head = "couple,role,wave,love\n"
	dated := strings.Replace(scoresMapping, "enrolled: {date: 2020-02-29}", `enrolled: {column: started, format: "02.01.2006"}`, 1)
	nearest := strings.Replace(scoresMapping, "wave: {column: wave}", "wave: {date: wave, withinDays: 30}", 1)
	persons := strings.NewReplacer("roles: {A: h, B: w}", "exchangeable: true", "{column: role}", "{person: role}").Replace(scoresMapping)
	for _, c := range []struct {
		name, mapping, csv string
		want               []string // each problem, in order
	}{
		{"unknown column", scoresMapping, "couple,role,wave,lvoe\n1,h,1,3\n", []string{`map.yaml:14:5: data.csv has no column "love"; did you mean lvoe?`}},
		{"unknown columns of a family", wideMapping, "couple,love_h1,love_w1\n1,3,4\n", []string{
			`map.yaml:12:5: data.csv has no column "love_h2"; did you mean love_h1?`, `map.yaml:12:5: data.csv has no column "love_w2"; did you mean love_w1?`, "csi_a_h", "csi_b_h", "csi_c_h", "csi_d_h", "csi_a_w", "csi_b_w", "csi_c_w", "csi_d_w"}},
		{"the same row twice", scoresMapping, head + "1,h,1,3\n1,w,1,3\n1,h,1,4\n", []string{"data.csv:4: row 2 has the same couple, role and wave already"}},
		{"the same row twice, spelt apart", longMapping, "couple,role,time,love,csi_a,csi_b,csi_c,csi_d\n1,wife,0,3,,,,\n 1 , wife,0 ,,,,,\n", []string{"data.csv:3: row 2 has the same couple, role and wave already"}},
		{"the same couple twice in a wide file", wideWithoutItems, "couple,love_h1,love_h2,love_w1,love_w2\n1,1,2,3,4\n1,,,,\n", []string{"data.csv:3: row 2 has the same couple already"}},
		{"text for a number", scoresMapping, head + "1,h,1,high\n", []string{"data.csv:2 column love: there is a text of 4 characters where a number was expected"}},
		{"a missing code not listed", scoresMapping, head + "1,h,1,n/a\n1,w,1,.\n", []string{`data.csv:2 column love: there is "n/a" where a number was expected; if it marks a missing value, list it under missing`, `data.csv:3 column love: there is "."`}},
		{"a decimal comma", scoresMapping, head + "1,h,1,\"3,5\"\n", []string{`data.csv:2 column love: there is a number with a comma; write 3.5 instead of 3,5, or put decimal: "," into the mapping`}},
		{"a decimal dot where commas were promised", scoresMapping + "decimal: \",\"\n", head + "1,h,1,3.5\n", []string{`data.csv:2 column love: there is a dot, yet the mapping says decimal: ","`}},
		{"an infinity", scoresMapping, head + "1,h,1,Inf\n1,w,1,-infinity\n", []string{"data.csv:2 column love: there is an infinity", "data.csv:3 column love: there is an infinity"}},
		{"not a number", scoresMapping, head + "1,h,1,NaN\n", []string{`data.csv:2 column love: there is "NaN" where a number was expected; if it marks`}},
		{"beyond float64", scoresMapping, head + "1,h,1,1e999\n", []string{"data.csv:2 column love: the number is beyond what a 64-bit"}},
		{"other notations", scoresMapping, head + "1,h,1,0x1p2\n1,w,1,1_0\n1,h,2,１\n1,w,2,1e\n", []string{"a text of 5 characters", "a text of 3 characters", "a text of 1 character ", "a text of 2 characters"}},
		{"a score out of range", scoresMapping, head + "1,h,1,10.01\n1,w,1,-0.5\n", []string{"data.csv:2 column love: the value of love is out of range; expected 0 to 10", "data.csv:3 column love"}},
		{"an item out of range", longMapping, "couple,role,time,love,csi_a,csi_b,csi_c,csi_d\n1,wife,1,3,6,5,5,5\n1,husband,1,3,6,6,-1,5\n", []string{
			"data.csv:3 column csi_b: the answer to item c05 is out of range; expected 0 to 5", "data.csv:3 column csi_c: the answer to item c07"}},
		{"an item in parts", longMapping, "couple,role,time,love,csi_a,csi_b,csi_c,csi_d\n1,wife,1,3,2.5,3e9,5,5\n", []string{"column csi_a: there is a fraction where a whole number", "column csi_b: the number is out of range"}},
		{"cut in half: a ragged last row", scoresMapping, head + "1,h,1,3\n1,w,", []string{"data.csv:3: the row has 3 cells; the header has 4", "data.csv:3: the last row is not whole; the file may have been cut off"}},
		{"cut in half: an open quote", scoresMapping, head + "1,h,1,3\n1,w,1,\"3", []string{"data.csv:3: a quoted cell is not closed properly; the file may have been cut off"}},
		{"an open quote lines above", scoresMapping, head + "1,h,1,\"3\n1,w,1,3\n", []string{"data.csv:2: a quote opens in this row and is not closed properly by line 3"}},
		{"a bare quote", scoresMapping, head + "1,h,1,3\"4\n", []string{"data.csv:2: there is a quote inside a cell"}},
		{"a ragged row in the middle", scoresMapping, head + "1,h,1\n1,w,1,x y\n", []string{"data.csv:2: the row has 3 cells; the header has 4", "data.csv:3 column love"}},
		{"UTF-16", scoresMapping, "\xFF\xFEc\x00o\x00", []string{`data.csv: the file starts with the byte order mark of UTF-16 or UTF-32; save it as "CSV UTF-8"`}},
		{"UTF-16, the other way round", scoresMapping, "\xFE\xFF\x00c", []string{"UTF-16"}},
		{"UTF-16 without a mark", scoresMapping, "c\x00o\x00", []string{"data.csv:1: there is a NUL byte; the file is damaged, or UTF-16"}},
		{"a NUL byte", scoresMapping, head + "1,h,1,3\x00\n", []string{"data.csv:2: there is a NUL byte"}},
		{"a spreadsheet", scoresMapping, "PK\x03\x04....", []string{"data.csv: the file is a ZIP archive, as spreadsheets are"}},
		{"not UTF-8", scoresMapping, head + "1,h,1,\xE9\n", []string{"data.csv:2 column love: the cell is not UTF-8"}},
		{"not UTF-8 in a column that is not used", scoresMapping, "couple,role,wave,love,note\n1,h,1,3,\xE9t\xE9\n", []string{"data.csv:2 column note: the cell is not UTF-8"}},
		{"semicolons", scoresMapping, "couple;role;wave;love\n1;h;1;3\n", []string{`data.csv:1: the header is one cell with semicolons in it; if that separates the cells, put delimiter: ";" into the mapping`}},
		{"tabs", scoresMapping, "couple\trole\twave\tlove\n", []string{"with tabs in it; if that separates the cells, put delimiter: tab into"}},
		{"commas where semicolons were promised", scoresMapping + "delimiter: \";\"\n", head + "1,h,1,3\n", []string{"with commas in it"}},
		{"an empty file", scoresMapping, "", []string{"data.csv: the file is empty"}},
		{"a file of blanks", scoresMapping, "\xEF\xBB\xBF \r\n\n", []string{"data.csv: the file is empty"}},
		{"a header only", scoresMapping, head, []string{"data.csv: there is a header but no row below it"}},
		{"the same name twice in the header", scoresMapping, "couple,role,wave,love,love\n1,h,1,3,4\n", []string{"data.csv:1 column love: the name stands twice in the header, over columns 4 and 5"}},
		{"line ends of old Macs", scoresMapping, strings.ReplaceAll(head+"1,h,1,3\n", "\n", "\r"), []string{"data.csv: lines end in a bare carriage return"}},
		{"a huge cell", scoresMapping, head + "1,h,1," + strings.Repeat("9", 1<<20) + "x\n", []string{"data.csv:2 column love: there is a text of 1048577 characters where a number"}},
		{"a huge code", scoresMapping, head + strings.Repeat("9", 1<<20) + ",h,1,3\n", []string{"data.csv:2 column couple: the cell is no code for a couple"}},
		{"no couple", scoresMapping, head + ",h,1,3\nNA,w,1,3\n", []string{"data.csv:2 column couple: the couple's code is missing", "data.csv:3 column couple: the couple's code is missing"}},
		{"a couple that is no code", scoresMapping, head + "Anna & Tom,h,1,3\n", []string{"data.csv:2 column couple: the cell is no code for a couple; expected 1 to 64 letters"}},
		{"a participant's code too long", scoresMapping, head + strings.Repeat("9", 63) + ",h,1,3\n", []string{"data.csv:2 column couple: a participant would have a code of 65 letters"}},
		{"a role not translated", longMapping, "couple,role,time,love,csi_a,csi_b,csi_c,csi_d\n1,wfe,0,3,,,,\n", []string{`data.csv:2 column role: the cell is none of the values that the mapping gives a role; expected one of "husband", "wife"`}},
		{"a role that is none", scoresMapping, head + "1,x,1,3\n1,,1,3\n", []string{"data.csv:2 column role: the cell is not a role; expected one of {A: h, B: w}", "data.csv:3 column role"}},
		{"a wave not translated", longMapping, "couple,role,time,love,csi_a,csi_b,csi_c,csi_d\n1,wife,6,3,,,,\n", []string{`data.csv:2 column time: the cell is none of the values that the mapping gives a wave; expected one of "0", "1"`}},
		{"a wave that is none", scoresMapping, head + "1,h,3,3\n1,w,0,3\n1,w,x y,3\n", []string{"data.csv:2 column wave: there is no such wave; expected 1 to 2", "data.csv:3 column wave", "data.csv:4 column wave: there is a text of 3 characters"}},
		{"two days of enrolment", dated, "couple,started,role,wave,love\n1,01.02.2020,h,1,3\n1,02.02.2020,w,1,3\n", []string{"data.csv:3 column started: the couple has another day of enrolment in row 2"}},
		{"a date of another kind", dated, "couple,started,role,wave,love\n1,2020-02-01,h,1,3\n2,,h,1,3\n3,30.02.2020,h,1,3\n", []string{
			"data.csv:2 column started: there is a text of 10 characters where a date such as 23.11.2015 was expected", "data.csv:3 column started: the couple's day of enrolment is missing", "data.csv:4 column started"}},
		{"a day far from any wave", nearest, head + "1,h,2020-05-31,3\n", []string{"data.csv:2 column wave: the day lies 90 days from that of the nearest wave, which is wave 2; expected at most 30"}},
		{"two days near one wave", nearest, head + "1,h,2020-03-01,3\n1,h,2020-03-02,3\n", []string{"data.csv:3: row 2 has the same couple, role and wave already"}},
		{"three persons", persons, head + "1,a,1,3\n1,b,1,3\n1,c,1,4\n", []string{"data.csv:4 column role: the couple has a third person here, after those of rows 2 and 3; expected two"}},
		{"a person without a label", persons, head + "1,,1,3\n1,b c,1,3\n", []string{"data.csv:2 column role: the person's label is missing", "data.csv:3 column role: the cell is no label for a person"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := Orders(mapping(t, c.mapping), Source{Name: "data.csv", Data: []byte(c.csv)})
			assert.Nil(t, b)
			got := messages(t, err)
			require.Len(t, got, len(c.want), "%q", got)
			for i, want := range c.want {
				assert.Contains(t, got[i], want)
			}
		})
	}
}

const wideWithoutItems = header + `measures:
  - {columns: "love_{role}{wave}", construct: love}
`

func TestProblemsBeyondFiftyAreCounted(t *testing.T) {
	lines := []string{"couple,role,wave,love"}
	for i := range 80 {
		lines = append(lines, fmt.Sprintf("%d,h,1,much", i))
	}
	_, err := Orders(mapping(t, scoresMapping), file(lines...))
	got := messages(t, err)
	require.Len(t, got, 51)
	assert.Equal(t, "data.csv: there are 30 more problems", got[50])
}

// What stands in a cell may be a name or an answer, and must not reach a log.
func TestMessagesDoNotRepeatCells(t *testing.T) {
	const secret = "Rumpelstilzchen"
	for _, line := range []string{secret + "!,h,1,3", "1," + secret + ",1,3", "1,h," + secret + ",3", "1,h,1," + secret, "1,h,1,\"" + secret, "1,h,1,77.125"} {
		_, err := Orders(mapping(t, scoresMapping), file("couple,role,wave,love", line))
		require.Error(t, err, line)
		assert.NotContains(t, err.Error(), secret)
		assert.NotContains(t, err.Error(), "77.125")
	}
}

// These are untidy, not wrong.
func TestUntidyFilesAreTaken(t *testing.T) {
	const head, rows = "couple,role,wave,love\n", "1,h,1,3\n1,w,1,4.5\n"
	want, err := Orders(mapping(t, scoresMapping), Source{Name: "data.csv", Data: []byte(head + rows)})
	require.NoError(t, err)
	require.Len(t, commands[domain.RecordScore](want.Orders), 2)
	for _, c := range []struct{ name, mapping, csv string }{
		{"a byte order mark", scoresMapping, "\xEF\xBB\xBF" + head + rows},
		{"carriage returns", scoresMapping, strings.ReplaceAll(head+rows, "\n", "\r\n")},
		{"spaces around cells", scoresMapping, " couple , role,wave ,love\n 1,h , 1,\t3 \n1,w,1, 4.5\n"},
		{"quotes", scoresMapping, "\"couple\",\"role\",\"wave\",\"love\"\n\"1\",\"h\",\"1\",\"3\"\n1,w,1,4.5\n"},
		{"quotes after a byte order mark", scoresMapping, "\xEF\xBB\xBF\"couple\",role,wave,love\n" + rows},
		{"empty lines", scoresMapping, "\n" + head + "\n" + rows + "\n\n"},
		{"no line break at the end", scoresMapping, strings.TrimRight(head+rows, "\n")},
		{"other columns", scoresMapping, "id,couple,role,wave,love,note\n9,1,h,1,3,\"a, b\n\"\n8,1,w,1,4.5,\n"},
		{"columns and rows in another order", scoresMapping, "love,wave,role,couple\n4.5,1,w,1\n3,1,h,1\n"},
		{"roles by letter", scoresMapping, head + "1,A,1,3\n1,B,1,4.5\n"},
		{"other spellings of numbers", scoresMapping, head + "1,h,1.0,+3.00\n1,w,1,45e-1\n"},
		{"empty cells and missing codes", scoresMapping + "missing: [-9, -9.0]\n", head + rows + "1,h,2,\n1,w,2,-9\n"},
		{"semicolons and decimal commas", scoresMapping + "delimiter: \";\"\ndecimal: \",\"\n", "couple;role;wave;love\n1;h;1;3\n1;w;1;4,5\n"},
		{"tabs", scoresMapping + "delimiter: tab\n", strings.ReplaceAll(head+rows, ",", "\t")},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Orders(mapping(t, c.mapping), Source{Name: "data.csv", Data: []byte(c.csv)})
			require.NoError(t, err)
			assert.Equal(t, want.Orders, got.Orders)
		})
	}
}

func TestACutLastLineIsNoted(t *testing.T) {
	b, err := Orders(mapping(t, scoresMapping), Source{Name: "data.csv", Data: []byte("couple,role,wave,love\n1,h,1,3")})
	require.NoError(t, err)
	assert.Equal(t, []string{"the file does not end with a line break; if it was copied, check that it is whole"}, b.Report().Notes)
}
