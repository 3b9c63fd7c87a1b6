package projections

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

func TestDiaryKeepsAnswersAndScoresApart(t *testing.T) {
	h := testStudy(t)
	h.do(t, enrol("1")...)
	sent := sendDiary("1", "A", 1, day0(1).At(20, time.UTC))
	at := h.do(t, sent)
	incomplete := sendDiary("1", "A", 2, day0(2).At(20, time.UTC))
	incomplete.Entries[0].Answers = []domain.Answer{{Item: "i1", Value: ptr(3)}, {Item: "i2", Missing: domain.MissingSkipped}}
	h.do(t, incomplete)
	s := openFile(t)
	now := seen(t, s, h)

	who := PersonID{"S", "1", "A"}
	want := []DiaryScore{
		{who, "daily", day0(1), "mood", "mood", "mood@1", domain.Scored, ptr(10.0 / 3), 3, 3, "", at},
		{who, "daily", day0(2), "mood", "mood", "mood@1", domain.TooManyMissing, nil, 1, 3, "2 of 3 items are missing; the rule allows 1", at + 1},
	}
	got, err := now.DiaryScores(t.Context(), "S")
	require.NoError(t, err)
	assert.Equal(t, want, got)
	of, err := now.DiaryScoresOf(t.Context(), []PersonID{who, {"S", "1", "B"}})
	require.NoError(t, err)
	assert.Equal(t, map[PersonID][]DiaryScore{who: want}, of)

	raw, err := now.DiariesOf(t.Context(), []PersonID{who})
	require.NoError(t, err)
	require.Len(t, raw[who], 2)
	assert.Equal(t, Diary{who, "daily", day0(1), sent.Entries, sent.FilledAt, domain.TimingOnTime, at}, raw[who][0])

	then, err := s.View(t.Context(), AsOf{Position: at})
	require.NoError(t, err)
	got, err = then.DiaryScores(t.Context(), "S")
	require.NoError(t, err)
	assert.Equal(t, want[:1], got)
}
