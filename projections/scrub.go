package projections

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Scrub makes sure that of rows that were deleted nothing remains in the files of the database.
func (s *Store) Scrub(ctx context.Context) error {
	if s.dialect == PostgreSQL {
		for _, p := range s.projections {
			for _, table := range p.tables() {
				if _, err := s.writer.ExecContext(ctx, "VACUUM FULL "+table); err != nil {
					return fmt.Errorf("scrub the read models: %w", err)
				}
			}
		}
		return nil
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
