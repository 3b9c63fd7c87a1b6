package projections

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
)

// Read models tell the days of every diary, and who was asked on them, as the domain does that offers them: whatever it is counted from, wherever people move
// and in whatever order things come to be known.
func TestDiaryDaysAreThoseOfTheDomain(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		s := open(t)
		fewerChecks(t, map[Dialect]int{SQLite: 60, PostgreSQL: 5}[s.dialect])
		rapid.Check(t, func(t *rapid.T) {
			h := randomHistory(t, 150)
			resetAll(t, s)
			require.NoError(t, CatchUp(t.Context(), h, All(s), nil))
			v, err := s.View(t.Context(), AsOf{})
			require.NoError(t, err)
			type cell struct {
				burst string
				day   int
				role  domain.Role
			}
			asked, came := map[cell]int{}, map[cell]int{}
			var rows []string
			for code, c := range h.couples {
				for i := range c.Participants {
					who := &c.Participants[i]
					known := c.Beginnings(who)
					answered := map[cell]bool{}
					for _, e := range c.Entries(who.Role) {
						if b, ok := h.study.Protocol.Diary(e.Occasion.Burst); ok && !e.Missed {
							n := b.DayNumber(known, e.Occasion.Day)
							answered[cell{b.Code, n, who.Role}] = true
							rows = append(rows, row(code, who.Role, b.Code, n, float64(c.EnrolledOn.DaysUntil(e.Occasion.Day))/daysPerMonth))
						}
					}
					for _, b := range h.study.Protocol.Diaries {
						for n := 1; n <= b.Days; n++ {
							at := cell{b.Code, n, who.Role}
							first := b.FirstDay(known)
							day := first.AddDays(n - 1)
							if answered[at] {
								came[at]++
							}
							if answered[at] || !first.IsZero() && !day.Before(known.Since()) && (who.WithdrawnOn.IsZero() || day.Before(who.WithdrawnOn)) {
								asked[at]++
							}
						}
					}
				}
			}
			got, err := v.Compliance(t.Context(), "S")
			require.NoError(t, err)
			for _, d := range got.Diaries {
				at := cell{d.Burst, d.Day, d.Role}
				require.Equal(t, asked[at], d.Expected, at)
				require.Equal(t, came[at], d.Received, at)
				require.GreaterOrEqual(t, d.Open(), 0, at)
			}
			each, err := v.ComplianceOf(t.Context(), "S", []string{"1", "2", "10"})
			require.NoError(t, err)
			for i, d := range got.Diaries {
				sum := 0
				for _, c := range each {
					sum += c.Diaries[i].Expected
				}
				require.Equal(t, d.Expected, sum)
			}
			data, err := v.DiaryFrame(t.Context(), "S")
			require.NoError(t, err)
			slices.Sort(rows)
			require.Equal(t, rows, rowsOf(t, data))
		})
	})
}

func row(couple string, r domain.Role, burst string, day int, months float64) string {
	label := map[domain.Role]string{domain.RoleA: "wife", domain.RoleB: "husband"}[r]
	if day == 0 {
		return fmt.Sprint(couple, label, burst, " NaN ", months)
	}
	return fmt.Sprint(couple, label, burst, " ", day, " ", months)
}

// rowsOf lists what the rows of a diary frame are about.
func rowsOf(t tb, d Dataset) (list []string) {
	couple, _ := d.Frame.Column("couple")
	role, _ := d.Frame.Column("role")
	burst, _ := d.Frame.Column("burst")
	day, _ := d.Frame.Column("day")
	months, ok := d.Frame.Column("months")
	require.True(t, ok)
	for i := range d.Frame.Rows() {
		list = append(list, fmt.Sprint(couple.Label(i), role.Label(i), burst.Label(i), " ", day.Values[i], " ", months.Values[i]))
	}
	slices.Sort(list)
	return list
}

// A session after the lab: nobody is expected before it is recorded, then everybody is; earlier positions show what was known then. What another program collected
// before that has no number yet, and loses nothing.
func TestADiaryIsExpectedFromTheSessionOn(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		h := testStudy(t)
		p := testProtocol()
		p.Version, p.Diaries = 2, []domain.DiaryBurst{anchored("held", domain.Origin{Anchor: domain.AnchorSession, Session: 3})}
		h.do(t, domain.PublishProtocol{Study: "S", Protocol: p})
		h.do(t, enrol("1")...)
		h.do(t, enrol("2")...)
		from := func(n int) domain.SubmitDiary {
			d := sendDiary("1", "A", n, day0(n).At(20, time.UTC))
			d.Burst = "held"
			return d
		}
		before := from(11)
		before.Elsewhere = true
		h.do(t, before)
		earlier := h.head()
		assert.Equal(t, domain.Conflict, domain.CodeOf(h.try(from(12))), "it is not known yet when it begins")
		h.do(t, domain.HoldSession{Study: "S", Couple: "1", Number: 3, On: day0(10)}, from(12))
		s := open(t)
		now := seen(t, s, h)
		got, err := now.Compliance(t.Context(), "S")
		require.NoError(t, err)
		assert.Equal(t, []DiaryCompliance{
			{"held", 1, "A", Counts{Expected: 1, Received: 1, Unrecorded: 1}}, {"held", 1, "B", Counts{Expected: 1}},
			{"held", 2, "A", Counts{Expected: 1, Received: 1, OnTime: 1}}, {"held", 2, "B", Counts{Expected: 1}},
			{"held", 3, "A", Counts{Expected: 1}}, {"held", 3, "B", Counts{Expected: 1}},
		}, got.Diaries)
		data, err := now.DiaryFrame(t.Context(), "S")
		require.NoError(t, err)
		assert.Equal(t, []string{row("1", "A", "held", 1, 11/daysPerMonth), row("1", "A", "held", 2, 12/daysPerMonth)}, rowsOf(t, data))

		then, err := s.View(t.Context(), AsOf{Position: earlier})
		require.NoError(t, err)
		got, err = then.Compliance(t.Context(), "S")
		require.NoError(t, err)
		for _, d := range got.Diaries {
			assert.Zero(t, d.Counts)
		}
		data, err = then.DiaryFrame(t.Context(), "S")
		require.NoError(t, err)
		assert.Equal(t, []string{row("1", "A", "held", 0, 11/daysPerMonth)}, rowsOf(t, data))
	})
}

// Waves are counted from the same beginnings.
func TestAWaveIsExpectedFromTheSessionOn(t *testing.T) {
	h := testStudy(t)
	p := testProtocol()
	p.Version = 2
	p.Waves[1].Origin = domain.Origin{Anchor: domain.AnchorSession, Session: 1}
	p.Waves[2].Origin = domain.Origin{Anchor: domain.AnchorJoining}
	h.do(t, domain.PublishProtocol{Study: "S", Protocol: p})
	h.do(t, enrol("1")...)
	expected := func() (list []int) {
		got, err := seen(t, openFile(t), h).Compliance(t.Context(), "S")
		require.NoError(t, err)
		for _, w := range got.Waves {
			list = append(list, w.Expected)
		}
		return list
	}
	assert.Equal(t, []int{1, 1, 0, 0, 0, 0}, expected())
	h.do(t, domain.HoldSession{Study: "S", Couple: "1", Number: 1, On: day0(100)},
		domain.GiveConsent{Study: "S", Couple: "1", Role: "B", Scope: domain.ScopeDiary, Version: "2", At: day0(1).At(3, time.UTC)})
	assert.Equal(t, []int{1, 1, 1, 1, 0, 1}, expected())
}

// The data of a diary change when it becomes known what it is counted from, and models that are fitted to it follow; those of waves do not change.
func TestLiveDiariesFollowSessionsAndJoining(t *testing.T) {
	s, h := openFile(t), testStudy(t)
	p := testProtocol()
	p.Version, p.Diaries = 2, []domain.DiaryBurst{anchored("held", domain.Origin{Anchor: domain.AnchorSession, Session: 1}), anchored("joined", domain.Origin{Anchor: domain.AnchorJoining})}
	daily := domain.ChangeModel{Name: "daily", Frame: "diary", Kind: "mixed", Outcome: "mood", Time: "day", Fixed: "1 + day", Random: "1 | couple"}
	h.do(t, domain.PublishProtocol{Study: "S", Protocol: p}, domain.RegisterModel{Study: "S", Model: daily}, domain.RegisterModel{Study: "S", Model: satisfactionChange})
	h.do(t, enrol("1")...)
	l := NewLive(s, h, slog.New(slog.DiscardHandler))
	send := func(burst string, n int) {
		d := sendDiary("1", "A", n, day0(n).At(20, time.UTC))
		d.Burst, d.Elsewhere = burst, true
		h.do(t, d)
	}
	h.do(t, record("1", "A", 1, 5))
	send("held", 6)
	send("joined", 3)
	follow(t, l, s, h)
	waves := l.studies[liveSet{"S", "waves"}.key()].frame
	for _, c := range []domain.Command{
		domain.HoldSession{Study: "S", Couple: "1", Number: 1, On: day0(5)},
		domain.GiveConsent{Study: "S", Couple: "1", Role: "A", Scope: domain.ScopeDiary, Version: "2", At: day0(1).At(3, time.UTC)},
	} {
		before := rowsOf(t, Dataset{Frame: l.studies[liveSet{"S", "diary"}.key()].frame})
		h.do(t, c)
		follow(t, l, s, h)
		view, err := s.View(t.Context(), AsOf{})
		require.NoError(t, err)
		data, err := view.DiaryFrame(t.Context(), "S")
		require.NoError(t, err)
		now := rowsOf(t, Dataset{Frame: l.studies[liveSet{"S", "diary"}.key()].frame})
		assert.Equal(t, rowsOf(t, data), now, "%T", c)
		assert.NotEqual(t, before, now, "%T", c)
	}
	assert.Equal(t, []string{row("1", "A", "held", 1, 6/daysPerMonth), row("1", "A", "joined", 2, 3/daysPerMonth)}, rowsOf(t, Dataset{Frame: l.studies[liveSet{"S", "diary"}.key()].frame}))
	assert.Same(t, waves, l.studies[liveSet{"S", "waves"}.key()].frame, "the data of waves were not read anew")
}
