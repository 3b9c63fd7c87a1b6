package access

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// A copy holds every table and column of the migrations but those of sessions and attempts.
func TestCopyHoldsAllTables(t *testing.T) {
	script, err := migrations.ReadFile("migrations/00001_access.sql")
	require.NoError(t, err)
	all, err := migrations.ReadDir("migrations")
	require.NoError(t, err)
	require.Len(t, all, 2, "this test knows two scripts")
	more, err := migrations.ReadFile("migrations/00002_draft.sql")
	require.NoError(t, err)
	script = append(script, more...)
	got, want := map[string][]string{}, map[string][]string{}
	for _, m := range regexp.MustCompile(`(?s)CREATE TABLE (\w+) \((.*?)\n\);`).FindAllStringSubmatch(string(script), -1) {
		for _, c := range regexp.MustCompile(`(?m)^\t([a-z_]+)\s+(TEXT|BYTEA|BIGINT)`).FindAllStringSubmatch(m[2], -1) {
			want[m[1]] = append(want[m[1]], c[1]+":"+map[string]string{"TEXT": "t", "BYTEA": "b", "BIGINT": "n"}[c[2]])
		}
	}
	require.NotEmpty(t, want["session"])
	delete(want, "session")
	delete(want, "attempt")
	delete(want, "draft")
	for _, c := range copied {
		got[c.table] = strings.Fields(c.columns)
	}
	assert.Equal(t, want, got)
}

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
		_, invitation, err := s.OpenInvitation(ctx, "S", 48*time.Hour)
		require.NoError(t, err)
		waits := Pairing{"S", "w1", "A", "de", "Europe/Berlin", "blue kettle"}
		pairing, err := s.BeginPairing(ctx, waits)
		require.NoError(t, err)
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
		_, err = fresh.Invited(ctx, invitation, here(1))
		require.NoError(t, err)
		got, err := fresh.PairingOf(ctx, pairing, here(1))
		require.NoError(t, err)
		assert.Equal(t, waits, got)
		again, err := fresh.Copy(ctx)
		require.NoError(t, err)
		assert.NotEqual(t, kept, again, "a link was made since")
	})
}
