package access

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

func TestInvitations(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s, ctx := p.open(), t.Context()
		soon := p.clock.now().Add(time.Hour)
		token, err := s.Invite(ctx, "S", 3, soon)
		require.NoError(t, err)
		study, err := s.InvitedTo(ctx, token, here(1))
		require.NoError(t, err)
		assert.Equal(t, "S", study)
		var joined atomic.Int64
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				if _, err := s.AcceptInvitation(ctx, token, here(byte(i))); err == nil {
					joined.Add(1)
				} else {
					assert.True(t, Refused(err), "%v", err)
				}
			})
		}
		wg.Wait()
		assert.EqualValues(t, 3, joined.Load(), "as many as there are places")
		_, err = s.InvitedTo(ctx, token, here(1))
		assert.True(t, Refused(err), "%v", err)
		require.NoError(t, s.ReturnInvitation(ctx, token))
		_, err = s.AcceptInvitation(ctx, token, here(1))
		require.NoError(t, err)
		require.NoError(t, s.ReturnInvitation(ctx, token))
		p.clock.pass(time.Hour)
		_, err = s.AcceptInvitation(ctx, token, here(1))
		assert.True(t, Refused(err), "it expires: %v", err)

		token, err = s.Invite(ctx, "S", 3, p.clock.now().Add(time.Hour))
		require.NoError(t, err)
		require.NoError(t, s.CloseInvitations(ctx, "S"))
		_, err = s.InvitedTo(ctx, token, here(1))
		assert.True(t, Refused(err), "%v", err)
		for _, bad := range []func() (string, error){
			func() (string, error) { return s.Invite(ctx, "", 1, soon.Add(time.Hour)) },
			func() (string, error) { return s.Invite(ctx, "S", 0, soon.Add(time.Hour)) },
			func() (string, error) { return s.Invite(ctx, "S", 1, soon.Add(-time.Hour)) },
		} {
			_, err := bad()
			assert.Equal(t, domain.Invalid, domain.CodeOf(err))
		}
	})
}

func TestPlaces(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s, ctx := p.open(), t.Context()
		old, err := s.OfferPlace(ctx, partner)
		require.NoError(t, err)
		fresh, err := s.OfferPlace(ctx, partner)
		require.NoError(t, err)
		_, err = s.TakePlace(ctx, old, here(1))
		assert.True(t, Refused(err), "a code that was replaced: %v", err)
		got, err := s.TakePlace(ctx, fresh, here(1))
		require.NoError(t, err)
		assert.Equal(t, partner, got)
		_, err = s.TakePlace(ctx, fresh, here(1))
		assert.True(t, Refused(err), "once: %v", err)
		late, err := s.OfferPlace(ctx, partner)
		require.NoError(t, err)
		require.NoError(t, s.Forget(ctx, self))
		p.clock.pass(placeLife)
		_, err = s.TakePlace(ctx, late, here(1))
		assert.True(t, Refused(err), "for a fortnight: %v", err)
		late, err = s.OfferPlace(ctx, partner)
		require.NoError(t, err)
		require.NoError(t, s.Forget(ctx, partner))
		_, err = s.TakePlace(ctx, late, here(1))
		assert.True(t, Refused(err), "forgotten: %v", err)
	})
}
