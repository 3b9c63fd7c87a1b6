package projections

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/analysis/agreement"
	"asem/domain"
	"asem/events"
)

// talk records an interaction and cuts clips from it.
func talk(couple string, clips ...string) []domain.Command {
	cmds := []domain.Command{domain.RecordInteraction{Study: "S", Couple: couple, Interaction: "t1", Task: "talk", DurationMs: 60_000, HeldAt: day0(3).At(12, time.UTC)}}
	for i, c := range clips {
		cmds = append(cmds, domain.CutClip{Study: "S", Couple: couple, Clip: c, Interaction: "t1", StartMs: i * 1000, EndMs: i*1000 + 500})
	}
	return cmds
}

func rate(couple, clip, judge, dimension string, rated domain.Role, value float64) domain.Command {
	return domain.RecordRating{Study: "S", Couple: couple, Clip: clip, Judge: judge, Scheme: "warmth", Dimension: dimension, Rated: rated, Value: value,
		RatedAt: day0(9).At(12, time.UTC)}
}

func TestRatingsKeepEveryJudgeAndAverageThem(t *testing.T) {
	h := testStudy(t)
	h.do(t, enrol("1")...)
	held := h.do(t, talk("1", "k10", "k2")...)
	first := h.do(t, rate("1", "k2", "J2", "caring", "A", 3))
	second := h.do(t, rate("1", "k2", "J1", "caring", "A", 6))
	h.do(t, rate("1", "k2", "J1", "caring", "B", 2), rate("1", "k10", "J1", "caring", "A", 7), rate("1", "k2", "J1", "understanding", "A", 1))
	s := openFile(t)
	now := seen(t, s, h)

	rating := func(clip, judge, dimension string, target domain.Role, value float64, at events.Position) Rating {
		return Rating{CoupleID{"S", "1"}, 1, clip, "warmth", dimension, target, 0, judge, value, day0(9).At(12, time.UTC), at, "", nil}
	}
	want := []Rating{
		rating("k2", "J1", "caring", "A", 6, second), rating("k2", "J2", "caring", "A", 3, first), rating("k2", "J1", "caring", "B", 2, second+1),
		rating("k2", "J1", "understanding", "A", 1, second+3), rating("k10", "J1", "caring", "A", 7, second+2),
	}
	got, err := now.Ratings(t.Context(), "S")
	require.NoError(t, err)
	assert.Equal(t, want, got)
	of, err := now.RatingsOf(t.Context(), []CoupleID{{"S", "1"}, {"S", "2"}})
	require.NoError(t, err)
	assert.Equal(t, map[CoupleID][]Rating{{"S", "1"}: want}, of)

	mean := func(clip, dimension string, target domain.Role, mean float64, judges, n int) RatingMean {
		return RatingMean{CoupleID{"S", "1"}, 1, clip, "warmth", dimension, target, mean, judges, n, nil}
	}
	assert.Equal(t, []RatingMean{
		mean("k2", "caring", "A", 4.5, 2, 2), mean("k2", "caring", "B", 2, 1, 1), mean("k2", "understanding", "A", 1, 1, 1), mean("k10", "caring", "A", 7, 1, 1),
	}, MeanRatings(got))

	then, err := s.View(t.Context(), AsOf{Position: first})
	require.NoError(t, err)
	got, err = then.Ratings(t.Context(), "S")
	require.NoError(t, err)
	assert.Equal(t, want[1:2], got)

	talks, err := now.InteractionsOf(t.Context(), []CoupleID{{"S", "1"}})
	require.NoError(t, err)
	assert.Equal(t, map[CoupleID][]Interaction{{"S", "1"}: {{CoupleID{"S", "1"}, "t1", "talk", 1, 60_000, day0(3).At(12, time.UTC),
		[]Clip{{"k2", 1000, 1500, held}, {"k10", 0, 500, held - 1}}, held - 2}}}, talks)
}

func TestMeanRatingsWeighsUnitsAlike(t *testing.T) {
	r := func(unit int, judge string, value float64) Rating {
		return Rating{Unit: unit, Judge: judge, Value: value}
	}
	got := MeanRatings([]Rating{r(1, "J1", 2), r(1, "J2", 4), r(2, "J1", 7)})
	assert.Equal(t, []RatingMean{{Mean: (3.0 + 7.0) / 2, Judges: 2, Ratings: 3}}, got)
	assert.Empty(t, MeanRatings(nil))
}

// The reliability of means is that of package agreement on the same ratings; one judge alone has none, and the reason is told.
func TestReliabilityOfRatings(t *testing.T) {
	var list []Rating
	var same []agreement.Rating
	for i, row := range [][]float64{{1, 2, 2}, {6, 7, 5}, {3, 4, 4}, {5, 5, 6}, {2, 1, 3}} {
		for j, v := range row {
			if i == 2 && j == 1 {
				continue
			}
			list = append(list, Rating{CoupleID: CoupleID{"S", "1"}, Clip: fmt.Sprint(i), Scheme: "warmth", Dimension: "caring", Target: "A", Judge: fmt.Sprint("J", j), Value: v})
			same = append(same, agreement.Rating{Clip: fmt.Sprintf("1/%d/A/0", i), Judge: fmt.Sprint("J", j), Value: v})
		}
		list = append(list, Rating{CoupleID: CoupleID{"S", "1"}, Clip: fmt.Sprint(i), Scheme: "warmth", Dimension: "understanding", Target: "A", Judge: "J0", Value: float64(i)})
	}
	got, err := ReliabilityOfRatings(t.Context(), testProtocol(), list)
	require.NoError(t, err)
	require.Len(t, got, 2)
	table, err := agreement.NewTable(same)
	require.NoError(t, err)
	want, err := agreement.IncompleteICCOf(t.Context(), table, nil)
	require.NoError(t, err)
	assert.Equal(t, RatingReliability{"warmth", "caring", 5, 3, &want.Coefficients[1].Value, &want.Coefficients[6].Value, ""}, got[0])
	assert.Equal(t, "understanding", got[1].Dimension)
	assert.Nil(t, got[1].Mean)
	assert.NotEmpty(t, got[1].Reason)
}

// assign gives a clip to a judge, under an id made from them.
func assign(couple, clip, judge string) domain.Command {
	return domain.MakeAssignment{Study: "S", Couple: couple, Assignment: couple + "-" + clip + "-" + judge, Clip: clip, Scheme: "warmth", Judge: judge, Place: 1, Purpose: domain.PurposeStudy, On: day0(9)}
}

// submitted gives every place of an assignment the same value.
func submitted(couple, clip, judge string, value float64) domain.Command {
	c := domain.SubmitRatings{Study: "S", Couple: couple, Assignment: couple + "-" + clip + "-" + judge, Judge: judge, At: day0(9).At(12, time.UTC), Comment: "a comment"}
	for _, d := range []string{"understanding", "caring"} {
		for _, r := range []domain.Role{"A", "B"} {
			c.Ratings = append(c.Ratings, domain.NewRating{Dimension: d, Rated: r, Value: value})
		}
	}
	return c
}

// course is a scheme by which judges follow a clip of 500 ms.
func course() domain.CodingScheme {
	return domain.CodingScheme{Code: "course", Title: "The course of warmth", Unit: domain.UnitContinuous, SampleMs: 100, Directed: domain.DirectedPerson, JudgesPerClip: 2,
		Dimensions: []domain.Dimension{{Code: "warm", Title: "Warmth", Min: -9, Max: 9}}}
}

// trace makes an assignment by the scheme course.
func trace(couple, clip, judge string) domain.Command {
	m := assign(couple, clip, judge).(domain.MakeAssignment)
	m.Scheme, m.Assignment = "course", m.Assignment+"-course"
	return m
}

// traced gives both partners the same trace.
func traced(couple, clip, judge string, values ...float64) domain.Command {
	return domain.SubmitRatings{Study: "S", Couple: couple, Assignment: couple + "-" + clip + "-" + judge + "-course", Judge: judge, At: day0(9).At(12, time.UTC),
		Traces: []domain.NewTrace{{Dimension: "warm", Rated: "A", Values: values}, {Dimension: "warm", Rated: "B", Values: values}}}
}

// A trace is one rating of the clip: its mean over time.
func TestTracesCountByTheirMeans(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		h := testStudy(t)
		p := testProtocol()
		p.Version, p.Schemes = 2, append(p.Schemes, course())
		h.do(t, domain.PublishProtocol{Study: "S", Protocol: p})
		h.do(t, enrol("1")...)
		h.do(t, talk("1", "k1")...)
		h.do(t, domain.EnlistJudge{Study: "S", Judge: "J1"}, domain.EnlistJudge{Study: "S", Judge: "J2"})
		h.do(t, record("1", "A", 1, 20), trace("1", "k1", "J1"), trace("1", "k1", "J2"))
		h.do(t, traced("1", "k1", "J1", 1, 2, 3, 4, 5))
		waiting := h.head()
		h.do(t, traced("1", "k1", "J2", -1, 0, 0, 0, 6))
		s := open(t)
		now := seen(t, s, h)

		then, err := s.View(t.Context(), AsOf{Position: waiting})
		require.NoError(t, err)
		list, err := then.Ratings(t.Context(), "S")
		require.NoError(t, err)
		assert.Empty(t, list, "a judge has not submitted")
		list, err = now.Ratings(t.Context(), "S")
		require.NoError(t, err)
		require.Len(t, list, 4)
		assert.Equal(t, []float64{3, 1, 3, 1}, []float64{list[0].Value, list[1].Value, list[2].Value, list[3].Value})
		d, err := now.WaveFrame(t.Context(), "S")
		require.NoError(t, err)
		assert.Equal(t, "couple,person,role,wave,months,time,satisfaction,coded_course,coded_course_warm\n1,1-w,wife,1,0,0,20,2,2\n", csvOf(t, d))
	})
}

func TestCorrectionsAndAdjudicationsStandFromTheirPosition(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		h := testStudy(t)
		h.do(t, enrol("1")...)
		h.do(t, talk("1", "k1")...)
		for _, j := range []string{"J1", "J2", "J3"} {
			h.do(t, domain.EnlistJudge{Study: "S", Judge: j})
		}
		h.do(t, domain.SetCriterion{Study: "S", Couple: "1", Clip: "k1", Scheme: "warmth", Scores: []domain.CriterionScore{{Dimension: "caring", Target: "A", Value: 7}}})
		gold := assign("1", "k1", "J3").(domain.MakeAssignment)
		gold.Purpose = domain.PurposeGold
		h.do(t, assign("1", "k1", "J1"), assign("1", "k1", "J2"), gold, submitted("1", "k1", "J1", 3), submitted("1", "k1", "J3", 7))
		require.Error(t, h.try(domain.AdjudicateRating{Study: "S", Couple: "1", Clip: "k1", Scheme: "warmth", Dimension: "caring", Rated: "A", Value: 4, Reason: "r"}), "a judge has not submitted")
		before := h.do(t, submitted("1", "k1", "J2", 6))
		corrected := h.do(t, domain.CorrectRating{Study: "S", Couple: "1", Clip: "k1", Judge: "J1", Scheme: "warmth", Dimension: "caring", Rated: "A", Assignment: "1-k1-J1", Value: 5, Reason: "slip"})
		h.do(t, domain.CorrectRating{Study: "S", Couple: "1", Clip: "k1", Judge: "J3", Scheme: "warmth", Dimension: "caring", Rated: "A", Assignment: "1-k1-J3", Value: 1, Reason: "slip"})
		h.do(t, domain.AdjudicateRating{Study: "S", Couple: "1", Clip: "k1", Scheme: "warmth", Dimension: "caring", Rated: "A", Value: 4, Reason: "seen again"})
		h.do(t, domain.AdjudicateRating{Study: "S", Couple: "1", Clip: "k1", Scheme: "warmth", Dimension: "caring", Rated: "A", Value: 6, Reason: "seen once more"})
		s := open(t)
		seen(t, s, h)
		for at, want := range map[events.Position]struct {
			mean        float64
			adjudicated *float64
		}{before: {4.5, nil}, corrected: {5.5, nil}, h.head() - 1: {5.5, ptr(4.0)}, h.head(): {5.5, ptr(6.0)}} {
			v, err := s.View(t.Context(), AsOf{Position: at})
			require.NoError(t, err)
			list, err := v.Ratings(t.Context(), "S")
			require.NoError(t, err)
			assert.Len(t, list, 8, "what a gold clip was given is no datum of the couple")
			m := MeanRatings(list)[0]
			assert.Equal(t, "caring", m.Dimension)
			assert.Equal(t, want.mean, m.Mean)
			assert.Equal(t, want.adjudicated, m.Adjudicated)
		}

		desk := NewDesk(deskLog{h})
		c, err := desk.Coding(t.Context(), "S")
		require.NoError(t, err)
		w, ok := c.Assignment("1-k1-J1")
		require.True(t, ok)
		assert.Equal(t, "a comment", w.Comment)
		assert.Len(t, w.Ratings, 4)
		k, _ := c.Clip("1", "k1")
		assert.True(t, k.Revealed("warmth"))
		assert.True(t, k.Free)
		require.Len(t, k.Adjudicated, 1)
		assert.Equal(t, 6.0, k.Adjudicated[0].Value)
		h.do(t, domain.WithdrawConsent{Study: "S", Couple: "1", Role: "A", Scope: domain.ScopeVideo})
		c, err = desk.Coding(t.Context(), "S")
		require.NoError(t, err)
		k, _ = c.Clip("1", "k1")
		assert.False(t, k.Free, "brought up to date when it is asked")
		_, err = desk.Coding(t.Context(), "NONE")
		assert.Equal(t, domain.NotFound, domain.CodeOf(err))
	})
}

// A desk that is asked again and again shows what one shows that is asked once.
func TestDeskIsBroughtUpToDate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := randomHistory(t, 60)
		all := h.log
		grown := &history{}
		desk := NewDesk(deskLog{grown})
		for at := 0; at < len(all); {
			at = min(len(all), at+rapid.IntRange(1, 60).Draw(t, "more"))
			grown.log = all[:at]
			_, err := desk.Coding(context.Background(), "S")
			require.NoError(t, err)
		}
		got, err := desk.Coding(context.Background(), "S")
		require.NoError(t, err)
		want, err := NewDesk(deskLog{h}).Coding(context.Background(), "S")
		require.NoError(t, err)
		assert.Equal(t, want, got)
		for _, w := range got.Work {
			_, ok := got.Clip(w.Couple, w.Clip)
			assert.True(t, ok)
			assert.True(t, w.Submitted.IsZero() || len(w.Ratings)+len(w.Traces) > 0)
		}
	})
}

type deskLog struct{ *history }

func (d deskLog) ReadStream(_ context.Context, s events.Stream, after events.Version, _ int) (list []events.Envelope, _ error) {
	for _, at := range d.log {
		if at.Stream == s && at.Version > after {
			list = append(list, at)
		}
	}
	return list, nil
}
