package desk

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/analysis/agreement"
	"asem/domain"
	"asem/projections"
)

var day = domain.NewDate(2026, time.March, 2)

// coding is a study with clips of couples, gold clips among them.
func coding(couples, clips, gold int, rule *domain.Certification, judges ...domain.Judge) projections.Coding {
	c := projections.Coding{Study: "S", Seeds: map[string]uint64{"s": 7}, Judges: judges, Protocol: domain.Protocol{Schemes: []domain.CodingScheme{{Code: "s", Unit: domain.UnitClip, Directed: domain.DirectedPerson,
		JudgesPerClip: 2, Certification: rule, Dimensions: []domain.Dimension{{Code: "caring", Title: "Caring", Min: 1, Max: 7}}}}}}
	for i := range couples {
		for k := range clips {
			x := projections.CodingClip{Couple: fmt.Sprint(i), Clip: fmt.Sprint(k), EndMs: 1000, Video: &domain.Video{}, Free: true, Roles: []domain.Role{"A", "B"}, Criteria: map[string][]domain.CriterionScore{}}
			if gold > 0 {
				gold--
				x.Criteria["s"] = []domain.CriterionScore{{Dimension: "caring", Target: "A", Value: float64(1 + i%7)}, {Dimension: "caring", Target: "B", Value: float64(7 - i%6)}}
			}
			c.Clips = append(c.Clips, x)
		}
	}
	return c
}

// made applies the commands of a plan to a coding.
func made(c projections.Coding, commands []domain.Command) projections.Coding {
	c.Work = slices.Clone(c.Work)
	for _, x := range commands {
		m := x.(domain.MakeAssignment)
		c.Work = append(c.Work, projections.CodingWork{Couple: m.Couple, Assignment: domain.Assignment{ID: m.Assignment, Clip: m.Clip, Scheme: m.Scheme, Judge: m.Judge, Place: m.Place, Mirrored: m.Mirrored, Purpose: m.Purpose}})
	}
	return c
}

func ids() func() string {
	n := 0
	return func() string { n++; return fmt.Sprintf("a%d", n) }
}

func judge(code string) domain.Judge {
	return domain.Judge{Code: code, Standings: map[string]domain.Standing{"s": {Certified: true}}}
}

// Whatever the study: the same coding has the same plan, a plan that was carried out leaves nothing to do, and probes come in their share, never next to
// their own couple and never twice.
func TestPlanStudy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, k, gold := rapid.IntRange(1, 12).Draw(t, "couples"), rapid.IntRange(1, 3).Draw(t, "clips"), rapid.IntRange(0, 8).Draw(t, "gold")
		p := rapid.SampledFrom([]float64{0, 0.1, 0.25, 0.5}).Draw(t, "probes")
		var judges []domain.Judge
		for i := range rapid.IntRange(1, 5).Draw(t, "judges") {
			j := judge(fmt.Sprintf("J%d", i))
			if rapid.Bool().Draw(t, "knows") {
				j.Acquainted = []string{fmt.Sprint(rapid.IntRange(0, n-1).Draw(t, "couple"))}
			}
			if rapid.IntRange(0, 5).Draw(t, "away") == 0 {
				j.Away = []domain.Leave{{From: day, To: day.AddDays(3)}}
			}
			judges = append(judges, j)
		}
		c := coding(n, k, gold, &domain.Certification{Clips: 2, WithinOne: 0.8, ProbeShare: p}, judges...)
		plan, err := PlanStudy(c, "s", day, ids())
		require.NoError(t, err)
		again, err := PlanStudy(c, "s", day, ids())
		require.NoError(t, err)
		assert.Equal(t, plan, again)
		done := made(c, plan.Commands)
		rest, err := PlanStudy(done, "s", day, ids())
		require.NoError(t, err)
		assert.Empty(t, rest.Commands)
		for _, j := range judges {
			study, probes, last := 0, 0, ""
			seen := map[string]bool{}
			for i, w := range done.Of(j.Code) {
				assert.False(t, j.AwayOn(day) || j.Knows(w.Couple))
				assert.Equal(t, i+1, w.Place)
				place := w.Couple + "/" + w.Clip
				assert.False(t, seen[place])
				seen[place] = true
				x, _ := done.Clip(w.Couple, w.Clip)
				assert.Equal(t, w.Purpose == domain.PurposeProbe, len(x.Criteria["s"]) > 0)
				if w.Purpose == domain.PurposeProbe {
					probes++
					assert.NotEqual(t, last, w.Couple)
				} else {
					study++
				}
				last = w.Couple
			}
			assert.LessOrEqual(t, float64(probes), p/(1-p)*float64(study)+0.5)
		}
	})
}

func TestOverlapLeavesOneJudgeToTheOthers(t *testing.T) {
	c := coding(200, 1, 0, nil, judge("J1"), judge("J2"))
	c.Protocol.Schemes[0].Overlap = 0.2
	plan, err := PlanStudy(c, "s", day, ids())
	require.NoError(t, err)
	assert.InDelta(t, 240, len(plan.Commands), 25)
	_, err = PlanStudy(c, "none", day, ids())
	assert.Equal(t, domain.NotFound, domain.CodeOf(err))
	c.Seeds = nil
	_, err = PlanStudy(c, "s", day, ids())
	assert.Equal(t, domain.Conflict, domain.CodeOf(err))
}

// A judge who gives the criterion is certified, one who is two points off is not, and probes are held against it in threes.
func TestAssessment(t *testing.T) {
	rule := &domain.Certification{Clips: 4, WithinOne: 0.8, ICC: 0.7}
	for _, test := range []struct {
		name    string
		off     float64
		within  float64
		passes  bool
		purpose domain.AssignmentPurpose
		clips   int
	}{
		{"the criterion", 0, 1, true, domain.PurposeGold, 4}, {"two points above", 2, 0, false, domain.PurposeGold, 4}, {"probes", 0, 1, true, domain.PurposeProbe, 3},
		{"too few gold clips", 0, 0, false, domain.PurposeGold, 3}, {"too few probes", 0, 0, false, domain.PurposeProbe, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := coding(8, 1, 8, rule, judge("J1"))
			for i, k := range c.Clips[:test.clips] {
				w := projections.CodingWork{Couple: k.Couple, Assignment: domain.Assignment{ID: fmt.Sprint(i), Clip: k.Clip, Scheme: "s", Judge: "J1", Place: i + 1, Purpose: test.purpose, Submitted: day.At(i, time.UTC)}}
				for _, sc := range k.Criteria["s"] {
					w.Ratings = append(w.Ratings, domain.RatingRecorded{Dimension: sc.Dimension, Target: sc.Target, Value: sc.Value + test.off})
				}
				c.Work = append(c.Work, w)
			}
			due := Due(c, "s", "J1", day)
			if test.name[:3] == "too" {
				assert.Nil(t, due)
				return
			}
			a := due.(domain.AssessJudge)
			assert.Equal(t, test.purpose, a.Purpose)
			assert.Equal(t, test.within, a.Assessment.WithinOne)
			assert.InDelta(t, test.off, a.Assessment.Bias, 1e-12)
			assert.Equal(t, 2*test.clips, a.Assessment.Scores)
			require.NotNil(t, a.Assessment.ICC)
			rule := *rule
			rule.Clips = test.clips
			assert.Equal(t, test.passes, rule.Passes(a.Assessment))
			c.Assessed = append(c.Assessed, domain.JudgeAssessed{Judge: "J1", Scheme: "s", Purpose: a.Purpose, Assessment: a.Assessment})
			assert.Nil(t, Due(c, "s", "J1", day), "it counts once")
		})
	}
}

func TestTrain(t *testing.T) {
	rule := &domain.Certification{Clips: 3, WithinOne: 0.8}
	j := judge("J1")
	j.Acquainted = []string{"0"}
	c := coding(4, 1, 4, rule, j)
	list, err := Train(c, "s", "J1", day, ids())
	require.NoError(t, err)
	assert.Len(t, list, 3)
	for _, x := range list {
		assert.NotEqual(t, "0", x.(domain.MakeAssignment).Couple)
	}
	again, err := Train(made(c, list), "s", "J1", day, ids())
	require.NoError(t, err)
	assert.Empty(t, again, "some are open")
	assert.Len(t, TakeBack(made(c, list), "s", "J1", "r"), 3)
	_, err = Train(coding(2, 1, 2, rule, j), "s", "J1", day, ids())
	assert.Equal(t, domain.Conflict, domain.CodeOf(err))
	_, err = Train(c, "s", "J9", day, ids())
	assert.Equal(t, domain.NotFound, domain.CodeOf(err))
}

// After each submitted assignment live agreement is that of package agreement on the same ratings, to the last digit.
func TestLiveAgreementIsThatOfTheWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c := coding(12, 1, 0, nil, judge("J1"), judge("J2"), judge("J3"))
	scheme := c.Protocol.Schemes[0]
	var data []agreement.Rating
	for i, k := range c.Clips {
		truth := rng.Float64() * 5
		for n, j := range []string{"J1", "J2", "J3"} {
			if (i+n)%5 == 4 {
				continue // not every judge has every clip
			}
			w := projections.CodingWork{Couple: k.Couple, Assignment: domain.Assignment{ID: fmt.Sprint(i, n), Clip: k.Clip, Scheme: "s", Judge: j, Purpose: domain.PurposeStudy, Submitted: day.At(i, time.UTC)}}
			for _, r := range []domain.Role{"A", "B"} {
				v := min(7, max(1, float64(int(1.5+truth+rng.Float64()*2))))
				w.Ratings = append(w.Ratings, domain.RatingRecorded{Dimension: "caring", Target: r, Value: v})
				data = append(data, agreement.Rating{Clip: fmt.Sprintf("%s/%s/%s/0", k.Couple, k.Clip, r), Judge: j, Value: v})
			}
			c.Work = append(c.Work, w)
			live, err := Agreement(t.Context(), c, scheme)
			require.NoError(t, err)
			table, err := agreement.NewTable(data)
			require.NoError(t, err)
			whole, err := agreement.Assess(t.Context(), table, agreement.IntervalScale, 0, nil)
			if err != nil {
				require.ErrorIs(t, live[0].Err, agreement.ErrNotEstimable)
				continue
			}
			assert.Equal(t, whole, live[0].All)
			for _, p := range live[0].Pairs {
				var both []agreement.Rating
				for _, x := range data {
					other := p.Judges[0]
					if x.Judge == other {
						other = p.Judges[1]
					}
					if slices.Contains(p.Judges[:], x.Judge) && slices.ContainsFunc(data, func(y agreement.Rating) bool { return y.Clip == x.Clip && y.Judge == other }) {
						both = append(both, x)
					}
				}
				of, err := agreement.NewTable(both)
				require.NoError(t, err)
				if want, err := agreement.ICCOf(of, 0); err == nil {
					assert.Equal(t, &want.Coefficients[1], p.ICC)
				} else {
					assert.Error(t, p.Err)
				}
				if want, err := agreement.CohenKappa(of, 0, 1, agreement.Quadratic, 0); err == nil {
					assert.Equal(t, want, p.Kappa)
				} else {
					assert.Nil(t, p.Kappa)
				}
			}
		}
	}
	last, err := Agreement(t.Context(), c, scheme)
	require.NoError(t, err)
	assert.Len(t, last[0].Pairs, 3)
	charts, err := Drift(c, scheme, "caring")
	require.NoError(t, err)
	assert.Len(t, charts, 3)
}

// Events are compared second by second, and traces moment by moment.
func TestAgreementOnEventsAndTraces(t *testing.T) {
	c := coding(1, 1, 0, nil, judge("J1"), judge("J2"))
	c.Clips[0].EndMs = 10_000
	c.Protocol.Schemes[0].Unit = domain.UnitEvent
	for i, end := range []int{4500, 5500} {
		c.Work = append(c.Work, projections.CodingWork{Couple: "0", Assignment: domain.Assignment{Clip: "0", Scheme: "s", Judge: fmt.Sprintf("J%d", i+1), Purpose: domain.PurposeStudy, Submitted: day.At(1, time.UTC)},
			Ratings: []domain.RatingRecorded{{Dimension: "caring", Target: "A", Unit: 1, StartMs: 2000, EndMs: end, Value: 5}}})
	}
	list := Ratings(c, c.Protocol.Schemes[0], "caring")
	assert.Len(t, list, 40, "ten seconds of two persons by two judges")
	seen := map[string]int{}
	for _, r := range list {
		seen[r.Judge] += int(r.Value)
	}
	assert.Equal(t, map[string]int{"J1": 3, "J2": 4}, seen)
	live, err := Agreement(t.Context(), c, c.Protocol.Schemes[0])
	require.NoError(t, err)
	assert.True(t, live[0].BySeconds)
	assert.InDelta(t, 0.828, live[0].Pairs[0].Kappa.Value, 0.001, "kappa of 3 of 4 seconds among 20: (0.95 - 0.71) / (1 - 0.71)")

	c.Protocol.Schemes[0].Unit = domain.UnitContinuous
	for i := range c.Work {
		c.Work[i].Ratings, c.Work[i].Traces = nil, []domain.TraceRecorded{{Dimension: "caring", Target: "A", EveryMs: 1000, Values: []float64{1, 2, 3, 4 + float64(i)}}}
	}
	assert.Len(t, Ratings(c, c.Protocol.Schemes[0], "caring"), 8)
}
