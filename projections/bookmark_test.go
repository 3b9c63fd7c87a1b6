package projections_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	_ "github.com/jackc/pgx/v5/stdlib"

	"asem/events/eventstest"
	"asem/projections"
)

func TestBookmarkSurvivesACrash(t *testing.T) {
	server := eventstest.NewServer(t)
	read, err := projections.OpenPostgres(t.Context(), server.DSN, "r")
	require.NoError(t, err)
	require.NoError(t, read.SetBookmark(t.Context(), "outward", 1000))
	require.NoError(t, read.Close())
	db, err := sql.Open("pgx", server.DSN)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `CHECKPOINT`) // what is lost of the last moment, NATS knows as a duplicate
	require.NoError(t, err)
	require.NoError(t, db.Close())
	server.Kill(t)
	server.Start(t)
	read, err = projections.OpenPostgres(t.Context(), server.DSN, "r")
	require.NoError(t, err)
	defer func() { require.NoError(t, read.Close()) }()
	at, err := read.Bookmark(t.Context(), "outward")
	require.NoError(t, err)
	assert.EqualValues(t, 1000, at, "everything is published again, beyond the window in which NATS knows duplicates")
}

func TestBookmarkIsFenced(t *testing.T) {
	read, err := projections.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "r.db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, read.Close()) }()
	require.NoError(t, read.SetBookmark(t.Context(), "outward", 1000))
	require.NoError(t, read.SetBookmark(t.Context(), "outward", 10)) // a leader that had come to a standstill goes on
	at, err := read.Bookmark(t.Context(), "outward")
	require.NoError(t, err)
	assert.EqualValues(t, 1000, at)
}
