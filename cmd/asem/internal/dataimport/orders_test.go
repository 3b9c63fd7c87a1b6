package dataimport

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
)

func TestOrdersOfAWideFile(t *testing.T) {
	b, err := Orders(mapping(t, wideMapping), file(
		"couple,love_h1,love_h2,love_w1,love_w2,csi_d_h,csi_a_h,csi_b_h,csi_c_h,csi_a_w,csi_b_w,csi_c_w,csi_d_w",
		"10,7,,,,,,,,,,,",
		"9,1,2.5,,4,1,6,,3,,,,"))
	require.NoError(t, err)
	at := func(day string) time.Time {
		d, err := domain.ParseDate(day)
		require.NoError(t, err)
		return noon(d)
	}
	// Half a year after a 29th of February is a 29th of August.
	enrolled, later := domain.NewDate(2020, 2, 29), at("2020-08-29")
	value := func(item string, v int) domain.Answer { return domain.Answer{Item: item, Value: &v} }
	csi, _ := domain.Key("csi-4", "2007")
	var got []domain.Command
	for _, o := range b.Orders {
		require.Equal(t, importer, o.By)
		got = append(got, o.Command)
	}
	zero, ten := 0.0, 10.0
	assert.Equal(t, []domain.Command{
		domain.CreateStudy{Study: "S1", Title: "A small study", Zone: "Europe/Berlin"},
		domain.RegisterInstrument{Study: "S1", Instrument: csi},
		domain.PublishProtocol{Study: "S1", Protocol: domain.Protocol{
			Version: 1, Roles: []domain.RoleLabel{{Role: "A", Label: "h"}, {Role: "B", Label: "w"}}, TimeUnitMonths: 1,
			Waves: []domain.Wave{
				{Index: 1, Label: "Wave 1", Month: 0},
				{Index: 2, Label: "Wave 2", Month: 6, Instruments: []domain.InstrumentRef{{Code: "csi-4", Version: "2007"}}},
			},
			Constructs:      []domain.Construct{{Code: "love", Min: &zero, Max: &ten}, {Code: "trust"}},
			AfterSeparation: domain.ContinueAfterSeparation}},
		domain.EnrolCouple{Study: "S1", Couple: "9", EnrolledOn: enrolled, Participants: []domain.NewParticipant{{Role: "A", Code: "9-h"}, {Role: "B", Code: "9-w"}}},
		domain.GiveConsent{Study: "S1", Couple: "9", Role: "A", Scope: domain.ScopeQuestionnaires, Version: "recorded outside asem"},
		domain.GiveConsent{Study: "S1", Couple: "9", Role: "B", Scope: domain.ScopeQuestionnaires, Version: "recorded outside asem"},
		domain.RecordScore{Study: "S1", Couple: "9", Role: "A", Wave: 1, Construct: "love", Value: 1, MeasuredAt: noon(enrolled)},
		domain.SubmitQuestionnaire{Study: "S1", Couple: "9", Role: "A", Wave: 2, Instrument: csi.Ref(), Answers: []domain.Answer{value("c01", 6), value("c07", 3), value("c10", 1)}, FilledAt: later, Elsewhere: true},
		domain.RecordScore{Study: "S1", Couple: "9", Role: "A", Wave: 2, Construct: "love", Value: 2.5, MeasuredAt: later},
		domain.RecordScore{Study: "S1", Couple: "9", Role: "B", Wave: 2, Construct: "love", Value: 4, MeasuredAt: later},
		domain.EnrolCouple{Study: "S1", Couple: "10", EnrolledOn: enrolled, Participants: []domain.NewParticipant{{Role: "A", Code: "10-h"}, {Role: "B", Code: "10-w"}}},
		domain.GiveConsent{Study: "S1", Couple: "10", Role: "A", Scope: domain.ScopeQuestionnaires, Version: "recorded outside asem"},
		domain.GiveConsent{Study: "S1", Couple: "10", Role: "B", Scope: domain.ScopeQuestionnaires, Version: "recorded outside asem"},
		domain.RecordScore{Study: "S1", Couple: "10", Role: "A", Wave: 1, Construct: "love", Value: 7, MeasuredAt: noon(enrolled)},
	}, got)
	assert.Equal(t, later, b.Orders[7].At)
}

func TestBatchIDsStandForTheBytes(t *testing.T) {
	id := func(m, f string) string { return batchID([]byte(m), []byte(f)).String() }
	assert.Equal(t, id("a", "b"), id("a", "b"))
	seen := map[string]bool{}
	for _, pair := range [][2]string{{"a", "b"}, {"ab", ""}, {"", "ab"}, {"a", "B"}, {"A", "b"}} {
		seen[id(pair[0], pair[1])] = true
	}
	assert.Len(t, seen, 5)
	one, err := Orders(mapping(t, scoresMapping), file("couple,role,wave,love", "1,h,1,3"))
	require.NoError(t, err)
	other, err := Orders(mapping(t, scoresMapping), Source{Name: "renamed.csv", Data: file("couple,role,wave,love", "1,h,1,3").Data})
	require.NoError(t, err)
	assert.Equal(t, one.ID, other.ID, "a renamed file is the same file")
}

// cells is a data set: the love and the four answers of each partner at each wave, nil where there is none.
type cells map[string][2][2][5]*int

func drawCells(t *rapid.T) cells {
	most := [5]int{10, 6, 5, 5, 5}
	data := cells{}
	for _, code := range rapid.SliceOfNDistinct(rapid.StringMatching(`[A-C]?[0-9]{1,3}`), 1, 6, rapid.ID).Draw(t, "couples") {
		var c [2][2][5]*int
		for role := range c {
			for wave := range c[role] {
				for i := range c[role][wave] {
					if i > 0 && wave == 0 {
						continue // the items are asked at the second wave only
					}
					c[role][wave][i] = rapid.Ptr(rapid.IntRange(0, most[i]), true).Draw(t, "value")
				}
			}
		}
		data[code] = c
	}
	return data
}

func show(v *int) string {
	if v == nil {
		return ""
	}
	return strconv.Itoa(*v)
}

var items = []string{"love", "csi_a", "csi_b", "csi_c", "csi_d"}

func (d cells) wide(codes []string) Source {
	lines := []string{"couple,love_h1,love_h2,love_w1,love_w2,csi_a_h,csi_b_h,csi_c_h,csi_d_h,csi_a_w,csi_b_w,csi_c_w,csi_d_w"}
	for _, code := range codes {
		c := d[code]
		row := []string{code, show(c[0][0][0]), show(c[0][1][0]), show(c[1][0][0]), show(c[1][1][0])}
		for role := range c {
			for i := 1; i < 5; i++ {
				row = append(row, show(c[role][1][i]))
			}
		}
		lines = append(lines, strings.Join(row, ","))
	}
	return file(lines...)
}

func (d cells) long(t *rapid.T, codes []string) Source {
	var lines []string
	for _, code := range codes {
		for role, label := range []string{"husband", "wife"} {
			for wave := range 2 {
				row := []string{code, label, strconv.Itoa(wave)}
				for i := range items {
					row = append(row, show(d[code][role][wave][i]))
				}
				lines = append(lines, strings.Join(row, ","))
			}
		}
	}
	lines = rapid.Permutation(lines).Draw(t, "rows")
	return file(append([]string{"couple,role,time," + strings.Join(items, ",")}, lines...)...)
}

// A data set has the same orders in whatever form and order it comes.
func TestWideAndLongGiveTheSameOrders(t *testing.T) {
	wide, long := mapping(t, wideMapping), mapping(t, longMapping)
	rapid.Check(t, func(t *rapid.T) {
		data := drawCells(t)
		codes := make([]string, 0, len(data))
		for code := range data {
			codes = append(codes, code)
		}
		a, err := Orders(wide, data.wide(codes))
		require.NoError(t, err)
		b, err := Orders(long, data.long(t, codes))
		require.NoError(t, err)
		require.Equal(t, a.Orders, b.Orders)
		require.Equal(t, a.Report().Values, b.Report().Values)
		values := 0
		for _, c := range data {
			for role := range c {
				for wave := range c[role] {
					for _, v := range c[role][wave] {
						if v != nil {
							values++
						}
					}
				}
			}
		}
		require.Equal(t, values, a.Report().Values)
	})
}

func TestNaturalOrder(t *testing.T) {
	assert.Negative(t, natural("P2", "P10"))
	assert.Negative(t, natural("9", "10"))
	assert.Negative(t, natural("01", "1"))
	assert.Negative(t, natural("a", "a1"))
	code := rapid.StringMatching(`[a01-]{0,5}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := code.Draw(t, "a"), code.Draw(t, "b"), code.Draw(t, "c")
		require.Equal(t, a == b, natural(a, b) == 0)
		require.Equal(t, natural(a, b), -natural(b, a))
		if natural(a, b) < 0 && natural(b, c) < 0 {
			require.Negative(t, natural(a, c))
		}
	})
}

// Exchangeable partners take the roles in the natural order of their labels, whichever row comes first.
func TestPersonsBecomePartners(t *testing.T) {
	text := strings.NewReplacer("roles: {A: h, B: w}", "exchangeable: true", "{column: role}", "{person: id}").Replace(scoresMapping)
	b, err := Orders(mapping(t, text), file("couple,id,wave,love", "1,10,1,3", "1,9,2,4", "1,9,1,5", "2,7,1,6"))
	require.NoError(t, err)
	enrolled := commands[domain.EnrolCouple](b.Orders)
	require.Len(t, enrolled, 2)
	assert.Equal(t, []domain.NewParticipant{{Role: "A", Code: "1-9"}, {Role: "B", Code: "1-10"}}, enrolled[0].Participants)
	assert.Equal(t, []domain.NewParticipant{{Role: "A", Code: "2-7"}, {Role: "B", Code: "2-partner-of-7"}}, enrolled[1].Participants)
	var got []string
	for _, s := range commands[domain.RecordScore](b.Orders) {
		got = append(got, fmt.Sprintf("%s %s wave %d: %g", s.Couple, s.Role, s.Wave, s.Value))
	}
	assert.Equal(t, []string{"1 A wave 1: 5", "1 B wave 1: 3", "1 A wave 2: 4", "2 A wave 1: 6"}, got)
	assert.Equal(t, 1, b.Report().OneSided)
}

func TestDaysOfMeasurement(t *testing.T) {
	text := strings.Replace(scoresMapping, "enrolled: {date: 2020-02-29}", "enrolled: {column: started, format: 2.1.2006}", 1)
	days := func(text string, src Source) []string {
		b, err := Orders(mapping(t, text), src)
		require.NoError(t, err)
		var got []string
		for _, s := range commands[domain.RecordScore](b.Orders) {
			got = append(got, fmt.Sprintf("%s %d %s", s.Couple, s.Wave, s.MeasuredAt.Format(time.RFC3339)))
		}
		assert.Equal(t, "2020-02-01T12:00:00Z", b.Orders[0].At.Format(time.RFC3339), "the study begins with its first couple")
		return got
	}
	assert.Equal(t, []string{"1 1 2020-02-01T12:00:00Z", "1 2 2020-08-01T12:00:00Z", "2 1 2021-03-01T12:00:00Z"},
		days(text, file("couple,started,role,wave,love", "1,1.2.2020,h,2,3", "1,01.02.2020,h,1,3", "2,1.3.2021,w,1,3")))
	assert.Equal(t, []string{"1 1 2020-02-03T12:00:00Z", "1 2 2020-07-01T12:00:00Z"},
		days(text+"measured: {column: on}\n", file("couple,started,role,wave,on,love", "1,1.2.2020,h,2,2020-07-01,3", "1,1.2.2020,h,1,2020-02-03,3")))
	assert.Equal(t, []string{"1 1 2020-01-30T12:00:00Z", "1 2 2020-07-01T12:00:00Z"},
		days(strings.Replace(text, "{column: wave}", "{date: on, withinDays: 31}", 1), file("couple,started,role,on,love", "1,1.2.2020,h,2020-07-01,3", "1,1.2.2020,h,2020-01-30,3")))
}

// One row for each couple and wave, with the partners side by side, lies between wide and long.
func TestPartnersSideBySide(t *testing.T) {
	side := header + "wave: {column: wave}\nmeasures: [{columns: \"love_{role}\", construct: love}]\n"
	a, err := Orders(mapping(t, side), file("couple,wave,love_h,love_w", "1,1,3,4", "1,2,5,"))
	require.NoError(t, err)
	b, err := Orders(mapping(t, scoresMapping), file("couple,role,wave,love", "1,h,1,3", "1,w,1,4", "1,h,2,5"))
	require.NoError(t, err)
	assert.Equal(t, b.Orders, a.Orders)
}

func TestDiaries(t *testing.T) {
	const burst = "diary: {code: evening, startDay: 1, days: 3, "
	const rest = "}\nrole: {column: role}\nmeasures: [{columns: \"{item}\", instrument: csi-4@2007, items: {x: c01, y: c05}}]\n"
	numbered, dated := mapping(t, header+burst+"column: day, first: 0"+rest), mapping(t, header+burst+"date: day"+rest)
	a, err := Orders(numbered, file("couple,role,day,x,y", "1,h,2,3,4", "1,w,0,1,", "1,h,0,5,5", "1,w,1,,"))
	require.NoError(t, err)
	b, err := Orders(dated, file("couple,role,day,x,y", "1,h,2020-03-03,3,4", "1,w,2020-03-01,1,", "1,h,2020-03-01,5,5"))
	require.NoError(t, err)
	assert.Equal(t, a.Orders, b.Orders)
	var got []string
	for _, d := range commands[domain.SubmitDiary](a.Orders) {
		require.True(t, d.Elsewhere)
		got = append(got, fmt.Sprintf("%s %s %d", d.Role, d.Day, len(d.Entries[0].Answers)))
	}
	assert.Equal(t, []string{"A 2020-03-01 2", "B 2020-03-01 1", "A 2020-03-03 2"}, got)
	assert.Equal(t, domain.ScopeDiary, commands[domain.GiveConsent](a.Orders)[0].Scope)
	assert.Equal(t, 5, a.Report().Values)

	for name, c := range map[string]struct {
		m          *Mapping
		line, want string
	}{
		"a number too high":      {numbered, "1,h,3,3,4", "data.csv:2 column day: diary evening has no such day; expected 0 to 2"},
		"a day before the first": {dated, "1,h,2020-02-29,3,4", "data.csv:2 column day: the day is not one of diary evening; for this couple it runs from 2020-03-01 to 2020-03-03"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Orders(c.m, file("couple,role,day,x,y", c.line))
			assert.Equal(t, []string{c.want}, messages(t, err))
		})
	}
	_, err = Orders(numbered, file("couple,role,day,x,y", "1,h,1,3,4", "1,h,1,3,4"))
	assert.Equal(t, []string{"data.csv:3: row 2 has the same couple, role and day already"}, messages(t, err))
}

// The counts of the reference data are facts about its file.
func TestFiveWaveDataSet(t *testing.T) {
	path := filepath.Join("..", "..", "..", "..", "..", "shared", "reference", "data", "marital_quality_5waves_wide.csv")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("the five-wave data set, whose licence does not let it be copied here, is not beside the project: %v", err)
	}
	b, err := Orders(mapping(t, fiveWaves), Source{Name: "marital_quality_5waves_wide.csv", Data: data})
	require.NoError(t, err)
	r := b.Report()
	assert.Equal(t, []int{538, 538, 1076, 3548, 538*10 - 3548}, []int{r.Rows, r.Couples, r.Participants, r.Values, r.Missing})
	assert.Equal(t, []MeasureCount{{Name: "marital_quality", Values: 3548, ByWave: []int{1076, 812, 638, 544, 478}}}, r.Measures)
	assert.Len(t, commands[domain.RecordScore](b.Orders), 3548)
}

const fiveWaves = `study: MQ5
title: Marital quality over five yearly waves
zone: Etc/UTC
roles: {A: h, B: w}
timeUnitMonths: 12
waves: [{month: 0}, {month: 12}, {month: 24}, {month: 36}, {month: 48}]
enrolled: {date: 2015-01-01}
couple: couple
constructs: {marital_quality: {title: Marital quality}}
measures:
  - {columns: "{role}{wave}", construct: marital_quality}
`
