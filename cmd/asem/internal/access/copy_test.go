package access

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// After a disaster the same people come in, on either database.
func TestCopyAndRestore(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s, ctx := p.open(), t.Context()
		e := enrol(t, p, s, "gil", domain.ActorCoder)
		_, setup, err := s.AddUser(ctx, "hal", "S", domain.ActorClinician)
		require.NoError(t, err)
		c, err := s.IssueCode(ctx, self)
		require.NoError(t, err)
		require.NoError(t, s.SetEmail(ctx, partner, "b@example.org"))
		kept, err := s.Copy(ctx)
		require.NoError(t, err)
		for _, secret := range []string{"gil", self.Couple + "\"", e.Secret} {
			assert.NotContains(t, string(kept), secret)
		}
		for _, full := range []*Store{s, p.open()} {
			assert.Equal(t, domain.Conflict, domain.CodeOf(full.Restore(ctx, kept)))
		}
		fresh, err := OpenSQLite(ctx, filepath.Join(t.TempDir(), "access.db"), p.keys)
		require.NoError(t, err)
		defer func() { require.NoError(t, fresh.Close()) }()
		fresh.now = p.clock.now
		assert.Equal(t, domain.Invalid, domain.CodeOf(fresh.Restore(ctx, []byte("{"))))
		require.Error(t, fresh.Restore(ctx, []byte(`{}`)))
		require.NoError(t, fresh.Restore(ctx, kept))
		_, err = fresh.SignInStaff(ctx, "gil", goodPassword, onceOf(t, e, p.clock.now()), here(1))
		require.NoError(t, err)
		_, err = fresh.BeginSetup(ctx, setup, here(1))
		require.NoError(t, err)
		who, err := fresh.SignInParticipant(ctx, c.Code, c.PIN, here(1))
		require.NoError(t, err)
		assert.Equal(t, self, who)
		links, err := fresh.LinksFor(ctx, "b@example.org")
		require.NoError(t, err)
		require.Len(t, links, 1)
		assert.Equal(t, partner, links[0].Participant)
		again, err := fresh.Copy(ctx)
		require.NoError(t, err)
		assert.NotEqual(t, kept, again, "a link was made since")
	})
}
