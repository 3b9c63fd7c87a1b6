package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"asem/events/eventstest"
	"asem/events/sqlite"
)

func BenchmarkLog(b *testing.B) { eventstest.Bench(b, opener(b, func(testing.TB, string) {})) }

// BenchmarkRatios compares the log with the same rows stored by hand, one transaction each and without any check ("insert"), and its group commit with its own
// single appends.
func BenchmarkRatios(b *testing.B) {
	path := filepath.Join(b.TempDir(), "plain.db")
	plain, err := sqlite.Open(context.Background(), path)
	require.NoError(b, err)
	require.NoError(b, plain.Close())
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(30000)&_pragma=synchronous(FULL)&_txlock=immediate")
	require.NoError(b, err)
	defer func() { require.NoError(b, db.Close()) }()
	db.SetMaxOpenConns(1)
	stmt, err := db.PrepareContext(context.Background(), `INSERT INTO event (stream, version, record) VALUES (?, ?, ?)`)
	require.NoError(b, err)
	defer func() { require.NoError(b, stmt.Close()) }()
	record, version := make([]byte, 500), 0
	l, err := sqlite.Open(context.Background(), filepath.Join(b.TempDir(), "log.db"))
	require.NoError(b, err)
	defer func() { require.NoError(b, l.Close()) }()
	turns := eventstest.Turns(b, []eventstest.Way{
		{Name: "insert", Writers: 1, Writer: func(int) func() error {
			return func() error {
				version++
				_, err := stmt.ExecContext(context.Background(), "couple/DEMO/001", version, record)
				return err
			}
		}},
		{Name: "log", Writers: 1, Writer: eventstest.Appends(l)},
		{Name: "log64", Writers: 64, Writer: eventstest.Appends(l)},
	})
	b.ReportMetric(eventstest.Ratio(turns["log64"], turns["log"], eventstest.PerSecond), "log64-x-log")
	b.ReportMetric(eventstest.Ratio(turns["log"], turns["insert"], eventstest.Median), "p50-x-insert")
}
