package eventstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"asem/events"
)

func testSecondHandle(t *testing.T, b bench) {
	one, two := b.log(t), b.log(t)
	first := command(write("couple/DEMO/001", 0, 1))
	want := stored(first, must(t, one, first))
	assert.Equal(t, want, all(t, two), "a commit is seen by every handle at once")
	_, err := two.Append(context.Background(), command(write("couple/DEMO/001", 0, 1)))
	assert.ErrorIs(t, err, events.ErrConflict)
	second := command(write("couple/DEMO/001", 1, 1))
	want = append(want, stored(second, must(t, two, second))...)
	assert.Equal(t, want, all(t, one))
}

func testOpenedAtOnce(t *testing.T, b bench) {
	var g sync.WaitGroup
	for i := range 4 {
		g.Go(func() {
			must(t, b.log(t), command(write(events.Stream(fmt.Sprintf("couple/%d", i)), 0, 1)))
		})
	}
	g.Wait()
	assert.Len(t, all(t, b.log(t)), 4)
}

// testKeysAtOnce lets processes store and destroy keys of the same owners, each in an order of its own.
func testKeysAtOnce(t *testing.T, b bench) {
	handles := []events.KeyStore{b.log(t).(events.KeyStore), b.log(t).(events.KeyStore), b.log(t).(events.KeyStore), b.log(t).(events.KeyStore)}
	var owners []string
	for round := range 10 {
		keys := make([]events.WrappedKey, 20)
		for i := range keys {
			keys[i] = events.WrappedKey{Owner: fmt.Sprintf("S/%d/%02d", round, i), Master: "m", Wrapped: []byte("w"), CreatedAt: at}
			owners = append(owners, keys[i].Owner)
		}
		var g errgroup.Group
		for n, h := range handles {
			mine := slices.Clone(keys)
			if n%2 == 1 {
				slices.Reverse(mine)
			}
			g.Go(func() error { return errors.Join(h.AddKeys(t.Context(), mine), h.Rewrap(t.Context(), mine)) })
		}
		require.NoError(t, g.Wait())
	}
	var g errgroup.Group
	for n, h := range handles[:2] {
		mine := slices.Clone(owners)
		if n == 1 {
			slices.Reverse(mine)
		}
		g.Go(func() error { return h.DestroyKeys(t.Context(), mine, at) })
	}
	require.NoError(t, g.Wait())
	list, err := handles[0].WrappedKeys(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, list, len(owners))
	for _, k := range list {
		assert.False(t, k.Destroyed.IsZero(), k.Owner)
	}
}

func testWait(t *testing.T, b bench) {
	one, two := b.log(t), b.log(t)
	wait := func(l events.Log, after events.Position) <-chan error {
		done, ctx := make(chan error, 1), within(t, 20*time.Second)
		go func() { done <- l.Wait(ctx, after) }()
		return done
	}
	v := events.Version(0)
	for name, l := range map[string]events.Log{"through this handle": one, "through another": two} {
		waiting := []<-chan error{wait(l, events.Position(v)), wait(l, events.Position(v))}
		select {
		case err := <-waiting[0]:
			t.Fatalf("%s: Wait returned %v before anything was stored", name, err)
		case <-time.After(50 * time.Millisecond):
		}
		began := time.Now()
		must(t, one, command(write("couple/DEMO/001", v, 1)))
		v++
		for _, w := range waiting {
			require.NoError(t, <-w)
		}
		assert.Less(t, time.Since(began), 3*time.Second, name) // a second, and a slow machine
		require.NoError(t, l.Wait(within(t, 20*time.Second), events.Position(v-1)), "what is already there needs no waiting")
	}

	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, one.Wait(short, events.Position(v)), context.DeadlineExceeded)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	assert.ErrorIs(t, one.Wait(cancelled, events.Position(v)), context.Canceled)

	third := b.open(t, b.name)
	waiting := wait(third, events.Position(v))
	time.Sleep(20 * time.Millisecond)
	require.NoError(t, third.Close())
	assert.ErrorIs(t, <-waiting, events.ErrClosed)
}

func testReopen(t *testing.T, b bench) {
	l := b.open(t, b.name)
	a := command(write("couple/DEMO/001", 0, 2), write("couple/DEMO/002", 0, 1))
	r := must(t, l, a)
	want := stored(a, r)
	require.NoError(t, l.Close())

	l = b.log(t)
	assert.Equal(t, want, all(t, l))
	require.NoError(t, l.Wait(within(t, 20*time.Second), 2), "what was stored before the restart needs no waiting")
	r.Duplicate = true
	assert.Equal(t, r, must(t, l, a))
	next := must(t, l, command(write("couple/DEMO/001", 2, 1)))
	assert.Equal(t, r.Last+1, next.First)
	assert.False(t, next.RecordedAt.Before(r.RecordedAt))
}

func testClosed(t *testing.T, b bench) {
	other := b.log(t)
	l, ctx := b.open(t, b.name), context.Background()
	require.NoError(t, l.Close())
	assert.NoError(t, l.Close(), "closing twice is harmless")
	_, err := l.Append(ctx, command(write("couple/DEMO/001", 0, 1)))
	assert.ErrorIs(t, err, events.ErrClosed)
	_, err = l.Read(ctx, 0, 1)
	assert.ErrorIs(t, err, events.ErrClosed)
	_, err = l.ReadStream(ctx, "couple/DEMO/001", 0, 0)
	assert.ErrorIs(t, err, events.ErrClosed)
	_, _, err = l.Lookup(ctx, uuid.New())
	assert.ErrorIs(t, err, events.ErrClosed)
	_, err = l.Head(ctx)
	assert.ErrorIs(t, err, events.ErrClosed)
	assert.ErrorIs(t, l.Wait(ctx, 0), events.ErrClosed)
	must(t, other, command(write("couple/DEMO/001", 0, 1)))
}

// What was acknowledged is there after a restart, and what was refused because the log was closed is not.
func testCloseWhileAppending(t *testing.T, b bench) {
	for range 5 {
		l := b.open(t, b.name)
		var mu sync.Mutex
		accepted, refused := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
		var g errgroup.Group
		for range 16 {
			g.Go(func() error {
				for {
					a := command(write(events.Stream("couple/"+uuid.NewString()), 0, 1))
					_, err := l.Append(context.Background(), a)
					mu.Lock()
					if err == nil {
						accepted[a.Command] = true
					} else {
						refused[a.Command] = true
					}
					mu.Unlock()
					switch {
					case errors.Is(err, events.ErrClosed):
						return nil
					case err != nil:
						return err
					}
				}
			})
		}
		time.Sleep(10 * time.Millisecond)
		require.NoError(t, l.Close())
		require.NoError(t, g.Wait())
		l = b.open(t, b.name)
		for id := range accepted {
			_, found, err := l.Lookup(context.Background(), id)
			require.NoError(t, err)
			assert.True(t, found, "an acknowledged append is missing")
		}
		for id := range refused {
			_, found, err := l.Lookup(context.Background(), id)
			require.NoError(t, err)
			assert.False(t, found, "an append was refused and stored")
		}
		require.NoError(t, l.Close())
	}
}
