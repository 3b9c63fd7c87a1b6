package projections

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"asem/events/eventstest"
)

// onEachDatabase runs a test on both databases. open returns a store with tables of its own.
func onEachDatabase(t *testing.T, f func(t *testing.T, open func(t *testing.T) *Store)) {
	t.Run("sqlite", func(t *testing.T) { f(t, func(t *testing.T) *Store { return openFile(t) }) })
	t.Run("postgres", func(t *testing.T) {
		f(t, func(t *testing.T) *Store { return openSchema(t, newSchema(t)) })
	})
}

// onEachHandle runs a test on both databases. open returns one more handle on the same tables, as another
// process has.
func onEachHandle(t *testing.T, f func(t *testing.T, open func() *Store)) {
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "read.db")
		f(t, func() *Store { return openPath(t, path) })
	})
	t.Run("postgres", func(t *testing.T) {
		schema := newSchema(t)
		f(t, func() *Store { return openSchema(t, schema) })
	})
}

// openFile opens read models in a new SQLite file.
func openFile(t testing.TB) *Store {
	t.Helper()
	return openPath(t, filepath.Join(t.TempDir(), "read.db"))
}

func openPath(t testing.TB, path string) *Store {
	t.Helper()
	s, err := OpenSQLite(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// newSchema names a schema that no other test uses; it is dropped after the test.
func newSchema(t testing.TB) string {
	t.Helper()
	dsn := eventstest.Postgres(t)
	schema := "read_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	t.Cleanup(func() {
		s, err := OpenPostgres(context.Background(), dsn, schema)
		require.NoError(t, err)
		_, err = s.writer.ExecContext(context.Background(), `DROP SCHEMA `+schema+` CASCADE`)
		require.NoError(t, errors.Join(err, s.Close()))
	})
	return schema
}

func openSchema(t testing.TB, schema string) *Store {
	t.Helper()
	s, err := OpenPostgres(t.Context(), eventstest.Postgres(t), schema)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
