package projections

import (
	"context"
	"fmt"
	"time"

	"asem/events"
)

// AsOf names a moment of the log: a position, or a time at which it was recorded. At most one is
// set; neither means now.
type AsOf struct {
	Position   events.Position
	RecordedAt time.Time
}

// View is the read side as it stood at one position. Everything read through one view belongs together,
// although the read models are brought up to date one by one: a view never stands after the slowest.
type View struct {
	store *Store
	slot  string // that it reads from, also after a rebuild has put another in its place
	at    events.Position
}

// Position returns where in the log the view stands.
func (v View) Position() events.Position { return v.at }

// View returns the read side as of a moment. A position that the read models have not reached, and one
// below 0, is an error with code invalid; a time before the first event is the empty log.
func (s *Store) View(ctx context.Context, asOf AsOf) (View, error) {
	slot, states, err := s.standing(ctx)
	if err != nil {
		return View{}, err
	}
	head := slowest(states)
	switch {
	case asOf.Position != 0 && !asOf.RecordedAt.IsZero():
		return View{}, invalid("asOf", "both a position and a time are given; expected at most one")
	case asOf.Position < 0 || asOf.Position > head:
		return View{}, invalid("asOf", "position %d cannot be read; expected 1 to %d", asOf.Position, head)
	case asOf.Position > 0:
		return View{s, slot, asOf.Position}, nil
	case asOf.RecordedAt.IsZero():
		return View{s, slot, head}, nil
	}
	at, err := s.positionAt(ctx, slot, asOf.RecordedAt)
	if err != nil {
		return View{}, fmt.Errorf("find the position of a time: %w", err)
	}
	return View{s, slot, min(at, head)}, nil
}

// read runs a query and calls f for each row. The position of the view is always parameter 1.
func (v View) read(ctx context.Context, what, text string, args []any, f func(scanner) error) error {
	rows, err := v.store.query(ctx, v.slot, text, append([]any{int64(v.at)}, args...)...)
	if err == nil {
		err = each(rows, f)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

// held is the condition that a row was so at the position of the view.
const held = `from_position <= $1 AND $1 < to_position`
