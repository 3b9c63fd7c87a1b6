package projections

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

func TestOpenSQLiteAgainFindsWhatWasApplied(t *testing.T) {
	// Characters that mean something in a URI mean nothing in a path.
	path := filepath.Join(t.TempDir(), "a b?c#d%20e.db")
	h := testStudy(t)
	s, err := OpenSQLite(t.Context(), path)
	require.NoError(t, err)
	seen(t, s, h)
	want := contents(t, s, everyRow)
	require.NoError(t, s.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	s, err = OpenSQLite(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	at, err := s.Position(t.Context())
	require.NoError(t, err)
	assert.Equal(t, h.head(), at)
	assert.Equal(t, want, contents(t, s, everyRow))
}

func TestOpenSQLiteSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	require.NoError(t, os.WriteFile(text, []byte("This file is a letter and was never a database, nor will it ever be one."), 0o600))
	for name, path := range map[string]string{
		"a file of another kind":     text,
		"a folder":                   dir,
		"a folder that is not there": filepath.Join(dir, "none", "read.db"),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := OpenSQLite(t.Context(), path)
			require.Error(t, err)
			assert.Nil(t, s)
			assert.Equal(t, domain.Unavailable, domain.CodeOf(err))
			assert.ErrorContains(t, err, path)
		})
	}
	kept, err := os.ReadFile(text)
	require.NoError(t, err)
	assert.Contains(t, string(kept), "letter", "a file of another kind is left alone")
}

func TestOpenPostgresSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name, dsn, schema string
		code              domain.Code
	}{
		{"nobody listens", "postgres://lab:geheim@127.0.0.1:1/asem?connect_timeout=2", "asem_read", domain.Unavailable},
		{"nobody listens, as key=value", "host=127.0.0.1 port=1 user=lab password=geheim connect_timeout=2", "asem_read", domain.Unavailable},
		{"no connection string", "postgres://lab:geheim@127.0.0.1:port/asem", "asem_read", domain.Invalid},
		{"no schema name", "postgres://lab:geheim@127.0.0.1:1/asem", "a; DROP TABLE b", domain.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := OpenPostgres(t.Context(), c.dsn, c.schema)
			require.Error(t, err)
			assert.Nil(t, s)
			assert.Equal(t, c.code, domain.CodeOf(err))
			assert.NotContains(t, err.Error(), "geheim", "a password is never shown")
		})
	}
}
