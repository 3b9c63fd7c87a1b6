package access

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

func TestInvitationsAndPairings(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s, ctx := p.open(), t.Context()
		_, _, err := s.OpenInvitation(ctx, "S", time.Minute)
		assert.Equal(t, domain.Invalid, domain.CodeOf(err))
		open, token, err := s.OpenInvitation(ctx, "S", 48*time.Hour)
		require.NoError(t, err)
		study, err := s.Invited(ctx, token, here(1))
		require.NoError(t, err)
		assert.Equal(t, "S", study)
		_, err = s.Invited(ctx, token+"x", here(1))
		assert.True(t, Refused(err), "%v", err)

		waits := Pairing{"S", "w1", "A", "de", "Europe/Berlin", "blue kettle"}
		code, err := s.BeginPairing(ctx, waits)
		require.NoError(t, err)
		mine, err := s.IssueCode(ctx, Participant{"S", "w1", "A"})
		require.NoError(t, err)
		got, err := p.open().PairingOf(ctx, code, here(2))
		require.NoError(t, err)
		assert.Equal(t, waits, got)
		_, err = s.PairingOf(ctx, NewCode(), here(2))
		assert.True(t, Refused(err), "%v", err)
		list, waiting, err := s.Invitations(ctx, "S")
		require.NoError(t, err)
		require.Len(t, list, 1)
		assert.Equal(t, open.ID, list[0].ID)
		assert.Equal(t, 1, waiting)

		used, err := s.EndPairing(ctx, code)
		require.NoError(t, err)
		assert.True(t, used)
		used, err = s.EndPairing(ctx, code)
		require.NoError(t, err)
		assert.False(t, used, "a code works once")
		_, err = s.SignInParticipant(ctx, mine.Code, mine.PIN, here(3))
		require.NoError(t, err)

		// Who waits in vain leaves nothing behind.
		waits.Couple = "w2"
		code, err = s.BeginPairing(ctx, waits)
		require.NoError(t, err)
		mine, err = s.IssueCode(ctx, Participant{"S", "w2", "A"})
		require.NoError(t, err)
		p.clock.pass(pairingLife)
		_, err = s.PairingOf(ctx, code, here(2))
		assert.True(t, Refused(err), "%v", err)
		require.NoError(t, s.Sweep(ctx))
		_, err = s.SignInParticipant(ctx, mine.Code, mine.PIN, here(3))
		assert.True(t, Refused(err), "%v", err)
		_, err = s.Invited(ctx, token, here(1))
		assert.True(t, Refused(err), "it is over: %v", err)

		open, token, err = s.OpenInvitation(ctx, "S", 48*time.Hour)
		require.NoError(t, err)
		require.NoError(t, s.CloseInvitation(ctx, "S", open.ID))
		assert.Equal(t, domain.NotFound, domain.CodeOf(s.CloseInvitation(ctx, "T", open.ID)))
		_, err = s.Invited(ctx, token, here(1))
		assert.True(t, Refused(err), "it is closed: %v", err)
	})
}
