package postgres_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"asem/events/eventstest"
	"asem/events/postgres"
)

func BenchmarkLog(b *testing.B) { eventstest.Bench(b, opener(b, func(testing.TB, string, string) {})) }

// BenchmarkRatios compares the log with the same rows stored by hand. "insert" takes positions from a sequence, with no order that a reader
// could rely on and no check; "lock" gives them in a safe order, one append in a transaction under the lock.
func BenchmarkRatios(b *testing.B) {
	ctx, dsn := context.Background(), eventstest.Postgres(b)
	schema := fmt.Sprintf("asem_plain_%d", os.Getpid())
	l, err := postgres.OpenSchema(ctx, dsn, schema)
	require.NoError(b, err)
	require.NoError(b, l.Close())
	defer run(b, dsn, "DROP SCHEMA "+schema+" CASCADE")
	run(b, dsn, "CREATE SEQUENCE "+schema+".position")
	cfg, err := pgxpool.ParseConfig(dsn)
	require.NoError(b, err)
	cfg.ConnConfig.RuntimeParams["search_path"] = schema
	cfg.MaxConns = 64
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	require.NoError(b, err)
	defer pool.Close()
	record := make([]byte, 500)
	const insert = `INSERT INTO event (position, stream, version, record) VALUES (nextval('position'), $1, $2, $3)`
	var run atomic.Int64
	inserts := func(int) func() error {
		stream, version := fmt.Sprintf("couple/DEMO/%03d", run.Add(1)), 0
		return func() error {
			version++
			_, err := pool.Exec(ctx, insert, stream, version, record)
			return err
		}
	}
	locks := func(int) func() error {
		stream, version := fmt.Sprintf("couple/DEMO/%03d", run.Add(1)), 0
		return func() error {
			version++
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				var head int64
				if err := tx.QueryRow(ctx, "SELECT position FROM head FOR UPDATE").Scan(&head); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, insert, stream, version, record); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, "UPDATE head SET position = $1", head+1)
				return err
			})
		}
	}
	logs, err := postgres.OpenSchema(ctx, dsn, schema+"_log")
	require.NoError(b, err)
	defer func() {
		require.NoError(b, logs.Close())
		dropSchema(b, dsn, schema+"_log")
	}()
	turns := eventstest.Turns(b, []eventstest.Way{
		{Name: "insert", Writers: 1, Writer: inserts},
		{Name: "log", Writers: 1, Writer: eventstest.Appends(logs)},
		{Name: "insert64", Writers: 64, Writer: inserts},
		{Name: "log64", Writers: 64, Writer: eventstest.Appends(logs)},
		{Name: "lock64", Writers: 64, Writer: locks},
	})
	b.ReportMetric(eventstest.Ratio(turns["log64"], turns["insert64"], eventstest.PerSecond), "log64-x-insert64")
	b.ReportMetric(eventstest.Ratio(turns["log64"], turns["lock64"], eventstest.PerSecond), "log64-x-lock64")
	b.ReportMetric(eventstest.Ratio(turns["log"], turns["insert"], eventstest.Median), "p50-x-insert")
}

func dropSchema(b *testing.B, dsn, schema string) { run(b, dsn, "DROP SCHEMA "+schema+" CASCADE") }
