package eventstest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"asem/events"
)

// model is a log as simple as it can be written down. What was there before it began lies at base and below.
type model struct {
	base     events.Position
	events   []events.Envelope
	versions map[events.Stream]events.Version
	receipts map[uuid.UUID]events.Receipt
}

// append is what the contract says of an append; recordedAt is the log's affair.
func (m *model) append(a events.Append, got events.Receipt) (events.Receipt, bool) {
	if r, ok := m.receipts[a.Command]; ok {
		r.Duplicate = true
		return r, true
	}
	for _, w := range a.Writes {
		if m.versions[w.Stream] != w.Expected {
			return events.Receipt{}, false
		}
	}
	r := events.Receipt{First: m.head() + 1, RecordedAt: got.RecordedAt}
	m.events = append(m.events, stored(a, r)...)
	for _, w := range a.Writes {
		m.versions[w.Stream] += events.Version(len(w.Events))
	}
	r.Last = m.head()
	m.receipts[a.Command] = r
	return r, true
}

func (m *model) head() events.Position { return m.base + events.Position(len(m.events)) }

func (m *model) of(s events.Stream) []events.Envelope {
	var list []events.Envelope
	for _, e := range m.events {
		if e.Stream == s {
			list = append(list, e)
		}
	}
	return list
}

// testModel lets a few commands and streams meet in every way, through two handles.
func testModel(t *testing.T, b bench) {
	ctx, run := context.Background(), 0
	logs := []events.Log{b.log(t), b.log(t)}
	rapid.Check(t, func(rt *rapid.T) {
		run++
		streams := []events.Stream{events.Stream(fmt.Sprintf("couple/%d/a", run)), events.Stream(fmt.Sprintf("couple/%d/b", run)), events.Stream(fmt.Sprintf("study/%d", run))}
		base, err := logs[0].Head(ctx)
		require.NoError(rt, err)
		m := model{base: base, versions: map[events.Stream]events.Version{}, receipts: map[uuid.UUID]events.Receipt{}}
		commands := []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New()}
		log := func(rt *rapid.T) events.Log { return logs[rapid.IntRange(0, 1).Draw(rt, "handle")] }
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				var ws []events.Write
				for _, s := range rapid.SliceOfNDistinct(rapid.SampledFrom(streams), 1, 3, rapid.ID).Draw(rt, "streams") {
					expected := m.versions[s]
					if rapid.IntRange(0, 5).Draw(rt, "wrong") == 0 {
						expected = events.Version(rapid.IntRange(0, 8).Draw(rt, "expected"))
					}
					w := write(s, expected, rapid.IntRange(1, 4).Draw(rt, "events"))
					for i := range w.Events {
						w.Events[i].Payload = append([]byte{}, rapid.SliceOf(rapid.Byte()).Draw(rt, "payload")...)
					}
					ws = append(ws, w)
				}
				a := command(ws...)
				if i := rapid.IntRange(0, 2*len(commands)).Draw(rt, "command"); i < len(commands) {
					a.Command = commands[i]
					for _, w := range a.Writes {
						for i := range w.Events {
							w.Events[i].Command = a.Command
						}
					}
				}
				got, err := log(rt).Append(ctx, a)
				want, ok := m.append(a, got)
				if !ok {
					require.True(rt, errors.Is(err, events.ErrConflict), "expected a conflict, got %v", err)
					return
				}
				require.NoError(rt, err)
				require.Equal(rt, want, got)
			},
			"lookup": func(rt *rapid.T) {
				id := rapid.SampledFrom(commands).Draw(rt, "command")
				got, found, err := log(rt).Lookup(ctx, id)
				require.NoError(rt, err)
				want, ok := m.receipts[id]
				want.Duplicate = ok
				require.Equal(rt, ok, found)
				require.Equal(rt, want, got)
			},
			"read a stream": func(rt *rapid.T) {
				s := rapid.SampledFrom(streams).Draw(rt, "stream")
				got, err := log(rt).ReadStream(ctx, s, 0, 0)
				require.NoError(rt, err)
				require.Equal(rt, m.of(s), plain(got))
			},
			"": func(rt *rapid.T) {
				l := log(rt)
				require.Equal(rt, m.events, from(rt, l, m.base))
				head, err := l.Head(ctx)
				require.NoError(rt, err)
				require.Equal(rt, m.head(), head)
			},
		})
	})
}
