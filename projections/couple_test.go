package projections

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

func codes(list []Couple) (out []string) {
	for _, c := range list {
		out = append(out, c.Couple)
	}
	return out
}

func TestCoupleTellsWhatHappenedToIt(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		h := testStudy(t)
		enrolled := h.do(t, enrol("7")...)
		moved := h.do(t, domain.MoveParticipant{Study: "S", Couple: "7", Role: domain.RoleA, Zone: "Asia/Tokyo"})
		separated := h.do(t, domain.SeparateCouple{Study: "S", Couple: "7", On: day0(40)})
		h.do(t, domain.WithdrawConsent{Study: "S", Couple: "7", Role: domain.RoleA, Scope: domain.ScopeVideo},
			domain.WithdrawParticipant{Study: "S", Couple: "7", Role: domain.RoleB, On: day0(60)})
		s := open(t)
		now := seen(t, s, h)

		c, err := now.Couple(t.Context(), CoupleID{"S", "7"})
		require.NoError(t, err)
		all := map[domain.Scope]string{domain.ScopeQuestionnaires: "1", domain.ScopeDiary: "1", domain.ScopeVideo: "1"}
		some := map[domain.Scope]string{domain.ScopeQuestionnaires: "1", domain.ScopeDiary: "1"}
		want := Couple{CoupleID: CoupleID{"S", "7"}, EnrolledOn: day0(0), SeparatedOn: day0(40), Since: separated, Participants: []Participant{
			{PersonID: PersonID{"S", "7", domain.RoleA}, Code: "7-w", Zone: "Asia/Tokyo", Consents: some, Since: moved},
			{PersonID: PersonID{"S", "7", domain.RoleB}, Code: "7-h", Zone: "America/New_York", WithdrawnOn: day0(60), Consents: all, Since: h.head()},
		}}
		assert.Equal(t, want, c)

		then, err := s.View(t.Context(), AsOf{Position: enrolled})
		require.NoError(t, err)
		c, err = then.Couple(t.Context(), CoupleID{"S", "7"})
		require.NoError(t, err)
		assert.True(t, c.SeparatedOn.IsZero())
		assert.Equal(t, "Europe/Berlin", c.Participants[0].Zone, "no zone given means the study's")
		assert.Equal(t, all, c.Participants[0].Consents)
		assert.True(t, c.Participants[1].WithdrawnOn.IsZero())

		before, err := s.View(t.Context(), AsOf{Position: 4})
		require.NoError(t, err)
		_, err = before.Couple(t.Context(), CoupleID{"S", "7"})
		assert.Equal(t, domain.NotFound, domain.CodeOf(err))

		who, err := now.PersonByCode(t.Context(), "S", "7-h")
		require.NoError(t, err)
		assert.Equal(t, PersonID{"S", "7", domain.RoleB}, who)
		_, err = now.PersonByCode(t.Context(), "S", "nobody")
		assert.Equal(t, domain.NotFound, domain.CodeOf(err))
	})
}

func TestCouplesArePagedInNaturalOrder(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		h := testStudy(t)
		for _, code := range []string{"10", "9", "c2", "1", "2", "C1", "c10", "007", "7"} {
			h.do(t, enrol(code)...)
		}
		h.do(t, domain.SeparateCouple{Study: "S", Couple: "9", On: day0(3)},
			domain.WithdrawParticipant{Study: "S", Couple: "10", Role: domain.RoleA, On: day0(9)},
			record("c2", "A", 1, 5), submit("c2", "B", 1, day0(2), answers(1, 2, 3)), record("c10", "A", 1, 5), record("1", "A", 2, 5), record("1", "B", 1, 5),
			domain.CloseWave{Study: "S", Couple: "c10", Role: "B", Wave: 1, At: day0(99).At(0, time.UTC)})
		v := seen(t, open(t), h)
		order := []string{"1", "2", "007", "7", "9", "10", "C1", "c2", "c10"}

		for _, c := range []struct {
			name           string
			page           Page
			filter         CoupleFilter
			want           []string
			next, previous bool
			total          int
		}{
			{"all", Page{First: 9}, CoupleFilter{}, order, false, false, 9},
			{"first", Page{First: 3}, CoupleFilter{}, order[:3], true, false, 9},
			{"first after", Page{First: 3, After: "007"}, CoupleFilter{}, order[3:6], true, true, 9},
			{"to the end", Page{First: 5, After: "10"}, CoupleFilter{}, order[6:], false, true, 9},
			{"last", Page{Last: 2}, CoupleFilter{}, order[7:], false, true, 9},
			{"last before", Page{Last: 3, Before: "9"}, CoupleFilter{}, order[1:4], true, true, 9},
			{"to the start", Page{Last: 3, Before: "2"}, CoupleFilter{}, order[:1], true, false, 9},
			{"between", Page{First: 9, After: "2", Before: "9"}, CoupleFilter{}, order[2:4], false, true, 9},
			{"after a code that is gone", Page{First: 1, After: "3"}, CoupleFilter{}, order[2:3], true, true, 9},
			{"separated", Page{First: 9}, CoupleFilter{Separated: ptr(true)}, []string{"9"}, false, false, 1},
			{"together", Page{First: 2}, CoupleFilter{Separated: ptr(false)}, order[:2], true, false, 8},
			{"withdrawn", Page{First: 9}, CoupleFilter{Withdrawn: ptr(true)}, []string{"10"}, false, false, 1},
			{"both", Page{First: 9}, CoupleFilter{Withdrawn: ptr(true), Separated: ptr(true)}, nil, false, false, 0},
			{"both answered wave 1", Page{First: 9}, CoupleFilter{AnsweredWave: 1}, []string{"c2"}, false, false, 1},
			{"and separated", Page{First: 9}, CoupleFilter{AnsweredWave: 1, Separated: ptr(true)}, nil, false, false, 0},
			{"both answered wave 2", Page{First: 9}, CoupleFilter{AnsweredWave: 2, EnrolledFrom: day0(0)}, nil, false, false, 0},
			{"enrolled later", Page{First: 9}, CoupleFilter{EnrolledFrom: day0(1)}, nil, false, false, 0},
			{"enrolled by then", Page{First: 9}, CoupleFilter{EnrolledFrom: day0(0), EnrolledTo: day0(0)}, order, false, false, 9},
		} {
			t.Run(c.name, func(t *testing.T) {
				got, err := v.Couples(t.Context(), "S", c.filter, c.page)
				require.NoError(t, err)
				assert.Equal(t, c.want, codes(got.Items))
				assert.Equal(t, c.next, got.HasNext, "next")
				assert.Equal(t, c.previous, got.HasPrevious, "previous")
				assert.Equal(t, c.total, got.Total)
				for _, couple := range got.Items {
					assert.Len(t, couple.Participants, 2)
				}
			})
		}
		for _, p := range []Page{{}, {First: 1, Last: 1}, {First: -1}, {First: MaxPage + 1}} {
			_, err := v.Couples(t.Context(), "S", CoupleFilter{}, p)
			assert.Equal(t, domain.Invalid, domain.CodeOf(err), "%+v", p)
		}
		other, err := v.Couples(t.Context(), "other", CoupleFilter{}, Page{First: 1})
		require.NoError(t, err)
		assert.Empty(t, other.Items)
	})
}

func TestManyCostAsManyStatementsAsOne(t *testing.T) {
	h := testStudy(t)
	var ids []CoupleID
	var persons []PersonID
	for i := range 50 {
		c := fmt.Sprint(i)
		h.do(t, enrol(c)...)
		h.do(t, talk(c, "k1")...)
		h.do(t, rate(c, "k1", "J1", "caring", "A", 3), submit(c, "A", 1, day0(2), answers(2, 4, 6)), sendDiary(c, "A", 1, day0(1).At(20, time.UTC)))
		ids = append(ids, CoupleID{"S", c})
		persons = append(persons, PersonID{"S", c, "A"})
	}
	s := openFile(t)
	v := seen(t, s, h)
	cost := func(n int) int64 {
		before := s.Reads()
		page, err := v.Couples(t.Context(), "S", CoupleFilter{}, Page{First: n})
		require.NoError(t, err)
		require.Len(t, page.Items, n)
		couples, err := v.CouplesByID(t.Context(), ids[:n])
		require.NoError(t, err)
		require.Len(t, couples, n)
		var series []SeriesID
		var codes []string
		for i, p := range persons[:n] {
			series, codes = append(series, SeriesID{p, "avoidance"}), append(codes, ids[i].Couple)
		}
		trajectories, err := v.TrajectoriesByID(t.Context(), series)
		require.NoError(t, err)
		require.Len(t, trajectories, n)
		_, err = v.Trajectories(t.Context(), "S", TrajectoryFilter{}, Page{First: n})
		require.NoError(t, err)
		for what, read := range map[string]func() (int, error){
			"questionnaires": func() (int, error) { m, err := v.QuestionnairesOf(t.Context(), persons[:n]); return len(m), err },
			"ratings":        func() (int, error) { m, err := v.RatingsOf(t.Context(), ids[:n]); return len(m), err },
			"interactions":   func() (int, error) { m, err := v.InteractionsOf(t.Context(), ids[:n]); return len(m), err },
			"diary scores":   func() (int, error) { m, err := v.DiaryScoresOf(t.Context(), persons[:n]); return len(m), err },
			"diaries":        func() (int, error) { m, err := v.DiariesOf(t.Context(), persons[:n]); return len(m), err },
			"compliance":     func() (int, error) { m, err := v.ComplianceOf(t.Context(), "S", codes); return len(m), err },
		} {
			found, err := read()
			require.NoError(t, err, what)
			require.Equal(t, n, found, what)
		}
		return s.Reads() - before
	}
	assert.Equal(t, cost(1), cost(50))
}

func TestCouplesByIDFindsThoseThereAre(t *testing.T) {
	h := testStudy(t)
	ids := []CoupleID{{"S", "nobody"}}
	for _, code := range []string{"3", "1", "2"} {
		h.do(t, enrol(code)...)
		ids = append(ids, CoupleID{"S", code}, CoupleID{"S", code})
	}
	v := seen(t, openFile(t), h)
	found, err := v.CouplesByID(t.Context(), ids)
	require.NoError(t, err)
	require.Len(t, found, 3)
	for id, c := range found {
		assert.Equal(t, id, c.CoupleID)
		assert.Len(t, c.Participants, 2)
	}
	none, err := v.CouplesByID(t.Context(), nil)
	require.NoError(t, err)
	assert.Empty(t, none)
}
