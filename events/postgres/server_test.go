package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/eventstest"
	"asem/events/postgres"
)

func TestOpenSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		dsn, schema string
		code        domain.Code
		want        string
	}{
		"no server":      {"postgres://asem:verysecret@127.0.0.1:1/asem", "asem_log", domain.Unavailable, "127.0.0.1:1"},
		"no such host":   {"postgres://asem:verysecret@nowhere.invalid:5432/asem", "asem_log", domain.Unavailable, "nowhere.invalid:5432"},
		"not a string":   {"postgres://asem:verysecret@host:port/asem", "asem_log", domain.Invalid, "expected postgres://"},
		"a wrong schema": {"postgres://asem:verysecret@127.0.0.1:1/asem", `x"; DROP`, domain.Invalid, "schema name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := postgres.OpenSchema(t.Context(), c.dsn, c.schema)
			var refusal *domain.Error
			require.ErrorAs(t, err, &refusal)
			assert.Equal(t, c.code, refusal.Code)
			assert.Contains(t, refusal.Message, c.want)
			assert.NotContains(t, err.Error(), "verysecret")
		})
	}
}

func TestOpenRefusesASchemaOfTomorrow(t *testing.T) {
	l := opener(t, func(t testing.TB, dsn, schema string) {
		run(t, dsn, "INSERT INTO "+schema+".goose_db_version (version_id, is_applied) VALUES (99, true)")
		_, err := postgres.OpenSchema(t.Context(), dsn, schema)
		assert.Equal(t, domain.Invalid, domain.CodeOf(err))
		assert.ErrorContains(t, err, "schema 99")
	})(t, "tomorrow")
	require.NoError(t, l.Close())
}

// The server is stopped, killed with SIGKILL and its connections are cut while writers work. Nobody needs to notice:
// every append is acknowledged in the end, and stored once. Whoever waits is woken after that too.
func TestServerGoesAndComesBack(t *testing.T) {
	server := eventstest.NewServer(t)
	l, err := postgres.Open(t.Context(), server.DSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	told := map[uuid.UUID]events.Receipt{}
	var g sync.WaitGroup
	for i := range 8 {
		g.Go(func() {
			for v := events.Version(0); ctx.Err() == nil; v++ {
				a := one(events.Stream(fmt.Sprintf("couple/%d", i)), v)
				r, err := l.Append(context.Background(), a)
				if !assert.NoError(t, err) {
					return
				}
				assert.False(t, r.Duplicate, "its own first try is not somebody else's")
				mu.Lock()
				told[a.Command] = r
				mu.Unlock()
			}
		})
	}
	for _, away := range []func(testing.TB){
		func(t testing.TB) { server.Stop(t); server.Start(t) },
		func(t testing.TB) { server.Kill(t); server.Start(t) },
		func(t testing.TB) {
			run(t, server.DSN, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
		},
		func(t testing.TB) { server.Kill(t); server.Start(t) },
	} {
		time.Sleep(100 * time.Millisecond)
		away(t)
	}
	time.Sleep(100 * time.Millisecond)
	cancel()
	g.Wait()
	stored := map[uuid.UUID]int{}
	var head events.Position
	for {
		list, err := l.Read(context.Background(), head, 1000)
		require.NoError(t, err)
		if len(list) == 0 {
			break
		}
		for _, e := range list {
			stored[e.Command]++
			assert.Equal(t, told[e.Command].First, e.Position)
			assert.Equal(t, head+1, e.Position)
			head = e.Position
		}
	}
	assert.Len(t, stored, len(told))
	for id := range told {
		assert.Equal(t, 1, stored[id], "what was acknowledged is stored once")
	}
	woken := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		woken <- l.Wait(ctx, head)
	}()
	other, err := postgres.Open(context.Background(), server.DSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	_, err = other.Append(context.Background(), one("couple/late", 0))
	require.NoError(t, err)
	require.NoError(t, <-woken)
}

func one(s events.Stream, expected events.Version) events.Append {
	return events.Append{Command: uuid.New(), Writes: []events.Write{{Stream: s, Expected: expected, Events: []events.Envelope{{
		ID: uuid.Must(uuid.NewV7()), Type: "diary.submitted", Schema: 1, Study: "DEMO", OccurredAt: time.Now(), Payload: []byte("{}"),
	}}}}}
}
