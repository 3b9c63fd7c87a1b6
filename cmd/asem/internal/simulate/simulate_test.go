package simulate_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/cmd/asem/internal/simulate"
	"asem/domain"
)

// carry decides orders one after the other on a study and a couple, as an executor would, and counts events by type.
func carry(t *testing.T, orders []domain.Order, study *domain.Study, couple *domain.Couple, counts map[string]int) {
	t.Helper()
	for _, o := range orders {
		list, err := domain.Decide(domain.Past{Study: study, Couple: couple}, o.Command)
		require.NoError(t, err, "%T", o.Command)
		for _, e := range list {
			study.Apply(e)
			if couple != nil {
				couple.Apply(e)
			}
			et, ok := domain.EventTypeOf(e)
			require.True(t, ok)
			counts[et.Name]++
		}
	}
}

func TestTheExampleIsTheStudyThatItClaims(t *testing.T) {
	plan := simulate.Example()
	study, counts := &domain.Study{}, map[string]int{}
	carry(t, plan.Setup(), study, nil, counts)
	require.NotNil(t, study.Simulation, "it says that it is synthetic")
	assert.Contains(t, study.Title, "synthetic")
	for i := range plan.Couples {
		carry(t, plan.Couple(i+1), study, &domain.Couple{}, counts)
	}
	assert.Equal(t, 120, counts["couple.enrolled"])
	assert.Equal(t, 5, counts["couple.separated"])
	assert.Equal(t, 120*2*3*3, counts["rating.recorded"], "two partners, three judges, three dimensions")
	assert.Equal(t, 120*2*14, counts["diary.submitted"]+counts["diary.missed"])
	assert.Positive(t, counts["participant.withdrew"])
	assert.Positive(t, counts["wave.missed"])
}

func TestEqualPlansMakeEqualStudies(t *testing.T) {
	a, b := simulate.Example(), simulate.Example()
	assert.Equal(t, a.Setup(), b.Setup())
	assert.Equal(t, a.Couple(7), b.Couple(7))
	b.Seed++
	assert.NotEqual(t, a.Couple(7), b.Couple(7))
}

func TestImpossiblePlansAreRefused(t *testing.T) {
	for _, change := range []func(*simulate.Study){
		func(s *simulate.Study) { s.Couples = 0 }, func(s *simulate.Study) { s.Separations = 121 }, func(s *simulate.Study) { s.Code = "a/b" },
	} {
		plan := simulate.Example()
		change(&plan)
		assert.Equal(t, domain.Invalid, domain.CodeOf(plan.Check()))
	}
}
