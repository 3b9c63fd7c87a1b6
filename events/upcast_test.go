package events

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A payload is led through every schema from its own to the one of today, and no step is ever left out.
func TestUpcasting(t *testing.T) {
	says := func(text string) upcaster {
		return func(payload []byte) ([]byte, error) { return append(payload, text...), nil }
	}
	upcasters["couple.moved"] = map[int]upcaster{1: says(" 1to2"), 2: says(" 2to3"), 4: func([]byte) ([]byte, error) { return nil, errors.New("no zone") }}
	defer delete(upcasters, "couple.moved")
	for _, c := range []struct {
		from, to int
		want     string
	}{{1, 1, "old"}, {1, 2, "old 1to2"}, {2, 3, "old 2to3"}, {1, 3, "old 1to2 2to3"}, {3, 3, "old"}} {
		got, err := upcast("couple.moved", c.from, c.to, []byte("old"))
		require.NoError(t, err)
		assert.Equal(t, c.want, string(got), "%d to %d", c.from, c.to)
	}
	for _, c := range []struct{ from, to int }{{0, 3}, {-1, 3}, {4, 3}, {3, 4}, {1, 4}} {
		_, err := upcast("couple.moved", c.from, c.to, []byte("old"))
		assert.ErrorIs(t, err, ErrUnknownType, "%d to %d", c.from, c.to)
	}
	_, err := upcast("couple.moved", 4, 5, []byte("old"))
	assert.ErrorContains(t, err, "couple.moved from schema 4 to 5: no zone")
}
