package prompting

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
)

var zones = []string{"Europe/Berlin", "America/New_York", "Asia/Jerusalem", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Africa/Cairo", "Etc/UTC"}

// twoWaves is a protocol of two waves and a diary, with reminders.
func twoWaves(reminders ...domain.Reminder) domain.Protocol {
	in, _ := domain.LatestKey("asem-daily")
	return domain.Protocol{
		Version: 1, TimeUnitMonths: 1, AfterSeparation: domain.StopAfterSeparation, Roles: []domain.RoleLabel{{Role: "A", Label: "a"}, {Role: "B", Label: "b"}}, Languages: []string{"en", "de", "he"},
		Waves: []domain.Wave{
			{Index: 1, Label: "T1", ClosesDaysLate: 6, GraceDays: 3, Instruments: []domain.InstrumentRef{in.Ref()}},
			{Index: 2, Label: "T2", Month: 1, OpensDaysEarly: 2, ClosesDaysLate: 6, Instruments: []domain.InstrumentRef{in.Ref()}},
		},
		Diaries:   []domain.DiaryBurst{{Code: "d", StartDay: 1, Days: 7, OpensHour: 18, ClosesHour: 27, GraceHours: 6, Instruments: []domain.InstrumentRef{in.Ref()}}},
		Reminders: reminders,
	}
}

var someReminders = []domain.Reminder{{Waves: true, AfterDays: 1, Hour: 18, Jitter: 60}, {Waves: true, AfterDays: 5, Hour: 9}, {Diary: "d", AfterHours: 2, Jitter: 45}, {Diary: "d", AfterHours: 4, Jitter: 30}}

// drawProtocol draws hours, lengths and reminders.
func drawProtocol(t *rapid.T) domain.Protocol {
	p := twoWaves()
	for i := range p.Waves {
		p.Waves[i].ClosesDaysLate, p.Waves[i].GraceDays = rapid.IntRange(0, 8).Draw(t, "closes"), rapid.IntRange(0, 3).Draw(t, "grace")
	}
	d := &p.Diaries[0]
	d.Days, d.OpensHour = rapid.IntRange(1, 8).Draw(t, "days"), rapid.IntRange(0, 23).Draw(t, "opens")
	d.ClosesHour = rapid.IntRange(d.OpensHour+1, d.OpensHour+24).Draw(t, "closes")
	d.GraceHours = rapid.IntRange(0, d.OpensHour+24-d.ClosesHour).Draw(t, "grace")
	for range rapid.IntRange(1, 4).Draw(t, "reminders") {
		r := domain.Reminder{Waves: rapid.Bool().Draw(t, "waves"), Jitter: rapid.IntRange(0, 240).Draw(t, "jitter")}
		if r.Waves {
			r.AfterDays, r.Hour = rapid.IntRange(0, 8).Draw(t, "days"), rapid.IntRange(0, 23).Draw(t, "hour")
		} else {
			r.Diary, r.AfterHours = "d", rapid.IntRange(0, 12).Draw(t, "hours")
		}
		p.Reminders = append(p.Reminders, r)
	}
	return p
}

// pastOf is a couple that agreed to everything at enrolment.
func pastOf(p domain.Protocol, enrolled domain.Date, zoneA, zoneB string) domain.Past {
	in, _ := domain.LatestKey("asem-daily")
	past := domain.Past{Study: &domain.Study{}, Couple: &domain.Couple{}}
	past.Study.Apply(domain.StudyCreated{Code: "S", Title: "S", Zone: "Etc/UTC"})
	past.Study.Apply(domain.InstrumentRegistered{Instrument: in})
	past.Study.Apply(domain.ProtocolPublished{Protocol: p})
	past.Couple.Apply(domain.CoupleEnrolled{Study: "S", Code: "1", EnrolledOn: enrolled})
	for _, who := range []domain.ParticipantJoined{{Role: "A", Code: "1a", Zone: zoneA}, {Role: "B", Code: "1b", Zone: zoneB}} {
		past.Couple.Apply(who)
		for _, s := range []domain.Scope{domain.ScopeQuestionnaires, domain.ScopeDiary} {
			past.Couple.Apply(domain.ConsentGiven{Role: who.Role, Scope: s, Version: "1", At: enrolled.Start(time.UTC)})
		}
	}
	return past
}

// drawEnrolment draws a day, often shortly before clocks change somewhere.
func drawEnrolment(t *rapid.T) domain.Date {
	return domain.NewDate(2026, rapid.SampledFrom([]time.Month{time.March, time.October, time.June}).Draw(t, "month"), rapid.IntRange(1, 31).Draw(t, "day"))
}

// decent reports whether somebody may be disturbed: said anew here, by the hour that the clock on the wall shows.
func decent(o domain.Offer, at time.Time, zone *time.Location) bool {
	if h := at.In(zone).Hour(); h != 22 {
		return h >= 8 && h < 22
	}
	return o.Burst != "" && at.Before(o.Window.Closes)
}

func offerOf(past domain.Past, r domain.Role, occasion domain.Occasion) domain.Offer {
	for _, o := range past.Agenda(r) {
		if o.Occasion == occasion {
			return o
		}
	}
	return domain.Offer{}
}

func TestPlansKeepToWindowsAndNights(t *testing.T) {
	planned := 0
	rapid.Check(t, func(t *rapid.T) {
		past := pastOf(drawProtocol(t), drawEnrolment(t), rapid.SampledFrom(zones).Draw(t, "zone"), "Etc/UTC")
		start := past.Couple.EnrolledOn.Start(time.UTC)
		for at := start; rapid.Bool().Draw(t, "moves") && at.Before(start.AddDate(0, 2, 0)); {
			at = at.Add(time.Duration(rapid.IntRange(1, 12*24*60).Draw(t, "minutes")) * time.Minute)
			past.Couple.Apply(domain.ParticipantMoved{Role: "A", Zone: rapid.SampledFrom(zones).Draw(t, "to"), At: at})
		}
		who, _ := past.Couple.Participant("A")
		p := Planner{Key: rapid.SliceOfN(rapid.Byte(), 1, 8).Draw(t, "key")}
		plan := p.Plan(past, "A", start.AddDate(0, 0, -7))
		seen := map[string]bool{}
		for _, d := range plan {
			o := offerOf(past, "A", d.Occasion)
			require.True(t, !d.At.Before(o.Window.Opens) && d.At.Before(o.Window.Ends), "%v goes out at %s", o, d.At)
			require.True(t, decent(o, d.At, who.ZoneAt(d.At)), "%v goes out at %s", o, d.At.In(who.ZoneAt(d.At)))
			require.True(t, d.At.Before(d.Latest) && !d.Latest.After(o.Window.Ends) && d.Latest.Sub(d.At) <= time.Hour)
			require.False(t, seen[d.Prompt])
			require.NoError(t, domain.CheckCode("", d.Prompt))
			seen[d.Prompt] = true
			planned++
		}
		require.Equal(t, plan, p.Plan(past, "A", start.AddDate(0, 0, -7)), "the same every time")
		other := Planner{Key: append([]byte("x"), p.Key...)}.Plan(past, "A", start.AddDate(0, 0, -7))
		require.Len(t, other, len(plan))
		for _, d := range other {
			require.True(t, seen[d.Prompt], "an id does not depend on the key")
		}
	})
	assert.Greater(t, planned, 300, "otherwise this tried nothing")
}

// Where nobody travels, a reminder that is set for the day goes out at its hour or up to its jitter later, and one for a late evening on that evening.
func TestRemindersGoOutWhenTheyAreSet(t *testing.T) {
	enrolled := domain.NewDate(2026, time.May, 4) // a Monday
	berlin, _ := time.LoadLocation("Europe/Berlin")
	at := func(day, hour int) time.Time { return domain.NewDate(2026, time.May, day).At(hour, berlin) }
	for _, c := range []struct {
		name        string
		reminder    domain.Reminder
		occasion    domain.Occasion
		first, last time.Time // both zero: it does not go out
	}{
		{"a wave at its hour", domain.Reminder{Waves: true, AfterDays: 1, Hour: 18, Jitter: 60}, domain.Occasion{Wave: 1}, at(5, 18), at(5, 19)},
		{"without jitter", domain.Reminder{Waves: true, AfterDays: 1, Hour: 9}, domain.Occasion{Wave: 1}, at(5, 9), at(5, 9)},
		{"early in the morning", domain.Reminder{Waves: true, AfterDays: 1, Hour: 5, Jitter: 30}, domain.Occasion{Wave: 1}, at(5, 8), at(5, 8).Add(30 * time.Minute)},
		{"late at night", domain.Reminder{Waves: true, AfterDays: 1, Hour: 23, Jitter: 30}, domain.Occasion{Wave: 1}, at(6, 8), at(6, 8).Add(30 * time.Minute)},
		{"the jitter ends with the evening", domain.Reminder{Waves: true, AfterDays: 1, Hour: 21, Jitter: 240}, domain.Occasion{Wave: 1}, at(5, 21), at(5, 22)},
		{"in the grace", domain.Reminder{Waves: true, AfterDays: 9, Hour: 12}, domain.Occasion{Wave: 1}, at(13, 12), at(13, 12)},
		{"after the end", domain.Reminder{Waves: true, AfterDays: 10, Hour: 12}, domain.Occasion{Wave: 1}, time.Time{}, time.Time{}},
		{"a diary in the evening", domain.Reminder{Diary: "d", AfterHours: 2, Jitter: 45}, domain.Occasion{Burst: "d", Day: enrolled.AddDays(1)}, at(5, 20), at(5, 20).Add(45 * time.Minute)},
		{"a diary after ten", domain.Reminder{Diary: "d", AfterHours: 4, Jitter: 30}, domain.Occasion{Burst: "d", Day: enrolled.AddDays(1)}, at(5, 22), at(5, 22).Add(30 * time.Minute)},
		{"a diary at midnight", domain.Reminder{Diary: "d", AfterHours: 6, Jitter: 30}, domain.Occasion{Burst: "d", Day: enrolled.AddDays(1)}, at(5, 22).Add(30 * time.Minute), at(5, 23)},
	} {
		var got []Due
		for _, key := range []string{"a", "b", "c", "d"} {
			for _, d := range (Planner{Key: []byte(key)}).Plan(pastOf(twoWaves(c.reminder), enrolled, "Europe/Berlin", "Etc/UTC"), "A", at(4, 0)) {
				if d.Occasion == c.occasion {
					got = append(got, d)
				}
			}
		}
		if c.first.IsZero() {
			assert.Empty(t, got, c.name)
			continue
		}
		require.Len(t, got, 4, c.name)
		for _, d := range got {
			assert.True(t, !d.At.Before(c.first) && !d.At.After(c.last), "%s: %s", c.name, d.At.In(berlin))
		}
	}
}

// Times are spread over the jitter, and those of two partners have nothing to do with each other.
func TestJitterIsSpreadAndIndependentOfThePartner(t *testing.T) {
	p := Planner{Key: []byte("key")}
	var n, below, both int
	for i := range 400 {
		past := pastOf(twoWaves(domain.Reminder{Waves: true, AfterDays: 1, Hour: 12, Jitter: 240}), domain.NewDate(2026, time.May, 4), "Etc/UTC", "Etc/UTC")
		past.Couple.Code = fmt.Sprint(i)
		half := map[domain.Role]bool{}
		for _, r := range []domain.Role{"A", "B"} {
			at := p.Plan(past, r, time.Time{})[0].At
			half[r] = at.Hour() < 14
		}
		n++
		if half["A"] {
			below++
		}
		if half["A"] == half["B"] {
			both++
		}
	}
	// Each count is binomial with p = 1/2: a standard deviation of 10.
	assert.InDelta(t, n/2, below, 50)
	assert.InDelta(t, n/2, both, 50)
}

// Whatever the partner does, a person's plan is the same.
func TestAPlanTellsNothingOfThePartner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		protocol, enrolled, zone := drawProtocol(t), drawEnrolment(t), rapid.SampledFrom(zones).Draw(t, "zone")
		p := Planner{Key: []byte("key")}
		now := enrolled.Start(time.UTC).Add(time.Duration(rapid.IntRange(-24, 40*24).Draw(t, "hours")) * time.Hour)
		alone := p.Plan(pastOf(protocol, enrolled, zone, "Etc/UTC"), "A", now)
		past := pastOf(protocol, enrolled, zone, rapid.SampledFrom(zones).Draw(t, "other zone"))
		for _, e := range []domain.Event{
			domain.ParticipantMoved{Role: "B", Zone: "Asia/Tokyo", At: enrolled.Start(time.UTC)}, domain.ContactChanged{Role: "B", Email: "b@example.org"}, domain.LanguageChosen{Role: "B", Language: "he"},
			domain.DiarySubmitted{Role: "B", Burst: "d", Day: enrolled.AddDays(1)}, domain.WaveMissed{Role: "B", Wave: 1}, domain.PairingConfirmed{Role: "B"},
			domain.PromptScheduled{Role: "B", Prompt: "x", Occasion: domain.Occasion{Wave: 1}}, domain.PromptSent{Role: "B", Prompt: "x"}, domain.SeparationReported{Role: "B", On: enrolled},
			domain.ConsentWithdrawn{Role: "B", Scope: domain.ScopeDiary}, domain.ParticipantWithdrew{Role: "B", On: enrolled}, domain.ParticipantErased{Role: "B"},
		} {
			if rapid.Bool().Draw(t, "happens") {
				past.Couple.Apply(e)
			}
			require.Equal(t, alone, p.Plan(past, "A", now), "%T", e)
		}
	})
}

// In Cairo clocks are put back at midnight, so that the hour before it comes twice: the first time is night already.
func TestAnHourThatComesTwiceIsNightTheFirstTime(t *testing.T) {
	cairo, err := time.LoadLocation("Africa/Cairo")
	require.NoError(t, err)
	first := firstAt(domain.NewDate(2026, time.October, 29), 23, cairo)
	assert.Equal(t, "2026-10-29T23:00:00+03:00", first.Format(time.RFC3339))
	assert.Equal(t, "2026-10-28T23:00:00+03:00", firstAt(domain.NewDate(2026, time.October, 28), 23, cairo).Format(time.RFC3339))
}
