package studyfile

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/yamltext"
	"asem/domain"
)

// small is a plan with a line number for each thing that the tests below break.
const small = `study: {code: S1, title: A small study, zone: Europe/Berlin}
languages: [en, de]
roles: [{role: A, label: woman}, {role: B, label: man}]
afterSeparation: continue
sites:
  - {code: main, title: Lab, help: [{label: {en: Help, de: Hilfe}, number: "1"}]}
consents:
  - {scope: questionnaires, version: "1", required: true, text: {en: Yes?, de: Ja?}}
  - {scope: diary, version: "1", text: {en: Diary?, de: Tagebuch?}}
instruments: [asem-satisfaction@1, asem-daily@1]
waves:
  - {label: start, at: enrolment +14 days, grace: 7 days, instruments: [asem-satisfaction]}
  - {label: later, at: 4 months +/- 7 days, instruments: [asem-satisfaction@1]}
diaries:
  - {code: d, starts: 7 days, days: 14, open: "17:00..03:00 next day", grace: 9 hours, instruments: [asem-daily]}
showings:
  - {instrument: asem-daily, shuffle: true, maySkip: true}
reminders:
  - {waves: true, after: 2 days, at: "18:00", jitter: 45 minutes}
  - {diary: d, after: 2 hours}
compensation: {currency: EUR, wave: 20, diaryDay: "1.50"}
analyses:
  - {name: change, data: waves, kind: growth, outcome: satisfaction}
`

// messages lists an error's problems, all of which must be a user's and have a place in a file.
func messages(t testing.TB, err error) []string {
	t.Helper()
	require.Error(t, err)
	var list []string
	for _, e := range yamltext.Refusals(err) {
		require.Equal(t, domain.Invalid, e.Code, "%v", e)
		list = append(list, e.Error())
	}
	require.NotEmpty(t, list)
	return list
}

func read(t testing.TB, text string) *Plan {
	t.Helper()
	p, err := Read("s.yaml", []byte(text), Context{})
	require.NoError(t, err)
	return p
}

func TestRead(t *testing.T) {
	p := read(t, small)
	assert.Empty(t, p.Warnings)
	assert.Equal(t, []string{"S1", "A small study", "Europe/Berlin"}, []string{p.Code, p.Title, p.Zone})
	satisfaction, daily := domain.InstrumentRef{Code: "asem-satisfaction", Version: "1"}, domain.InstrumentRef{Code: "asem-daily", Version: "1"}
	q := p.Protocol
	assert.Equal(t, []domain.Wave{
		{Index: 1, Label: "start", ClosesDaysLate: 14, GraceDays: 7, Instruments: []domain.InstrumentRef{satisfaction}},
		{Index: 2, Label: "later", Month: 4, OpensDaysEarly: 7, ClosesDaysLate: 7, Instruments: []domain.InstrumentRef{satisfaction}},
	}, q.Waves)
	assert.Equal(t, []domain.DiaryBurst{{Code: "d", StartDay: 7, Days: 14, OpensHour: 17, ClosesHour: 27, GraceHours: 9, Instruments: []domain.InstrumentRef{daily}}}, q.Diaries)
	assert.Equal(t, []domain.Reminder{{Waves: true, AfterDays: 2, Hour: 18, Jitter: 45}, {Diary: "d", AfterHours: 2}}, q.Reminders)
	assert.Equal(t, &domain.Compensation{Currency: "EUR", Wave: 2000, DiaryDay: 150}, q.Compensation)
	assert.Equal(t, []domain.ChangeModel{{Name: "change", Frame: "waves", Kind: "growth", Outcome: "satisfaction", Time: "time"}}, q.Analyses)
	assert.Equal(t, 1.0, q.TimeUnitMonths)
	assert.Zero(t, q.Version, "publishing counts it")
}

// A byte order mark and line ends of Windows change nothing.
func TestOtherEditors(t *testing.T) {
	want := read(t, small)
	for _, text := range []string{"\xEF\xBB\xBF" + small, strings.ReplaceAll(small, "\n", "\r\n")} {
		got := read(t, text)
		assert.Equal(t, want.Protocol, got.Protocol)
	}
}

func TestRepeatedDiaries(t *testing.T) {
	text := strings.Replace(small, `instruments: [asem-daily]}`, `instruments: [asem-daily], repeat: {times: 3, everyMonths: 4}}`, 1) +
		"notes:\n  - {code: n, waves: [1], diary: d, text: {en: Words?, de: Worte?}}\n"
	p := read(t, text).Protocol
	var codes, reminded, notes []string
	var starts []float64
	for _, d := range p.Diaries {
		codes, starts = append(codes, d.Code), append(starts, d.StartMonth)
	}
	for _, r := range p.Reminders {
		reminded = append(reminded, r.Diary)
	}
	for _, n := range p.Notes {
		notes = append(notes, fmt.Sprint(n.Code, n.Waves, n.Diary))
	}
	assert.Equal(t, []string{"d-1", "d-2", "d-3"}, codes)
	assert.Equal(t, []float64{0, 4, 8}, starts)
	assert.Equal(t, []string{"", "d-1", "d-2", "d-3"}, reminded)
	assert.Equal(t, []string{"n[1]", "n-1[]d-1", "n-2[]d-2", "n-3[]d-3"}, notes)
}

// What waves are counted from diaries are counted from too, also those that are repeated.
func TestDiariesAreCountedFromWhatWavesAre(t *testing.T) {
	for starts, when := range map[string]string{"joining": "3 months after joining", "1 day after session 3": "3 months and 1 day after session 3", "2027-01-04": "3 months after 2027-01-04"} {
		text := strings.Replace(strings.Replace(small, "starts: 7 days", "starts: "+starts, 1), `instruments: [asem-daily]}`, `instruments: [asem-daily], repeat: {times: 2, everyMonths: 3}}`, 1)
		p := read(t, text)
		s, err := parseStart(starts)
		require.NoError(t, err)
		for n, d := range p.Protocol.Diaries {
			assert.Equal(t, start{s.Origin, float64(3 * n), s.days}, start{d.Origin, d.StartMonth, d.StartDay}, starts)
		}
		var sum strings.Builder
		require.NoError(t, p.Summary(&sum))
		assert.Contains(t, sum.String(), starts+", 17:00..03:00 next day")
		assert.Contains(t, sum.String(), when+", 17:00..03:00 next day")
		printed, err := Print(created(t, p))
		require.NoError(t, err)
		assert.Equal(t, p.Protocol, read(t, string(printed)).Protocol, starts)
	}
}

// Every mistake is told at its line and column, whether the text, the plan or the domain finds it.
func TestBadPlans(t *testing.T) {
	swap := func(old, now string) string {
		require.Contains(t, small, old)
		return strings.Replace(small, old, now, 1)
	}
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{"s.yaml: the file is empty"}},
		{"nothing but null", "~", []string{"s.yaml: the file is empty"}},
		{"only comments", "# nothing\n", []string{"s.yaml: the file is empty"}},
		{"too long", strings.Repeat("#", yamltext.MaxBytes+1), []string{"s.yaml: the file has 1048577 bytes; expected at most 1048576"}},
		{"UTF-16", "\xFF\xFEs\x00t\x00", []string{"s.yaml: the file starts with the byte order mark of UTF-16 or UTF-32"}},
		{"UTF-16 without a mark", "s\x00t\x00", []string{"s.yaml:1:2: there is a NUL byte; the file is damaged, or UTF-16"}},
		{"Latin-1", swap("A small study", "Eine gro\xDFe Studie"), []string{"s.yaml:1:34: the text is not UTF-8"}},
		{"a tab", swap("  - {code: main", "\t- {code: main"), []string{"s.yaml:6:1: a tab indents the line; expected spaces"}},
		{"not YAML", "study: [", []string{"s.yaml:1:8: "}},
		{"two documents", small + "---\n" + small, []string{"s.yaml: the file holds 2 YAML documents"}},
		{"a key twice", small + "waves: []\n", []string{`s.yaml:24:1: mapping key "waves" already defined`}},
		{"an alias", swap("A small study", "&a x, more: *a"), []string{"s.yaml:1:26: there is an anchor or alias, which is not used here; expected text", `s.yaml:1:32: there is no key "more" here`}},
		{"merge", small + "<<: {a: b}\n", []string{"s.yaml:24:1: there is no key"}},
		{"unknown key", swap("showings:", "showing:"), []string{`s.yaml:16:1: there is no key "showing" here`, "did you mean showings?"}},
		{"unknown key below", swap("grace: 7 days", "grase: 7 days"), []string{`s.yaml:12:44: there is no key "grase" here; expected one of arms, at, grace, instruments, label, month; did you mean grace?`}},
		{"a list as text", swap("zone: Europe/Berlin", "zone: [Europe/Berlin]"), []string{"s.yaml:1:47: there is a list; expected text"}},
		{"half a number", swap("days: 14,", "days: 14.5,"), []string{`s.yaml:15:37: "14.5" was written; expected a whole number`}},
		{"no study", swap("study: {code: S1, title: A small study, zone: Europe/Berlin}\n", ""), []string{`s.yaml:1:1: study.code: "" is not a code`, "study.title: the title is empty", "study.zone: a time zone is missing"}},
		{"bad zone", swap("Europe/Berlin", "Berlin"), []string{`s.yaml:1:47: "Berlin" is not a known time zone`}},
		{"bad moment", swap("4 months +/- 7 days", "in four months"), []string{`s.yaml:13:24: "in four months" is no moment; expected "enrolment"`}},
		{"waves out of order", swap("at: enrolment +14 days", "at: 5 months"), []string{"s.yaml:13:24: month 4 does not come after the wave before it"}},
		{"a month told twice", swap("at: 4 months +/- 7 days", "at: 4 months, month: 4"), []string{"s.yaml:13:41: the moment tells the month already"}},
		{"a start of a diary that is none", swap("starts: 7 days", "starts: after the lab"), []string{`s.yaml:15:23: "after the lab" is no start; expected "enrolment", "7 days",`}},
		{"a session that cannot be", swap("starts: 7 days", "starts: 1 day after session 0"), []string{"s.yaml:15:23: the number of the session is 0; expected 1 to 1000"}},
		{"a session without a month", swap("at: 4 months +/- 7 days", "at: session 3"), []string{"s.yaml:13:24: the nominal month (month) is missing"}},
		{"hours", swap("17:00..03:00 next day", "17:00..03:00"), []string{`s.yaml:15:47: "17:00..03:00" closes before it opens; write "17:00..03:00 next day"`}},
		{"grace into the next day", swap("grace: 9 hours", "grace: 15 hours"), []string{"s.yaml:15:79: a day could still be answered when the next one opens; expected at most 14"}},
		{"no diary days", swap("days: 14,", "days: 0,"), []string{"s.yaml:15:37: 0 days; expected 1 to 366"}},
		{"an instrument that does not ship", swap("asem-daily@1]", "asem-dialy@1]"), []string{`s.yaml:10:36: no key asem-dialy@1 ships; did you mean asem-daily@1?`}},
		{"an instrument without a version", swap("asem-daily@1]", "asem-daily]"), []string{`s.yaml:10:36: "asem-daily" is not an instrument; expected code@version`}},
		{"an instrument twice", swap("asem-daily@1]", "asem-daily@1, asem-daily@1]"), []string{"s.yaml:10:50: instrument asem-daily@1 stands twice"}},
		{"an instrument not listed", swap("instruments: [asem-satisfaction]}", "instruments: [asem-satisfacton]}"), []string{`s.yaml:12:73: "asem-satisfacton" is not among the instruments of this file; did you mean asem-satisfaction?`}},
		{"an instrument asked twice", swap("instruments: [asem-daily]}", "instruments: [asem-daily, asem-daily@1]}"), []string{"s.yaml:15:114: asem-daily@1 is asked twice"}},
		{"a file without a folder", swap("asem-daily@1]", "asem-daily@1, mine.yaml]"), []string{`s.yaml:10:50: "mine.yaml" cannot be read; expected a file beside this one`}},
		{"a text missing", swap("de: Ja?", "he: כן?"), []string{`s.yaml:8:65: consents[0].text.de: the text in language "de" is missing`, `s.yaml:8:80: participants are not asked in "he"; expected one of [en de]`}},
		{"an empty text", swap("de: Ja?", `de: "  "`), []string{"s.yaml:8:80: the text is empty"}},
		{"a scope without a form", swap("scope: diary", "scope: video"), []string{"s.yaml:8:3: there is a diary and no form for the scope diary"}},
		{"a scope that is none", swap("scope: diary", "scope: dairy"), []string{`s.yaml:9:13: "dairy" is not a scope of consent`}},
		{"a showing of nothing", swap("instrument: asem-daily,", "instrument: asem-weekly,"), []string{"s.yaml:17:18: instrument asem-weekly is not registered in study S1"}},
		{"a gate that is none", swap("shuffle: true,", "gate: {item: d_safe, value: 9},"), []string{`s.yaml:17:36: instrument asem-daily@1 has no item "d_safe" that can be answered with 9`}},
		{"a scored risk", swap("shuffle: true,", "risk: [{item: d_safe, atLeast: 5}],"), []string{"s.yaml:17:36: item d_safe is part of scale daily_security"}},
		{"a reminder of no diary", swap("{diary: d,", "{diary: e,"), []string{`s.yaml:20:13: there is no diary "e"`}},
		{"an hour for a diary", swap("{diary: d, after: 2 hours}", `{diary: d, after: 2 hours, at: "18:00"}`), []string{"s.yaml:20:36: reminders of a diary go out hours after the day opened"}},
		{"days for a diary", swap("after: 2 hours", "after: 2 days"), []string{`s.yaml:20:23: "2 days" is no number of hours`}},
		{"a late hour", swap(`at: "18:00"`, `at: "6 pm"`), []string{`s.yaml:19:38: "6 pm" is no full hour of the day`}},
		{"jitter", swap("jitter: 45 minutes", "jitter: 5000 minutes"), []string{"s.yaml:19:55: 5000 minutes; expected 0 to 240"}},
		{"money", swap(`"1.50"`, `"1,50"`), []string{`s.yaml:21:51: "1,50" is no amount`}},
		{"an analysis of something else", swap("outcome: satisfaction", "outcome: satisfacton"), []string{`s.yaml:23:5: `, `outcome names "satisfacton", which is not a column; the columns are couple, person, role, wave, months, time, satisfaction`}},
		{"an analysis of no kind", swap("kind: growth", "kind: grow"), []string{`kind is "grow"; expected one of mixed, growth, residualised_change`}},
		{"a formula that is none", swap("kind: growth,", `kind: mixed, fixed: "1 + (",`), []string{"s.yaml:23:5: "}},
		{"a growth of nothing more than once", swap("  - {label: later, at: 4 months +/- 7 days, instruments: [asem-satisfaction@1]}\n", ""), []string{"time has one occasion; growth needs two or more"}},
		{"no data", swap("data: waves", "data: weeks"), []string{`s.yaml:23:26: "weeks" is not a data set; expected waves or diary`}},
		{"repeat once", swap("instruments: [asem-daily]}", "instruments: [asem-daily], repeat: {times: 1, everyMonths: 3}}"), []string{"s.yaml:15:123: 1 times every 3 months; expected 2 to 100"}},
		{"repeat for ever", swap("instruments: [asem-daily]}", "instruments: [asem-daily], repeat: {times: 1000000000, everyMonths: 3}}"), []string{"expected 2 to 100"}},
		{"arms without a draw", small + "arms: [{code: x}, {code: y}]\n", []string{"s.yaml:1:1: randomise: there are arms, and nothing says who is randomised to them"}},
		{"a block that does not fit", small + "arms: [{code: x}, {code: y}]\nrandomise: {unit: couple, blockSize: 3}\n", []string{"s.yaml:25:38: a block of 3; expected a multiple of 2, at most 1000"}},
		{"a wave of no arm", swap("{label: later,", "{label: later, arms: [z],"), []string{`s.yaml:13:26: there is no arm "z"`}},
		{"an own instrument", small + "ownInstruments:\n  - {code: own, version: \"1\", title: Own, items: [{id: a, min: 1, max: 0}], scales: []}\n", []string{"s.yaml:25:51: item a runs from 1 to 0"}},
		{"a task of no wave", small + "tasks:\n  - {code: t, title: Talk, wave: 9, schemes: [x]}\n", []string{"s.yaml:25:34: there is no wave 9", `s.yaml:25:47: there is no coding scheme "x"`, "no form for the scope video"}},
		{"a site twice", swap("consents:", "  - {code: main, title: Other}\nconsents:"), []string{`s.yaml:7:5: site "main" stands twice`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read("s.yaml", []byte(tt.text), Context{})
			got := strings.Join(messages(t, err), "\n")
			for _, want := range tt.want {
				assert.Contains(t, got, want)
			}
		})
	}
}

// All mistakes are told at once, and none twice: the domain does not repeat what the plan has said of a value.
func TestAllMistakesAtOnce(t *testing.T) {
	text := small
	for old, now := range map[string]string{"Europe/Berlin": "Berlin", "4 months +/- 7 days": "soon", "17:00..03:00 next day": "evening", "scope: diary": "scope: dairy", "after: 2 hours": "after: 2 days", `"1.50"`: "-1", "days: 14": "days: many", "showings:": "showing:"} {
		text = strings.Replace(text, old, now, 1)
	}
	_, err := Read("s.yaml", []byte(text), Context{})
	got := messages(t, err)
	var places []string
	for _, m := range got {
		places = append(places, strings.Join(strings.SplitN(m, ":", 4)[:3], ":"))
	}
	assert.ElementsMatch(t, []string{"s.yaml:13:24", "s.yaml:15:49", "s.yaml:20:23", "s.yaml:21:51", "s.yaml:1:47", "s.yaml:9:13", "s.yaml:15:37", "s.yaml:16:1"}, places, "%s", strings.Join(got, "\n"))
}

// What is nested without end, or says the same by aliases again and again, is refused at once.
func TestBombs(t *testing.T) {
	laughs := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'j'; c++ {
		laughs += fmt.Sprintf("%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	for _, text := range []string{laughs, strings.Repeat("[", 100000), strings.Repeat("{a: ", 50000), "waves: " + strings.Repeat("[", 63) + strings.Repeat("]", 63), strings.Repeat("- ", 100000),
		"instruments: [" + strings.Repeat("asem-daily@1, ", 20000) + "]", small + "arms:\n" + strings.Repeat("  - {}\n", 20000),
		small + "arms:\n" + strings.Repeat("  - {}\n", 2000), small + "schemes:\n" + strings.Repeat("  - {}\n", 2000)} {
		_, err := Read("s.yaml", []byte(text), Context{})
		got := messages(t, err)
		assert.LessOrEqual(t, len(got), 51)
	}
}

const wording = `extends: csi-4@2007
version: 2007-lab
items:
  c01: {en: How happy?, de: Wie glücklich?}
  c05: {en: Warm?, de: Warm?}
  c07: {en: Rewarding?, de: Lohnend?}
  c10: {en: Content?, de: Zufrieden?}
`

// Instruments of the lab lie beside the plan, whole or as wording for a key that ships; what is wrong in them is told at its place there.
func TestInstrumentsBesideThePlan(t *testing.T) {
	text := strings.Replace(small, "asem-daily@1]", "asem-daily@1, csi.yaml, csi-4@2007]", 1)
	text = strings.Replace(text, "instruments: [asem-satisfaction@1]}", "instruments: [csi-4@2007-lab]}", 1)
	files := fstest.MapFS{"csi.yaml": {Data: []byte(wording)}, "big.yaml": {Data: []byte(strings.Repeat("#", yamltext.MaxBytes+1))}, "dir.yaml": {Mode: 0o755 | 1<<31}}
	_, err := Read("s.yaml", []byte(text), Context{Files: files})
	require.Error(t, err, "growth of satisfaction is measured by two instruments, each at one wave")
	text = strings.Replace(text, "outcome: satisfaction}", "outcome: satisfaction_csi_4, waves: [4]}", 1)
	text = strings.Replace(text, "kind: growth", "kind: mixed, fixed: role", 1)
	p, err := Read("s.yaml", []byte(text), Context{Files: files})
	require.NoError(t, err)
	assert.Equal(t, []domain.InstrumentRef{{Code: "csi-4", Version: "2007-lab"}}, p.Protocol.Waves[1].Instruments)
	assert.Len(t, p.Instruments, 4)
	require.Len(t, p.Warnings, 1)
	assert.Contains(t, p.Warnings[0], "s.yaml:10:60: csi-4@2007 is asked at no wave and in no diary")

	_, err = Read("s.yaml", []byte(strings.Replace(text, "csi-4@2007-lab]", "csi-4]", 1)), Context{Files: files})
	assert.ErrorContains(t, err, "s.yaml:13:59: there are several versions of csi-4; expected one of [csi-4@2007-lab csi-4@2007]")
	for name, want := range map[string]string{"none.yaml": "there is no file none.yaml beside this one", "../x.yaml": "cannot be read; expected a file beside this one", "/etc/x.yaml": "expected a file beside this one",
		"big.yaml": "big.yaml has 1048577 bytes", "dir.yaml": "expected a file of at most"} {
		_, err = Read("s.yaml", []byte(strings.Replace(text, "csi.yaml", name, 1)), Context{Files: files})
		assert.ErrorContains(t, err, want, name)
	}
	files["csi.yaml"].Data = []byte(strings.Replace(wording, "c10:", "c11:", 1))
	_, err = Read("s.yaml", []byte(text), Context{Files: files})
	assert.ErrorContains(t, err, `csi.yaml:7:8: csi-4@2007 has no item "c11"`)
}

// A key without wording can be planned with, and the plan says that nobody can be asked it yet.
func TestWordingIsMissed(t *testing.T) {
	text := strings.Replace(small, "asem-satisfaction@1, ", "csi-4@2007, ", 1)
	text = strings.NewReplacer("[asem-satisfaction]", "[csi-4]", "[asem-satisfaction@1]", "[csi-4]").Replace(text)
	p := read(t, text)
	require.Len(t, p.Warnings, 2)
	assert.Contains(t, p.Warnings[0], "s.yaml:10:15: 4 of 4 items of csi-4@2007 have no wording in en")
}

// The code, title and zone can be given from outside, as for a ready plan.
func TestOverrides(t *testing.T) {
	p, err := Read("s.yaml", []byte(small), Context{Code: "S2", Title: "Another", Zone: "Asia/Jerusalem"})
	require.NoError(t, err)
	assert.Equal(t, []string{"S2", "Another", "Asia/Jerusalem"}, []string{p.Code, p.Title, p.Zone})
	_, err = Read("s.yaml", []byte(small), Context{Zone: "Nowhere"})
	assert.ErrorContains(t, err, `"Nowhere" is not a known time zone`)
}

func TestWarnings(t *testing.T) {
	bare := `study: {code: S1, title: A small study, zone: Europe/Berlin}
exchangeable: true
afterSeparation: stop
instruments: [asem-daily@1, asem-tension@1, asem-demo@1]
waves: [{at: enrolment}]
diaries: [{code: d, starts: enrolment, days: 1, open: "00:00..24:00", instruments: [asem-daily, asem-tension]}]
`
	got := strings.Join(read(t, bare).Warnings, "\n")
	assert.Contains(t, got, "s.yaml:1:1: there are no consent forms")
	assert.Contains(t, got, "s.yaml:1:1: there are no sites")
	assert.Contains(t, got, "s.yaml:4:45: asem-demo@1 is asked at no wave and in no diary")
	assert.Contains(t, got, "s.yaml:6:10: the daily core takes 19 taps and about 2 min; expected at most 15 and 3 min")
	assert.NotContains(t, strings.Join(read(t, bare+"showings: [{instrument: asem-tension, gate: {item: t_any, value: 1}}]\n").Warnings, "\n"), "daily core")
	help := strings.Replace(small, `number: "1"`, `number: "PLACEHOLDER"`, 1)
	assert.Equal(t, []string{"s.yaml:6:76: there is a placeholder to be replaced before anybody reads it"}, read(t, help).Warnings)
}

// A plan is read for a study: with its instruments, and against what its couples may have answered already.
func TestReadForAStudy(t *testing.T) {
	first := read(t, small)
	study := created(t, first)
	own := domain.Instrument{Code: "own", Version: "1", Title: "Own", Items: []domain.Item{{ID: "a", Min: 0, Max: 1}}}
	study.Apply(domain.InstrumentRegistered{Instrument: own})

	text := strings.Replace(small, "instruments: [asem-satisfaction@1]}", "instruments: [asem-satisfaction@1, own]}", 1)
	p, err := Read("s.yaml", []byte(text), Context{Study: study})
	require.NoError(t, err)
	assert.Equal(t, domain.InstrumentRef{Code: "own", Version: "1"}, p.Protocol.Waves[1].Instruments[1])

	for name, tt := range map[string]struct{ old, now, want string }{
		"another study":   {"code: S1", "code: S9", "s.yaml:1:15: this is the plan of study S9; it cannot be published for study S1"},
		"a wave moved":    {"4 months", "5 months", "s.yaml:12:3: wave 2 was at month 4; observations may refer to it, so it must stay"},
		"roles":           {"label: man", "label: husband", "s.yaml:3:8: the roles of a study cannot change between versions"},
		"changed content": {"showings:", "ownInstruments: [{code: own, version: \"1\", title: Other, items: [{id: a, min: 0, max: 1}], scales: []}]\nshowings:", "s.yaml:16:18: instrument own@1 is registered with other content"},
	} {
		_, err := Read("s.yaml", []byte(strings.Replace(small, tt.old, tt.now, 1)), Context{Study: study})
		assert.Contains(t, strings.Join(told(err), "\n"), tt.want, name)
	}
	moved, err := Read("s.yaml", []byte(strings.Replace(small, "Europe/Berlin", "Asia/Tokyo", 1)), Context{Study: study})
	require.NoError(t, err)
	assert.Contains(t, moved.Warnings[0], "title and zone of a study stay as they were")
}

// told lists what an error says, whatever its codes.
func told(err error) (list []string) {
	for _, e := range yamltext.Refusals(err) {
		list = append(list, e.Error())
	}
	return list
}

// created is the study that a plan makes.
func created(t testing.TB, p *Plan) *domain.Study {
	t.Helper()
	study := &domain.Study{}
	protocol := p.Protocol
	protocol.Version = 1
	commands := []domain.Command{domain.CreateStudy{Study: p.Code, Title: p.Title, Zone: p.Zone}}
	for _, in := range p.Instruments {
		commands = append(commands, domain.RegisterInstrument{Study: p.Code, Instrument: in})
	}
	for _, c := range append(commands, domain.PublishProtocol{Study: p.Code, Protocol: protocol}) {
		decided, err := domain.Decide(domain.Past{Study: study}, c)
		require.NoError(t, err)
		for _, e := range decided {
			study.Apply(e)
		}
	}
	return study
}
