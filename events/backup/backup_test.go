package backup_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/backup"
	"asem/events/eventstest"
	"asem/events/postgres"
	"asem/events/proof"
	"asem/events/seal"
	"asem/events/sqlite"
)

func open(t *testing.T, dir string) (*sqlite.Log, *seal.File, string) {
	log, err := sqlite.Open(t.Context(), filepath.Join(dir, "log.db"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, log.Close()) })
	signer, verifier, err := proof.NewSigner()
	require.NoError(t, err)
	keys, err := seal.NewFile(filepath.Join(dir, "keys"), signer, nil)
	require.NoError(t, err)
	return log, keys, verifier
}

func tell(t *testing.T, log events.Log, couple, owner, payload string) {
	s := events.CoupleStream("S", couple)
	past, err := log.ReadStream(t.Context(), s, 0, 0)
	require.NoError(t, err)
	_, err = log.Append(t.Context(), events.Append{Command: uuid.New(), Writes: []events.Write{{Stream: s, Expected: events.Version(len(past)), Events: []events.Envelope{{
		ID: uuid.Must(uuid.NewV7()), Type: "diary.submitted", Schema: 1, Study: "S", OccurredAt: time.Now(), By: domain.Actor{Role: domain.ActorSystem}, Owner: owner, Payload: []byte(payload)}}}}})
	require.NoError(t, err)
}

// A backup of commands recorded at different times can be restored to PostgreSQL.
func TestRestoreToPostgres(t *testing.T) {
	log, keys, verifier := open(t, t.TempDir())
	for i := range 5 {
		tell(t, log, "1", "", fmt.Sprint(i))
		time.Sleep(2 * time.Millisecond)
	}
	var b bytes.Buffer
	_, err := backup.Write(t.Context(), &b, log, keys, keys.Signer(), nil)
	require.NoError(t, err)
	to, err := postgres.OpenSchema(t.Context(), eventstest.Postgres(t), "audit_"+strings.ReplaceAll(uuid.NewString()[:8], "-", ""))
	require.NoError(t, err)
	defer func() { require.NoError(t, to.Close()) }()
	_, err = backup.Restore(t.Context(), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }, to, keys, 0, nil, verifier)
	require.NoError(t, err)
	r, err := proof.Verify(t.Context(), to, proof.Options{Verifiers: []string{verifier}})
	require.NoError(t, err)
	assert.Empty(t, r.Findings)
}

// slowKeys is a log whose keys change right after they were read.
type slowKeys struct {
	events.KeyStore
	then func()
}

func (s slowKeys) WrappedKeys(ctx context.Context, owners []string) ([]events.WrappedKey, error) {
	list, err := s.KeyStore.WrappedKeys(ctx, owners)
	s.then()
	return list, err
}

// A backup that began before an erasure does not put the erased key back.
func TestBackupBesideErasure(t *testing.T) {
	dir := t.TempDir()
	log, keys, _ := open(t, dir)
	tell(t, seal.New(log, keys), "1", "S/1/a", "secret")
	ring := backup.KeyringIn(filepath.Join(dir, "backups"))
	require.NoError(t, ring.Update(t.Context(), log))
	require.NoError(t, ring.Update(t.Context(), slowKeys{log, func() { // asem backup is here; asem erase --backups runs:
		require.NoError(t, log.DestroyKeys(t.Context(), []string{"S/1/a"}, time.Now()))
		require.NoError(t, ring.Update(t.Context(), log))
	}}))
	text, err := os.ReadFile(filepath.Join(dir, "backups", "keyring.json"))
	require.NoError(t, err)
	assert.NotContains(t, string(text), "wrapped", "the erased person's key is back beside the backups")
}

// Two logs that are backed up to one folder do not lose each other's keys.
func TestTwoLogsOneFolder(t *testing.T) {
	dir := t.TempDir()
	ring := backup.KeyringIn(filepath.Join(dir, "backups"))
	var first []byte
	for i, name := range []string{"x", "y"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		log, keys, _ := open(t, filepath.Join(dir, name))
		tell(t, seal.New(log, keys), "1", "S/1/a", "secret")
		all, err := log.WrappedKeys(t.Context(), nil)
		require.NoError(t, err)
		if i == 0 {
			first = all[0].Wrapped
			require.NoError(t, ring.Update(t.Context(), log))
		} else if ring.Update(t.Context(), log) == nil {
			to, _, _ := open(t, t.TempDir())
			_, err := ring.Restore(t.Context(), to)
			require.NoError(t, err)
			all, err := to.WrappedKeys(t.Context(), nil)
			require.NoError(t, err)
			assert.Equal(t, first, all[0].Wrapped, "the first log's backups can be opened by nobody any more")
		}
	}
}
