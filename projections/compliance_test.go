package projections

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

func sendDiary(couple string, r domain.Role, n int, at time.Time) domain.SubmitDiary {
	return domain.SubmitDiary{Study: "S", Couple: couple, Role: r, Burst: "daily", Day: day0(n), FilledAt: at,
		Entries: []domain.DiaryEntry{{Instrument: "mood", Version: "1", Answers: answers(3, 4, 5)}}}
}

func TestComplianceCountsWhatWasAskedAndWhatCame(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		h := testStudy(t)
		for _, code := range []string{"1", "2", "3"} {
			h.do(t, enrol(code)...)
		}
		// Wave 1: on time, late, missed, recorded elsewhere; wave 2: after the withdrawal of 2/A.
		h.do(t, submit("1", "A", 1, day0(2), answers(2, 4, 6)), submit("2", "A", 1, day0(16), answers(2, 4, 6)),
			domain.CloseWave{Study: "S", Couple: "3", Role: "A", Wave: 1, At: day0(60).At(0, time.UTC)},
			record("1", "B", 1, 10), record("1", "B", 2, 11))
		before := h.head()
		h.do(t, domain.WithdrawParticipant{Study: "S", Couple: "2", Role: "A", On: day0(30)},
			domain.CloseWave{Study: "S", Couple: "2", Role: "A", Wave: 2, At: day0(300).At(0, time.UTC)})
		// Diary: days 1 to 3 are 6 to 8 January, from 18 h to 3 h, late until 9 h, in Berlin and New York.
		h.do(t, sendDiary("1", "A", 1, day0(1).At(20, time.UTC)), sendDiary("1", "B", 1, day0(2).At(9, time.UTC)),
			domain.CloseDiaryDay{Study: "S", Couple: "1", Role: "A", Burst: "daily", Day: day0(2), At: day0(9).At(0, time.UTC)})
		s := open(t)
		now := seen(t, s, h)

		got, err := now.Compliance(t.Context(), "S")
		require.NoError(t, err)
		assert.Equal(t, []WaveCompliance{
			{1, "A", Counts{Expected: 3, Received: 2, OnTime: 1, Late: 1, Missed: 1}},
			{1, "B", Counts{Expected: 3, Received: 1, Unrecorded: 1}},
			{2, "A", Counts{Expected: 2}},
			{2, "B", Counts{Expected: 3, Received: 1, Unrecorded: 1}},
			{3, "A", Counts{Expected: 2}},
			{3, "B", Counts{Expected: 3}},
		}, got.Waves)
		assert.Equal(t, []DiaryCompliance{
			{"daily", 1, "A", Counts{Expected: 3, Received: 1, OnTime: 1}},
			{"daily", 1, "B", Counts{Expected: 3, Received: 1, Late: 1}},
			{"daily", 2, "A", Counts{Expected: 3, Missed: 1}},
			{"daily", 2, "B", Counts{Expected: 3}},
			{"daily", 3, "A", Counts{Expected: 3}},
			{"daily", 3, "B", Counts{Expected: 3}},
		}, got.Diaries)
		assert.Equal(t, 2, got.Waves[1].Open())
		rate, ok := got.Waves[0].Rate()
		assert.True(t, ok)
		assert.InDelta(t, 2.0/3, rate, 1e-15)
		_, ok = got.Waves[4].Rate()
		assert.False(t, ok)

		then, err := s.View(t.Context(), AsOf{Position: before})
		require.NoError(t, err)
		got, err = then.Compliance(t.Context(), "S")
		require.NoError(t, err)
		assert.Equal(t, 3, got.Waves[2].Expected, "nobody had withdrawn yet")
		assert.Zero(t, got.Diaries[0].Received)

		each, err := now.ComplianceOf(t.Context(), "S", []string{"2", "1"})
		require.NoError(t, err)
		require.Len(t, each, 2)
		assert.Equal(t, Counts{Expected: 1, Received: 1, Late: 1}, each["2"].Waves[0].Counts)
		assert.Equal(t, Counts{}, each["2"].Waves[2].Counts)
		assert.Equal(t, Counts{Expected: 1, Received: 1, OnTime: 1}, each["1"].Diaries[0].Counts)
		_, err = now.Compliance(t.Context(), "other")
		assert.Equal(t, domain.NotFound, domain.CodeOf(err))
	})
}

func TestComplianceAfterSeparationFollowsTheProtocol(t *testing.T) {
	for _, c := range []struct {
		rule domain.AfterSeparation
		want int
	}{{domain.ContinueAfterSeparation, 1}, {domain.StopAfterSeparation, 0}} {
		h := newHistory()
		p := testProtocol()
		p.AfterSeparation = c.rule
		h.do(t, domain.CreateStudy{Study: "S", Title: "A study", Zone: "Etc/UTC"},
			domain.RegisterInstrument{Study: "S", Instrument: smallInstrument("avo", "avoidance")},
			domain.RegisterInstrument{Study: "S", Instrument: smallInstrument("mood", "mood")}, domain.PublishProtocol{Study: "S", Protocol: p})
		h.do(t, enrol("1")...)
		h.do(t, domain.SeparateCouple{Study: "S", Couple: "1", On: day0(30)})
		got, err := seen(t, openFile(t), h).Compliance(t.Context(), "S")
		require.NoError(t, err)
		assert.Equal(t, 1, got.Waves[0].Expected, "wave 1 came before the separation")
		assert.Equal(t, c.want, got.Waves[2].Expected, c.rule)
	}
}
