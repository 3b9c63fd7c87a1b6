package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"asem/domain"
)

// Scrub makes sure that of rows that were deleted nothing remains in the files of the database. A rebuild that is under way is
// waited for: it may have written such rows before it came to their deletion.
func (s *Store) Scrub(ctx context.Context) error {
	claim, err := s.beginRebuild(ctx) // empties what an earlier rebuild left behind
	for ; domain.CodeOf(err) == domain.Conflict; claim, err = s.beginRebuild(ctx) {
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	defer claim.giveUp()
	// What programs of other versions have built they build again.
	others, err := s.others(ctx)
	if err != nil {
		return fmt.Errorf("look for other versions: %w", err)
	}
	for _, m := range others {
		if err := s.alone(ctx, func(tx *sql.Tx) error { return s.emptyTables(ctx, tx, m) }); err != nil {
			return fmt.Errorf("empty %s %d: %w", m.projection, m.version, err)
		}
	}
	if s.dialect == PostgreSQL {
		return s.vacuum(ctx)
	}
	if err := s.writing.take(ctx); err != nil {
		return err
	}
	defer s.writing.give()
	if _, err := s.writer.ExecContext(ctx, "VACUUM"); err != nil { // writes the file anew, without what was deleted
		return fmt.Errorf("scrub the read models: %w", err)
	}
	for try := 0; ; try++ { // readers that look at an old page are waited for
		var busy, frames, done int
		err := s.writer.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &done)
		if err == nil && busy == 0 {
			return nil
		}
		if try == 100 || ctx.Err() != nil {
			return fmt.Errorf("scrub the read models: %w", errors.Join(err, errors.New("somebody keeps reading from them")))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// vacuum writes the tables that are read into new files.
func (s *Store) vacuum(ctx context.Context) error {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return fmt.Errorf("scrub the read models: %w", err)
	}
	defer func() { _ = conn.Close() }() // back to the pool
	if _, err := conn.ExecContext(ctx, "SET lock_timeout = "+lockWait); err != nil {
		return fmt.Errorf("scrub the read models: %w", err)
	}
	defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "RESET lock_timeout") }() // a connection that cannot be reset is not used again
	for _, p := range s.projections {
		for _, slot := range slots {
			for _, table := range s.tablesOf(p, slot) {
				err := patiently(ctx, func() error {
					_, err := conn.ExecContext(ctx, "VACUUM FULL "+table)
					return err
				})
				if err != nil {
					return fmt.Errorf("scrub the read models: %w", err)
				}
			}
		}
	}
	return nil
}
