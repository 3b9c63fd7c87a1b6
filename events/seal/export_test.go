package seal

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"asem/events"
)

// Opened opens one event as a reader would.
func Opened(ctx context.Context, t *testing.T, l *Log, e events.Envelope) events.Envelope {
	list := []events.Envelope{e}
	require.NoError(t, l.open(ctx, list))
	return list[0]
}
