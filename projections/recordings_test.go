package projections_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/projections"
)

// logOf is a log that grows.
type logOf []events.Envelope

func (l *logOf) Read(_ context.Context, after events.Position, limit int) ([]events.Envelope, error) {
	list := (*l)[min(int(after), len(*l)):]
	return list[:min(limit, len(list))], nil
}

func (l *logOf) ReadStream(context.Context, events.Stream, events.Version, int) ([]events.Envelope, error) {
	return nil, nil
}

func TestRecordings(t *testing.T) {
	log := &logOf{}
	add := func(study, couple string, e domain.Event, erased bool) {
		at, err := events.Encode(e)
		require.NoError(t, err)
		at.Position, at.Study, at.Stream, at.Erased = events.Position(len(*log)+1), study, events.CoupleStream(study, couple), erased
		if erased {
			at.Payload = nil
		}
		*log = append(*log, at)
	}
	x := projections.NewRecordings(log)
	list, err := x.Filmed(t.Context())
	require.NoError(t, err)
	assert.Empty(t, list)
	for range 3000 { // more than a page
		add("S", "1", domain.ConsentWithdrawn{Role: "A", Scope: domain.ScopeDiary}, false)
	}
	add("S", "1", domain.VideoStored{Interaction: "i1", Video: "v1"}, false)
	add("S", "2", domain.VideoStored{}, true)
	add("S", "1", domain.AssignmentMade{Assignment: "a1", Clip: "c1", Judge: "j"}, false)
	add("S", "2", domain.AssignmentMade{}, true)
	add("T", "1", domain.VideoDeleted{Video: "v0"}, false)
	list, err = x.Filmed(t.Context())
	require.NoError(t, err)
	assert.ElementsMatch(t, []projections.CoupleRef{{Study: "S", Couple: "1"}, {Study: "S", Couple: "2"}}, list, "also who was erased")
	at, ok, err := x.Assignment(t.Context(), "a1")
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, projections.CoupleRef{Study: "S", Couple: "1"}, at)
	_, ok, err = x.Assignment(t.Context(), "")
	require.NoError(t, err)
	assert.False(t, ok)
	add("T", "1", domain.AssignmentMade{Assignment: "a2"}, false)
	at, _, err = x.Assignment(t.Context(), "a2")
	require.NoError(t, err)
	assert.Equal(t, projections.CoupleRef{Study: "T", Couple: "1"}, at, "what is new")
}
