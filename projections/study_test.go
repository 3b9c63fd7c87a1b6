package projections

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

func TestStudyIsWhatItsEventsAddUpTo(t *testing.T) {
	h := newHistory()
	simulation := &domain.Simulation{Seed: 7, Effects: []domain.TrueEffect{{Outcome: "avoidance", Predictor: "responsiveness", Path: "partner", Value: -0.2}}}
	created := h.do(t, domain.CreateStudy{Study: "S10", Title: "Zweite Befragung — שלום", Zone: "Europe/Berlin", Simulation: simulation})
	h.do(t, domain.RegisterInstrument{Study: "S10", Instrument: smallInstrument("avo", "avoidance")},
		domain.RegisterInstrument{Study: "S10", Instrument: smallInstrument("mood", "mood")})
	published := h.do(t, domain.PublishProtocol{Study: "S10", Protocol: testProtocol()})
	s := openFile(t)
	now := seen(t, s, h)

	got, err := now.Study(t.Context(), "S10")
	require.NoError(t, err)
	assert.Equal(t, Study{*h.study, published}, got)
	assert.True(t, got.Synthetic())
	assert.Equal(t, "wife", got.Role(domain.RoleA))

	then, err := s.View(t.Context(), AsOf{Position: created})
	require.NoError(t, err)
	got, err = then.Study(t.Context(), "S10")
	require.NoError(t, err)
	assert.Equal(t, 0, got.Protocol.Version)
	assert.Empty(t, got.Instruments)

	_, err = now.Study(t.Context(), "S1")
	assert.Equal(t, domain.NotFound, domain.CodeOf(err))
}

func TestStudiesArePaged(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		all := newHistory()
		for _, code := range []string{"S10", "S9", "T"} {
			all.study = &domain.Study{}
			all.do(t, domain.CreateStudy{Study: code, Title: code, Zone: "Etc/UTC"})
		}
		v := seen(t, open(t), all)
		for _, c := range []struct {
			page Page
			want []string
		}{
			{Page{First: 2}, []string{"S9", "S10"}}, {Page{First: 2, After: "S10"}, []string{"T"}}, {Page{Last: 1, Before: "T"}, []string{"S10"}},
		} {
			got, err := v.Studies(t.Context(), c.page)
			require.NoError(t, err)
			assert.Equal(t, 3, got.Total)
			var names []string
			for _, s := range got.Items {
				names = append(names, s.Code)
			}
			assert.Equal(t, c.want, names)
		}
	})
}
