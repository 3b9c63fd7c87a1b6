package projections

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

func TestLedgerOfPromptsAndWhatFollowed(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		h := testStudy(t)
		h.do(t, enrol("1")...)
		h.do(t, enrol("2")...)
		wave, evening := domain.Occasion{Wave: 1}, domain.Occasion{Burst: "daily", Day: day0(1)}
		noon := func(n int) time.Time { return day0(n).At(12, time.UTC) }
		schedule := func(couple string, r domain.Role, prompt string, o domain.Occasion, at time.Time) domain.Command {
			return domain.SchedulePrompt{Study: "S", Couple: couple, Role: r, Prompt: prompt, Occasion: o, Channel: "email", At: at}
		}
		start := h.do(t, schedule("1", "A", "p1", wave, noon(1)), schedule("1", "A", "p2", wave, noon(2)), schedule("1", "B", "p3", wave, noon(1)),
			schedule("2", "A", "p1", wave, noon(1)), schedule("2", "A", "p2", evening, day0(1).At(19, time.UTC)))
		sent := h.do(t, domain.SendPrompt{Study: "S", Couple: "1", Role: "A", Prompt: "p1", At: noon(1)})
		h.do(t,
			domain.SettlePrompt{Study: "S", Couple: "1", Role: "A", Prompt: "p1", At: noon(1).Add(time.Second)},
			domain.OpenPrompt{Study: "S", Couple: "1", Role: "A", Prompt: "p1", At: noon(1).Add(time.Hour)},
			domain.StartForm{Study: "S", Couple: "1", Role: "A", Occasion: wave, At: noon(1).Add(time.Hour)},
			submit("1", "A", 1, day0(2), answers(1, 2, 3)),
			domain.SendPrompt{Study: "S", Couple: "1", Role: "A", Prompt: "p2", At: noon(2)}, // answered: not needed
			domain.SendPrompt{Study: "S", Couple: "2", Role: "A", Prompt: "p1", At: noon(1)},
			domain.SettlePrompt{Study: "S", Couple: "2", Role: "A", Prompt: "p1", At: noon(1), Reason: domain.PromptRefused},
			sendDiary("2", "A", 1, day0(1).At(20, time.UTC)),
		)
		s := open(t)
		now := seen(t, s, h)
		one, two := PersonID{"S", "1", "A"}, PersonID{"S", "2", "A"}
		got, err := now.PromptsOf(t.Context(), []PersonID{one, two, {"S", "2", "B"}})
		require.NoError(t, err)
		filled := day0(2).At(12, time.UTC)
		assert.Equal(t, map[PersonID][]PromptLine{
			one: {
				{PersonID: one, Prompt: "p1", Occasion: wave, Channel: "email", Scheduled: noon(1), Sent: noon(1), Accepted: noon(1).Add(time.Second), Opened: noon(1).Add(time.Hour),
					Started: noon(1).Add(time.Hour), Submitted: filled, Position: start - 4},
				{PersonID: one, Prompt: "p2", Occasion: wave, Channel: "email", Scheduled: noon(2), Failed: noon(2), Reason: domain.PromptNotNeeded, Started: noon(1).Add(time.Hour), Submitted: filled, Position: start - 3},
			},
			two: {
				{PersonID: two, Prompt: "p1", Occasion: wave, Channel: "email", Scheduled: noon(1), Sent: noon(1), Failed: noon(1), Reason: domain.PromptRefused, Position: start - 1},
				{PersonID: two, Prompt: "p2", Occasion: evening, Channel: "email", Scheduled: day0(1).At(19, time.UTC), Submitted: day0(1).At(20, time.UTC), Position: start},
			},
		}, got)
		counts, err := now.PromptCounts(t.Context(), "S")
		require.NoError(t, err)
		assert.Equal(t, []PromptCounts{
			{Wave: 1, Scheduled: 4, Sent: 2, Accepted: 1, Failed: map[string]int{domain.PromptNotNeeded: 1, domain.PromptRefused: 1}, Opened: 1, Started: 1, Submitted: 1},
			{Burst: "daily", Scheduled: 1, Failed: map[string]int{}, Submitted: 1},
		}, counts)

		then, err := s.View(t.Context(), AsOf{Position: sent})
		require.NoError(t, err)
		counts, err = then.PromptCounts(t.Context(), "S")
		require.NoError(t, err)
		assert.Equal(t, PromptCounts{Wave: 1, Scheduled: 4, Sent: 1, Failed: map[string]int{}}, counts[0])

		h.do(t, domain.EraseParticipant{Study: "S", Couple: "1", Role: "A"})
		now = seen(t, s, h)
		got, err = now.PromptsOf(t.Context(), []PersonID{one})
		require.NoError(t, err)
		assert.Empty(t, got)
		counts, err = now.PromptCounts(t.Context(), "S")
		require.NoError(t, err)
		assert.Equal(t, PromptCounts{Wave: 1, Scheduled: 2, Sent: 1, Failed: map[string]int{domain.PromptRefused: 1}}, counts[0])
	})
}
