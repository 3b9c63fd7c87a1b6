package projections

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
)

// onEachDatabase runs a test on both databases. open returns a store with tables of its own.
func onEachDatabase(t *testing.T, f func(t *testing.T, open func(t *testing.T) *Store)) {
	t.Run("sqlite", func(t *testing.T) { f(t, openFile) })
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
func openFile(t *testing.T) *Store {
	t.Helper()
	return openPath(t, filepath.Join(t.TempDir(), "read.db"))
}

func openPath(t *testing.T, path string) *Store {
	t.Helper()
	s, err := OpenSQLite(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

var schemas atomic.Int64

// newSchema names a schema that no other test uses; it is dropped after the test.
func newSchema(t *testing.T) string {
	t.Helper()
	postgresDSN(t)
	schema := fmt.Sprintf("read_%d", schemas.Add(1))
	t.Cleanup(func() {
		s, err := OpenPostgres(context.Background(), postgresDSN(t), schema)
		require.NoError(t, err)
		defer s.Close()
		_, err = s.writer.Exec(`DROP SCHEMA ` + schema + ` CASCADE`)
		require.NoError(t, err)
	})
	return schema
}

func openSchema(t *testing.T, schema string) *Store {
	t.Helper()
	s, err := OpenPostgres(t.Context(), postgresDSN(t), schema)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// postgresDSN is eventstest.Postgres until that exists.
func postgresDSN(t *testing.T) string {
	dsn := os.Getenv("ASEM_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("set ASEM_TEST_POSTGRES")
	}
	return dsn
}
