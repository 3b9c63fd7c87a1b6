package projections

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"asem/events"
)

// moments translate between times of recording and positions. A row says up to which position the log went when the
// latest time seen was recorded_at. A clock that was set back does not take positions back: until it
// has caught up, events count as recorded at the latest time before.
const momentSchema = `
CREATE TABLE IF NOT EXISTS {moment} (
	recorded_at BIGINT NOT NULL PRIMARY KEY,
	position    BIGINT NOT NULL UNIQUE
)`

func moments() definition {
	d := project("moment", 1, momentSchema)
	d.every = recordMoments
	return d
}

var insertMoment = insertInto("moment", "recorded_at, position")

func recordMoments(ctx context.Context, tx *Tx, batch []events.Envelope) error {
	latest := int64(-1)
	row, err := tx.queryRow(ctx, `SELECT recorded_at FROM {moment} ORDER BY recorded_at DESC LIMIT 1`)
	if err == nil {
		err = row.Scan(&latest)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	stored := latest
	for i, at := range batch {
		latest = max(latest, micros(at.RecordedAt))
		if i+1 < len(batch) && micros(batch[i+1].RecordedAt) <= latest {
			continue // the next event belongs to the same moment
		}
		if latest == stored {
			err = tx.Exec(ctx, `UPDATE {moment} SET position = $2 WHERE recorded_at = $1`, latest, int64(at.Position))
		} else {
			err = tx.Insert(ctx, insertMoment, latest, int64(at.Position))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// positionAt returns the position of the last event that had been recorded at a time; 0 before the first.
func (s *Store) positionAt(ctx context.Context, slots string, t time.Time) (events.Position, error) {
	var at events.Position
	rows, err := s.query(ctx, slots, `SELECT position FROM {moment} WHERE recorded_at <= $1 ORDER BY recorded_at DESC LIMIT 1`, t.UnixMicro())
	if err != nil {
		return 0, err
	}
	return at, each(rows, func(scan scanner) error { return scan(&at) })
}

// RecordedAt returns when the view's position was recorded; the zero time for the empty log.
func (v View) RecordedAt(ctx context.Context) (time.Time, error) {
	var recorded int64
	if v.at == 0 {
		return time.Time{}, nil
	}
	err := v.read(ctx, "when a position was recorded", `SELECT recorded_at FROM {moment} WHERE position >= $1 ORDER BY position LIMIT 1`, nil,
		func(scan scanner) error { return scan(&recorded) })
	return timeOf(recorded), err
}
