package projections

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
)

var satisfactionChange = domain.ChangeModel{Name: "change", Frame: "waves", Kind: "mixed", Outcome: "satisfaction", Time: "time", Fixed: "role:time", Random: "1 | couple"}

// follow brings live models up to date, as Run does.
func follow(t *testing.T, l *Live, s *Store, h *history) {
	t.Helper()
	require.NoError(t, CatchUp(t.Context(), h, All(s), nil))
	require.NoError(t, l.step(t.Context()))
}

// Whatever happens, the live estimate is the one of a fit to the study's data at the same position.
func TestLiveModelsAreThoseOfTheData(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, open func(t *testing.T) *Store) {
		s, h, r := open(t), testStudy(t), rand.New(rand.NewPCG(1, 2))
		l := NewLive(s, h, slog.New(slog.DiscardHandler))
		follow(t, l, s, h)
		_, ok := l.Fit("S", "change")
		assert.False(t, ok, "nothing is registered")
		h.do(t, domain.RegisterModel{Study: "S", Model: satisfactionChange})
		follow(t, l, s, h)
		f, ok := l.Fit("S", "change")
		require.True(t, ok)
		assert.Error(t, f.Err, "there are no data yet")

		owners := map[string]bool{}
		for step := range 60 {
			c := fmt.Sprint(r.IntN(12))
			role := []domain.Role{domain.RoleA, domain.RoleB}[r.IntN(2)]
			if h.couples[c] == nil {
				h.do(t, enrol(c)...)
			}
			for range 1 + r.IntN(3) {
				_ = h.try(record(c, role, 1+r.IntN(3), 10+3*r.NormFloat64()))
			}
			_ = h.try(domain.CorrectScore{Study: "S", Couple: c, Role: role, Wave: 1, Construct: "satisfaction", Value: 10 + r.NormFloat64(), Reason: "r"})
			if step == 40 && h.try(domain.EraseParticipant{Study: "S", Couple: c, Role: role}) == nil {
				owners[events.Owner("S", c, role)] = true
			}
			follow(t, l, s, h)
			f, ok := l.Fit("S", "change")
			require.True(t, ok)
			require.Equal(t, h.head(), f.From.Position)
			view, err := s.View(t.Context(), AsOf{})
			require.NoError(t, err)
			data, err := view.WaveFrame(t.Context(), "S")
			require.NoError(t, err)
			require.Equal(t, data.Frame.Hash(), f.Data.Hash(), "step %d", step)
			cold, err := SpecOf(satisfactionChange).Fit(t.Context(), data.Frame)
			if err != nil {
				require.Error(t, f.Err)
				continue
			}
			require.NoError(t, f.Err)
			if cold.Err() != nil || f.Fit.Err() != nil {
				continue
			}
			require.InDelta(t, cold.LogLik, f.Fit.LogLik, 1e-6)
			for i, p := range cold.Parameters {
				require.InDelta(t, float64(p.Estimate), float64(f.Fit.Parameters[i].Estimate), 1e-5, "%s at step %d", p.Name, step)
			}
		}
		require.NotEmpty(t, owners)
		h.do(t, domain.RetireModel{Study: "S", Name: "change"})
		follow(t, l, s, h)
		_, ok = l.Fit("S", "change")
		assert.False(t, ok, "it is followed no longer")
	})
}

// A model that is registered before anything is published keeps no other from being fitted, and is fitted when there is something.
func TestLiveModelOfAnEmptyStudy(t *testing.T) {
	s, h := openFile(t), testStudy(t)
	begun := h.study
	h.study = &domain.Study{}
	h.do(t, domain.CreateStudy{Study: "NEW", Title: "Nothing yet", Zone: "Europe/Berlin"}, domain.RegisterInstrument{Study: "NEW", Instrument: smallInstrument("avo", "avoidance")},
		domain.RegisterInstrument{Study: "NEW", Instrument: smallInstrument("mood", "mood")}, domain.PublishProtocol{Study: "NEW", Protocol: testProtocol()},
		domain.RegisterModel{Study: "NEW", Model: satisfactionChange})
	h.study = begun
	h.do(t, domain.RegisterModel{Study: "S", Model: satisfactionChange})
	for c := range 30 {
		h.do(t, enrol(fmt.Sprint(c))...)
		for w := 1; w <= 3; w++ {
			h.do(t, record(fmt.Sprint(c), domain.RoleA, w, float64((c+w)*(c+2*w)%7)), record(fmt.Sprint(c), domain.RoleB, w, float64((c+w)*c%5)))
		}
	}
	l := NewLive(s, h, slog.New(slog.DiscardHandler))
	for range 2 {
		follow(t, l, s, h)
		f, ok := l.Fit("S", "change")
		require.True(t, ok)
		assert.NoError(t, f.Err)
		f, ok = l.Fit("NEW", "change")
		require.True(t, ok)
		assert.Equal(t, h.head(), f.From.Position)
		assert.Contains(t, []domain.Code{domain.Invalid, domain.NotFound}, domain.CodeOf(f.Err))
		h.do(t, domain.CorrectScore{Study: "S", Couple: "7", Role: domain.RoleA, Wave: 3, Construct: "satisfaction", Value: 4 + rand.Float64(), Reason: "misread"})
	}
}

// The rows of one couple are read again, and nothing else.
func TestAnAnswerIsNotTheWholeStudy(t *testing.T) {
	s, h := openFile(t), testStudy(t)
	h.do(t, domain.RegisterModel{Study: "S", Model: satisfactionChange})
	for c := range 30 {
		h.do(t, enrol(fmt.Sprint(c))...)
		for w := 1; w <= 2; w++ {
			h.do(t, record(fmt.Sprint(c), domain.RoleA, w, float64(c%7+w)), record(fmt.Sprint(c), domain.RoleB, w, float64(c%5)))
		}
	}
	l := NewLive(s, h, slog.New(slog.DiscardHandler))
	follow(t, l, s, h)
	before := l.studies[liveSet{"S", "waves"}.key()]
	h.do(t, record("7", domain.RoleA, 3, 4))
	follow(t, l, s, h)
	after := l.studies[liveSet{"S", "waves"}.key()]
	assert.Same(t, before.shape, after.shape, "the data were not read anew")
	assert.Equal(t, before.frame.Rows()+1, after.frame.Rows())
	h.do(t, domain.GiveConsent{Study: "S", Couple: "7", Role: domain.RoleA, Scope: domain.ScopeVideo, Version: "9"})
	follow(t, l, s, h)
	assert.Same(t, after.frame, l.studies[liveSet{"S", "waves"}.key()].frame, "a consent changes no data")
	f, ok := l.Fit("S", "change")
	require.True(t, ok)
	assert.Equal(t, h.head(), f.From.Position, "and yet the fit stands on the last position")
}

func TestRunFollowsAndEnds(t *testing.T) {
	s, h := openFile(t), testStudy(t)
	h.do(t, domain.RegisterModel{Study: "S", Model: satisfactionChange})
	l := NewLive(s, h, slog.New(slog.DiscardHandler))
	require.NoError(t, CatchUp(t.Context(), h, All(s), nil))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	within, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	f, err := l.Wait(within, "S", "change", h.head())
	require.NoError(t, err)
	assert.Equal(t, h.head(), f.From.Position)
	stop()
	<-done
}

// How long it takes from an event in the read models to the fit of a registered growth model of 10,000 couples at four waves.
//
//	ASEM_LIVE=200 go test -run TestLiveLatency -v ./projections
func TestLiveLatency(t *testing.T) {
	n := 0
	if _, err := fmt.Sscan(os.Getenv("ASEM_LIVE"), &n); err != nil {
		t.Skip("set ASEM_LIVE to how many answers to measure")
	}
	s, h, r := openFile(t), testStudy(t), rand.New(rand.NewPCG(3, 4))
	p := testProtocol()
	p.Version = 2
	for len(p.Waves) < 4 {
		w := p.Waves[len(p.Waves)-1]
		w.Index, w.Month, w.Instruments = w.Index+1, w.Month+4, nil
		p.Waves = append(p.Waves, w)
	}
	h.do(t, domain.PublishProtocol{Study: "S", Protocol: p})
	growth := domain.ChangeModel{Name: "growth", Frame: "waves", Kind: "mixed", Outcome: "satisfaction", Time: "time", Fixed: "role + role:time", Random: "0 + role + role:time | couple", ResidualVariance: "role", CrossPartner: true}
	h.do(t, domain.RegisterModel{Study: "S", Model: growth})
	const couples = 10_000
	for c := range couples {
		h.do(t, enrol(fmt.Sprint(c))...)
		for role, slope := range map[domain.Role]float64{domain.RoleA: .2, domain.RoleB: -.1} {
			level, change := 10+2*r.NormFloat64(), slope+.1*r.NormFloat64()
			for w := 1; w <= 4; w++ {
				if c%2 == 0 && w == 4 {
					continue // comes in later
				}
				h.do(t, record(fmt.Sprint(c), role, w, min(21, max(0, level+change*float64(w)+r.NormFloat64()))))
			}
		}
	}
	l := NewLive(s, h, slog.New(slog.DiscardHandler))
	follow(t, l, s, h)
	var took []time.Duration
	for i := range n {
		h.do(t, record(fmt.Sprint(2*(i*37%(couples/2))), domain.RoleA, 4, 9+3*r.Float64()))
		began := time.Now()
		follow(t, l, s, h)
		took = append(took, time.Since(began))
		f, ok := l.Fit("S", "growth")
		require.True(t, ok)
		require.NoError(t, f.Err)
		require.NoError(t, f.Fit.Err())
	}
	slices.Sort(took)
	t.Logf("%d rows; from the log to the estimate: p50 %s, p99 %s, at most %s", l.studies[liveSet{"S", "waves"}.key()].frame.Rows(), took[n/2], took[n*99/100], took[n-1])
}
