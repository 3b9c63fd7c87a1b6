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

// BenchmarkPlain stores the same rows by hand. "insert" takes positions from a sequence, with no order that a reader
// could rely on and no check; "lock" gives them in a safe order, one append in a transaction under the lock.
func BenchmarkPlain(b *testing.B) {
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
	eventstest.BenchAppends(b, "insert", func(int) func() error {
		stream, version := fmt.Sprintf("couple/DEMO/%03d", run.Add(1)), 0
		return func() error {
			version++
			_, err := pool.Exec(ctx, insert, stream, version, record)
			return err
		}
	})
	eventstest.BenchAppends(b, "lock", func(int) func() error {
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
	})
}
