package domain_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// The study of the tests: two waves, a diary of three days, one interaction task.
func testStudy(t testing.TB) []domain.Event {
	t.Helper()
	in := testInstrument()
	require.NoError(t, in.Validate())
	lo, hi := 0.0, 10.0
	return []domain.Event{
		domain.StudyCreated{Code: "S", Title: "A study", Zone: "Europe/Berlin"},
		domain.InstrumentRegistered{Instrument: in},
		domain.ProtocolPublished{Protocol: domain.Protocol{
			Version: 1, Roles: []domain.RoleLabel{{Role: "A", Label: "wife"}, {Role: "B", Label: "husband"}}, TimeUnitMonths: 1,
			Waves: []domain.Wave{
				{Index: 1, Month: 0, ClosesDaysLate: 6, GraceDays: 2, Instruments: []domain.InstrumentRef{in.Ref()}},
				{Index: 2, Month: 8, OpensDaysEarly: 2, ClosesDaysLate: 6, Instruments: []domain.InstrumentRef{in.Ref()}},
			},
			Diaries:    []domain.DiaryBurst{{Code: "d", StartDay: 1, Days: 3, OpensHour: 17, ClosesHour: 27, GraceHours: 5, Instruments: []domain.InstrumentRef{in.Ref()}}},
			Tasks:      []domain.Task{{Code: "talk", Title: "Talk", Wave: 1}},
			Constructs: []domain.Construct{{Code: "quality", Min: &lo, Max: &hi}},
			Schemes: []domain.CodingScheme{{Code: "resp", Title: "Responsiveness", Unit: domain.UnitClip, Directed: domain.DirectedPerson, JudgesPerClip: 2,
				Dimensions: []domain.Dimension{{Code: "caring", Min: 1, Max: 7, Step: 0.5}}}},
			AfterSeparation: domain.StopAfterSeparation,
		}},
	}
}

func testInstrument() domain.Instrument {
	return domain.Instrument{Code: "own", Version: "1", Title: "Own items", Items: []domain.Item{{ID: "a", Min: 1, Max: 7}, {ID: "b", Min: 1, Max: 7}},
		Scales: []domain.Scale{{Code: "avoidance", Items: []domain.KeyedItem{{ID: "a"}, {ID: "b", Reverse: true}}, Method: domain.Mean, Missing: domain.MissingRule{Rule: domain.RequireComplete}}}}
}

var enrolled = domain.NewDate(2025, time.March, 1)

func testCouple() []domain.Event {
	list := []domain.Event{domain.CoupleEnrolled{Study: "S", Code: "1", EnrolledOn: enrolled, Participants: []domain.NewParticipant{
		{Role: "A", Code: "1-A", Zone: "Europe/Berlin"}, {Role: "B", Code: "1-B", Zone: "America/New_York"}}}}
	for _, r := range []domain.Role{"A", "B"} {
		for _, s := range []domain.Scope{domain.ScopeQuestionnaires, domain.ScopeDiary, domain.ScopeVideo} {
			list = append(list, domain.ConsentGiven{Role: r, Scope: s, Version: "1"})
		}
	}
	return list
}

// fold builds the past of a decision.
func fold(t testing.TB, couple ...domain.Event) domain.Past {
	t.Helper()
	p := domain.Past{Study: &domain.Study{}, Couple: &domain.Couple{}}
	for _, e := range testStudy(t) {
		p.Study.Apply(e)
	}
	for _, e := range couple {
		p.Couple.Apply(e)
	}
	return p
}

func answers(a, b int) []domain.Answer {
	return []domain.Answer{{Item: "a", Value: &a}, {Item: "b", Value: &b}}
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestDecide(t *testing.T) {
	own := domain.InstrumentRef{Code: "own", Version: "1"}
	submit := func(when string, a, b int) domain.SubmitQuestionnaire {
		return domain.SubmitQuestionnaire{Study: "S", Couple: "1", Role: "A", Wave: 1, Instrument: own, Answers: answers(a, b), FilledAt: at(when)}
	}
	submitted := domain.QuestionnaireSubmitted{Role: "A", Wave: 1, Instrument: "own", Version: "1", Answers: answers(2, 3), FilledAt: at("2025-03-02T10:00:00Z"), Timing: domain.TimingOnTime}
	diary := func(day, when string) domain.SubmitDiary {
		d, err := domain.ParseDate(day)
		require.NoError(t, err)
		return domain.SubmitDiary{Study: "S", Couple: "1", Role: "A", Burst: "d", Day: d, FilledAt: at(when),
			Entries: []domain.DiaryEntry{{Instrument: "own", Version: "1", Answers: answers(4, 4)}}}
	}
	diaried := func(day, when string, timing domain.Timing) domain.DiarySubmitted {
		c := diary(day, when)
		return domain.DiarySubmitted{Role: "A", Burst: "d", Day: c.Day, Entries: c.Entries, FilledAt: c.FilledAt, Timing: timing}
	}
	score := func(v float64) domain.RecordScore {
		return domain.RecordScore{Study: "S", Couple: "1", Role: "B", Wave: 1, Construct: "quality", Value: v, MeasuredAt: at("2025-03-01T12:00:00Z")}
	}
	rating := func(v float64) domain.RecordRating {
		return domain.RecordRating{Study: "S", Couple: "1", Clip: "c", Judge: "j1", Scheme: "resp", Dimension: "caring", Rated: "A", Value: v, RatedAt: at("2025-04-01T00:00:00Z")}
	}
	held := at("2025-03-01T15:00:00Z")
	interaction := domain.InteractionRecorded{Interaction: "i", Task: "talk", Wave: 1, DurationMs: 1000, HeldAt: held}
	clip := domain.ClipCut{Clip: "c", Interaction: "i", EndMs: 1000}
	separated := domain.CoupleSeparated{On: domain.NewDate(2025, time.March, 2)}

	for _, c := range []struct {
		name  string
		given []domain.Event
		when  domain.Command
		then  []domain.Event
		code  domain.Code // of the refusal
		path  string
	}{
		{"a questionnaire in its window is on time", nil, submit("2025-03-02T10:00:00Z", 2, 3), []domain.Event{submitted}, "", ""},
		{"the same questionnaire again changes nothing", []domain.Event{submitted}, submit("2025-03-02T10:00:00Z", 2, 3), nil, "", ""},
		{"another answer to a submitted questionnaire is refused", []domain.Event{submitted}, submit("2025-03-02T11:00:00Z", 2, 4), nil, domain.Conflict, "instrument"},
		{"a questionnaire before its window is refused", nil, submit("2025-02-28T22:59:59Z", 2, 3), nil, domain.Conflict, "wave"},
		{"the window opens at midnight of the participant's zone", nil, submit("2025-02-28T23:00:00Z", 2, 3),
			[]domain.Event{domain.QuestionnaireSubmitted{Role: "A", Wave: 1, Instrument: "own", Version: "1", Answers: answers(2, 3), FilledAt: at("2025-02-28T23:00:00Z"), Timing: domain.TimingOnTime}}, "", ""},
		{"within the grace it is late", nil, submit("2025-03-08T12:00:00Z", 2, 3),
			[]domain.Event{domain.QuestionnaireSubmitted{Role: "A", Wave: 1, Instrument: "own", Version: "1", Answers: answers(2, 3), FilledAt: at("2025-03-08T12:00:00Z"), Timing: domain.TimingLate}}, "", ""},
		{"after the grace it is refused", nil, submit("2025-03-10T12:00:00Z", 2, 3), nil, domain.Conflict, "wave"},
		{"an answer out of range is refused", nil, submit("2025-03-02T10:00:00Z", 8, 3), nil, domain.Invalid, "a"},
		{"without consent nothing is taken", []domain.Event{domain.ConsentWithdrawn{Role: "A", Scope: domain.ScopeQuestionnaires}}, submit("2025-03-02T10:00:00Z", 2, 3), nil, domain.Forbidden, "consent"},
		{"after withdrawal nothing is taken", []domain.Event{domain.ParticipantWithdrew{Role: "A", On: domain.NewDate(2025, 3, 2)}}, submit("2025-03-02T10:00:00Z", 2, 3), nil, domain.Conflict, "role"},
		{"the partner's withdrawal does not matter", []domain.Event{domain.ParticipantWithdrew{Role: "B", On: domain.NewDate(2025, 3, 2)}}, submit("2025-03-02T10:00:00Z", 2, 3), []domain.Event{submitted}, "", ""},
		{"after separation this protocol asks nothing", []domain.Event{separated}, submit("2025-03-02T10:00:00Z", 2, 3), nil, domain.Conflict, "couple"},
		{"a correction needs a reason", []domain.Event{submitted}, domain.CorrectAnswer{Study: "S", Couple: "1", Role: "A", Wave: 1, Instrument: "own", Answer: answers(5, 0)[0]}, nil, domain.Invalid, "reason"},
		{"a correction replaces one answer", []domain.Event{submitted}, domain.CorrectAnswer{Study: "S", Couple: "1", Role: "A", Wave: 1, Instrument: "own", Answer: answers(5, 0)[0], Reason: "typo"},
			[]domain.Event{domain.AnswerCorrected{Role: "A", Wave: 1, Instrument: "own", Version: "1", Answer: answers(5, 0)[0], Reason: "typo"}}, "", ""},

		{"a diary in the evening is on time", nil, diary("2025-03-02", "2025-03-02T19:00:00Z"), []domain.Event{diaried("2025-03-02", "2025-03-02T19:00:00Z", domain.TimingOnTime)}, "", ""},
		{"a diary after midnight still belongs to its day", nil, diary("2025-03-02", "2025-03-03T01:59:00Z"), []domain.Event{diaried("2025-03-02", "2025-03-03T01:59:00Z", domain.TimingOnTime)}, "", ""},
		{"a diary in the morning is late", nil, diary("2025-03-02", "2025-03-03T02:00:00Z"), []domain.Event{diaried("2025-03-02", "2025-03-03T02:00:00Z", domain.TimingLate)}, "", ""},
		{"a diary at noon of the next day is refused", nil, diary("2025-03-02", "2025-03-03T11:00:00Z"), nil, domain.Conflict, "day"},
		{"a day outside the burst is refused", nil, diary("2025-03-05", "2025-03-05T19:00:00Z"), nil, domain.Invalid, "day"},
		{"a day filled in in time arrives after it was closed as missed", []domain.Event{domain.DiaryMissed{Role: "A", Burst: "d", Day: domain.NewDate(2025, 3, 2)}}, diary("2025-03-02", "2025-03-03T01:30:00Z"),
			[]domain.Event{domain.DiarySubmitted{Role: "A", Burst: "d", Day: domain.NewDate(2025, 3, 2), FilledAt: at("2025-03-03T01:30:00Z"), Timing: domain.TimingOnTime,
				Entries: []domain.DiaryEntry{{Instrument: "own", Version: "1", Answers: answers(4, 4)}}}}, "", ""},
		{"a day still open is not closed", nil, domain.CloseDiaryDay{Study: "S", Couple: "1", Role: "A", Burst: "d", Day: domain.NewDate(2025, 3, 2), At: at("2025-03-03T06:59:00Z")}, nil, domain.Conflict, "day"},
		{"an unanswered day is closed as missed", nil, domain.CloseDiaryDay{Study: "S", Couple: "1", Role: "A", Burst: "d", Day: domain.NewDate(2025, 3, 2), At: at("2025-03-03T07:00:00Z")},
			[]domain.Event{domain.DiaryMissed{Role: "A", Burst: "d", Day: domain.NewDate(2025, 3, 2)}}, "", ""},

		{"a score is recorded", nil, score(7), []domain.Event{domain.ScoreRecorded{Role: "B", Wave: 1, Construct: "quality", Value: 7, MeasuredAt: at("2025-03-01T12:00:00Z")}}, "", ""},
		{"a score out of range is refused", nil, score(11), nil, domain.Invalid, "quality"},
		{"a second, different score is refused", []domain.Event{domain.ScoreRecorded{Role: "B", Wave: 1, Construct: "quality", Value: 7}}, score(6), nil, domain.Conflict, "quality"},
		{"the same score again changes nothing", []domain.Event{domain.ScoreRecorded{Role: "B", Wave: 1, Construct: "quality", Value: 7}}, score(7), nil, "", ""},
		{"an unanswered wave is closed as missed", nil, domain.CloseWave{Study: "S", Couple: "1", Role: "B", Wave: 1, At: at("2025-03-10T05:00:00Z")}, []domain.Event{domain.WaveMissed{Role: "B", Wave: 1}}, "", ""},
		{"an answered wave is not closed as missed", []domain.Event{submitted}, domain.CloseWave{Study: "S", Couple: "1", Role: "A", Wave: 1, At: at("2025-03-10T05:00:00Z")}, nil, "", ""},

		{"an interaction needs both partners' consent to video", []domain.Event{domain.ConsentWithdrawn{Role: "B", Scope: domain.ScopeVideo}},
			domain.RecordInteraction{Study: "S", Couple: "1", Interaction: "i", Task: "talk", DurationMs: 1000, HeldAt: held}, nil, domain.Forbidden, "consent"},
		{"a clip must lie in its interaction", []domain.Event{interaction}, domain.CutClip{Study: "S", Couple: "1", Clip: "c", Interaction: "i", EndMs: 1001}, nil, domain.Invalid, "endMs"},
		{"a clip is not cut anew with other limits", []domain.Event{interaction, clip}, domain.CutClip{Study: "S", Couple: "1", Clip: "c", Interaction: "i", StartMs: 500, EndMs: 900}, nil, domain.Conflict, "clip"},
		{"nothing is rated after a partner's consent to video is withdrawn", []domain.Event{interaction, clip, domain.ConsentWithdrawn{Role: "B", Scope: domain.ScopeVideo}}, rating(4.5), nil, domain.Forbidden, "consent"},
		{"an interaction held at another time is another one", []domain.Event{interaction}, domain.RecordInteraction{Study: "S", Couple: "1", Interaction: "i", Task: "talk", DurationMs: 1000, HeldAt: held.Add(time.Hour)}, nil, domain.Conflict, "interaction"},
		{"a rating is recorded", []domain.Event{interaction, clip}, rating(4.5),
			[]domain.Event{domain.RatingRecorded{Clip: "c", Judge: "j1", Scheme: "resp", Dimension: "caring", Target: "A", Value: 4.5, RatedAt: at("2025-04-01T00:00:00Z")}}, "", ""},
		{"a rating between the steps is refused", []domain.Event{interaction, clip}, rating(4.2), nil, domain.Invalid, "value"},
		{"a rating out of range is refused", []domain.Event{interaction, clip}, rating(7.5), nil, domain.Invalid, "value"},

		{"a couple separates once", []domain.Event{separated}, domain.SeparateCouple{Study: "S", Couple: "1", On: domain.NewDate(2025, 5, 1)}, nil, domain.Conflict, "on"},
		{"a move to an unknown zone is refused", nil, domain.MoveParticipant{Study: "S", Couple: "1", Role: "A", Zone: "Mars/Olympus"}, nil, domain.Invalid, "zone"},
		{"an enrolled couple is not enrolled anew", nil, domain.EnrolCouple{Study: "S", Couple: "1", EnrolledOn: enrolled.AddDays(1), Participants: []domain.NewParticipant{{Role: "A", Code: "1-A"}, {Role: "B", Code: "1-B"}}}, nil, domain.Conflict, "couple"},
	} {
		t.Run(c.name, func(t *testing.T) {
			past := fold(t, append(testCouple(), c.given...)...)
			got, err := domain.Decide(past, c.when)
			if c.code != "" {
				var refusal *domain.Error
				require.ErrorAs(t, err, &refusal)
				assert.Equal(t, c.code, refusal.Code, refusal.Message)
				assert.Equal(t, c.path, refusal.Path, refusal.Message)
				assert.Empty(t, got)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.then, got)
			assert.Equal(t, fold(t, append(testCouple(), c.given...)...), past, "deciding must leave the past alone")
			for _, e := range got {
				past.Couple.Apply(e)
			}
			again, err := domain.Decide(past, c.when)
			require.NoError(t, err, "what was just done, asked again, is already so")
			assert.Empty(t, again)
		})
	}
}

func TestUnknownCoupleAndStudy(t *testing.T) {
	_, err := domain.Decide(domain.Past{Study: &domain.Study{}, Couple: &domain.Couple{}}, domain.SeparateCouple{Study: "X", Couple: "1", On: enrolled})
	assert.Equal(t, domain.NotFound, domain.CodeOf(err))
	past := fold(t)
	_, err = domain.Decide(past, domain.SeparateCouple{Study: "S", Couple: "1", On: enrolled})
	assert.Equal(t, domain.NotFound, domain.CodeOf(err))
}

func TestProtocolVersionsGrowByOne(t *testing.T) {
	past := fold(t)
	next := past.Study.Protocol
	next.Version = 3
	_, err := domain.Decide(past, domain.PublishProtocol{Study: "S", Protocol: next})
	assert.ErrorContains(t, err, "2 was expected")
	next.Version = 2
	next.Waves = next.Waves[:1]
	_, err = domain.Decide(past, domain.PublishProtocol{Study: "S", Protocol: next})
	assert.ErrorContains(t, err, "it must stay")
}
