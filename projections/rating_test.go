package projections

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
		return Rating{CoupleID{"S", "1"}, 1, clip, "warmth", dimension, target, 0, judge, value, day0(9).At(12, time.UTC), at}
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
		return RatingMean{CoupleID{"S", "1"}, 1, clip, "warmth", dimension, target, mean, judges, n}
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
