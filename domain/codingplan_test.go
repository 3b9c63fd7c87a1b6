package domain_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
)

func drawPlan(t *rapid.T) domain.CodingPlan {
	p := domain.CodingPlan{Seed: rapid.Uint64().Draw(t, "seed")}
	couples := rapid.IntRange(1, 12).Draw(t, "couples")
	k := rapid.IntRange(1, 4).Draw(t, "judges per clip")
	for c := range couples {
		for n := range rapid.IntRange(1, 3).Draw(t, "clips") {
			p.Clips = append(p.Clips, domain.PlanClip{Couple: fmt.Sprint("c", c), Clip: fmt.Sprint("k", n), Judges: k})
		}
	}
	for j := range rapid.IntRange(1, 8).Draw(t, "judges") {
		judge := domain.PlanJudge{Code: fmt.Sprint("j", j)}
		if rapid.Bool().Draw(t, "was away") {
			judge.Load = rapid.IntRange(0, 5).Draw(t, "load")
			judge.Placed = judge.Load
		}
		for range rapid.IntRange(0, 2).Draw(t, "acquaintances") {
			judge.Knows = append(judge.Knows, fmt.Sprint("c", rapid.IntRange(0, couples-1).Draw(t, "knows")))
		}
		p.Judges = append(p.Judges, judge)
	}
	for i := range p.Clips {
		if rapid.IntRange(0, 5).Draw(t, "had") == 0 {
			p.Clips[i].Has = []string{rapid.SampledFrom(p.Judges).Draw(t, "by").Code}
		}
	}
	return p
}

func may(j domain.PlanJudge, c domain.PlanClip) bool {
	return !slices.Contains(j.Knows, c.Couple) && !slices.Contains(c.Has, j.Code)
}

func TestAPlanKeepsEveryRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t)
		given, short := domain.PlanCoding(p)
		judges := map[string]domain.PlanJudge{}
		load, free := map[string]int{}, true
		for _, j := range p.Judges {
			judges[j.Code], load[j.Code] = j, j.Load
			free = free && len(j.Knows) == 0 && j.Load == 0
		}
		type key struct{ couple, clip string }
		by := map[key][]string{}
		for _, g := range given {
			require.True(t, may(judges[g.Judge], g.PlanClip), "%s may not have %s of %s", g.Judge, g.Clip, g.Couple)
			require.NotContains(t, by[key{g.Couple, g.Clip}], g.Judge, "a judge has a clip twice")
			by[key{g.Couple, g.Clip}] = append(by[key{g.Couple, g.Clip}], g.Judge)
			load[g.Judge]++
		}
		// Every clip has as many judges as it needs, or all that it may have.
		lacks := map[key]int{}
		for _, s := range short {
			lacks[key{s.Couple, s.Clip}] = s.Missing
		}
		for _, c := range p.Clips {
			n := 0
			for _, j := range p.Judges {
				if may(j, c) {
					n++
				}
			}
			require.Len(t, by[key{c.Couple, c.Clip}], min(n, c.Judges))
			require.Equal(t, c.Judges-min(n, c.Judges), lacks[key{c.Couple, c.Clip}])
			free = free && len(c.Has) == 0
		}
		// No clip could be moved to somebody with two fewer; and where nothing is forbidden loads differ by one at most.
		for _, g := range given {
			for _, j := range p.Judges {
				if may(j, g.PlanClip) && !slices.Contains(by[key{g.Couple, g.Clip}], j.Code) {
					require.LessOrEqual(t, load[g.Judge]-load[j.Code], 1, "%s has %d, %s has %d", g.Judge, load[g.Judge], j.Code, load[j.Code])
				}
			}
		}
		if free {
			lo, hi := 1<<30, 0
			for _, n := range load {
				lo, hi = min(lo, n), max(hi, n)
			}
			require.LessOrEqual(t, hi-lo, 1)
		}
		// Places follow each other; clips of a couple do not, where they can be kept apart; half of them are mirrored.
		for _, j := range p.Judges {
			mine := slices.DeleteFunc(slices.Clone(given), func(g domain.PlannedClip) bool { return g.Judge != j.Code })
			count, follow, mirrored := map[string]int{}, 0, 0
			for i, g := range mine {
				require.Equal(t, j.Placed+i+1, g.Place)
				count[g.Couple]++
				if i > 0 && mine[i-1].Couple == g.Couple {
					follow++
				}
				if g.Mirrored {
					mirrored++
				}
			}
			most := 0
			for _, n := range count {
				most = max(most, n)
			}
			require.Equal(t, max(0, 2*most-1-len(mine)), follow, "%v", mine)
			require.LessOrEqual(t, max(2*mirrored-len(mine), len(mine)-2*mirrored), 1)
		}
	})
}

func TestTheSameSeedMakesTheSamePlanInWhateverOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t)
		want, short := domain.PlanCoding(p)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "shuffle"), 1))
		r.Shuffle(len(p.Judges), func(i, j int) { p.Judges[i], p.Judges[j] = p.Judges[j], p.Judges[i] })
		r.Shuffle(len(p.Clips), func(i, j int) { p.Clips[i], p.Clips[j] = p.Clips[j], p.Clips[i] })
		got, shortAgain := domain.PlanCoding(p)
		require.Equal(t, want, got)
		require.ElementsMatch(t, short, shortAgain)
	})
}

func TestAnotherSeedMakesAnotherPlan(t *testing.T) {
	p := domain.CodingPlan{}
	for c := range 10 {
		p.Clips = append(p.Clips, domain.PlanClip{Couple: fmt.Sprint(c), Clip: "k", Judges: 2})
	}
	for j := range 4 {
		p.Judges = append(p.Judges, domain.PlanJudge{Code: fmt.Sprint("j", j)})
	}
	a, _ := domain.PlanCoding(p)
	p.Seed = 1
	b, _ := domain.PlanCoding(p)
	assert.NotEqual(t, a, b)
}
