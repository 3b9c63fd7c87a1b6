package eventstest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
)

// Open returns a handle on the log called name, which is empty when the name is new. The same name again
// is another handle on the same log: a second process, or a restart. An append that writes to a stream whose name
// begins with [SlowStream] must take about [SlowFor] longer than others between its insert and its commit; tests
// of a backend do that with a trigger. The suite closes the handle.
type Open func(t testing.TB, name string) events.Log

// What Open does to slow streams.
const (
	SlowStream = "slow/"
	SlowFor    = 5 * time.Millisecond
)

// Run checks that a backend keeps the contract of [events.Log].
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		test func(*testing.T, bench)
	}{
		{"empty log", testEmpty},
		{"an event comes back whole", testWholeEnvelope},
		{"positions and versions follow the order of the writes", testOrder},
		{"pages", testPages},
		{"expected versions", testExpectedVersions},
		{"all or nothing", testAllOrNothing},
		{"bad input", testBadInput},
		{"largest payload and append", testLargest},
		{"many events in one append", testManyEvents},
		{"payloads are kept byte for byte", testExactBytes},
		{"names are kept letter for letter", testExactText},
		{"times", testTimes},
		{"what was handed in is left alone", testInputUntouched},
		{"a repeated command", testRepeat},
		{"a command repeated at the same time", testRepeatAtOnce},
		{"a command repeated after a conflict", testRepeatAfterConflict},
		{"N writers on one stream", testContention},
		{"readers skip nothing while others commit slowly", testNoSkip},
		{"cancelled before", testCancelledBefore},
		{"cancelled in the middle", testCancelledMidway},
		{"reads end with their context", testReadCancelled},
		{"second handle", testSecondHandle},
		{"handles opened at once", testOpenedAtOnce},
		{"waiting", testWait},
		{"reopened", testReopen},
		{"closed", testClosed},
		{"closed while appending", testCloseWhileAppending},
		{"random histories agree with a model", testModel},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.test(t, bench{open: open, name: fmt.Sprintf("t%d", opened.Add(1))})
		})
	}
}

// RunKeys checks that a backend keeps the contract of [events.KeyStore] also where several processes write at once.
func RunKeys(t *testing.T, open Open) {
	testKeysAtOnce(t, bench{open: open, name: fmt.Sprintf("t%d", opened.Add(1))})
}

var opened atomic.Int64 // numbers the logs of this process

// bench is where one test works: a log of its own.
type bench struct {
	open Open
	name string
}

// log opens a handle that is closed at the end of the test.
func (b bench) log(t testing.TB) events.Log {
	l := b.open(t, b.name)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

// at is when the events of these tests happened.
var at = time.Date(2025, 3, 1, 18, 30, 0, 123456000, time.UTC)

// event is an ordinary event with a payload.
func event(payload string) events.Envelope {
	return events.Envelope{
		ID: uuid.Must(uuid.NewV7()), Type: "diary.submitted", Schema: 1, Study: "DEMO", OccurredAt: at,
		By: domain.Actor{Role: domain.ActorParticipant, Subject: "017a"}, Payload: []byte(payload),
	}
}

// write makes n ordinary events for a stream.
func write(s events.Stream, expected events.Version, n int) events.Write {
	w := events.Write{Stream: s, Expected: expected}
	for i := range n {
		w.Events = append(w.Events, event(fmt.Sprintf(`{"stream":%q,"n":%d}`, s, int(expected)+i+1)))
	}
	return w
}

// command is a new command with these writes.
func command(ws ...events.Write) events.Append {
	a := events.Append{Command: uuid.New(), Writes: ws}
	for _, w := range ws {
		for i := range w.Events {
			w.Events[i].Command = a.Command
		}
	}
	return a
}

// must appends what has to be accepted.
func must(t require.TestingT, l events.Log, a events.Append) events.Receipt {
	r, err := l.Append(context.Background(), a)
	require.NoError(t, err)
	return r
}

// all reads the whole log, in pages.
func all(t require.TestingT, l events.Log) []events.Envelope { return from(t, l, 0) }

// from reads what lies after a position, in pages.
func from(t require.TestingT, l events.Log, after events.Position) []events.Envelope {
	var list []events.Envelope
	for {
		page, err := l.Read(context.Background(), after, 500)
		require.NoError(t, err)
		if len(page) == 0 {
			if len(list) > 0 && list[0].Position == 1 {
				leavesFollow(t, list)
			}
			return plain(list)
		}
		list, after = append(list, page...), page[len(page)-1].Position
	}
}

// leavesFollow checks that the events of each study stand in its tree in the order of the log.
func leavesFollow(t require.TestingT, log []events.Envelope) {
	size := map[string]int64{}
	for _, e := range log {
		if e.Study != "" {
			require.Equal(t, size[e.Study], e.Leaf, "place of event %d in the tree of %s", e.Position, e.Study)
			size[e.Study]++
		}
	}
}

// plain leaves out the place in the study's tree, which an append does not know.
func plain(list []events.Envelope) []events.Envelope {
	for i := range list {
		list[i].Leaf = 0
	}
	return list
}

// stored says how the events of an accepted append must come back.
func stored(a events.Append, r events.Receipt) []events.Envelope {
	var list []events.Envelope
	p := r.First
	for _, w := range a.Writes {
		for i, e := range w.Events {
			e.Position, e.Stream, e.Version, e.RecordedAt = p, w.Stream, w.Expected+events.Version(i)+1, r.RecordedAt
			e.OccurredAt = e.OccurredAt.UTC().Truncate(time.Microsecond)
			list = append(list, e)
			p++
		}
	}
	return list
}

// within is a context for what has to happen soon: long enough for a busy machine, short enough to fail.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
