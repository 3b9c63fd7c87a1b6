package projections

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
)

func TestTrajectoryScoresAnswersAndKeepsWhatWasBelieved(t *testing.T) {
	h := testStudy(t)
	h.do(t, enrol("1")...)
	first := h.do(t, submit("1", domain.RoleA, 1, day0(2), answers(2, 4, 6)))
	recorded := h.do(t, record("1", domain.RoleA, 1, 15.5))
	h.do(t, submit("1", domain.RoleA, 2, day0(120), answers(3, 3, 5)))
	corrected := h.do(t, domain.CorrectAnswer{Study: "S", Couple: "1", Role: domain.RoleA, Wave: 1, Instrument: "avo",
		Answer: domain.Answer{Item: "i1", Value: ptr(5)}, Reason: "typed wrongly"})
	again := h.do(t, domain.CorrectScore{Study: "S", Couple: "1", Role: domain.RoleA, Wave: 1, Construct: "satisfaction", Value: 16, Reason: "read wrongly"})
	s := openFile(t)
	now := seen(t, s, h)

	who := PersonID{"S", "1", domain.RoleA}
	avoidance, satisfaction := SeriesID{who, "avoidance"}, SeriesID{who, "satisfaction"}
	in := smallInstrument("avo", "avoidance")
	score := func(wave int, a []domain.Answer, day domain.Date, at events.Position) Score {
		return scoreAt(scoreOf(who, wave, "avo", day.At(12, time.UTC), in.Score(a)[0]), at)
	}
	fromOutside := func(value float64, at events.Position) Score {
		return Score{SeriesID: satisfaction, Wave: 1, Status: domain.Scored, Value: ptr(value), MeasuredAt: day0(0).At(12, time.UTC), Position: at}
	}
	byID := func(v View) map[SeriesID]Trajectory {
		m, err := v.TrajectoriesByID(t.Context(), []SeriesID{avoidance, satisfaction, {who, "nothing"}})
		require.NoError(t, err)
		return m
	}
	assert.Equal(t, map[SeriesID]Trajectory{
		avoidance:    {avoidance, []Score{score(1, answers(5, 4, 6), day0(2), corrected), score(2, answers(3, 3, 5), day0(120), corrected-1)}},
		satisfaction: {satisfaction, []Score{fromOutside(16, again)}},
	}, byID(now))

	then, err := s.View(t.Context(), AsOf{Position: recorded})
	require.NoError(t, err)
	assert.Equal(t, map[SeriesID]Trajectory{
		avoidance:    {avoidance, []Score{score(1, answers(2, 4, 6), day0(2), first)}},
		satisfaction: {satisfaction, []Score{fromOutside(15.5, recorded)}},
	}, byID(then))

	qs, err := now.QuestionnairesOf(t.Context(), []PersonID{who, {"S", "1", domain.RoleB}})
	require.NoError(t, err)
	require.Len(t, qs, 1)
	require.Len(t, qs[who], 2)
	assert.ElementsMatch(t, answers(5, 4, 6), qs[who][0].Answers, "the correction is in the raw answers")
	assert.Equal(t, domain.TimingOnTime, qs[who][0].Timing)
}

func scoreAt(s Score, at events.Position) Score {
	s.Position = at
	return s
}

func TestTrajectoryKeepsInstrumentsOfOneConstructApart(t *testing.T) {
	h := testStudy(t)
	p := testProtocol()
	p.Version = 2
	p.Constructs = append(p.Constructs, domain.Construct{Code: "avoidance"})
	h.do(t, domain.PublishProtocol{Study: "S", Protocol: p})
	h.do(t, enrol("1")...)
	h.do(t, submit("1", domain.RoleA, 1, day0(2), answers(2, 4, 6)),
		domain.RecordScore{Study: "S", Couple: "1", Role: domain.RoleA, Wave: 1, Construct: "avoidance", Value: 9, MeasuredAt: day0(0).At(12, time.UTC)})
	v := seen(t, openFile(t), h)
	id := SeriesID{PersonID{"S", "1", domain.RoleA}, "avoidance"}
	m, err := v.TrajectoriesByID(t.Context(), []SeriesID{id})
	require.NoError(t, err)
	require.Len(t, m[id].Scores, 2)
	assert.Equal(t, "", m[id].Scores[0].Instrument)
	assert.Equal(t, 9.0, *m[id].Scores[0].Value)
	assert.Equal(t, "avo", m[id].Scores[1].Instrument)
}

func TestTrajectoriesArePagedAndFiltered(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		h := testStudy(t)
		for _, code := range []string{"10", "2"} {
			h.do(t, enrol(code)...)
			for _, r := range []domain.Role{domain.RoleA, domain.RoleB} {
				h.do(t, submit(code, r, 1, day0(2), answers(2, 4, 6)), record(code, r, 1, 10), record(code, r, 2, 11))
			}
		}
		v := seen(t, open(t), h)
		names := func(s Slice[Trajectory]) (out []string) {
			for _, tr := range s.Items {
				out = append(out, tr.Cursor())
			}
			return out
		}
		order := []string{"2/A/avoidance", "2/A/satisfaction", "2/B/avoidance", "2/B/satisfaction", "10/A/avoidance", "10/A/satisfaction", "10/B/avoidance", "10/B/satisfaction"}
		for _, c := range []struct {
			name   string
			filter TrajectoryFilter
			page   Page
			want   []string
			total  int
			scores int
		}{
			{"all", TrajectoryFilter{}, Page{First: 10}, order, 8, 12},
			{"after", TrajectoryFilter{}, Page{First: 3, After: order[2]}, order[3:6], 8, 5},
			{"last", TrajectoryFilter{}, Page{Last: 2, Before: order[6]}, order[4:6], 8, 3},
			{"a role", TrajectoryFilter{Roles: []domain.Role{"B"}}, Page{First: 10}, []string{order[2], order[3], order[6], order[7]}, 4, 6},
			{"couples and a construct", TrajectoryFilter{Couples: []string{"10", "nobody", "2"}, Constructs: []string{"satisfaction"}}, Page{First: 3}, []string{order[1], order[3], order[5]}, 4, 6},
			{"a wave", TrajectoryFilter{Waves: []int{2}}, Page{First: 3}, []string{order[1], order[3], order[5]}, 4, 3},
		} {
			t.Run(c.name, func(t *testing.T) {
				got, err := v.Trajectories(t.Context(), "S", c.filter, c.page)
				require.NoError(t, err)
				assert.Equal(t, c.want, names(got))
				assert.Equal(t, c.total, got.Total)
				scores := 0
				for _, tr := range got.Items {
					scores += len(tr.Scores)
				}
				assert.Equal(t, c.scores, scores)
			})
		}
		_, err := v.Trajectories(t.Context(), "S", TrajectoryFilter{}, Page{First: 1, After: "nonsense"})
		assert.Equal(t, domain.Invalid, domain.CodeOf(err))
	})
}
