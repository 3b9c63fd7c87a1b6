package postgres

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"asem/events"
)

// fillRecords moves the events of a log in its first layout, a column for each part of an event, into records, and
// plants the studies' trees over them.
func fillRecords(ctx context.Context, db *sql.DB) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // back to the pool
	return conn.Raw(func(c any) error {
		return pgx.BeginFunc(ctx, c.(*stdlib.Conn).Conn(), func(tx pgx.Tx) error { return fill(ctx, tx) })
	})
}

func fill(ctx context.Context, tx pgx.Tx) error {
	var there bool // not if the program died right after it was done
	if err := tx.QueryRow(ctx, "SELECT to_regclass('event_1') IS NOT NULL").Scan(&there); err != nil || !there {
		return err
	}
	var planter events.Planter
	for after := events.Position(0); ; {
		rows, err := tx.Query(ctx, `SELECT position, stream, version, id, type, schema, study, occurred_at, recorded_at, actor_role, actor_subject, command, causation, payload
			FROM event_1 WHERE position > $1 ORDER BY position LIMIT 1000`, int64(after))
		if err != nil {
			return err
		}
		list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e events.Envelope, err error) {
			err = row.Scan(&e.Position, &e.Stream, &e.Version, &e.ID, &e.Type, &e.Schema, &e.Study, &e.OccurredAt, &e.RecordedAt,
				&e.By.Role, &e.By.Subject, &e.Command, &e.Causation, &e.Payload)
			return e, err
		})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			_, err := tx.Exec(ctx, "DROP TABLE event_1")
			return err
		}
		records, tiles := planter.Plant(list)
		var b pgx.Batch
		for _, r := range records {
			b.Queue("INSERT INTO event (position, stream, version, record) VALUES ($1, $2, $3, $4)", int64(r.Position), string(r.Stream), int64(r.Version), r.Data)
		}
		for _, t := range tiles {
			b.Queue("INSERT INTO tile (study, level, n, hashes) VALUES ($1, $2, $3, $4) ON CONFLICT (study, level, n) DO UPDATE SET hashes = excluded.hashes", t.Study, int32(t.Level), t.N, t.Data)
		}
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return fmt.Errorf("move events after %d: %w", after, err)
		}
		after = list[len(list)-1].Position
	}
}
