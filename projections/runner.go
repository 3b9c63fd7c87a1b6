package projections

import (
	"context"
	"fmt"
	"time"

	"asem/domain"
	"asem/events"
)

// Reader is what the read side needs of a log.
type Reader interface {
	Read(ctx context.Context, after events.Position, limit int) ([]events.Envelope, error)
	Head(ctx context.Context) (events.Position, error)
}

// Progress is told how far a rebuild or catch-up has come.
type Progress func(done, head events.Position)

// CatchUp brings projections up to the head that the log has when it is called. Each event is read and
// decoded once for all of them. progress may be nil.
func CatchUp(ctx context.Context, log Reader, projections []*Projection, progress Progress) error {
	head, err := log.Head(ctx)
	if err != nil {
		return fmt.Errorf("find the head of the log: %w", err)
	}
	after := head
	for _, p := range projections {
		at, err := p.Checkpoint(ctx)
		if err != nil {
			return err
		}
		after = min(after, at)
	}
	ctx, cancel := context.WithCancel(ctx)
	batches, readErr := readDecoded(ctx, log, after, head, projections)
	defer func() { // whoever closes the log next finds nobody reading it
		cancel()
		for range batches {
		}
	}()
	for batch := range batches {
		if err := applyToAll(ctx, projections, batch); err != nil {
			return err
		}
		if progress != nil {
			progress(batch[len(batch)-1].at.Position, head)
		}
	}
	return <-readErr
}

// Grace is how long the slots that a rebuild replaced are left to whoever still reads from them: longer than any request lasts.
const Grace = 30 * time.Second

// Rebuild is [Replace], and then [Store.EmptyReplaced] when those who still read from what was replaced have had grace to end. A grace below
// some seconds is for those who know that nobody reads.
func Rebuild(ctx context.Context, log Reader, s *Store, grace time.Duration, progress Progress) error {
	if err := Replace(ctx, log, s, grace, progress); err != nil {
		return err
	}
	if pause(ctx, grace) != nil {
		return nil //nolint:nilerr // done all the same; the next rebuild empties the old slot
	}
	return s.EmptyReplaced(ctx)
}

// Replace builds all read models again from the first event, in the slots that are not read, while events go on being applied to the others. When it
// has caught up they change places, in one transaction. Views that stand on what was replaced may be read on during grace; once it is emptied, whoever
// still reads is told to read again. If it fails, or the process dies, the read models are as they were. A second at the same time is refused with
// code conflict. progress may be nil.
func Replace(ctx context.Context, log Reader, s *Store, grace time.Duration, progress Progress) error {
	r, err := s.beginRebuild(ctx)
	if err != nil {
		return err
	}
	if err := r.run(ctx, log, grace, progress); err != nil {
		r.giveUp()
		return err
	}
	r.end()
	s.notify()
	return nil
}

// EmptyReplaced empties the slots that are not read, unless a rebuild fills them, which did so itself.
func (s *Store) EmptyReplaced(ctx context.Context) error {
	claim, err := s.beginRebuild(ctx)
	if domain.CodeOf(err) == domain.Conflict {
		return nil
	}
	if claim != nil {
		claim.giveUp()
	}
	return err
}

func (r *rebuild) run(ctx context.Context, log Reader, grace time.Duration, progress Progress) error {
	for {
		if err := CatchUp(ctx, log, r.projections, progress); err != nil {
			return err
		}
		swapped, err := r.swap(ctx, log, grace)
		if err != nil || swapped {
			return err
		}
	}
}

// readDecoded reads the log ahead of whoever applies it: on two cores, decoding the next batch costs no time.
func readDecoded(ctx context.Context, log Reader, after, head events.Position, projections []*Projection) (<-chan []decoded, <-chan error) {
	wanted := map[string]bool{}
	for _, t := range domain.EventTypes() {
		for _, p := range projections {
			wanted[t.Name] = wanted[t.Name] || p.handles(t.Name)
		}
	}
	batches, failed := make(chan []decoded, 1), make(chan error, 1)
	go func() {
		defer close(batches)
		failed <- events.Scan(ctx, log, after, head, func(read []events.Envelope) error {
			select {
			case batches <- decodeFor(read, func(name string) bool { return wanted[name] }):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return batches, failed
}

// applyToAll applies a batch to every projection. One that stops does not stop the others; its error is
// returned when all have had their turn.
func applyToAll(ctx context.Context, projections []*Projection, batch []decoded) error {
	var first error
	for _, p := range projections {
		if err := p.apply(ctx, batch); err != nil && first == nil {
			first = err
		}
	}
	return first
}
