package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"asem/domain"
	"asem/events"
)

// fillRecords moves the events of a log in its first layout, a column for each part of an event, into records, and
// plants the studies' trees over them.
func fillRecords(ctx context.Context, tx *sql.Tx) error {
	var planter events.Planter
	for after := int64(0); ; {
		list, err := readFirstLayout(ctx, tx, after, 1000)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			_, err := tx.ExecContext(ctx, "DROP TABLE event_1")
			return err
		}
		records, tiles := planter.Plant(list)
		for _, r := range records {
			if _, err := tx.ExecContext(ctx, "INSERT INTO event (position, stream, version, record) VALUES (?, ?, ?, ?)", int64(r.Position), string(r.Stream), int64(r.Version), r.Data); err != nil {
				return fmt.Errorf("move event %d: %w", r.Position, err)
			}
		}
		for _, t := range tiles {
			if _, err := tx.ExecContext(ctx, "INSERT INTO tile (study, level, n, hashes) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET hashes = excluded.hashes", t.Study, t.Level, t.N, t.Data); err != nil {
				return fmt.Errorf("store a tile: %w", err)
			}
		}
		after = int64(list[len(list)-1].Position)
	}
}

func readFirstLayout(ctx context.Context, tx *sql.Tx, after int64, limit int) (list []events.Envelope, _ error) {
	rows, err := tx.QueryContext(ctx, `SELECT position, stream, version, id, type, schema, study, occurred_at, recorded_at, actor_role, actor_subject, command, causation, payload
		FROM event_1 WHERE position > ? ORDER BY position LIMIT ?`, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e events.Envelope
		var role string
		var id, command, causation []byte
		var occurred, recorded int64
		if err := rows.Scan(&e.Position, &e.Stream, &e.Version, &id, &e.Type, &e.Schema, &e.Study, &occurred, &recorded, &role, &e.By.Subject, &command, &causation, &e.Payload); err != nil {
			return nil, err
		}
		e.OccurredAt, e.RecordedAt, e.By.Role = time.UnixMicro(occurred).UTC(), time.UnixMicro(recorded).UTC(), domain.ActorRole(role)
		copy(e.ID[:], id)
		copy(e.Command[:], command)
		copy(e.Causation[:], causation)
		list = append(list, e)
	}
	return list, rows.Err()
}
