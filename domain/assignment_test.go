package domain_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// coding returns a past with two clips of a talk, a judge and a scheme of a unit.
func coding(t *testing.T, unit domain.CodingUnit) domain.Past {
	t.Helper()
	p := fold(t, append(testCouple(),
		domain.InteractionRecorded{Interaction: "t1", Task: "talk", Wave: 1, DurationMs: 600_000, HeldAt: at("2025-03-02T10:00:00Z")},
		domain.ClipCut{Clip: "k1", Interaction: "t1", StartMs: 0, EndMs: 100_000}, domain.ClipCut{Clip: "k2", Interaction: "t1", StartMs: 100_000, EndMs: 200_000})...)
	s := domain.CodingScheme{Code: "resp", Title: "Responsiveness", Unit: unit, Directed: domain.DirectedPerson, JudgesPerClip: 2, Certification: &domain.Certification{Clips: 2, WithinOne: 0.8, ValidDays: 30},
		Dimensions: []domain.Dimension{{Code: "caring", Min: 1, Max: 7, Step: 1}}}
	if unit == domain.UnitContinuous {
		s.SampleMs = 1000
	}
	p.Study.Protocol.Schemes = []domain.CodingScheme{s}
	for _, j := range []string{"j1", "j2"} {
		p.Study.Apply(domain.JudgeEnlisted{Judge: j})
		p.Study.Apply(domain.JudgeAssessed{Judge: j, Scheme: "resp", Purpose: domain.PurposeGold, Passed: true, Until: domain.NewDate(2025, time.June, 1)})
	}
	return p
}

// does decides a command, folds what follows and returns it.
func does(t *testing.T, p domain.Past, c domain.Command) []domain.Event {
	t.Helper()
	list, err := domain.Decide(p, c)
	require.NoError(t, err)
	for _, e := range list {
		p.Study.Apply(e)
		p.Couple.Apply(e)
	}
	return list
}

func refused(t *testing.T, p domain.Past, c domain.Command, code domain.Code, says string) {
	t.Helper()
	_, err := domain.Decide(p, c)
	require.Error(t, err)
	assert.Equal(t, code, domain.CodeOf(err))
	assert.ErrorContains(t, err, says)
}

func give(id, judge string) domain.MakeAssignment {
	return domain.MakeAssignment{Study: "S", Couple: "1", Assignment: id, Clip: "k1", Scheme: "resp", Judge: judge, Place: 1, Purpose: domain.PurposeStudy, On: domain.NewDate(2025, time.April, 1)}
}

func TestAnAssignmentFromMakingToLock(t *testing.T) {
	p := coding(t, domain.UnitClip)
	does(t, p, give("a1", "j1"))
	does(t, p, give("a2", "j2"))
	assert.Empty(t, does(t, p, give("a1", "j1")), "the same again")
	refused(t, p, give("a3", "j1"), domain.Invalid, "has the clip already")
	refused(t, p, domain.ClaimAssignment{Study: "S", Couple: "1", Assignment: "a1", Judge: "j2"}, domain.NotFound, "no such assignment")
	does(t, p, domain.ClaimAssignment{Study: "S", Couple: "1", Assignment: "a1", Judge: "j1", At: at("2025-04-01T10:00:00Z")})

	s := domain.SubmitRatings{Study: "S", Couple: "1", Assignment: "a1", Judge: "j1", At: at("2025-04-01T11:00:00Z"), Ratings: []domain.NewRating{{Dimension: "caring", Rated: "A", Value: 5}}}
	refused(t, p, s, domain.Invalid, "1 places are neither rated nor omitted")
	s.Omitted = []domain.Omitted{{Dimension: "caring", Target: "B", Reason: "bored"}}
	refused(t, p, s, domain.Invalid, "not a reason")
	s.Omitted[0].Reason = "not_visible"
	list := does(t, p, s)
	require.Len(t, list, 2)
	assert.Equal(t, "a1", list[0].(domain.RatingRecorded).Assignment)
	refused(t, p, s, domain.Conflict, "locked")

	adjudicate := domain.AdjudicateRating{Study: "S", Couple: "1", Clip: "k1", Scheme: "resp", Dimension: "caring", Rated: "A", Value: 4, Reason: "r"}
	assert.False(t, p.Couple.Revealed("k1", "resp"), "the other judge has not submitted")
	refused(t, p, adjudicate, domain.Conflict, "not all judges")
	does(t, p, domain.ReturnAssignment{Study: "S", Couple: "1", Assignment: "a2", Judge: "j2", Reason: "technical"})
	assert.True(t, p.Couple.Revealed("k1", "resp"))
	does(t, p, adjudicate)

	correct := domain.CorrectRating{Study: "S", Couple: "1", Clip: "k1", Judge: "j1", Scheme: "resp", Dimension: "caring", Rated: "A", Assignment: "a1", Value: 6}
	refused(t, p, correct, domain.Invalid, "needs a reason")
	correct.Reason = "typed 5 for 6"
	assert.Len(t, does(t, p, correct), 1)
	assert.Empty(t, does(t, p, correct))
}

func TestEveryUnitIsRatedOrOmitted(t *testing.T) {
	for _, c := range []struct {
		unit    domain.CodingUnit
		ratings []domain.NewRating
		traces  []domain.NewTrace
		refusal string
	}{
		{domain.UnitInterval, []domain.NewRating{{Dimension: "caring", Rated: "A", Unit: 5, Value: 3}}, nil, "there is no interval 5; expected 1 to 4"},
		{domain.UnitInterval, []domain.NewRating{{Dimension: "caring", Rated: "A", Unit: 4, Value: 3}}, nil, "7 places"},
		{domain.UnitEvent, []domain.NewRating{{Dimension: "caring", Rated: "A", Unit: 1, Value: 3, StartMs: 99_000, EndMs: 101_000}}, nil, "within 0 to 100000"},
		{domain.UnitEvent, nil, nil, ""},
		{domain.UnitTurn, []domain.NewRating{{Dimension: "caring", Rated: "A", Unit: 1, Value: 3, EndMs: 900}, {Dimension: "caring", Rated: "A", Unit: 1, Value: 3, EndMs: 900}}, nil, "rated twice"},
		{domain.UnitContinuous, nil, []domain.NewTrace{{Dimension: "caring", Rated: "A", Values: make([]float64, 100)}}, "out of range"},
		{domain.UnitContinuous, nil, []domain.NewTrace{{Dimension: "caring", Rated: "A", Values: []float64{1, 2}}}, "a clip of 100000 ms has 100"},
		{domain.UnitClip, nil, []domain.NewTrace{{Dimension: "caring", Rated: "A"}}, "takes no traces"},
	} {
		p := coding(t, c.unit)
		does(t, p, give("a1", "j1"))
		s := domain.SubmitRatings{Study: "S", Couple: "1", Assignment: "a1", Judge: "j1", Ratings: c.ratings, Traces: c.traces, At: at("2025-04-01T11:00:00Z")}
		if c.refusal == "" {
			does(t, p, s)
			continue
		}
		refused(t, p, s, domain.Invalid, c.refusal)
	}
}

func TestJudgesAreCertifiedAndSuspended(t *testing.T) {
	p := coding(t, domain.UnitClip)
	late := give("a1", "j1")
	late.On = domain.NewDate(2025, time.June, 2)
	refused(t, p, late, domain.Invalid, "not certified")
	does(t, p, domain.AcquaintJudge{Study: "S", Judge: "j2", Couple: "1"})
	refused(t, p, give("a1", "j2"), domain.Conflict, "knows the couple")

	does(t, p, domain.SetCriterion{Study: "S", Couple: "1", Clip: "k2", Scheme: "resp", Scores: []domain.CriterionScore{{Dimension: "caring", Target: "A", Value: 4}, {Dimension: "caring", Target: "B", Value: 2}}})
	probe := domain.MakeAssignment{Study: "S", Couple: "1", Assignment: "g1", Clip: "k2", Scheme: "resp", Judge: "j1", Place: 2, Purpose: domain.PurposeProbe, On: domain.NewDate(2025, time.April, 1)}
	does(t, p, probe)
	list := does(t, p, domain.SubmitRatings{Study: "S", Couple: "1", Assignment: "g1", Judge: "j1", At: at("2025-04-01T11:00:00Z"), Ratings: []domain.NewRating{{Dimension: "caring", Rated: "A", Value: 7}, {Dimension: "caring", Rated: "B", Value: 7}}})
	assert.Equal(t, domain.PurposeProbe, list[0].(domain.RatingRecorded).Purpose)

	assess := domain.AssessJudge{Study: "S", Judge: "j1", Scheme: "resp", Purpose: domain.PurposeProbe, Assessment: domain.Assessment{Clips: 1, Scores: 2, WithinOne: 0, Bias: 4}, On: domain.NewDate(2025, time.April, 2)}
	require.Len(t, does(t, p, assess), 2, "assessed, and suspended for drift")
	refused(t, p, give("a1", "j1"), domain.Invalid, "suspended")
	assess.Purpose, assess.Assessment = domain.PurposeGold, domain.Assessment{Clips: 1, Scores: 2, WithinOne: 1}
	assert.False(t, does(t, p, assess)[0].(domain.JudgeAssessed).Passed, "two clips are asked for")
	assess.Assessment.Clips = 2
	does(t, p, assess)
	assert.Len(t, does(t, p, give("a1", "j1")), 1)
}

func TestAVideoOpensOnlyWithBothPartners(t *testing.T) {
	p := coding(t, domain.UnitClip)
	a, b := make([]byte, 32), make([]byte, 32)
	a[0], b[0], b[31] = 0b1100, 0b1010, 7
	v := domain.VideoStored{Interaction: "t1", Video: "v1", SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Bytes: 9, DurationMs: 600_000, RateNum: 25, RateDen: 1, Width: 640, Height: 360, Format: "video/webm"}
	store := domain.StoreVideo{Study: "S", Couple: "1", Video: v, Parts: map[domain.Role][]byte{"A": a, "B": b[:31]}}
	refused(t, p, store, domain.Invalid, "has 31 bytes")
	store.Parts["B"] = b
	does(t, p, store)
	kept, ok := p.Couple.VideoOf("t1")
	require.True(t, ok)
	key, ok := kept.Key()
	require.True(t, ok)
	assert.Equal(t, byte(0b0110), key[0])
	assert.Equal(t, byte(7), key[31])
	assert.Empty(t, p.Endangered(at("2025-04-01T11:00:00Z")))
	does(t, p, domain.WithdrawConsent{Study: "S", Couple: "1", Role: "B", Scope: domain.ScopeVideo})
	assert.Equal(t, map[string]string{"v1": domain.VideoWithdrawn}, p.Endangered(at("2025-04-01T11:00:00Z")))
	does(t, p, domain.DeleteVideo{Study: "S", Couple: "1", Video: "v1", Reason: domain.VideoWithdrawn})
	assert.Empty(t, p.Couple.Videos())

	// What is left in a log after one partner was erased opens nothing.
	half := domain.Past{Study: p.Study, Couple: &domain.Couple{}}
	half.Couple.Apply(v)
	half.Couple.Apply(domain.VideoKeyShared{Role: "A", Video: "v1", Part: a})
	kept, _ = half.Couple.VideoOf("t1")
	_, ok = kept.Key()
	assert.False(t, ok)
}
