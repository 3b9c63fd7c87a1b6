package projections

import (
	"context"
	"fmt"

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

// Rebuild empties projections and builds them again from the first event. Until it has finished, what is
// read from them is incomplete, and whoever else applies events to them is refused with [ErrRebuilding].
// progress may be nil.
func Rebuild(ctx context.Context, log Reader, projections []*Projection, progress Progress) error {
	anew := make([]*Projection, len(projections))
	for i, p := range projections {
		anew[i] = p.anew()
		if err := anew[i].reset(ctx); err != nil {
			return err
		}
	}
	return CatchUp(ctx, log, anew, progress)
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
