package seal_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/proof"
	"asem/events/seal"
	"asem/events/sqlite"
)

func keptIn(t *testing.T) (*sqlite.Log, *seal.File, string) {
	dir := t.TempDir()
	log, err := sqlite.Open(t.Context(), filepath.Join(dir, "log.db"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, log.Close()) })
	signer, _, err := proof.NewSigner()
	require.NoError(t, err)
	keys, err := seal.NewFile(filepath.Join(dir, "keys"), signer, nil)
	require.NoError(t, err)
	return log, keys, dir
}

func tellOf(t *testing.T, log events.Log, owner string) {
	_, err := log.Append(t.Context(), events.Append{Command: uuid.New(), Writes: []events.Write{{Stream: events.Stream("couple/" + owner), Events: []events.Envelope{{
		ID: uuid.Must(uuid.NewV7()), Type: "diary.submitted", Schema: 1, Study: "S", OccurredAt: time.Now(), By: domain.Actor{Role: domain.ActorSystem}, Owner: owner, Payload: []byte("secret")}}}}})
	require.NoError(t, err)
}

// asem key rotate and asem key forget run beside a server (they take no lock); what the server seals afterwards is not lost.
func TestRotationBesideAServer(t *testing.T) {
	log, server, dir := keptIn(t)
	serving := seal.New(log, server)
	tellOf(t, serving, "S/1/a")

	command, err := seal.OpenFile(filepath.Join(dir, "keys"), nil) // asem key rotate
	require.NoError(t, err)
	require.NoError(t, command.Renew())
	_, err = seal.New(log, command).Rewrap(t.Context())
	require.NoError(t, err)
	_, err = seal.New(log, server).Read(t.Context(), 0, 10)
	assert.NoError(t, err, "what the server reads as soon as it has forgotten its opened keys, within a minute")

	_, err = seal.New(log, command).Rewrap(t.Context()) // asem key forget
	require.NoError(t, err)
	require.NoError(t, command.Forget())
	tellOf(t, serving, "S/2/a") // acknowledged

	again, err := seal.OpenFile(filepath.Join(dir, "keys"), nil) // the server starts again
	require.NoError(t, err)
	list, err := seal.New(log, again).Read(t.Context(), 0, 10)
	require.NoError(t, err, "no file anywhere holds the key that the acknowledged event was sealed under")
	assert.Equal(t, "secret", string(list[1].Payload))
}

type slow struct {
	events.Archive
	then func()
}

func (s slow) WrappedKeys(ctx context.Context, owners []string) ([]events.WrappedKey, error) {
	list, err := s.Archive.WrappedKeys(ctx, owners)
	s.then()
	return list, err
}

// A reader beside an erasure does not bring the key back into memory.
func TestReaderBesideErasure(t *testing.T) {
	inner, keys, _ := keptIn(t)
	tellOf(t, seal.New(inner, keys), "S/1/a")
	var log *seal.Log
	once := false
	log = seal.New(slow{inner, func() {
		if !once {
			once = true
			require.NoError(t, log.Erase(t.Context(), "S/1/a"))
		}
	}}, keys)
	_, err := log.Read(t.Context(), 0, 10) // under way while Erase runs and returns
	require.NoError(t, err)
	list, err := log.Read(t.Context(), 0, 10) // begins long after
	require.NoError(t, err)
	assert.True(t, list[0].Erased)
	assert.NotEqual(t, "secret", string(list[0].Payload))
}

// Of a destroyed key nothing is left in the file, also when the pages of the table were split and rewritten.
func TestDestroyedKeysInTheFile(t *testing.T) {
	log, _, dir := keptIn(t)
	var all []events.WrappedKey
	for i := range 600 {
		wrapped := make([]byte, 72)
		copy(wrapped, fmt.Sprintf("CANARY-%04d-CANARY-%04d", i, i))
		all = append(all, events.WrappedKey{Owner: fmt.Sprintf("S/%03d/%c", i/2, 'a'+i%2), Master: "m", Wrapped: wrapped, CreatedAt: time.Now()})
	}
	for _, i := range rand.Perm(len(all)) {
		require.NoError(t, log.AddKeys(t.Context(), all[i:i+1]))
	}
	for i, k := range all {
		if i%7 == 0 {
			require.NoError(t, log.DestroyKeys(t.Context(), []string{k.Owner}, time.Now()))
		}
	}
	left := 0
	for _, name := range []string{"log.db", "log.db-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		for i := range all {
			if i%7 == 0 && contains(b, fmt.Sprintf("CANARY-%04d-CANARY-%04d", i, i)) {
				left++
			}
		}
	}
	assert.Zero(t, left, "destroyed keys that are still in the file")
}

func contains(b []byte, s string) bool {
	for i := 0; i+len(s) <= len(b); i++ {
		if string(b[i:i+len(s)]) == s {
			return true
		}
	}
	return false
}
