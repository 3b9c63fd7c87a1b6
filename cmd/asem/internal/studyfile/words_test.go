package studyfile

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
)

func TestMoments(t *testing.T) {
	for text, want := range map[string]moment{
		"enrolment":                  {},
		"enrolment +14 days":         {late: 14},
		"12 months +/- 21 days":      {month: 12, early: 21, late: 21},
		"12 months ± 1 day":          {month: 12, early: 1, late: 1},
		"1 year":                     {month: 12},
		"4 months -3/+14 days":       {month: 4, early: 3, late: 14},
		"4.5 months -3 / +0 days":    {month: 4.5, early: 3},
		"2 weeks":                    {month: 14 / daysPerMonth},
		"joining":                    {Origin: domain.Origin{Anchor: domain.AnchorJoining}},
		"10 days after joining":      {Origin: domain.Origin{Anchor: domain.AnchorJoining}, month: 10 / daysPerMonth},
		"3 months after enrolment":   {month: 3},
		"session 12 +/- 2 days":      {Origin: domain.Origin{Anchor: domain.AnchorSession, Session: 12}, early: 2, late: 2},
		"2026-12-24 -1/+2 days":      {Origin: domain.Origin{Anchor: domain.AnchorCalendar, On: domain.NewDate(2026, 12, 24)}, early: 1, late: 2},
		"  4 months   +/-  21 days ": {month: 4, early: 21, late: 21},
	} {
		got, err := parseMoment(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "month 4", "4 moons", "-4 months", "4 months +/- 3 weeks", "4 months - 3 days", "six months", "session", "2026-13-01", "31 days", "5 weeks", "1.5 days", "4 months +/- 21 days late", "99999 months"} {
		_, err := parseMoment(text)
		assert.Error(t, err, text)
	}
}

func TestStarts(t *testing.T) {
	joining, session := domain.Origin{Anchor: domain.AnchorJoining}, domain.Origin{Anchor: domain.AnchorSession, Session: 3}
	for text, want := range map[string]start{
		"enrolment":                 {},
		"7 days":                    {days: 7},
		"2 weeks after enrolment":   {days: 14},
		"4 months and 7 days":       {months: 4, days: 7},
		"joining":                   {Origin: joining},
		"7 days after joining":      {Origin: joining, days: 7},
		"session 3":                 {Origin: session},
		" 1 day  after  session 3 ": {Origin: session, days: 1},
		"2027-01-04":                {Origin: domain.Origin{Anchor: domain.AnchorCalendar, On: domain.NewDate(2027, 1, 4)}},
		"3 months after 2027-01-04": {Origin: domain.Origin{Anchor: domain.AnchorCalendar, On: domain.NewDate(2027, 1, 4)}, months: 3},
	} {
		got, err := parseStart(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	_, err := parseStart("after the lab")
	assert.ErrorContains(t, err, `"after the lab" is no start; expected "enrolment", "7 days",`)
	assert.ErrorContains(t, err, `"1 day after session 3" or "2027-01-04"`)
}

func drawOrigin(t *rapid.T) (o domain.Origin) {
	switch o.Anchor = rapid.SampledFrom([]domain.Anchor{"", domain.AnchorJoining, domain.AnchorSession, domain.AnchorCalendar}).Draw(t, "anchor"); o.Anchor {
	case domain.AnchorSession:
		o.Session = rapid.IntRange(1, 400).Draw(t, "session")
	case domain.AnchorCalendar:
		o.On = domain.NewDate(2026, 1, rapid.IntRange(1, 2000).Draw(t, "on"))
	}
	return o
}

// What is written for a moment, a start, hours or an amount reads back as the same.
func TestWordsThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := moment{early: rapid.IntRange(0, 60).Draw(t, "early"), late: rapid.IntRange(0, 60).Draw(t, "late")}
		if m.Origin = drawOrigin(t); m.Anchor == domain.AnchorEnrolment || m.Anchor == domain.AnchorJoining {
			m.month = rapid.OneOf(rapid.Map(rapid.IntRange(0, 30), func(d int) float64 { return float64(d) / daysPerMonth }),
				rapid.Map(rapid.IntRange(0, 1200), func(m int) float64 { return float64(m) }), rapid.Map(rapid.IntRange(1, 99), func(m int) float64 { return float64(m) / 8 })).Draw(t, "month")
		}
		back, err := parseMoment(m.String())
		require.NoError(t, err, m)
		require.Equal(t, m, back)

		s := start{drawOrigin(t), float64(rapid.IntRange(0, 20).Draw(t, "months")) / 2, rapid.IntRange(0, 99).Draw(t, "days")}
		again, err := parseStart(s.String())
		require.NoError(t, err, s)
		require.Equal(t, s, again)

		opens := rapid.IntRange(0, 23).Draw(t, "opens")
		closes := rapid.IntRange(opens+1, opens+24).Draw(t, "closes")
		a, b, err := parseHours(hoursText(opens, closes))
		require.NoError(t, err)
		require.Equal(t, []int{opens, closes}, []int{a, b})

		for _, unit := range []string{"day", "hour", "minute"} {
			n := rapid.IntRange(0, 300).Draw(t, unit)
			back, err := parseAmount(amountText(n, unit), unit)
			require.NoError(t, err)
			require.Equal(t, n, back)
		}
		money := rapid.IntRange(0, 9999999).Draw(t, "money")
		sum, err := parseMoney(moneyText(money))
		require.NoError(t, err)
		require.Equal(t, money, sum)
	})
}

func TestBadWords(t *testing.T) {
	for _, text := range []string{"", "17:00", "17..24", "17:30..24:00", "17:00..17:00", "17:00..03:00", "25:00..26:00", "17:00..25:00", "17:00..24:00 today"} {
		_, _, err := parseHours(text)
		assert.Error(t, err, text)
	}
	for _, text := range []string{"", "soon", "7", "7 days and 1 month", "1 month and", "and 7 days", "-7 days", "7 days after", "after session 3", " after joining", "7 days after session", "7 days after 2027-13-04", "session 3 after joining", "7 days joining"} {
		_, err := parseStart(text)
		assert.Error(t, err, text)
	}
	for _, text := range []string{"24:00", "18", "18:30", "6 pm", ""} {
		_, err := parseClock(text)
		assert.Error(t, err, text)
	}
	for _, text := range []string{"7", "days", "-7 days", "7 hours", "seven days"} {
		_, err := parseAmount(text, "day")
		assert.Error(t, err, text)
	}
	for _, text := range []string{"1,50", "1.5", "-1", "€ 3", "1e3"} {
		_, err := parseMoney(text)
		assert.Error(t, err, text)
	}
}
