package eventstest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"asem/events"
)

// Every version of the stream has exactly one winner; whoever lost is told so and comes again.
func testContention(t *testing.T, b bench) {
	const writers, each = 8, 10
	logs := []events.Log{b.log(t), b.log(t)}
	ctx := within(t, time.Minute)
	var lost atomic.Int64
	var g errgroup.Group
	for i := range writers {
		l := logs[i%2]
		g.Go(func() error {
			for won := 0; won < each; {
				past, err := l.ReadStream(ctx, "couple/DEMO/001", 0, 0)
				if err != nil {
					return err
				}
				_, err = l.Append(ctx, command(write("couple/DEMO/001", events.Version(len(past)), 1)))
				switch {
				case err == nil:
					won++
				case errors.Is(err, events.ErrConflict):
					lost.Add(1)
				default:
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	list := all(t, logs[0])
	require.Len(t, list, writers*each)
	for i, e := range list {
		assert.Equal(t, events.Version(i+1), e.Version)
	}
	assert.Positive(t, lost.Load(), "nobody ever lost: the writers did not meet")
}

// Some writers linger between insert and commit. A reader that goes on from what it saw last must in the end have
// seen everything: a position that turned up behind its back would be missing.
func testNoSkip(t *testing.T, b bench) {
	const writers, each = 8, 20
	ctx := within(t, time.Minute)
	var writing, reading errgroup.Group
	var finished atomic.Bool
	for range 3 {
		l := b.log(t)
		reading.Go(func() error {
			var seen []events.Envelope
			after := events.Position(0)
			for last := false; ; {
				head, err := l.Head(ctx)
				if err != nil {
					return err
				}
				page, err := l.Read(ctx, after, 1+rand.IntN(50))
				if err != nil {
					return err
				}
				if len(page) == 0 && head > after {
					return fmt.Errorf("the head was at %d, and a read after %d finds nothing", head, after)
				}
				for _, e := range page {
					if e.Position <= after {
						return fmt.Errorf("position %d after %d", e.Position, after)
					}
					seen, after = append(seen, e), e.Position
				}
				if len(page) == 0 && last {
					break
				}
				last = finished.Load()
			}
			assert.Equal(t, len(all(t, l)), len(seen), "a reader skipped events")
			return nil
		})
	}
	for i := range writers {
		l := b.log(t)
		writing.Go(func() error {
			s := events.Stream(fmt.Sprintf("couple/DEMO/%03d", i))
			if i%2 == 0 {
				s = events.Stream(fmt.Sprintf("%s%03d", SlowStream, i))
			}
			for v := range events.Version(each) {
				if _, err := l.Append(ctx, command(write(s, v, 1))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, writing.Wait())
	finished.Store(true)
	require.NoError(t, reading.Wait())
	require.Len(t, all(t, b.log(t)), writers*each)
}

func testCancelledBefore(t *testing.T, b bench) {
	l := b.log(t)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	a := command(write("couple/DEMO/001", 0, 1))
	_, err := l.Append(cancelled, a)
	assert.ErrorIs(t, err, context.Canceled)
	late, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	_, err = l.Append(late, a)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Empty(t, all(t, l))
	assert.False(t, must(t, l, a).Duplicate)
}

// Half of the writers give up at some moment. The others must not notice, and whoever gave up can repeat the command:
// in the end each is stored once.
func testCancelledMidway(t *testing.T, b bench) {
	const writers, each = 16, 12
	l := b.log(t)
	var mu sync.Mutex
	var gaveUp []events.Append
	var g errgroup.Group
	for i := range writers {
		g.Go(func() error {
			for n := range each {
				a := command(write(events.Stream(fmt.Sprintf("couple/%d/%d", i, n)), 0, 2))
				if i%2 == 0 {
					if _, err := l.Append(context.Background(), a); err != nil {
						return err
					}
					continue
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(2000))*time.Microsecond)
				_, err := l.Append(ctx, a)
				cancel()
				switch {
				case err == nil:
				case errors.Is(err, context.DeadlineExceeded):
					mu.Lock()
					gaveUp = append(gaveUp, a)
					mu.Unlock()
				default:
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	for _, a := range gaveUp {
		must(t, l, a)
	}
	times := map[events.Stream]int{}
	for _, e := range all(t, l) {
		times[e.Stream]++
	}
	assert.Len(t, times, writers*each)
	for s, n := range times {
		assert.Equal(t, 2, n, s)
	}
}

func testReadCancelled(t *testing.T, b bench) {
	l := b.log(t)
	a := command(write("couple/DEMO/001", 0, 1))
	must(t, l, a)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := l.Read(ctx, 0, 1)
	assert.ErrorIs(t, err, context.Canceled)
	_, err = l.ReadStream(ctx, "couple/DEMO/001", 0, 1)
	assert.ErrorIs(t, err, context.Canceled)
	_, _, err = l.Lookup(ctx, a.Command)
	assert.ErrorIs(t, err, context.Canceled)
	_, err = l.Head(ctx)
	assert.ErrorIs(t, err, context.Canceled)
}
