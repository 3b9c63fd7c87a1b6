package dataimport

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/yamltext"
	"asem/domain"
)

func TestBadMappings(t *testing.T) {
	without := func(key string) string { // the small mapping without the line that starts with key
		lines := strings.Split(scoresMapping, "\n")
		var kept []string
		for _, l := range lines {
			if !strings.HasPrefix(l, key) {
				kept = append(kept, l)
			}
		}
		return strings.Join(kept, "\n")
	}
	with := func(lines ...string) string { return scoresMapping + strings.Join(lines, "\n") + "\n" }
	instead := func(old, by string) string {
		out := strings.Replace(scoresMapping, old, by, 1)
		if out == scoresMapping {
			panic("nothing replaced: " + old)
		}
		return out
	}
	const measure = "  - {column: love, construct: love}"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{"map.yaml: the file is empty"}},
		{"a comment only", "# nothing\n", []string{"map.yaml: the file is empty"}},
		{"not YAML", "study: [", []string{"map.yaml:1:8: sequence end token ']' not found"}},
		{"not UTF-8", "study: \xE9", []string{"map.yaml:1:8: the text is not UTF-8"}},
		{"too long", strings.Repeat("#", yamltext.MaxBytes+1), []string{"map.yaml: the file has 1048577 bytes; expected at most 1048576"}},
		{"two documents", "study: a\n---\nstudy: b\n", []string{"map.yaml: the file holds 2 YAML documents; expected one"}},
		{"a list", "- study\n", []string{"map.yaml:1:1: there is a list; expected keys such as"}},
		{"brackets without end", "study: a\n" + strings.Repeat("[", 1<<19), []string{"map.yaml:2: the text is nested too deeply"}},
		{"dashes without end", "study: a\n" + strings.Repeat("- ", 1<<18), []string{"map.yaml:2: the text is nested too deeply"}},
		{"a key twice", with("couple: pair"), []string{"map.yaml:15:1: mapping key \"couple\" already defined"}},
		{"an unknown key", with("mising: [NA]"), []string{`map.yaml:15:1: there is no key "mising" here; expected one of`}},
		{"an unknown key deep down", instead("construct: love}", "constuct: love}"), []string{`map.yaml:14:20: there is no key "constuct" here`}},
		{"several problems at once", "studi: a\nzones: b\nwaves: 3\n", []string{`1:1: there is no key "studi" here`, `2:1: there is no key "zones" here`, "3:8: there is a single value; expected a list"}},
		{"a fraction for a whole number", instead("{month: 6}", "{month: 6, graceDays: 1.5}"), []string{`map.yaml:5:43: "1.5" was written; expected a whole number`}},
		{"text for a number", instead("{month: 6}", "{month: six}"), []string{`map.yaml:5:29: "six" was written; expected a number`}},
		{"no number", instead("{month: 6}", "{month: .nan}"), []string{`map.yaml:5:29: ".nan" was written; expected a number`}},
		{"too large a number", instead("{month: 6}", "{month: 6, graceDays: 99999999999}"), []string{`"99999999999" was written; expected a whole number`}},
		{"text for yes", instead("couple: couple", "couple: couple\nexchangeable: yes"), []string{`map.yaml:8:15: "yes" was written; expected true or false`}},
		{"a group for text", instead("couple: couple", "couple: {column: couple}"), []string{"map.yaml:7:9: there is a group of keys; expected text"}},
		{"an alias", with("missing: &m [NA]", "ignore: *m"), []string{"there is an anchor or alias, which is not used here; expected a list", "there is an anchor or alias"}},
		{"no study", without("study"), []string{"map.yaml:1:1: the code of the study (key study) is missing"}},
		{"a study that is no code", instead("study: S1", "study: my study"), []string{`map.yaml:1:8: the code of the study (key study): "my study" is not a code; expected 1 to 64 letters`}},
		{"an unknown zone", instead("Europe/Berlin", "Berlin"), []string{`map.yaml:3:7: "Berlin" is not a known time zone; expected an IANA name such as Europe/Berlin`}},
		{"the zone of this machine", instead("Europe/Berlin", "Local"), []string{`"Local" is not a known time zone`}},
		{"no couple", without("couple"), []string{"the column that names the couple (key couple) is missing"}},
		{"one role", instead("{A: h, B: w}", "{A: h}"), []string{"map.yaml:4:8: there is 1 role; expected A and B"}},
		{"a third role", instead("{A: h, B: w}", "{A: h, B: w, C: x}"), []string{`map.yaml:4:24: "C" is not a role`}},
		{"roles crossed", instead("{A: h, B: w}", "{A: B, B: A}"), []string{"role A cannot have the label B, which is the other role", "role B cannot have"}},
		{"roles and exchangeable", with("exchangeable: true"), []string{"map.yaml:15:15: partners with roles of their own are not exchangeable"}},
		{"a role without a column", instead("{column: role}", "{values: {h: A}}"), []string{"map.yaml:11:7: expected one of column, which names the role, and person"}},
		{"persons in roles", instead("{column: role}", "{person: id}"), []string{"map.yaml:11:16: a person's label says nothing about a role"}},
		{"no enrolment", without("enrolled"), []string{"expected enrolled with one of date, one day for all couples, and column"}},
		{"a date of another kind", instead("2020-02-29", "29.02.2020"), []string{`map.yaml:6:18: "29.02.2020" is not a calendar date; write it as 2026-11-23`}},
		{"a day that is none", instead("2020-02-29", "2021-02-29"), []string{`"2021-02-29" is not a calendar date`}},
		{"a date format", instead("{date: 2020-02-29}", "{column: started, format: DD.MM.YYYY}"), []string{`map.yaml:6:37: "DD.MM.YYYY" is not a date format; write how 2 January 2006 would stand in the file, such as 02.01.2006`}},
		{"a date format without a year", instead("{date: 2020-02-29}", "{column: started, format: 02.01.}"), []string{"is not a date format"}},
		{"a wave by column and date", instead("{column: wave}", "{column: wave, date: day}"), []string{"map.yaml:12:7: expected one of column, which names the wave, and date"}},
		{"a wave by date without a limit", instead("{column: wave}", "{date: day}"), []string{"map.yaml:12:7: expected withinDays"}},
		{"measured without waves", instead("wave: {column: wave}", "measured: {column: day}"), []string{"a day of measurement needs rows that each name their wave"}},
		{"values of a wave by date", instead("{column: wave}", "{date: day, withinDays: 9, values: {a: 1}}"), []string{"map.yaml:12:42: values belong to a column of waves, not of dates"}},
		{"a limit without dates", instead("{column: wave}", "{column: wave, withinDays: 9}"), []string{"map.yaml:12:7: format and withinDays belong to a column of dates"}},
		{"measured without a column", with("measured: {format: 2006-01-02}"), []string{"map.yaml:15:11: expected the column with the day of measurement"}},
		{"values of persons", "exchangeable: true\n" + strings.NewReplacer("roles: {A: h, B: w}\n", "", "{column: role}", "{person: id, values: {a: A}}").Replace(scoresMapping), []string{"values belong to a column of roles, not of persons"}},
		{"a format for one day", instead("{date: 2020-02-29}", "{date: 2020-02-29, format: 2006-01-02}"), []string{"map.yaml:6:38: a format belongs to a column"}},
		{"a label that is no code", instead("{A: h, B: w}", "{A: the husband, B: w}"), []string{`map.yaml:4:12: the label of role A: "the husband" is not a code`}},
		{"a construct that is no code", instead("trust: {}", "trust me: {}"), []string{`map.yaml:10:13: the construct: "trust me" is not a code`}},
		{"a list for keys with values", instead("roles: {A: h, B: w}", "roles: [h, w]"), []string{"map.yaml:4:8: there is a list; expected keys with values"}},
		{"a list as a key", instead("trust: {}", "? [a]\n  : {}"), []string{"map.yaml:11:3: found an invalid key for this map"}},
		{"a tag", instead("study: S1", "study: !!str S1"), []string{"map.yaml:1:8: there is a tag, which is not used here; expected text"}},
		{"items of a construct", instead(measure, "  - {columns: 'love{item}', construct: love}"), []string{"map.yaml:14:15: a construct has no items"}},
		{"items without a place", instead(measure, "  - {column: love, instrument: csi-4@2007, item: c01, items: {a: c01}}"), []string{"map.yaml:14:62: items say what stands for {item}, which is not in the name"}},
		{"waves without a place", instead(measure, "  - {column: love, construct: love, waves: [1]}"), []string{"map.yaml:14:44: waves say over which waves {wave} runs, which is not in the name"}},
		{"role and wave beside their places", strings.NewReplacer("role: {column: role}\nwave: {column: wave}\n", "", measure, "  - {columns: 'l{role}{wave}', role: A, wave: 1, construct: love}").Replace(scoresMapping), []string{"map.yaml:12:38: the role is in the name already", "map.yaml:12:47: the wave is in the name already"}},
		{"a diary by number and date", instead("wave: {column: wave}", "diary: {code: d, days: 7, column: day, date: day}") + "measured: {column: x}\n", []string{"a day of measurement needs rows", "map.yaml:12:8: expected one of column, which numbers the days, and date", "rows of a diary name a day, not a wave", "a diary holds answers"}},
		{"a diary without a number to start from", instead("wave: {column: wave}", "diary: {code: d, days: 7, date: day, first: 0}"), []string{"map.yaml:12:45: a first number belongs to a column that numbers the days", "a diary holds answers"}},
		{"a diary with waves in its columns", strings.NewReplacer("wave: {column: wave}", "diary: {code: d, days: 7, column: day}", measure, "  - {columns: 'c{wave}', instrument: csi-4@2007, item: c01}").Replace(scoresMapping), []string{"map.yaml:14:5: the rows name a day of a diary"}},
		{"a delimiter", with("delimiter: ':'"), []string{`map.yaml:15:12: ":" is not a delimiter; expected ",", ";", "|" or tab`}},
		{"a decimal sign", with("decimal: point"), []string{`map.yaml:15:10: "point" is not a decimal sign`}},
		{"a missing code with a space", with("missing: [NA, 'NA ']"), []string{"map.yaml:15:15: the missing code has spaces around it"}},
		{"no measures", without("measures") + "x", []string{""}},
		{"a measure of nothing", instead(measure, "  - {column: love}"), []string{"map.yaml:14:5: expected one of construct, for scores, and instrument"}},
		{"a measure of both", instead(measure, "  - {column: love, construct: love, instrument: csi-4@2007, item: c01}"), []string{"expected one of construct, for scores, and instrument"}},
		{"an item of a construct", instead(measure, "  - {column: love, construct: love, item: c01}"), []string{"map.yaml:14:5: items belong to an instrument"}},
		{"a measure without a column", instead(measure, "  - {construct: love}"), []string{"expected one of column, a name, and columns"}},
		{"a placeholder misspelt", instead(measure, "  - {columns: 'love{waves}', construct: love}"), []string{"map.yaml:14:15: only {wave}, {role} and {item} may stand in braces", "there is none of {wave}, {role} and {item} in it"}},
		{"an instrument without a version", instead(measure, "  - {column: love, instrument: csi-4, item: c01}"), []string{`"csi-4" is not an instrument; expected code@version, such as ecr-rs@2011`}},
		{"an instrument without an item", instead(measure, "  - {column: love, instrument: csi-4@2007}"), []string{"expected one of item and a name with {item} in it"}},
		{"the role said twice", instead(measure, "  - {column: love, role: A, construct: love}"), []string{"map.yaml:14:5: the rows name the role already"}},
		{"the role never said", without("role:"), []string{"map.yaml:13:5: nothing says whose values these are"}},
		{"the wave said twice", instead(measure, "  - {columns: 'love{wave}', construct: love}"), []string{"map.yaml:14:5: the rows name the wave already"}},
		{"a diary of scores", instead("wave: {column: wave}", "diary: {code: d, days: 7, column: day}"), []string{"map.yaml:14:5: a diary holds answers to instruments"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "no measures" {
				c.text, c.want = strings.Replace(without("measures"), measure, "", 1), []string{"nothing is measured"}
			}
			m, err := ParseMapping("map.yaml", []byte(c.text))
			assert.Nil(t, m)
			got := messages(t, err)
			require.Len(t, got, len(c.want), "%q", got)
			for i, want := range c.want {
				assert.Contains(t, got[i], want)
			}
		})
	}
}

// These contradict the study or the instruments, and need both to be seen.
func TestMappingsAgainstTheStudy(t *testing.T) {
	data := file("couple,role,wave,love", "1,h,1,3")
	one, ten := 1.0, 10.0
	study := domain.Study{Code: "S1", Title: "A small study", Zone: "Europe/Berlin", Protocol: domain.Protocol{Version: 1, Roles: []domain.RoleLabel{{Role: "A", Label: "h"}, {Role: "B", Label: "w"}},
		TimeUnitMonths: 1, Waves: []domain.Wave{{Index: 1, Label: "Wave 1", Month: 0}, {Index: 2, Label: "Wave 2", Month: 6}}, Constructs: []domain.Construct{{Code: "love", Min: &one, Max: &ten}}, AfterSeparation: domain.ContinueAfterSeparation}}
	for _, c := range []struct {
		name, old, by string
		study         domain.Study
		want          string
	}{
		{"a new study without a title", "title: A small study\n", "", domain.Study{}, "map.yaml:1:1: the study does not exist yet, so that its title is needed"},
		{"a new study without a zone", "zone: Europe/Berlin\n", "", domain.Study{}, "map.yaml:1:1: the study does not exist yet, so that the time zone"},
		{"a new study without waves", "waves: [{month: 0}, {month: 6}]\n", "", domain.Study{}, "the study has no protocol yet, so that its waves are needed"},
		{"a new study without roles", "roles: {A: h, B: w}\n", "", domain.Study{}, "the study has no protocol yet; expected roles"},
		{"a wave without a month", "{month: 6}", "{label: x}", domain.Study{}, "map.yaml:5:21: the month of the wave is missing"},
		{"waves out of order", "{month: 6}", "{month: 0}", domain.Study{}, "map.yaml:5:29: month 0 does not come after the wave before it"},
		{"a range upside down", "max: 10", "max: -1", domain.Study{}, "map.yaml:9:3: the smallest value is not below the largest"},
		{"an unknown construct", "construct: love}", "construct: lov}", domain.Study{}, `map.yaml:14:31: there is no construct "lov"; describe it under constructs; did you mean love?`},
		{"an unknown instrument", "construct: love}", "instrument: csi-4@2008, item: c01}", domain.Study{}, "map.yaml:14:32: there is no instrument csi-4@2008; expected one that ships, or one brought into the study before by asem instrument import; did you mean csi-4@2007?"},
		{"an unknown item", "construct: love}", "instrument: csi-4@2007, item: c02}", domain.Study{}, `map.yaml:14:50: csi-4@2007 has no item "c02"; did you mean c01 or c05 or c07?`},
		{"the same twice", "construct: love}", "construct: love}\n  - {column: couple, construct: love}", domain.Study{}, "map.yaml:15:5: columns love and couple both hold construct love, of the same role and wave"},
		{"nothing says when", "wave: {column: wave}\n", "", domain.Study{}, "map.yaml:13:5: nothing says of which of the 2 waves these values are"},
		{"a role that is none", "role: {column: role}\nwave: {column: wave}\nmeasures:\n  - {", "wave: {column: wave}\nmeasures:\n  - {role: husband, ", domain.Study{}, `map.yaml:13:12: "husband" is not a role; expected one of {A: h, B: w}`},
		{"a role translated to none", "{column: role}", "{column: role, values: {h: C}}", domain.Study{}, `map.yaml:11:34: "C" is not a role; expected one of {A: h, B: w}`},
		{"a wave translated to none", "{column: wave}", "{column: wave, values: {1: 1, 3: 3}}", domain.Study{}, "map.yaml:12:40: there is no wave 3; expected 1 to 2"},
		{"a wave that is none", "wave: {column: wave}\nmeasures:\n  - {", "measures:\n  - {wave: 3, ", domain.Study{}, "map.yaml:13:12: there is no wave 3; expected 1 to 2"},
		{"no wave", "wave: {column: wave}\nmeasures:\n  - {", "measures:\n  - {wave: 0, ", domain.Study{}, "map.yaml:13:12: there is no wave 0; expected 1 to 2"},
		{"waves that are none", "wave: {column: wave}\nmeasures:\n  - {column: love", "measures:\n  - {columns: 'l{wave}', waves: [1, 9]", domain.Study{}, "map.yaml:13:37: there is no wave 9; expected 1 to 2"},
		{"the same item twice", "{column: love, construct: love}", "{columns: '{item}', instrument: csi-4@2007, items: {couple: c01, love: c01}}", domain.Study{}, "columns couple and love both hold item c01 of csi-4@2007"},
		{"a further wave without a month", "{month: 6}]", "{month: 6}, {label: x}]", study, "map.yaml:5:33: the month of the wave is missing"},
		{"another study", "study: S1", "study: S2", study, "map.yaml:1:8: the mapping is for study S2, not for S1"},
		{"another title", "A small study", "Another", study, "map.yaml:2:8: the study exists under another title"},
		{"another zone", "Europe/Berlin", "Europe/Paris", study, "map.yaml:3:7: the study exists with zone Europe/Berlin"},
		{"other roles", "{A: h, B: w}", "{A: w, B: h}", study, "map.yaml:4:8: the study exists with other roles; expected {A: h, B: w}"},
		{"exchangeable", "roles: {A: h, B: w}", "exchangeable: true", study, "map.yaml:4:15: the partners of the study that exists are not exchangeable"},
		{"another month", "{month: 6}", "{month: 7}", study, "map.yaml:5:21: the study exists with another wave 2, at month 6"},
		{"another time unit", "enrolled:", "timeUnitMonths: 12\nenrolled:", study, "map.yaml:6:17: the study exists with a time unit of 1 months"},
		{"another range", "enrolled:", "enrolled:", study, "map.yaml:9:9: the study has construct love with another title, range or direction"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(scoresMapping, c.old, c.by, 1)
			require.True(t, c.old == c.by || text != scoresMapping)
			b, err := Extend(c.study, mapping(t, text), data)
			assert.Nil(t, b)
			got := messages(t, err)
			require.Len(t, got, 1, "%q", got)
			assert.Contains(t, got[0], c.want)
		})
	}
}

// Values that YAML would read as numbers stay as they are written.
func TestTextStaysAsWritten(t *testing.T) {
	m := mapping(t, scoresMapping+"missing: [-9.0, 007, 0x1F, ~, '', no, 1e3]\nconsent: 1.10\n")
	assert.Equal(t, []string{"-9.0", "007", "0x1F", "~", "", "no", "1e3"}, m.Missing)
	assert.Equal(t, "1.10", m.Consent)
	assert.True(t, m.isMissing("-9.0"))
	assert.False(t, m.isMissing("-9"))
	assert.False(t, m.isMissing("NA"), "a list replaces the default")
}

func TestAMappingMustBeParsed(t *testing.T) {
	_, err := Orders(&Mapping{Study: "S1"}, file("a"))
	assert.Equal(t, domain.Invalid, domain.CodeOf(err))
}

func TestAMappingCannotNameMillionsOfColumns(t *testing.T) {
	waves, measures := strings.Repeat("{month: 0}, ", 2000), strings.Repeat("  - {columns: 'x{wave}', role: A, construct: love}\n", 100)
	text := strings.Replace(wideMapping, "{month: 0}, {month: 6}", waves, 1)
	text, _, _ = strings.Cut(text, "measures:")
	text += "measures:\n" + measures
	_, err := Orders(mapping(t, text), file("couple", "1"))
	assert.Contains(t, messages(t, err)[0], "the mapping names more than 100000 columns")
}
