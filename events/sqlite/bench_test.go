package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"asem/events/eventstest"
	"asem/events/sqlite"
)

func BenchmarkLog(b *testing.B) { eventstest.Bench(b, opener(b, func(testing.TB, string) {})) }

// BenchmarkPlain stores the same rows by hand, one transaction each and without any check: what the log is compared with.
func BenchmarkPlain(b *testing.B) {
	path := filepath.Join(b.TempDir(), "plain.db")
	l, err := sqlite.Open(context.Background(), path)
	require.NoError(b, err)
	require.NoError(b, l.Close())
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(30000)&_pragma=synchronous(FULL)&_txlock=immediate")
	require.NoError(b, err)
	defer func() { require.NoError(b, db.Close()) }()
	db.SetMaxOpenConns(1)
	stmt, err := db.PrepareContext(context.Background(), `INSERT INTO event (stream, version, record) VALUES (?, ?, ?)`)
	require.NoError(b, err)
	defer func() { require.NoError(b, stmt.Close()) }()
	record := make([]byte, 500)
	var mu sync.Mutex // SQLite has one writer; waiting here is cheaper than polling for its lock
	var run atomic.Int64
	eventstest.BenchAppends(b, "insert", func(int) func() error {
		stream, version := fmt.Sprintf("couple/DEMO/%03d", run.Add(1)), 0
		return func() error {
			mu.Lock()
			defer mu.Unlock()
			version++
			_, err := stmt.ExecContext(context.Background(), stream, version, record)
			return err
		}
	})
}
