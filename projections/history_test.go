package projections

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
)

// tb is what the tests of this package need of *testing.T and *rapid.T.
type tb interface {
	require.TestingT
	Helper()
}

// history is a log made by deciding commands, as the executor does: every event in it is one that really happens.
type history struct {
	study   *domain.Study
	couples map[string]*domain.Couple
	log     []events.Envelope
	version map[events.Stream]events.Version
	clock   time.Time
}

func newHistory() *history {
	return &history{study: &domain.Study{}, couples: map[string]*domain.Couple{}, version: map[events.Stream]events.Version{},
		clock: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)}
}

// try carries out a command; a refusal leaves the history as it was.
func (h *history) try(cmd domain.Command) error {
	target := cmd.Target()
	past := domain.Past{Study: h.study}
	stream := events.StudyStream(target.Study)
	if target.Couple != "" {
		stream = events.CoupleStream(target.Study, target.Couple)
		if h.couples[target.Couple] == nil {
			h.couples[target.Couple] = &domain.Couple{}
		}
		past.Couple = h.couples[target.Couple]
	}
	decided, err := domain.Decide(past, cmd)
	if err != nil {
		return err
	}
	h.clock = h.clock.Add(time.Second)
	for _, e := range decided {
		at, err := events.Encode(e)
		if err != nil {
			return err
		}
		if role, ok := domain.Concerns(e); ok && target.Couple != "" {
			at.Owner = events.Owner(target.Study, target.Couple, role)
		}
		if target.Couple != "" {
			past.Couple.Apply(e)
		} else {
			h.study.Apply(e)
		}
		h.version[stream]++
		at.Position = 1
		if n := len(h.log); n > 0 {
			at.Position = h.log[n-1].Position + 1
		}
		at.Stream, at.Version, at.Study, at.ID = stream, h.version[stream], target.Study, uuid.New()
		at.OccurredAt, at.RecordedAt = h.clock, h.clock
		h.log = append(h.log, at)
	}
	return nil
}

// do carries out commands that must succeed and returns the position after them.
func (h *history) do(t tb, cmds ...domain.Command) events.Position {
	t.Helper()
	for _, c := range cmds {
		require.NoError(t, h.try(c), "%T", c)
	}
	return h.head()
}

func (h *history) head() events.Position {
	if len(h.log) == 0 {
		return 0
	}
	return h.log[len(h.log)-1].Position
}

func (h *history) Head(context.Context) (events.Position, error) { return h.head(), nil }

func (h *history) Read(_ context.Context, after events.Position, limit int) ([]events.Envelope, error) {
	var out []events.Envelope
	for _, at := range h.log {
		if at.Position > after && len(out) < limit {
			out = append(out, at)
		}
	}
	return out, nil
}

// seen returns the view after the read models have taken in a history.
func seen(t *testing.T, s *Store, h *history) View {
	t.Helper()
	require.NoError(t, CatchUp(t.Context(), h, All(s), nil))
	v, err := s.View(t.Context(), AsOf{})
	require.NoError(t, err)
	require.Equal(t, h.head(), v.Position())
	return v
}

func day0(n int) domain.Date { return domain.NewDate(2026, 1, 5).AddDays(n) }

func ptr[T any](v T) *T { return &v }

// smallInstrument has one scale of three items of 1 to 7, the last reversed; one of them may be missing.
func smallInstrument(code, construct string) domain.Instrument {
	items := []domain.Item{}
	keyed := []domain.KeyedItem{}
	for _, id := range []string{"i1", "i2", "i3"} {
		items = append(items, domain.Item{ID: id, Min: 1, Max: 7})
		keyed = append(keyed, domain.KeyedItem{ID: id, Reverse: id == "i3"})
	}
	return domain.Instrument{Code: code, Version: "1", Title: "Test of " + construct, Items: items,
		Scales: []domain.Scale{{Code: construct, Title: construct, Items: keyed, Method: domain.Mean,
			Missing: domain.MissingRule{Rule: domain.PersonMean, MaxShare: 0.34}}}}
}

// answers to smallInstrument.
func answers(values ...int) []domain.Answer {
	out := make([]domain.Answer, len(values))
	for i, v := range values {
		out[i] = domain.Answer{Item: []string{"i1", "i2", "i3"}[i], Value: ptr(v)}
	}
	return out
}

// testProtocol is a study of three waves at 0, 4 and 8 months with a diary of three days, one task and one scheme.
func testProtocol() domain.Protocol {
	return domain.Protocol{
		Version: 1, TimeUnitMonths: 1, AfterSeparation: domain.ContinueAfterSeparation,
		Roles: []domain.RoleLabel{{Role: domain.RoleA, Label: "wife"}, {Role: domain.RoleB, Label: "husband"}},
		Waves: []domain.Wave{
			{Index: 1, Label: "T1", Month: 0, ClosesDaysLate: 13, GraceDays: 7, Instruments: []domain.InstrumentRef{{Code: "avo", Version: "1"}}},
			{Index: 2, Label: "T2", Month: 4, ClosesDaysLate: 13, GraceDays: 7, Instruments: []domain.InstrumentRef{{Code: "avo", Version: "1"}}},
			{Index: 3, Label: "T3", Month: 8, ClosesDaysLate: 13, GraceDays: 7, Instruments: []domain.InstrumentRef{{Code: "avo", Version: "1"}}},
		},
		Diaries: []domain.DiaryBurst{{Code: "daily", StartDay: 1, Days: 3, OpensHour: 18, ClosesHour: 27, GraceHours: 6,
			Instruments: []domain.InstrumentRef{{Code: "mood", Version: "1"}}}},
		Tasks: []domain.Task{{Code: "talk", Title: "A talk", Wave: 1}},
		Schemes: []domain.CodingScheme{{Code: "warmth", Title: "Warmth", Unit: domain.UnitClip, Directed: domain.DirectedPerson, JudgesPerClip: 2,
			Dimensions: []domain.Dimension{{Code: "understanding", Title: "Understanding", Min: 1, Max: 7}, {Code: "caring", Title: "Caring", Min: 1, Max: 7}}}},
		Constructs: []domain.Construct{{Code: "satisfaction", Title: "Satisfaction", Min: ptr(0.0), Max: ptr(21.0)}},
	}
}

// testStudy is a history with the study S of testProtocol and its instruments.
func testStudy(t tb) *history {
	h := newHistory()
	h.do(t,
		domain.CreateStudy{Study: "S", Title: "A study", Zone: "Europe/Berlin"},
		domain.RegisterInstrument{Study: "S", Instrument: smallInstrument("avo", "avoidance")},
		domain.RegisterInstrument{Study: "S", Instrument: smallInstrument("mood", "mood")},
		domain.PublishProtocol{Study: "S", Protocol: testProtocol()},
	)
	return h
}

// enrol brings a couple into S with every consent.
func enrol(code string) []domain.Command {
	cmds := []domain.Command{domain.EnrolCouple{Study: "S", Couple: code, EnrolledOn: day0(0), Participants: []domain.NewParticipant{
		{Role: domain.RoleA, Code: code + "-w"}, {Role: domain.RoleB, Code: code + "-h", Zone: "America/New_York"}}}}
	for _, r := range []domain.Role{domain.RoleA, domain.RoleB} {
		for _, s := range []domain.Scope{domain.ScopeQuestionnaires, domain.ScopeDiary, domain.ScopeVideo} {
			cmds = append(cmds, domain.GiveConsent{Study: "S", Couple: code, Role: r, Scope: s, Version: "1"})
		}
	}
	return cmds
}

func submit(couple string, r domain.Role, wave int, filled domain.Date, a []domain.Answer) domain.Command {
	return domain.SubmitQuestionnaire{Study: "S", Couple: couple, Role: r, Wave: wave, Instrument: domain.InstrumentRef{Code: "avo", Version: "1"},
		Answers: a, FilledAt: filled.At(12, time.UTC)}
}

func record(couple string, r domain.Role, wave int, value float64) domain.Command {
	return domain.RecordScore{Study: "S", Couple: couple, Role: r, Wave: wave, Construct: "satisfaction", Value: value, MeasuredAt: day0(0).At(12, time.UTC)}
}
