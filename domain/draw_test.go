package domain_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
)

func armsOf(weights ...int) domain.Protocol {
	p := domain.Protocol{Randomise: &domain.Randomisation{Unit: domain.RandomiseCouples}}
	for i, w := range weights {
		p.Arms = append(p.Arms, domain.Arm{Code: string(rune('a' + i)), Weight: w})
	}
	return p
}

// In every block each arm stands as often as its weight asks, equal seeds give equal plans, and other seeds, strata and blocks other ones.
func TestArmsAreDrawnInBalancedBlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(0, 4), 2, 5).Draw(t, "weights")
		p := armsOf(weights...)
		once := 0
		for _, w := range weights {
			once += max(w, 1)
		}
		times := rapid.IntRange(0, 3).Draw(t, "times")
		p.Randomise.BlockSize = times * once
		if times == 0 {
			times = 2
		}
		seed := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed")
		stratum := rapid.StringMatching(`[a-z]{0,4}`).Draw(t, "stratum")
		first := rapid.IntRange(0, 50).Draw(t, "block")*times*once + 1
		count := map[string]int{}
		for n := range times * once {
			arm, err := p.Draw(seed, stratum, first+n)
			require.NoError(t, err)
			again, err := p.Draw(bytes.Clone(seed), stratum, first+n)
			require.NoError(t, err)
			require.Equal(t, arm, again)
			count[arm]++
		}
		for i, w := range weights {
			require.Equal(t, times*max(w, 1), count[p.Arms[i].Code])
		}
	})
}

// Every order of a block is as likely: over many blocks of two arms twice, each of the six orders comes in its share. The seeds are fixed, so that
// the test has one outcome; its bound is 4.5 standard deviations.
func TestEveryOrderOfABlockIsAsLikely(t *testing.T) {
	p := armsOf(1, 1)
	seed := bytes.Repeat([]byte{42}, 32)
	const blocks = 6000
	count := map[string]int{}
	for b := range blocks {
		var order strings.Builder
		for n := range 4 {
			arm, err := p.Draw(seed, "site", b*4+n+1)
			require.NoError(t, err)
			order.WriteString(arm)
		}
		count[order.String()]++
	}
	require.Len(t, count, 6)
	for order, n := range count {
		assert.InDelta(t, blocks/6, n, 4.5*28.9, order) // sqrt(6000 * 1/6 * 5/6) = 28.9
	}
}

func TestPlansDifferBySeedAndStratum(t *testing.T) {
	plan := func(seed byte, stratum string) (s string) {
		for n := range 40 {
			arm, err := armsOf(1, 1).Draw(bytes.Repeat([]byte{seed}, 32), stratum, n+1)
			require.NoError(t, err)
			s += arm
		}
		return s
	}
	seen := map[string]string{}
	for _, seed := range []byte{1, 2, 3} {
		for _, stratum := range []string{"", "north", "south"} {
			s := plan(seed, stratum)
			assert.Empty(t, seen[s], "the same plan twice")
			seen[s] = fmt.Sprint(seed, stratum)
		}
	}
	// A plan that was drawn stays, whatever becomes of the program: it is checked years later. A program of 20 lines in Python (hmac, hashlib, struct), written
	// after the comment of Draw, gives the same.
	assert.Equal(t, "baabbbaabbaa", plan(1, "north")[:12])
}

func TestDrawRefusals(t *testing.T) {
	seed := make([]byte, 32)
	for name, draw := range map[string]func() (string, error){
		"nobody is randomised": func() (string, error) { return domain.Protocol{}.Draw(seed, "", 1) },
		"short seed":           func() (string, error) { return armsOf(1, 1).Draw(seed[:31], "", 1) },
		"place 0":              func() (string, error) { return armsOf(1, 1).Draw(seed, "", 0) },
		"no seed":              func() (string, error) { return (&domain.Study{Protocol: armsOf(1, 1)}).Draw("", 1) },
	} {
		_, err := draw()
		assert.Error(t, err, name)
	}
}

// The seed is kept once it is there, and a draw that is not what the plan says is refused.
func TestTheSeedStaysAndDrawsAreHeldAgainstIt(t *testing.T) {
	study := &domain.Study{}
	study.Apply(domain.StudyCreated{Code: "S", Title: "S", Zone: "Etc/UTC"})
	p := armsOf(1, 1)
	p.Version = 1
	study.Apply(domain.ProtocolPublished{Protocol: p})
	past := domain.Past{Study: study}
	decided, err := domain.Decide(past, domain.SeedRandomisation{Study: "S", Seed: bytes.Repeat([]byte{9}, 32)})
	require.NoError(t, err)
	require.Equal(t, []domain.Event{domain.RandomisationSeeded{Seed: bytes.Repeat([]byte{9}, 32)}}, decided)
	study.Apply(decided[0])
	decided, err = domain.Decide(past, domain.SeedRandomisation{Study: "S", Seed: bytes.Repeat([]byte{8}, 32)})
	require.NoError(t, err)
	assert.Empty(t, decided, "a second seed changes nothing")
	for _, bad := range [][]byte{nil, make([]byte, 32), make([]byte, 31)} {
		fresh := &domain.Study{}
		fresh.Apply(domain.StudyCreated{Code: "S", Title: "S", Zone: "Etc/UTC"})
		fresh.Apply(domain.ProtocolPublished{Protocol: p})
		_, err = domain.Decide(domain.Past{Study: fresh}, domain.SeedRandomisation{Study: "S", Seed: bad})
		assert.Equal(t, domain.Invalid, domain.CodeOf(err))
	}
	planned, err := study.Draw("", 1)
	require.NoError(t, err)
	couple := &domain.Couple{}
	couple.Apply(domain.CoupleEnrolled{Study: "S", Code: "1", EnrolledOn: domain.NewDate(2026, 1, 1)})
	past.Couple = couple
	other := map[string]string{"a": "b", "b": "a"}[planned]
	_, err = domain.Decide(past, domain.AssignArm{Study: "S", Couple: "1", Arm: other, Number: 1})
	assert.Equal(t, domain.Conflict, domain.CodeOf(err))
	decided, err = domain.Decide(past, domain.AssignArm{Study: "S", Couple: "1", Arm: planned, Number: 1})
	require.NoError(t, err)
	assert.Equal(t, []domain.Event{domain.ArmAssigned{Arm: planned, Number: 1}}, decided)
}

// Arms to which couples may have been randomised stay in later versions.
func TestArmsStayOnceCouplesAreRandomised(t *testing.T) {
	study := &domain.Study{}
	study.Apply(domain.StudyCreated{Code: "S", Title: "S", Zone: "Etc/UTC"})
	p := armsOf(1, 1)
	p.Version, p.TimeUnitMonths, p.AfterSeparation, p.Waves = 1, 1, domain.ContinueAfterSeparation, []domain.Wave{{Index: 1}}
	p.Roles = []domain.RoleLabel{{Role: "A", Label: "a"}, {Role: "B", Label: "b"}}
	study.Apply(domain.ProtocolPublished{Protocol: p})
	next := p
	next.Version, next.Arms = 2, []domain.Arm{{Code: "a", Weight: 2}, {Code: "b", Weight: 1}}
	_, err := domain.Decide(domain.Past{Study: study}, domain.PublishProtocol{Study: "S", Protocol: next})
	assert.ErrorContains(t, err, "arms: couples may have been randomised")
	next.Arms, next.Waves = p.Arms, []domain.Wave{{Index: 1, GraceDays: 1}}
	_, err = domain.Decide(domain.Past{Study: study}, domain.PublishProtocol{Study: "S", Protocol: next})
	assert.NoError(t, err)
}

// The hash of a plan of analysis changes with every part of it and with nothing else.
func TestAnalysisHash(t *testing.T) {
	p := domain.Protocol{Analyses: []domain.ChangeModel{{Name: "a", Frame: "waves", Kind: "growth", Outcome: "anxiety"}}}
	sum := p.AnalysisHash()
	assert.Regexp(t, `^[0-9a-f]{64}$`, sum)
	other := p
	other.Waves = []domain.Wave{{Index: 1}}
	assert.Equal(t, sum, other.AnalysisHash())
	other.Analyses = []domain.ChangeModel{{Name: "a", Frame: "waves", Kind: "growth", Outcome: "avoidance"}}
	assert.NotEqual(t, sum, other.AnalysisHash())
	assert.Empty(t, domain.Protocol{}.AnalysisHash())
}
