package access

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

func TestDrafts(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, p place) {
		s, ctx := p.open(), t.Context()
		body, v, err := s.Draft(ctx, "a1")
		require.NoError(t, err)
		assert.Zero(t, v)
		assert.Nil(t, body)
		v, err = s.SaveDraft(ctx, "a1", "S", "w1", 0, []byte("caring 5"))
		require.NoError(t, err)
		v, err = s.SaveDraft(ctx, "a1", "S", "w1", v, []byte("caring 6"))
		require.NoError(t, err)
		assert.Equal(t, int64(2), v)
		for _, stale := range []int64{0, 1} {
			_, err = s.SaveDraft(ctx, "a1", "S", "w1", stale, []byte("another window"))
			assert.Equal(t, domain.Conflict, domain.CodeOf(err))
		}
		_, err = s.SaveDraft(ctx, "a2", "S", "w1", 0, make([]byte, maxDraft+1))
		assert.Equal(t, domain.Invalid, domain.CodeOf(err))
		var sealed []byte
		require.NoError(t, s.reader.QueryRowContext(ctx, `SELECT sealed FROM draft`).Scan(&sealed))
		assert.NotContains(t, string(sealed), "caring")
		_, err = s.Rewrap(ctx)
		require.NoError(t, err)
		body, v, err = p.open().Draft(ctx, "a1")
		require.NoError(t, err)
		assert.Equal(t, "caring 6", string(body))
		assert.Equal(t, int64(2), v)
		require.NoError(t, s.DropDraft(ctx, "a1"))
		_, v, err = s.Draft(ctx, "a1")
		require.NoError(t, err)
		assert.Zero(t, v)

		for _, id := range []string{"a3", "a4"} {
			_, err = s.SaveDraft(ctx, id, "S", map[string]string{"a3": "w1", "a4": "w2"}[id], 0, []byte("x"))
			require.NoError(t, err)
		}
		require.NoError(t, s.Forget(ctx, Participant{Study: "S", Couple: "w1", Role: "A"}))
		_, v, err = s.Draft(ctx, "a3")
		require.NoError(t, err)
		assert.Zero(t, v, "forgotten with the couple")
		p.clock.pass(draftLife + time.Hour)
		require.NoError(t, s.Sweep(ctx))
		_, v, err = s.Draft(ctx, "a4")
		require.NoError(t, err)
		assert.Zero(t, v, "nobody went on with it")
	})
}
