package projections

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

func csvOf(t *testing.T, d Dataset) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, d.Frame.WriteCSV(&b))
	return b.String()
}

func TestWaveFrameIsTheStudyAsData(t *testing.T) {
	h := testStudy(t)
	h.do(t, enrol("10")...)
	h.do(t, enrol("9")...)
	h.do(t, submit("10", "B", 1, day0(2), answers(2, 4, 6)), record("10", "B", 2, 11.25), record("9", "A", 1, 20), record("9", "A", 3, 19))
	// No row comes of a questionnaire without a value, nor of a rating alone.
	h.do(t, submit("9", "B", 1, day0(2), []domain.Answer{{Item: "i1", Missing: domain.MissingSkipped}}))
	h.do(t, talk("10", "k1", "k2")...)
	h.do(t, rate("10", "k1", "J1", "understanding", "B", 2), rate("10", "k1", "J2", "understanding", "B", 4), rate("10", "k1", "J1", "caring", "B", 6),
		rate("10", "k2", "J1", "caring", "B", 7), rate("10", "k1", "J1", "caring", "A", 1))
	s := openFile(t)
	now := seen(t, s, h)

	d, err := now.WaveFrame(t.Context(), "S")
	require.NoError(t, err)
	want := `couple,person,role,wave,months,time,avoidance,satisfaction,coded_warmth,coded_warmth_understanding,coded_warmth_caring
9,9-w,wife,1,0,0,,20,,,
9,9-w,wife,3,8,8,,19,,,
10,10-h,husband,1,0,0,2.6666666666666665,,4.75,3,6.5
10,10-h,husband,2,4,4,,11.25,4.75,3,6.5
`
	assert.Equal(t, want, csvOf(t, d))
	assert.Equal(t, d.Frame.Names(), names(d.Variables))
	assert.Equal(t, Provenance{"S", false, h.head(), h.clock, d.Frame.Hash()}, d.Provenance)
	for _, v := range d.Variables {
		assert.NotEmpty(t, v.Meaning, v.Name)
		assert.NotEmpty(t, v.Source, v.Name)
	}
	_, err = now.WaveFrame(t.Context(), "other")
	assert.Equal(t, domain.NotFound, domain.CodeOf(err))

	then, err := s.View(t.Context(), AsOf{Position: 4})
	require.NoError(t, err)
	empty, err := then.WaveFrame(t.Context(), "S")
	require.NoError(t, err)
	assert.Zero(t, empty.Frame.Rows())
}

func names(list []Variable) (out []string) {
	for _, v := range list {
		out = append(out, v.Name)
	}
	return out
}

func TestWaveFrameCodesAtTheirOwnWaveWhenThereAreSeveral(t *testing.T) {
	h := newHistory()
	p := testProtocol()
	p.TimeUnitMonths = 12
	p.Exchangeable = true
	p.Tasks = append(p.Tasks, domain.Task{Code: "talk2", Title: "Another talk", Wave: 3})
	p.Schemes[0].Directed = domain.DirectedDyad
	p.Constructs = append(p.Constructs, domain.Construct{Code: "time"}, domain.Construct{Code: "2-fold"}, domain.Construct{Code: "avoidance"})
	h.do(t, domain.CreateStudy{Study: "S", Title: "A study", Zone: "Etc/UTC"}, domain.RegisterInstrument{Study: "S", Instrument: smallInstrument("avo", "avoidance")},
		domain.RegisterInstrument{Study: "S", Instrument: smallInstrument("mood", "mood")}, domain.PublishProtocol{Study: "S", Protocol: p})
	h.do(t, enrol("1")...)
	other := func(construct string, wave int, value float64) domain.Command {
		return domain.RecordScore{Study: "S", Couple: "1", Role: "A", Wave: wave, Construct: construct, Value: value, MeasuredAt: day0(0).At(12, time.UTC)}
	}
	h.do(t, other("time", 1, 5), other("2-fold", 2, 6), other("avoidance", 3, 7), submit("1", "A", 1, day0(1), answers(1, 1, 7)))
	h.do(t, talk("1", "k1")...)
	h.do(t, domain.RecordInteraction{Study: "S", Couple: "1", Interaction: "t3", Task: "talk2", DurationMs: 1000, HeldAt: day0(250).At(12, time.UTC)},
		domain.CutClip{Study: "S", Couple: "1", Clip: "k3", Interaction: "t3", EndMs: 500},
		rate("1", "k1", "J1", "caring", "", 2), rate("1", "k3", "J1", "caring", "", 3), rate("1", "k3", "J1", "understanding", "", 5))
	d, err := seen(t, openFile(t), h).WaveFrame(t.Context(), "S")
	require.NoError(t, err)
	assert.Equal(t, `couple,person,role,wave,months,time,x2_fold,avoidance,avoidance_avo,time_2,coded_warmth,coded_warmth_understanding,coded_warmth_caring
1,1-w,A,1,0,0,,,1,5,,,2
1,1-w,A,2,4,0.3333333333333333,6,,,,,,
1,1-w,A,3,8,0.6666666666666666,,7,,,4,5,3
`, csvOf(t, d))
}

func TestDiaryFrameHasARowForEachDay(t *testing.T) {
	h := testStudy(t)
	h.do(t, enrol("2")...)
	h.do(t, sendDiary("2", "B", 3, day0(4).At(1, time.UTC)), sendDiary("2", "A", 1, day0(1).At(20, time.UTC)), sendDiary("2", "B", 1, day0(2).At(1, time.UTC)))
	d, err := seen(t, openFile(t), h).DiaryFrame(t.Context(), "S")
	require.NoError(t, err)
	assert.Equal(t, `couple,person,role,burst,day,months,mood
2,2-w,wife,daily,1,0.03285420944558522,3.3333333333333335
2,2-h,husband,daily,1,0.03285420944558522,3.3333333333333335
2,2-h,husband,daily,3,0.09856262833675565,3.3333333333333335
`, csvOf(t, d))
	assert.Equal(t, d.Frame.Names(), names(d.Variables))
}
