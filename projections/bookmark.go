package projections

import (
	"context"
	"database/sql"
	"fmt"

	"asem/events"
)

// Bookmark returns how far the log was handed to another system; 0 at first, and after the read models were lost.
func (s *Store) Bookmark(ctx context.Context, name string) (events.Position, error) {
	var at events.Position
	rows, err := s.query(ctx, "", `SELECT position FROM bookmark WHERE name = $1`, name)
	if err == nil {
		err = each(rows, func(scan scanner) error { return scan(&at) })
	}
	if err != nil {
		return 0, fmt.Errorf("read bookmark %s: %w", name, err)
	}
	return at, nil
}

// SetBookmark keeps how far the log was handed to another system. It never goes back: a former leader that comes to itself changes nothing.
func (s *Store) SetBookmark(ctx context.Context, name string, at events.Position) error {
	err := s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO bookmark (name, position) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET position = excluded.position WHERE bookmark.position < excluded.position`, name, int64(at))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep bookmark %s: %w", name, err)
	}
	return nil
}
