package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events/sqlite"
)

func TestOpenSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		want string
	}{
		"not a database": {func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte("position,stream\n1,couple/DEMO/001\nthis is a table of another kind\n"), 0o600))
		}, "not an event log"},
		"a folder": {func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, "cannot be opened for writing"},
		"a schema of tomorrow": {func(t *testing.T, path string) {
			l, err := sqlite.Open(t.Context(), path)
			require.NoError(t, err)
			require.NoError(t, l.Close())
			execute(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`)
		}, "schema 99"},
		"a database of another program": {func(t *testing.T, path string) {
			execute(t, path, `CREATE TABLE recipe (name TEXT)`)
		}, "another program"},
		"cut in half": {func(t *testing.T, path string) {
			l, err := sqlite.Open(t.Context(), path)
			require.NoError(t, err)
			require.NoError(t, l.Close())
			require.NoError(t, os.Truncate(path, 6000))
		}, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log.db")
			c.make(t, path)
			_, err := sqlite.Open(t.Context(), path)
			var refusal *domain.Error
			require.ErrorAs(t, err, &refusal)
			assert.Equal(t, domain.Invalid, refusal.Code)
			assert.Equal(t, path, refusal.Path)
			assert.Contains(t, refusal.Message, c.want)
		})
	}
	_, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "no", "such", "folder", "log.db"))
	assert.ErrorContains(t, err, "cannot be opened for writing")
}

func TestOpenReadOnlyFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere; run the tests as another user for this one")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o500))
	_, err := sqlite.Open(t.Context(), filepath.Join(dir, "log.db"))
	assert.ErrorContains(t, err, "cannot be opened for writing")
}

// A name is a name, whatever characters it has.
func TestOpenOddNames(t *testing.T) {
	for _, name := range []string{"log of 2025.db", "a?b=c&d#e%41.db", "журнал.db", "':memory:'.db"} {
		path := filepath.Join(t.TempDir(), name)
		l, err := sqlite.Open(t.Context(), path)
		require.NoError(t, err, name)
		require.NoError(t, l.Close())
		assert.FileExists(t, path)
	}
}

func execute(t testing.TB, path, text string) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(context.Background(), text)
	require.NoError(t, err)
}
