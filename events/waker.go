package events

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Waker wakes those who wait for events to come. A backend tells it of every new head it hears of.
type Waker struct {
	mu     sync.Mutex
	head   Position
	moved  chan struct{} // closed when head moves
	closed chan struct{}
	once   sync.Once
}

// NewWaker returns a waker that has heard of nothing.
func NewWaker() *Waker { return &Waker{moved: make(chan struct{}), closed: make(chan struct{})} }

// Move tells that events up to head can be read.
func (w *Waker) Move(head Position) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if head > w.head {
		w.head = head
		close(w.moved)
		w.moved = make(chan struct{})
	}
}

// Wait returns when head is above after, ctx ends or the waker is closed.
func (w *Waker) Wait(ctx context.Context, after Position) error {
	for {
		w.mu.Lock()
		head, moved := w.head, w.moved
		w.mu.Unlock()
		if head > after {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		case <-w.closed:
			return ErrClosed
		}
	}
}

// Close sends everybody home.
func (w *Waker) Close() { w.once.Do(func() { close(w.closed) }) }

// Follow is the Wait of a [Log]: it returns when head is above after, ctx's error or ErrClosed. A commit that the waker is told of
// ends it at once; one that nobody told of is found by asking for the head, at least as often as poll.
func (w *Waker) Follow(ctx context.Context, after Position, poll time.Duration, head func(context.Context) (Position, error)) error {
	for {
		at, err := head(ctx)
		if err != nil {
			return err
		}
		if at > after {
			return nil
		}
		turn, cancel := context.WithTimeout(ctx, poll)
		err = w.Wait(turn, after)
		cancel()
		if err == nil || errors.Is(err, ErrClosed) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
