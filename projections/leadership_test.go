package projections

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/events"
)

func TestOneReplicaLeads(t *testing.T) {
	schema, quiet := newSchema(t), slog.New(slog.DiscardHandler)
	first, second := openSchema(t, schema), openSchema(t, schema)
	h := testStudy(t)
	h.do(t, enrol("1")...)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	leading := first.Lead(ctx, quiet, "outward")
	require.NoError(t, leading.Wait(t.Context(), "couple"))
	require.NoError(t, leading.Wait(t.Context(), "outward"))
	other, end := context.WithCancel(t.Context())
	defer end()
	waiting := second.Lead(other, quiet, "outward")
	soon, cancel := context.WithTimeout(t.Context(), 2*leadEvery)
	defer cancel()
	require.ErrorIs(t, waiting.Wait(soon, "couple"), context.DeadlineExceeded)
	assert.False(t, waiting.Leads("couple"))
	for _, p := range All(first) {
		require.NoError(t, p.Apply(t.Context(), h.log[:3]))
	}

	stop() // as when the process ends
	soon, cancel = context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	require.NoError(t, waiting.Wait(soon, "moment"))
	for _, n := range waiting.names {
		require.NoError(t, waiting.Wait(soon, n))
	}
	for i, p := range All(first) { // it does not know yet, or has come back from a long pause
		require.ErrorIs(t, p.Apply(t.Context(), h.log), events.ErrFenced)
		at, err := All(second)[i].Checkpoint(t.Context())
		require.NoError(t, err)
		require.Equal(t, events.Position(3), at)
		require.NoError(t, All(second)[i].Apply(t.Context(), h.log))
	}
	alone := openFile(t)
	require.NoError(t, CatchUp(t.Context(), h, All(alone), nil))
	assert.Equal(t, contents(t, alone, everyRow), contents(t, second, everyRow))

	file := openFile(t).Lead(t.Context(), quiet)
	require.NoError(t, file.Wait(t.Context(), "couple"), "a data folder is led by whoever has it")
}
