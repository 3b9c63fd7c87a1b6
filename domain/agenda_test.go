package domain_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
)

// farZones are as far apart as clocks can be, and change their clocks at different times, by half hours and at midnight too.
var farZones = append([]string{"Pacific/Kiritimati", "Pacific/Pago_Pago", "Pacific/Apia", "Pacific/Auckland", "America/Los_Angeles", "Asia/Jerusalem", "Africa/Cairo", "Europe/Lisbon"}, zones...)

// diarist returns a past in which role A of a couple keeps a diary that is counted from a day, having lived in a zone and moved as told. Where enrolment is
// not that day, it was some days before.
func diarist(t require.TestingT, b domain.DiaryBurst, from domain.Date, home string, moves ...domain.ParticipantMoved) domain.Past {
	in, ok := domain.LatestKey("asem-daily")
	require.True(t, ok)
	zone, err := time.LoadLocation(home)
	require.NoError(t, err)
	b.Code, b.Instruments = "d", []domain.InstrumentRef{in.Ref()}
	enrolled := from.AddDays(-5)
	switch b.Anchor {
	case domain.AnchorEnrolment:
		enrolled = from
	case domain.AnchorSession:
		b.Session = 3
	case domain.AnchorCalendar:
		b.On = from
	}
	study, couple := &domain.Study{}, &domain.Couple{}
	study.Apply(domain.StudyCreated{Code: "S", Title: "S", Zone: home})
	study.Apply(domain.InstrumentRegistered{Instrument: in})
	study.Apply(domain.ProtocolPublished{Protocol: domain.Protocol{Version: 1, Diaries: []domain.DiaryBurst{b}, Roles: []domain.RoleLabel{{Role: "A", Label: "a"}, {Role: "B", Label: "b"}}}})
	couple.Apply(domain.CoupleEnrolled{Study: "S", Code: "1", EnrolledOn: enrolled})
	for _, r := range []domain.Role{"A", "B"} {
		couple.Apply(domain.ParticipantJoined{Role: r, Code: "p" + string(r), Zone: home})
		couple.Apply(domain.ConsentGiven{Role: r, Scope: domain.ScopeDiary, Version: "1", At: from.At(12, zone)})
	}
	couple.Apply(domain.SessionHeld{Number: 3, On: from})
	for _, m := range moves {
		m.Role = "A"
		couple.Apply(m)
	}
	return domain.Past{Study: study, Couple: couple}
}

func drawBurst(t *rapid.T) domain.DiaryBurst {
	anchor := rapid.SampledFrom([]domain.Anchor{domain.AnchorEnrolment, domain.AnchorJoining, domain.AnchorSession, domain.AnchorCalendar}).Draw(t, "anchor")
	b := domain.DiaryBurst{Origin: domain.Origin{Anchor: anchor}, StartDay: rapid.IntRange(0, 3).Draw(t, "start"), Days: rapid.IntRange(1, 21).Draw(t, "days"), OpensHour: rapid.IntRange(0, 20).Draw(t, "opens")}
	b.ClosesHour = rapid.IntRange(b.OpensHour+1, b.OpensHour+24).Draw(t, "closes")
	b.GraceHours = rapid.IntRange(0, b.OpensHour+24-b.ClosesHour).Draw(t, "grace")
	return b
}

// Whatever clocks and travellers do, each day of a diary is offered once, for an hour at least, in order and without overlap, and an answer is
// taken, on time or late, exactly where the agenda says so.
func TestEveryDiaryDayIsOfferedOnceWhereverPeopleGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, from := drawBurst(t), drawDay(t)
		var moves []domain.ParticipantMoved
		at := from.Start(time.UTC).Add(-48 * time.Hour)
		for range rapid.IntRange(0, 5).Draw(t, "moves") {
			at = at.Add(time.Duration(rapid.IntRange(1, 8*24*60).Draw(t, "minutes")) * time.Minute)
			moves = append(moves, domain.ParticipantMoved{Zone: rapid.SampledFrom(farZones).Draw(t, "to"), At: at})
		}
		p := diarist(t, b, from, rapid.SampledFrom(farZones).Draw(t, "home"), moves...)
		if b.Anchor == domain.AnchorJoining { // on Samoa nobody could join on 30 December 2011
			from = p.Couple.Participants[0].JoinedOn
		}
		agenda := p.Agenda("A")
		require.Len(t, agenda, b.Days)
		for n, o := range agenda {
			require.Equal(t, n+1, o.Number)
			require.Equal(t, from.AddDays(b.StartDay+n), o.Day)
			require.True(t, o.Asked)
			require.GreaterOrEqual(t, o.Window.Ends.Sub(o.Window.Opens), time.Hour, "day %d", n+1)
			require.False(t, o.Window.Closes.Before(o.Window.Opens) || o.Window.Ends.Before(o.Window.Closes))
			if n > 0 {
				require.False(t, o.Window.Opens.Before(agenda[n-1].Window.Ends), "day %d opens %s, before the one before ends, %s", n+1, o.Window.Opens, agenda[n-1].Window.Ends)
			}
		}
		o := agenda[rapid.IntRange(0, b.Days-1).Draw(t, "day")]
		when := o.Window.Opens.Add(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(o.Window.Ends.Sub(o.Window.Opens)+time.Hour)).Draw(t, "when")))
		decided, err := domain.Decide(p, submission(p, o, when))
		switch {
		case when.Before(o.Window.Opens) || !when.Before(o.Window.Ends):
			require.Equal(t, domain.Conflict, domain.CodeOf(err))
		default:
			require.NoError(t, err)
			want := domain.TimingOnTime
			if !when.Before(o.Window.Closes) {
				want = domain.TimingLate
			}
			require.Equal(t, want, decided[0].(domain.DiarySubmitted).Timing)
		}
	})
}

// submission answers a diary day.
func submission(p domain.Past, o domain.Offer, at time.Time) domain.SubmitDiary {
	in := p.Study.Instruments[o.Instruments[0]]
	var answers []domain.Answer
	for _, it := range in.Items {
		v := it.Min
		answers = append(answers, domain.Answer{Item: it.ID, Value: &v})
	}
	return domain.SubmitDiary{Study: "S", Couple: "1", Role: "A", Burst: o.Burst, Day: o.Day, FilledAt: at, Entries: []domain.DiaryEntry{{Instrument: in.Code, Version: in.Version, Answers: answers}}}
}

// A diary that is counted from what has not happened yet is not offered, and nothing can be sent or missed; what another program collected is taken.
func TestADiaryWaitsForWhatItIsCountedFrom(t *testing.T) {
	from := domain.NewDate(2026, time.May, 10)
	for anchor, then := range map[domain.Anchor]domain.Event{
		domain.AnchorJoining: domain.ConsentGiven{Role: "A", Scope: domain.ScopeDiary, Version: "2", At: from.At(12, time.UTC)},
		domain.AnchorSession: domain.SessionHeld{Number: 3, On: from},
	} {
		t.Run(string(anchor), func(t *testing.T) {
			b := domain.DiaryBurst{Origin: domain.Origin{Anchor: anchor}, StartDay: 1, Days: 3, OpensHour: 18, ClosesHour: 27, GraceHours: 6}
			full := diarist(t, b, from, "UTC")
			p := domain.Past{Study: full.Study, Couple: &domain.Couple{}}
			p.Couple.Apply(domain.CoupleEnrolled{Study: "S", Code: "1", EnrolledOn: from.AddDays(-5)})
			p.Couple.Apply(domain.ParticipantJoined{Role: "A", Code: "pA", Zone: "UTC"})
			p.Couple.Apply(domain.ConsentGiven{Role: "A", Scope: domain.ScopeDiary, Version: "1"}) // when is not known
			assert.Empty(t, p.Agenda("A"))
			offer := full.Agenda("A")[0]
			send := submission(full, offer, offer.Window.Opens)
			for _, c := range []domain.Command{send, domain.CloseDiaryDay{Study: "S", Couple: "1", Role: "A", Burst: "d", Day: offer.Day, At: offer.Window.Ends},
				domain.StartForm{Study: "S", Couple: "1", Role: "A", Occasion: offer.Occasion, At: offer.Window.Opens}} {
				_, err := domain.Decide(p, c)
				assert.Equal(t, domain.Conflict, domain.CodeOf(err), "%T", c)
				assert.ErrorContains(t, err, "what diary d is counted from has not happened yet")
			}
			send.Elsewhere = true
			decided, err := domain.Decide(p, send)
			require.NoError(t, err)
			assert.Equal(t, domain.TimingUnrecorded, decided[0].(domain.DiarySubmitted).Timing)

			p.Couple.Apply(then)
			assert.Equal(t, full.Agenda("A"), p.Agenda("A"))
		})
	}
}

// Where the day of a session is corrected, no answer is lost and no day that was answered is offered again.
func TestASessionThatWasMovedLosesNoDiary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, from := drawBurst(t), drawDay(t)
		b.Anchor = domain.AnchorSession
		p := diarist(t, b, from, rapid.SampledFrom(farZones).Draw(t, "home"))
		_, err := domain.Decide(p, domain.HoldSession{Study: "S", Couple: "1", Number: 3, On: from.AddDays(1)})
		require.ErrorContains(t, err, "session 3 was held on "+from.String()+" already")
		answered := map[domain.Date]bool{}
		for _, o := range p.Agenda("A") {
			if rapid.Bool().Draw(t, "answered") {
				decided, err := domain.Decide(p, submission(p, o, o.Window.Opens))
				require.NoError(t, err)
				p.Couple.Apply(decided[0])
				answered[o.Day] = true
			}
		}
		right := from.AddDays(rapid.IntRange(-30, 30).Filter(func(by int) bool { return by != 0 }).Draw(t, "by"))
		_, err = domain.Decide(p, domain.HoldSession{Study: "S", Couple: "1", Number: 4, On: from, Corrects: true})
		require.Equal(t, domain.NotFound, domain.CodeOf(err))
		if decided, err := domain.Decide(p, domain.HoldSession{Study: "S", Couple: "1", Number: 3, On: right, Corrects: true}); err == nil {
			p.Couple.Apply(decided[0])
			require.Equal(t, []domain.SessionHeld{{Number: 3, On: right}}, p.Couple.Sessions())
		} else {
			require.ErrorContains(t, err, "before the enrolment")
		}
		kept := map[domain.Date]bool{}
		for _, e := range p.Couple.Entries("A") {
			kept[e.Occasion.Day] = true
		}
		require.Equal(t, answered, kept)
		seen := map[domain.Date]bool{}
		for _, o := range p.Agenda("A") {
			require.False(t, seen[o.Day], "%s is offered twice", o.Day)
			seen[o.Day] = true
			require.Equal(t, answered[o.Day], o.Done)
			require.False(t, o.Done && o.Open(o.Window.Opens))
		}
	})
}

// Waves and diaries are counted from nothing that cannot be.
func TestOriginsAreChecked(t *testing.T) {
	for want, o := range map[string]domain.Origin{
		`.anchor: "moon" is not an anchor`:                                {Anchor: "moon"},
		".session: the number of the session is 0; expected 1 to 1000":    {Anchor: domain.AnchorSession},
		".session: the number of the session is 1001; expected 1 to 1000": {Anchor: domain.AnchorSession, Session: 1001},
		".on: the day is missing":                                         {Anchor: domain.AnchorCalendar},
	} {
		p := fold(t).Study.Protocol
		p.Waves, p.Diaries = slices.Clone(p.Waves), slices.Clone(p.Diaries)
		p.Waves[1].Origin, p.Diaries[0].Origin = o, o
		err := p.Validate()
		assert.ErrorContains(t, err, "waves[1]"+want)
		assert.ErrorContains(t, err, "diaries[0]"+want)
	}
}

// Who comes later is not asked what was over before, and is asked what is not.
func TestWhoComesLateMissedNothingBefore(t *testing.T) {
	on := domain.NewDate(2026, time.May, 10)
	calendar := domain.Origin{Anchor: domain.AnchorCalendar, On: on}
	p := diarist(t, domain.DiaryBurst{Origin: calendar, Days: 3, OpensHour: 18, ClosesHour: 27, GraceHours: 6}, on, "UTC")
	ref := p.Study.Protocol.Diaries[0].Instruments
	p.Study.Protocol.Waves = []domain.Wave{{Index: 1, Origin: calendar, Instruments: ref}, {Index: 2, Origin: calendar, ClosesDaysLate: 1, Instruments: ref}}
	late := domain.Past{Study: p.Study, Couple: &domain.Couple{}}
	late.Couple.Apply(domain.CoupleEnrolled{Study: "S", Code: "2", EnrolledOn: on.AddDays(1)})
	late.Couple.Apply(domain.ParticipantJoined{Role: "A", Code: "pA", Zone: "UTC"})
	for _, s := range domain.Scopes() {
		late.Couple.Apply(domain.ConsentGiven{Role: "A", Scope: s, Version: "1"})
	}
	var asked []domain.Occasion
	for _, o := range late.Agenda("A") {
		if o.Asked {
			asked = append(asked, o.Occasion)
		}
	}
	assert.Equal(t, []domain.Occasion{{Wave: 2}, {Burst: "d", Day: on.AddDays(1)}, {Burst: "d", Day: on.AddDays(2)}}, asked)
}

func TestADiaryDayKeepsItsEveningWhereNobodyTravels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// But for Samoa, where 30 December 2011 never was.
		name := rapid.SampledFrom(slices.DeleteFunc(slices.Clone(farZones), func(z string) bool { return z == "Pacific/Apia" })).Draw(t, "zone")
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		b := domain.DiaryBurst{Days: 14, OpensHour: 17, ClosesHour: rapid.IntRange(22, 28).Draw(t, "closes"), GraceHours: rapid.IntRange(0, 6).Draw(t, "grace")}
		for _, o := range diarist(t, b, drawDay(t), name).Agenda("A") {
			require.Equal(t, 17, o.Window.Opens.In(zone).Hour())
			require.Equal(t, o.Day.At(b.ClosesHour, zone), o.Window.Closes)
			require.Equal(t, o.Day.At(b.ClosesHour+b.GraceHours, zone), o.Window.Ends)
		}
	})
}

func TestTravel(t *testing.T) {
	b := domain.DiaryBurst{Days: 3, OpensHour: 18, ClosesHour: 27, GraceHours: 6}
	day := domain.NewDate(2026, time.May, 10)
	utc := func(s string) time.Time {
		at, err := time.Parse("2006-01-02 15:04", s)
		require.NoError(t, err)
		return at
	}
	for _, c := range []struct {
		name, home    string
		moves         []domain.ParticipantMoved
		number        int
		opens, closes string // UTC
		ends          string
	}{
		{"at home in Berlin", "Europe/Berlin", nil, 1, "2026-05-10 16:00", "2026-05-11 01:00", "2026-05-11 07:00"},
		{"west, in the evening: the day goes on until its night is over there", "Europe/Berlin", []domain.ParticipantMoved{{Zone: "America/New_York", At: utc("2026-05-10 18:00")}}, 1, "2026-05-10 16:00", "2026-05-11 07:00", "2026-05-11 13:00"},
		{"west, the day after begins by the new clock", "Europe/Berlin", []domain.ParticipantMoved{{Zone: "America/New_York", At: utc("2026-05-10 18:00")}}, 2, "2026-05-11 22:00", "2026-05-12 07:00", "2026-05-12 13:00"},
		{"east, over the opening hour: it opens on arrival", "Europe/Berlin", []domain.ParticipantMoved{{Zone: "Asia/Tokyo", At: utc("2026-05-10 15:00")}}, 1, "2026-05-10 15:00", "2026-05-10 18:00", "2026-05-11 00:00"},
		{"east over the date line, a day that never was has its hour", "Pacific/Pago_Pago", []domain.ParticipantMoved{{Zone: "Pacific/Kiritimati", At: utc("2026-05-11 04:00")}}, 1, "2026-05-11 04:00", "2026-05-11 04:00", "2026-05-11 05:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := diarist(t, b, day, c.home, c.moves...).Agenda("A")[c.number-1]
			got := []string{o.Window.Opens.UTC().Format("2006-01-02 15:04"), o.Window.Closes.UTC().Format("2006-01-02 15:04"), o.Window.Ends.UTC().Format("2006-01-02 15:04")}
			assert.Equal(t, []string{c.opens, c.closes, c.ends}, got)
		})
	}
}

// Nothing that a partner does, but for what concerns the couple as a whole, changes what a person is offered.
func TestAnAgendaTellsNothingOfThePartner(t *testing.T) {
	p := diarist(t, domain.DiaryBurst{Days: 3, OpensHour: 18, ClosesHour: 27, GraceHours: 6}, domain.NewDate(2026, time.May, 10), "Europe/Berlin")
	before := p.Agenda("B")
	for _, e := range []domain.Event{
		domain.DiaryMissed{Role: "A", Burst: "d", Day: domain.NewDate(2026, time.May, 10)},
		domain.ParticipantMoved{Role: "A", Zone: "Asia/Tokyo", At: time.Now()},
		domain.SeparationReported{Role: "A", On: domain.NewDate(2026, time.May, 11)},
		domain.ConsentWithdrawn{Role: "A", Scope: domain.ScopeDiary},
		domain.ParticipantWithdrew{Role: "A", On: domain.NewDate(2026, time.May, 11)},
		domain.ParticipantErased{Role: "A"},
	} {
		p.Couple.Apply(e)
		assert.Equal(t, before, p.Agenda("B"), "%T", e)
	}
}

func TestAPromptIsSentOnce(t *testing.T) {
	p := diarist(t, domain.DiaryBurst{Days: 1, OpensHour: 18, ClosesHour: 27, GraceHours: 6}, domain.NewDate(2026, time.May, 10), "UTC")
	o := p.Agenda("A")[0]
	at := o.Window.Opens.Add(time.Hour)
	do := func(c domain.Command) []domain.Event {
		t.Helper()
		list, err := domain.Decide(p, c)
		require.NoError(t, err)
		for _, e := range list {
			p.Couple.Apply(e)
		}
		return list
	}
	send := domain.SendPrompt{Study: "S", Couple: "1", Role: "A", Prompt: "x1", At: at}
	assert.Len(t, do(domain.SchedulePrompt{Study: "S", Couple: "1", Role: "A", Prompt: "x1", Occasion: o.Occasion, Channel: "email", At: at}), 1)
	assert.IsType(t, domain.PromptSent{}, do(send)[0])
	assert.Empty(t, do(send), "a second sender gets nothing")
	assert.IsType(t, domain.PromptAccepted{}, do(domain.SettlePrompt{Study: "S", Couple: "1", Role: "A", Prompt: "x1", At: at})[0])
	assert.Empty(t, do(domain.SettlePrompt{Study: "S", Couple: "1", Role: "A", Prompt: "x1", At: at, Reason: domain.PromptRefused}), "what is settled stays so")

	do(domain.SchedulePrompt{Study: "S", Couple: "1", Role: "A", Prompt: "x2", Occasion: o.Occasion, Channel: "email", At: at})
	do(submission(p, o, at))
	send.Prompt = "x2"
	assert.Equal(t, []domain.Event{domain.PromptFailed{Role: "A", Prompt: "x2", At: at, Reason: domain.PromptNotNeeded}}, do(send))
}

// Whoever withdraws while a wave is open is not reminded of it any more, though it was asked when it opened.
func TestNobodyIsRemindedAfterAWithdrawal(t *testing.T) {
	wave := domain.Occasion{Wave: 1}
	for name, c := range map[string]struct {
		then domain.Event
		want string
	}{
		"withdrawal":         {domain.ParticipantWithdrew{Role: "A", On: enrolled.AddDays(2)}, domain.PromptNotNeeded},
		"of consent":         {domain.ConsentWithdrawn{Role: "A", Scope: domain.ScopeQuestionnaires}, domain.PromptNotNeeded},
		"own separation":     {domain.SeparationReported{Role: "A", On: enrolled.AddDays(2)}, domain.PromptNotNeeded},
		"partner withdraws":  {domain.ParticipantWithdrew{Role: "B", On: enrolled.AddDays(2)}, ""},
		"withdraws later":    {domain.ParticipantWithdrew{Role: "A", On: enrolled.AddDays(4)}, ""},
		"partner says it is": {domain.SeparationReported{Role: "B", On: enrolled.AddDays(2)}, ""},
	} {
		now := at("2025-03-04T12:00:00Z")
		past := fold(t, append(testCouple(), domain.PromptScheduled{Role: "A", Prompt: "x", Occasion: wave, Channel: "email", At: now}, c.then)...)
		got, err := domain.Decide(past, domain.SendPrompt{Study: "S", Couple: "1", Role: "A", Prompt: "x", At: now})
		require.NoError(t, err, name)
		if c.want == "" {
			assert.Equal(t, []domain.Event{domain.PromptSent{Role: "A", Prompt: "x", At: now}}, got, name)
		} else {
			assert.Equal(t, []domain.Event{domain.PromptFailed{Role: "A", Prompt: "x", At: now, Reason: c.want}}, got, name)
		}
	}
}

func TestOnlyWhatNobodyClaimedIsDropped(t *testing.T) {
	now := at("2025-03-04T12:00:00Z")
	scheduled := append(testCouple(), domain.PromptScheduled{Role: "A", Prompt: "x", Occasion: domain.Occasion{Wave: 1}, Channel: "email", At: now})
	drop := domain.DropPrompt{Study: "S", Couple: "1", Role: "A", Prompt: "x", At: now, Reason: domain.PromptOverdue}
	got, err := domain.Decide(fold(t, scheduled...), drop)
	require.NoError(t, err)
	assert.Equal(t, []domain.Event{domain.PromptFailed{Role: "A", Prompt: "x", At: now, Reason: domain.PromptOverdue}}, got)
	got, err = domain.Decide(fold(t, append(scheduled, domain.PromptSent{Role: "A", Prompt: "x", At: now})...), drop)
	require.NoError(t, err)
	assert.Empty(t, got, "whoever claimed it tells what became of it")
	drop.Reason = ""
	_, err = domain.Decide(fold(t, scheduled...), drop)
	assert.Equal(t, domain.Invalid, domain.CodeOf(err))
}

func TestAGateAndRisk(t *testing.T) {
	p := diarist(t, domain.DiaryBurst{Days: 1, OpensHour: 0, ClosesHour: 24}, domain.NewDate(2026, time.May, 10), "UTC")
	in := p.Study.Instruments[p.Agenda("A")[0].Instruments[0]]
	gate, other := in.Items[0], in.Items[1]
	p.Study.Protocol.Showings = []domain.Showing{{Instrument: in.Code, MaySkip: true, Gate: &domain.Gate{Item: gate.ID, Value: 7}, Risk: []domain.AtRisk{{Item: other.ID, AtLeast: 5}}}}
	o := p.Agenda("A")[0]
	c := submission(p, o, o.Window.Opens)
	_, err := domain.Decide(p, c)
	assert.Equal(t, domain.Invalid, domain.CodeOf(err), "items behind a closed gate were answered")
	seven, six := 7, 6
	for i := range c.Entries[0].Answers {
		c.Entries[0].Answers[i].Value = &six
	}
	c.Entries[0].Answers[slices.IndexFunc(c.Entries[0].Answers, func(a domain.Answer) bool { return a.Item == gate.ID })].Value = &seven
	decided, err := domain.Decide(p, c)
	require.NoError(t, err)
	assert.Equal(t, domain.RiskRaised{Role: "A", Occasion: o.Occasion, Instrument: in.Code, Item: other.ID}, decided[1])
}
