package eventstest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"asem/events"
)

func testRepeat(t *testing.T, b bench) {
	l, ctx := b.log(t), context.Background()
	a := command(write("couple/DEMO/001", 0, 2), write("couple/DEMO/002", 0, 1))
	first := must(t, l, a)
	assert.False(t, first.Duplicate)
	must(t, l, command(write("couple/DEMO/001", 2, 1)))
	again := first
	again.Duplicate = true

	other := command(write("couple/DEMO/009", 0, 3))
	other.Command = a.Command
	wrong := command(write("couple/DEMO/001", 77, 1))
	wrong.Command = a.Command
	for name, repeat := range map[string]events.Append{"the same": a, "other writes": other, "versions that would conflict": wrong} {
		assert.Equal(t, again, must(t, l, repeat), name)
		assert.Equal(t, again, must(t, b.log(t), repeat), "%s, through another handle", name)
	}
	found, ok, err := l.Lookup(ctx, a.Command)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, again, found)
	assert.Len(t, all(t, l), 4)
}

func testRepeatAtOnce(t *testing.T, b bench) {
	logs := []events.Log{b.log(t), b.log(t)}
	for round := range 5 {
		a := command(write("couple/DEMO/001", events.Version(round), 1))
		receipts := make([]events.Receipt, 32)
		var g errgroup.Group
		for i := range receipts {
			g.Go(func() (err error) {
				receipts[i], err = logs[i%2].Append(context.Background(), a)
				return err
			})
		}
		require.NoError(t, g.Wait())
		fresh := 0
		for _, r := range receipts {
			if !r.Duplicate {
				fresh++
			}
			r.Duplicate = receipts[0].Duplicate
			assert.Equal(t, receipts[0], r)
		}
		assert.Equal(t, 1, fresh, "one of them stored it, and only that one says so")
		assert.Len(t, all(t, logs[0]), round+1)
	}
}

// The refusal of a command must not make it look stored; half of the writers ask for a version that is not there.
func testRepeatAfterConflict(t *testing.T, b bench) {
	l, ctx := b.log(t), context.Background()
	must(t, l, command(write("couple/DEMO/001", 0, 1)))
	a := command(write("couple/DEMO/001", 0, 1))
	_, err := l.Append(ctx, a)
	require.ErrorIs(t, err, events.ErrConflict)
	a.Writes[0].Expected = 1
	assert.False(t, must(t, l, a).Duplicate)

	right := command(write("couple/DEMO/002", 0, 1))
	wrong := command(write("couple/DEMO/002", 5, 1))
	wrong.Command = right.Command
	var g errgroup.Group
	for i := range 32 {
		g.Go(func() error {
			if i%2 == 0 {
				_, err := l.Append(ctx, right)
				return err
			}
			r, err := l.Append(ctx, wrong)
			if err == nil {
				assert.True(t, r.Duplicate, "the wrong version can only be accepted as a repeat")
				return nil
			}
			assert.ErrorIs(t, err, events.ErrConflict)
			return nil
		})
	}
	require.NoError(t, g.Wait())
	assert.Len(t, all(t, l), 3)
}
