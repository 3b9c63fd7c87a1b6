package events

import (
	"context"
	"sync"
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

// Closed is closed when the waker is.
func (w *Waker) Closed() <-chan struct{} { return w.closed }

// Close sends everybody home.
func (w *Waker) Close() { w.once.Do(func() { close(w.closed) }) }
