package projections

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/domain"
	"asem/events"
)

// withoutKeys is the history as a log reads it whose keys of some owners were destroyed.
func (h *history) withoutKeys(owners map[string]bool) *history {
	after := newHistory()
	for _, at := range h.log {
		if owners[at.Owner] {
			at.Payload, at.By.Subject, at.Erased = nil, "", true
		}
		after.log = append(after.log, at)
	}
	return after
}

// erasures is a history with persons erased in the midst of it.
type erasures struct {
	*history
	owners map[string]bool // whose keys are destroyed
}

func drawErasures(t *rapid.T) erasures {
	h := randomHistory(t, 40)
	owners := map[string]bool{}
	for range rapid.IntRange(1, 4).Draw(t, "erasures") {
		c, r := rapid.SampledFrom([]string{"1", "2", "10"}).Draw(t, "couple"), rapid.SampledFrom([]domain.Role{domain.RoleA, domain.RoleB}).Draw(t, "role")
		if h.couples[c] == nil || h.try(domain.EraseParticipant{Study: "S", Couple: c, Role: r}) != nil {
			continue
		}
		owners[events.Owner("S", c, r)] = true
		if len(h.couples[c].Erased) == 2 {
			owners[events.Owner("S", c, "")] = true
		}
		_ = h.try(record("1", domain.RoleA, 1, 3)) // life goes on
	}
	return erasures{h, owners}
}

// However an erasure falls into a history: what the live read models are left with is what a rebuild makes of the log
// without the keys, and nothing of the person is shown at any position.
func TestErasureLeavesWhatARebuildFinds(t *testing.T) {
	histories := rapid.Custom(drawErasures)
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		n := 40
		if strings.HasSuffix(t.Name(), "postgres") {
			n = 3 // every history needs schemas of its own, which are slow to make
		}
		for seed := range n {
			h := histories.Example(seed)
			live, rebuilt := open(t), open(t)
			require.NoError(t, CatchUp(t.Context(), h, All(live), nil))
			require.NoError(t, CatchUp(t.Context(), h.withoutKeys(h.owners), All(rebuilt), nil))
			require.Equal(t, contents(t, rebuilt, everyRow), contents(t, live, everyRow), "seed %d", seed)
			for p := events.Position(1); p <= h.head(); p += 7 {
				view, err := live.View(t.Context(), AsOf{Position: p})
				require.NoError(t, err)
				page, err := view.Couples(t.Context(), "S", CoupleFilter{}, Page{First: 10})
				require.NoError(t, err)
				for _, c := range page.Items {
					for _, who := range c.Participants {
						assert.False(t, h.owners[events.Owner("S", c.Couple, who.Role)], "seed %d", seed)
					}
				}
			}
		}
	})
}
