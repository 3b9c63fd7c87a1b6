package projections

import (
	"context"
	"fmt"
	"time"

	"asem/domain"
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
	at    events.Position
	slots string    // that it reads from, also after a rebuild has put others in their place
	sum   int64     // of the fillings of these slots
	begun time.Time // when it was made
}

// Position returns where in the log the view stands.
func (v View) Position() events.Position { return v.at }

// View returns the read side as of a moment. A position that the read models have not reached, and one
// below 0, is an error with code invalid; a time before the first event is the empty log.
func (s *Store) View(ctx context.Context, asOf AsOf) (View, error) {
	now, err := s.standing(ctx)
	if err != nil {
		return View{}, err
	}
	head := slowest(now.states)
	v := View{s, head, now.slots, now.sum, s.now()}
	switch {
	case asOf.Position != 0 && !asOf.RecordedAt.IsZero():
		return View{}, invalid("asOf", "both a position and a time are given; expected at most one")
	case asOf.Position < 0 || asOf.Position > head:
		return View{}, invalid("asOf", "position %d cannot be read; expected 1 to %d", asOf.Position, head)
	case asOf.Position > 0:
		v.at = asOf.Position
	case !asOf.RecordedAt.IsZero():
		at, err := s.positionAt(ctx, v.slots, asOf.RecordedAt)
		if err != nil {
			return View{}, fmt.Errorf("find the position of a time: %w", err)
		}
		v.at = min(at, head)
	}
	return v, nil
}

// read runs a query and calls f for each row. The position of the view is always parameter 1.
func (v View) read(ctx context.Context, what, text string, args []any, f func(scanner) error) error {
	rows, err := v.store.query(ctx, v.slots, text, append([]any{int64(v.at)}, args...)...)
	if err == nil {
		err = each(rows, f)
	}
	if err == nil {
		err = v.intact(ctx)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

// young is an age at which no view can have lost what it reads: the slots it found are left alone for longer after others took their place, see [Rebuild].
const young = 2 * time.Second

// intact makes sure that what was read was still there.
func (v View) intact(ctx context.Context) error {
	if v.store.now().Sub(v.begun) < young {
		return nil
	}
	rows, err := v.store.query(ctx, "", `SELECT projection, version, slot, filling FROM checkpoint`)
	if err != nil {
		return err
	}
	sum := int64(0)
	err = each(rows, func(scan scanner) error {
		var name, slot string
		var version int
		var filling int64
		if err := scan(&name, &version, &slot, &filling); err != nil {
			return err
		}
		if i := v.store.index(name, version); i >= 0 && v.slots[i:i+1] == slot {
			sum += filling
		}
		return nil
	})
	if err == nil && sum != v.sum {
		err = &domain.Error{Code: domain.Unavailable, Message: "the read models were built anew while they were read; read again"}
	}
	return err
}

// held is the condition that a row was so at the position of the view.
const held = `from_position <= $1 AND $1 < to_position`
