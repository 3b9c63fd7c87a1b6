package eventstest

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
)

func testEmpty(t *testing.T, b bench) {
	l, ctx := b.log(t), context.Background()
	head, err := l.Head(ctx)
	require.NoError(t, err)
	assert.Zero(t, head)
	list, err := l.Read(ctx, 0, 10)
	require.NoError(t, err)
	assert.Empty(t, list)
	list, err = l.ReadStream(ctx, "couple/DEMO/017", 0, 0)
	require.NoError(t, err)
	assert.Empty(t, list)
	_, found, err := l.Lookup(ctx, uuid.New())
	require.NoError(t, err)
	assert.False(t, found)
}

func testWholeEnvelope(t *testing.T, b bench) {
	l := b.log(t)
	plain, caused := event(`{"a":1}`), event(`{"a":2}`)
	caused.Causation, caused.Schema, caused.Type, caused.By = uuid.New(), 7, "rating.recorded", domain.Actor{Role: domain.ActorSystem}
	a := command(events.Write{Stream: "couple/DEMO/017", Events: []events.Envelope{plain, caused}})
	before := time.Now()
	r := must(t, l, a)
	assert.Equal(t, events.Receipt{First: 1, Last: 2, RecordedAt: r.RecordedAt}, r)
	assert.WithinRange(t, r.RecordedAt, before.Add(-time.Minute), time.Now().Add(time.Minute)) // a server has a clock of its own
	assert.Equal(t, time.UTC, r.RecordedAt.Location())
	assert.Equal(t, r.RecordedAt.Truncate(time.Microsecond), r.RecordedAt)
	assert.Equal(t, stored(a, r), all(t, l))
}

func testOrder(t *testing.T, b bench) {
	l, ctx := b.log(t), context.Background()
	first := command(write("couple/DEMO/002", 0, 2), write("couple/DEMO/001", 0, 3), write("study/DEMO", 0, 1))
	second := command(write("study/DEMO", 1, 1), write("couple/DEMO/002", 2, 2))
	r1, r2 := must(t, l, first), must(t, l, second)
	assert.Equal(t, [4]events.Position{1, 6, 7, 9}, [4]events.Position{r1.First, r1.Last, r2.First, r2.Last})
	want := append(stored(first, r1), stored(second, r2)...)
	assert.Equal(t, want, all(t, l))
	for _, s := range []events.Stream{"couple/DEMO/001", "couple/DEMO/002", "study/DEMO"} {
		var of []events.Envelope
		for _, e := range want {
			if e.Stream == s {
				of = append(of, e)
			}
		}
		got, err := l.ReadStream(ctx, s, 0, 0)
		require.NoError(t, err)
		assert.Equal(t, of, plain(got), s)
	}
	head, err := l.Head(ctx)
	require.NoError(t, err)
	assert.Equal(t, events.Position(9), head)
}

func testPages(t *testing.T, b bench) {
	l, ctx := b.log(t), context.Background()
	a := command(write("couple/DEMO/001", 0, 7), write("couple/DEMO/002", 0, 3))
	want := stored(a, must(t, l, a))
	for after := range 11 {
		for limit := 1; limit <= 11; limit++ {
			got, err := l.Read(ctx, events.Position(after), limit)
			require.NoError(t, err)
			assert.Equal(t, len(want[after:min(after+limit, 10)]), len(got))
			for i, e := range plain(got) {
				assert.Equal(t, want[after+i], e)
			}
		}
	}
	for after := range 8 {
		for limit := -1; limit <= 8; limit++ {
			got, err := l.ReadStream(ctx, "couple/DEMO/001", events.Version(after), limit)
			require.NoError(t, err)
			end := min(after+limit, 7)
			if limit <= 0 {
				end = 7
			}
			require.Len(t, got, end-after)
			for i, e := range plain(got) {
				assert.Equal(t, want[after+i], e)
			}
		}
	}
	for _, limit := range []int{0, -1} {
		_, err := l.Read(ctx, 0, limit)
		assert.Equal(t, domain.Invalid, domain.CodeOf(err), "a read of the whole log needs a limit")
	}
}

func testExpectedVersions(t *testing.T, b bench) {
	l, ctx := b.log(t), context.Background()
	first := command(write("couple/DEMO/001", 0, 3))
	want := stored(first, must(t, l, first))
	for name, w := range map[string]events.Write{
		"a new stream that should be old":  write("couple/DEMO/002", 1, 1),
		"an old stream that should be new": write("couple/DEMO/001", 0, 1),
		"behind":                           write("couple/DEMO/001", 2, 1),
		"ahead":                            write("couple/DEMO/001", 4, 1),
	} {
		a := command(w)
		_, err := l.Append(ctx, a)
		assert.ErrorIs(t, err, events.ErrConflict, name)
		_, found, err := l.Lookup(ctx, a.Command)
		assert.NoError(t, err)
		assert.False(t, found, "%s: a refused command is not remembered", name)
	}
	assert.Equal(t, want, all(t, l))
	must(t, l, command(write("couple/DEMO/001", 3, 1)))
}

func testAllOrNothing(t *testing.T, b bench) {
	l, ctx := b.log(t), context.Background()
	must(t, l, command(write("couple/DEMO/001", 0, 1)))
	for _, a := range []events.Append{
		command(write("couple/DEMO/002", 0, 2), write("couple/DEMO/001", 0, 1)),
		command(write("couple/DEMO/001", 0, 1), write("couple/DEMO/002", 0, 2)),
		command(write("couple/DEMO/001", 1, 1), write("couple/DEMO/002", 0, 1), write("couple/DEMO/003", 5, 1)),
	} {
		_, err := l.Append(ctx, a)
		assert.ErrorIs(t, err, events.ErrConflict)
		assert.Len(t, all(t, l), 1)
	}
	for _, s := range []events.Stream{"couple/DEMO/002", "couple/DEMO/003"} {
		list, err := l.ReadStream(ctx, s, 0, 0)
		require.NoError(t, err)
		assert.Empty(t, list)
	}
}

func testBadInput(t *testing.T, b bench) {
	l := b.log(t)
	changed := func(change func(*events.Envelope)) events.Append {
		a := command(write("couple/DEMO/001", 0, 2))
		change(&a.Writes[0].Events[1])
		return a
	}
	for name, a := range map[string]events.Append{
		"zero command":           {Writes: []events.Write{write("couple/DEMO/001", 0, 1)}},
		"no writes":              command(),
		"a write without events": command(write("couple/DEMO/001", 0, 1), events.Write{Stream: "couple/DEMO/002"}),
		"a stream twice":         command(write("couple/DEMO/001", 0, 1), write("couple/DEMO/001", 1, 1)),
		"no stream name":         command(write("", 0, 1)),
		"a stream with NUL":      command(write("couple/\x00", 0, 1)),
		"a stream not UTF-8":     command(write("couple/\xff", 0, 1)),
		"a negative version":     command(write("couple/DEMO/001", -1, 1)),
		"a payload too large":    changed(func(e *events.Envelope) { e.Payload = make([]byte, events.MaxPayload+1) }),
		"no id":                  changed(func(e *events.Envelope) { e.ID = uuid.Nil }),
		"no type":                changed(func(e *events.Envelope) { e.Type = "" }),
		"a type with NUL":        changed(func(e *events.Envelope) { e.Type = "a\x00" }),
		"no schema":              changed(func(e *events.Envelope) { e.Schema = 0 }),
		"of no study":            changed(func(e *events.Envelope) { e.Study = "" }),
		"a study not UTF-8":      changed(func(e *events.Envelope) { e.Study = "D\xc3" }),
		"a role with NUL":        changed(func(e *events.Envelope) { e.By.Role = "\x00" }),
		"a subject not UTF-8":    changed(func(e *events.Envelope) { e.By.Subject = "\xed\xa0\x80" }),
		"a time beyond all use":  changed(func(e *events.Envelope) { e.OccurredAt = time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC) }),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := l.Append(context.Background(), a)
			var refusal *domain.Error
			require.ErrorAs(t, err, &refusal)
			assert.Equal(t, domain.Invalid, refusal.Code)
			assert.NotEmpty(t, refusal.Message)
		})
	}
	assert.Empty(t, all(t, l))
}

func testLargest(t *testing.T, b bench) {
	l, ctx := b.log(t), context.Background()
	large := event("")
	large.Payload = bytes.Repeat([]byte("0123456789abcdef"), events.MaxPayload/16)
	a := command(events.Write{Stream: "couple/DEMO/001", Events: []events.Envelope{large}})
	assert.Equal(t, stored(a, must(t, l, a)), all(t, l))

	w := events.Write{Stream: "couple/DEMO/002"}
	for range events.MaxAppend/events.MaxPayload + 1 {
		large.ID = uuid.Must(uuid.NewV7())
		w.Events = append(w.Events, large)
	}
	_, err := l.Append(ctx, command(w))
	assert.Equal(t, domain.Invalid, domain.CodeOf(err), "more than MaxAppend")
	assert.Len(t, all(t, l), 1)

	w.Events = w.Events[:20]
	r := must(t, l, command(w))
	assert.Equal(t, events.Position(21), r.Last)
	must(t, l, command(write("couple/DEMO/003", 0, 1)))
}

func testManyEvents(t *testing.T, b bench) {
	l := b.log(t)
	var ws []events.Write
	for i := range 100 {
		ws = append(ws, write(events.Stream("couple/DEMO/"+strings.Repeat("x", i+1)), 0, i+1))
	}
	a := command(ws...)
	assert.Equal(t, stored(a, must(t, l, a)), all(t, l))
}

func testExactBytes(t *testing.T, b bench) {
	l := b.log(t)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	w := events.Write{Stream: "couple/DEMO/001"}
	for _, payload := range [][]byte{every, {0}, {0, 0, 0}, {0xff, 0xfe, 0xc3, 0x28}, []byte(" {} \r\n"), []byte(`\x00\\ '";--`), []byte("\ufeffBOM"), {}} {
		e := event("")
		e.Payload = payload
		w.Events = append(w.Events, e)
	}
	a := command(w)
	assert.Equal(t, stored(a, must(t, l, a)), all(t, l))

	none := event("")
	none.Payload = nil
	must(t, l, command(events.Write{Stream: "couple/DEMO/002", Events: []events.Envelope{none}}))
	list, err := l.ReadStream(context.Background(), "couple/DEMO/002", 0, 0)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Empty(t, list[0].Payload)
}

func testExactText(t *testing.T, b bench) {
	l, ctx := b.log(t), context.Background()
	var ws []events.Write
	for _, s := range []string{"couple/ä", "couple/a\u0308", "couple/A", "couple/a", "couple/a ", " couple/a", "couple/%", "couple/_", "couple/💞", "couple/\u200f\u05d0", "'; DROP TABLE event; --", `\`, "couple/\n", strings.Repeat("é", 100)} {
		e := event(s)
		e.Study, e.By.Subject, e.By.Role, e.Type = s, s, domain.ActorRole(s), s
		ws = append(ws, events.Write{Stream: events.Stream(s), Events: []events.Envelope{e}})
	}
	a := command(ws...)
	want := stored(a, must(t, l, a))
	assert.Equal(t, want, all(t, l))
	for _, e := range want {
		got, err := l.ReadStream(ctx, e.Stream, 0, 0)
		require.NoError(t, err)
		assert.Equal(t, []events.Envelope{e}, plain(got))
	}
}

func testTimes(t *testing.T, b bench) {
	l := b.log(t)
	kathmandu := time.FixedZone("Kathmandu", 5*3600+45*60)
	w := events.Write{Stream: "couple/DEMO/001"}
	for _, when := range []time.Time{
		at,
		time.Date(2025, 3, 1, 23, 59, 59, 999_999_999, kathmandu),
		time.Date(2025, 3, 30, 2, 30, 0, 1_000, time.FixedZone("", -3*3600)),
		time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(1890, 1, 1, 0, 0, 0, 1, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Unix(0, 0).In(kathmandu),
		time.Now(), // has a monotonic part
	} {
		e := event("")
		e.Payload, e.OccurredAt = []byte{}, when
		w.Events = append(w.Events, e)
	}
	must(t, l, command(w))
	got := all(t, l)
	for i, e := range got {
		assert.Equal(t, w.Events[i].OccurredAt.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano), e.OccurredAt.Format(time.RFC3339Nano))
		assert.Equal(t, time.UTC, e.OccurredAt.Location())
		assert.Equal(t, time.UTC, e.RecordedAt.Location())
	}
	require.Len(t, got, len(w.Events))
}

func testInputUntouched(t *testing.T, b bench) {
	l := b.log(t)
	a := command(write("couple/DEMO/001", 0, 3), write("couple/DEMO/002", 0, 1))
	a.Writes[0].Events[0].OccurredAt = at.In(time.FixedZone("", 3600))
	before := []events.Write{{Stream: a.Writes[0].Stream, Events: append([]events.Envelope(nil), a.Writes[0].Events...)}, {Stream: a.Writes[1].Stream, Events: append([]events.Envelope(nil), a.Writes[1].Events...)}}
	must(t, l, a)
	assert.Equal(t, before, a.Writes)
	got := all(t, l)
	clear(got[0].Payload)
	assert.Equal(t, a.Writes[0].Events[0].Payload, all(t, l)[0].Payload, "what a reader does to its copy is its own affair")
}
