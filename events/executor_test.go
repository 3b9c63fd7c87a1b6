package events_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/sqlite"
)

var (
	ctx = context.Background()
	day = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
)

func openLog(t *testing.T) events.Log {
	t.Helper()
	log, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "log.db"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, log.Close()) })
	return log
}

func give(c domain.Command) domain.Order {
	return domain.Order{ID: uuid.NewString(), By: domain.Actor{Role: domain.ActorSystem, Subject: "test"}, At: day, Command: c}
}

// setup are the orders that make a study with one couple.
func setup() []domain.Order {
	return []domain.Order{
		give(domain.CreateStudy{Study: "S", Title: "A study", Zone: "Etc/UTC"}),
		give(domain.PublishProtocol{Study: "S", Protocol: domain.Protocol{Version: 1, Roles: []domain.RoleLabel{{Role: "A", Label: "w"}, {Role: "B", Label: "h"}}, TimeUnitMonths: 1,
			Waves: []domain.Wave{{Index: 1}}, Constructs: []domain.Construct{{Code: "quality"}}, AfterSeparation: domain.ContinueAfterSeparation}}),
		give(domain.EnrolCouple{Study: "S", Couple: "1", EnrolledOn: domain.NewDate(2025, 3, 1), Participants: []domain.NewParticipant{{Role: "A", Code: "1-A"}, {Role: "B", Code: "1-B"}}}),
		give(domain.GiveConsent{Study: "S", Couple: "1", Role: "A", Scope: domain.ScopeQuestionnaires, Version: "1"}),
	}
}

func score(v float64) domain.RecordScore {
	return domain.RecordScore{Study: "S", Couple: "1", Role: "A", Wave: 1, Construct: "quality", Value: v, MeasuredAt: day}
}

func head(t *testing.T, log events.Log) events.Position {
	t.Helper()
	p, err := log.Head(ctx)
	require.NoError(t, err)
	return p
}

func TestOrdersSeeThoseBeforeThemAndAreStoredTogether(t *testing.T) {
	log := openLog(t)
	x := events.NewExecutor(log)
	bad := append(setup(), give(score(1)), give(score(2)), give(domain.SeparateCouple{Study: "S", Couple: "9", On: domain.NewDate(2025, 4, 1)}))
	_, err := x.ExecuteAll(ctx, uuid.New(), bad)
	var refused events.OrderErrors
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, []int{5, 6}, []int{refused[0].Index, refused[1].Index}, "all refusals at once")
	assert.Equal(t, domain.Conflict, domain.CodeOf(refused[0].Err))
	assert.Zero(t, head(t, log), "one refusal, and nothing is stored")

	plan, err := x.Plan(ctx, setup())
	require.NoError(t, err)
	assert.Equal(t, 6, plan.Events)
	assert.Zero(t, head(t, log), "a plan stores nothing")

	r, err := x.ExecuteAll(ctx, uuid.New(), append(setup(), give(score(1))))
	require.NoError(t, err)
	assert.Equal(t, domain.Receipt{Position: 7, Events: 7}, r)
}

// A repeat has the outcome of the first, also where the same command, decided anew, would be refused.
func TestARepeatedOrderHasTheFirstOutcome(t *testing.T) {
	log := openLog(t)
	x := events.NewExecutor(log)
	_, err := x.ExecuteAll(ctx, uuid.New(), setup())
	require.NoError(t, err)
	first := give(score(1))
	done, err := x.Execute(ctx, first)
	require.NoError(t, err)
	_, err = x.Execute(ctx, give(domain.CorrectScore{Study: "S", Couple: "1", Role: "A", Wave: 1, Construct: "quality", Value: 3, Reason: "typo"}))
	require.NoError(t, err)
	again, err := x.Execute(ctx, first)
	require.NoError(t, err)
	done.Duplicate = true
	assert.Equal(t, done, again)
	assert.Equal(t, events.Position(8), head(t, log))
	_, err = x.Execute(ctx, give(score(1)))
	assert.Equal(t, domain.Conflict, domain.CodeOf(err), "as a new order it is refused")
	same, err := x.Execute(ctx, give(score(3)))
	require.NoError(t, err)
	assert.Equal(t, domain.Receipt{}, same, "what is already so needs no event")
	wrong := give(score(1))
	wrong.ID = "not a uuid"
	_, err = x.Execute(ctx, wrong)
	assert.Equal(t, domain.Invalid, domain.CodeOf(err))
}

// Writers that race on one couple are all decided on the newest state: none is lost, and none done twice.
func TestRacingOrdersAreDecidedAnew(t *testing.T) {
	log := openLog(t)
	x := events.NewExecutor(log)
	_, err := x.ExecuteAll(ctx, uuid.New(), setup())
	require.NoError(t, err)
	const writers = 6
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() {
			_, errs[i] = x.Execute(ctx, give(domain.GiveConsent{Study: "S", Couple: "1", Role: "B", Scope: domain.Scopes()[i], Version: fmt.Sprint(i)}))
		})
	}
	wg.Wait()
	for _, err := range errs {
		assert.NoError(t, err)
	}
	list, err := log.ReadStream(ctx, events.CoupleStream("S", "1"), 0, 0)
	require.NoError(t, err)
	assert.Len(t, list, 4+writers)
}
