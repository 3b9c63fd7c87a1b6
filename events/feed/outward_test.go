package feed_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/feed"
	"asem/events/sqlite"
)

// startNATS serves NATS with JetStream in this process.
func startNATS(t *testing.T, dir string, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true})
	require.NoError(t, err)
	go s.Start()
	require.True(t, s.ReadyForConnections(10*time.Second))
	return s
}

// bookmarks are kept in memory, and can be lost.
type bookmarks struct {
	mu   sync.Mutex
	at   map[string]events.Position
	lose bool
}

func (b *bookmarks) Bookmark(_ context.Context, name string) (events.Position, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at[name], nil
}

func (b *bookmarks) SetBookmark(_ context.Context, name string, at events.Position) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lose {
		return errors.New("the bookmark is not kept")
	}
	if b.at == nil {
		b.at = map[string]events.Position{}
	}
	b.at[name] = at
	return nil
}

func (b *bookmarks) wait(t *testing.T, at events.Position) {
	t.Helper()
	require.Eventually(t, func() bool {
		got, err := b.Bookmark(t.Context(), "nats")
		return err == nil && got >= at
	}, 20*time.Second, 10*time.Millisecond)
}

// The log reaches JetStream whole, in order and once, although forwarder, bookmark and NATS server fail in between.
func TestOutwardToNATS(t *testing.T) {
	dir := t.TempDir()
	log, err := sqlite.Open(t.Context(), filepath.Join(dir, "log.db"))
	require.NoError(t, err)
	defer func() { assert.NoError(t, log.Close()) }()
	n := 0
	write := func(count int) events.Position {
		var last events.Receipt
		for range count {
			s := events.Stream(fmt.Sprintf("couple/S.1/%d", n%3))
			last, err = log.Append(t.Context(), events.Append{Command: uuid.New(), Writes: []events.Write{{Stream: s, Expected: events.Version(n / 3), Events: []events.Envelope{{
				ID: uuid.Must(uuid.NewV7()), Type: "diary.submitted", Schema: 1, Study: "S.1", OccurredAt: time.Now(), By: domain.Actor{Role: domain.ActorSystem}, Payload: fmt.Appendf(nil, `{"n":%d}`, n)}}}}})
			require.NoError(t, err)
			n++
		}
		return last.Last
	}
	nats := startNATS(t, filepath.Join(dir, "nats"), -1)
	port, err := strconv.Atoi(nats.ClientURL()[len("nats://127.0.0.1:"):])
	require.NoError(t, err)
	url, marks := nats.ClientURL(), &bookmarks{}
	forward := func() (stop func()) {
		to, err := feed.ConnectNATS(url, "ASEM", "asem.events")
		require.NoError(t, err)
		r, err := feed.NewRouter(log, feed.Options{Batch: 7}, feed.NewOutward("nats", to, "asem.events", marks))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		return func() {
			cancel()
			assert.NoError(t, <-done)
			assert.NoError(t, to.Close())
		}
	}
	stop := forward()
	marks.wait(t, write(50))
	stop()

	marks.mu.Lock()
	marks.at, marks.lose = nil, true // all is sent again, and yet once more, for no bookmark is kept
	marks.mu.Unlock()
	stop = forward()
	write(20)
	time.Sleep(300 * time.Millisecond)
	nats.Shutdown()
	nats.WaitForShutdown()
	marks.mu.Lock()
	marks.lose = false
	marks.mu.Unlock()
	last := write(20)
	time.Sleep(200 * time.Millisecond)
	nats = startNATS(t, filepath.Join(dir, "nats"), port)
	defer nats.Shutdown()
	marks.wait(t, last)
	stop()

	conn, err := client.Connect(url)
	require.NoError(t, err)
	defer conn.Close()
	js, err := conn.JetStream()
	require.NoError(t, err)
	sub, err := js.SubscribeSync("asem.events.S_1.>")
	require.NoError(t, err)
	for i := range n {
		m, err := sub.NextMsg(5 * time.Second)
		require.NoError(t, err, "message %d", i)
		assert.Equal(t, "asem.events.S_1.diary.submitted", m.Subject)
		assert.JSONEq(t, fmt.Sprintf(`{"n":%d}`, i), string(m.Data))
		assert.Equal(t, strconv.Itoa(i+1), m.Header.Get(feed.KeyPosition))
		assert.NotEmpty(t, m.Header.Get(client.MsgIdHdr))
	}
	_, err = sub.NextMsg(100 * time.Millisecond)
	assert.ErrorIs(t, err, client.ErrTimeout, "nothing twice")

	_, err = feed.ConnectNATS(url, "ASEM", "other.subject")
	assert.ErrorContains(t, err, "expected it to take other.subject.>")
	_, err = feed.ConnectNATS("nats://127.0.0.1:1", "ASEM", "asem.events")
	assert.ErrorContains(t, err, "connect to NATS")
}
