package projections

import (
	"context"
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
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	if err != nil {
		return err
	}
	defer claim.giveUp()
	if s.dialect == PostgreSQL {
		for _, p := range s.projections {
			for _, table := range append(s.tablesOf(p, slots[0]), s.tablesOf(p, slots[1])...) {
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
