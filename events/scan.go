package events

import (
	"context"
	"fmt"
)

// scanPage is how many events [Scan] reads at a time.
const scanPage = 1000

// Reader is what a scan needs of a log.
type Reader interface {
	Read(ctx context.Context, after Position, limit int) ([]Envelope, error)
}

// Scan calls each with the events whose positions lie above after and not above upTo, in order and in pages, and reads ahead
// meanwhile. It ends with the first error of each, which it returns, or of the log.
func Scan(ctx context.Context, log Reader, after, upTo Position, each func([]Envelope) error) error {
	ctx, cancel := context.WithCancel(ctx)
	pages, failed := make(chan []Envelope, 2), make(chan error, 1)
	go func() {
		defer close(pages)
		failed <- readPages(ctx, log, after, upTo, pages)
	}()
	defer func() { // whoever closes the log next finds nobody reading it
		cancel()
		for range pages {
		}
	}()
	for page := range pages {
		if err := each(page); err != nil {
			return err
		}
	}
	return <-failed
}

func readPages(ctx context.Context, log Reader, after, upTo Position, pages chan<- []Envelope) error {
	for after < upTo {
		list, err := log.Read(ctx, after, int(min(scanPage, upTo-after)))
		if err != nil {
			return fmt.Errorf("read the log after %d: %w", after, err)
		}
		if len(list) == 0 {
			return nil
		}
		after = list[len(list)-1].Position
		select {
		case pages <- list:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
