package feed_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
	"asem/events"
	"asem/events/eventstest"
	"asem/events/feed"
	"asem/events/postgres"
	"asem/events/sqlite"
)

// watermillSuite runs Watermill's own tests. Each publisher and subscriber has a handle of its own on one log.
func watermillSuite(t *testing.T, open func(t *testing.T) events.Log) {
	tests.TestPubSub(t, tests.Features{Persistent: true, GuaranteedOrder: true, NewSubscriberReceivesOldMessages: true, ForceShort: true},
		func(t *testing.T) (message.Publisher, message.Subscriber) {
			log := open(t)
			return feed.NewPublisher(log, "S"), feed.NewSubscriber(log, feed.Config{Batch: 1, Match: func(topic string, e events.Envelope) bool { return e.Stream == feed.TopicStream(topic) }})
		}, nil)
}

func TestWatermillSuiteOnSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	watermillSuite(t, func(t *testing.T) events.Log {
		log, err := sqlite.Open(context.Background(), path)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, log.Close()) })
		return log
	})
}

func TestWatermillSuiteOnPostgres(t *testing.T) {
	dsn := eventstest.Postgres(t)
	schema := fmt.Sprintf("feed_%d", time.Now().UnixNano())
	var once sync.Once
	var log events.Log
	t.Cleanup(func() {
		if log != nil {
			assert.NoError(t, log.Close())
		}
	})
	watermillSuite(t, func(t *testing.T) events.Log { // one handle: fifty pools would be more connections than a server has
		once.Do(func() {
			var err error
			log, err = postgres.OpenSchema(context.Background(), dsn, schema)
			require.NoError(t, err)
		})
		return log
	})
}

func openLog(t *testing.T) events.Log {
	t.Helper()
	log, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "log.db"))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, log.Close()) })
	return log
}

// write appends n events to a stream of their own.
func write(t *testing.T, log events.Log, n int) {
	t.Helper()
	w := events.Write{Stream: events.Stream("test/" + uuid.NewString())}
	for i := range n {
		w.Events = append(w.Events, events.Envelope{ID: uuid.New(), Type: "test.happened", Schema: 1, Study: "S", OccurredAt: time.Now(), By: domain.Actor{Role: domain.ActorSystem, Subject: "test"}, Payload: fmt.Append(nil, i)})
	}
	_, err := log.Append(context.Background(), events.Append{Command: uuid.New(), Writes: []events.Write{w}})
	require.NoError(t, err)
}

// counter is a consumer that counts events, exactly once in effect.
type counter struct {
	name  string
	mu    sync.Mutex
	at    events.Position
	seen  int
	fails error // while set, Apply fails
	moved chan struct{}
}

func newCounter(name string) *counter { return &counter{name: name, moved: make(chan struct{}, 1)} }

func (c *counter) Name() string { return c.name }

func (c *counter) Checkpoint(context.Context) (events.Position, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at, nil
}

func (c *counter) Apply(_ context.Context, batch []events.Envelope) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		select {
		case c.moved <- struct{}{}:
		default:
		}
	}()
	if c.fails != nil {
		return c.fails
	}
	for _, e := range batch {
		if e.Position <= c.at {
			continue
		}
		if e.Position != c.at+1 {
			return fmt.Errorf("position %d follows %d", e.Position, c.at)
		}
		c.at, c.seen = e.Position, c.seen+1
	}
	return nil
}

func (c *counter) set(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fails = err
}

// reaches waits until the consumer has seen n events.
func (c *counter) reaches(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		c.mu.Lock()
		seen := c.seen
		c.mu.Unlock()
		if seen >= n {
			assert.Equal(t, n, seen)
			return
		}
		select {
		case <-c.moved:
		case <-deadline:
			t.Fatalf("%s has seen %d of %d events", c.name, seen, n)
		}
	}
}

func run(t *testing.T, log events.Log, consumers ...feed.Consumer) (*feed.Router, func()) {
	t.Helper()
	r, err := feed.NewRouter(log, feed.Options{Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Batch: 7, Backoff: func(int) time.Duration { return time.Millisecond }}, consumers...)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	<-r.Running()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			assert.NoError(t, <-done)
		})
	}
	t.Cleanup(stop)
	return r, stop
}

func TestConsumersFollowTheLog(t *testing.T) {
	log := openLog(t)
	write(t, log, 50)
	a, b := newCounter("a"), newCounter("b")
	_, stop := run(t, log, a, b)
	a.reaches(t, 50)
	write(t, log, 3) // wakes them
	a.reaches(t, 53)
	b.reaches(t, 53)
	stop()
	write(t, log, 5)
	_, stop = run(t, log, a) // goes on at its checkpoint
	a.reaches(t, 58)
	stop()
	assert.Equal(t, 53, b.seen)
}

func TestAFailingConsumerStandsStillAndGoesOn(t *testing.T) {
	log := openLog(t)
	well, ill := newCounter("well"), newCounter("ill")
	ill.set(fmt.Errorf("event 1: %w", events.ErrUnknownType))
	write(t, log, 20)
	r, _ := run(t, log, well, ill)
	well.reaches(t, 20)
	<-ill.moved
	<-ill.moved // has been tried twice
	require.Eventually(t, func() bool { return r.States()[1].Failure != "" }, 10*time.Second, time.Millisecond)
	s := r.States()
	assert.True(t, s[1].Poison)
	assert.Contains(t, s[1].Failure, "unknown event type")
	ill.set(nil)
	ill.reaches(t, 20)
	require.Eventually(t, func() bool { return r.States()[1].Failure == "" }, 10*time.Second, time.Millisecond)
}

func TestAPanicOfAConsumerIsAFailure(t *testing.T) {
	log := openLog(t)
	write(t, log, 3)
	c := &panicking{counter: newCounter("p"), panics: 2}
	run(t, log, c)
	c.reaches(t, 3)
}

type panicking struct {
	*counter
	panics int
}

func (p *panicking) Apply(ctx context.Context, batch []events.Envelope) error {
	if p.panics > 0 {
		p.panics--
		panic("a mistake")
	}
	return p.counter.Apply(ctx, batch)
}

func TestTwoConsumersOfOneNameAreRefused(t *testing.T) {
	_, err := feed.NewRouter(openLog(t), feed.Options{}, newCounter("a"), newCounter("a"))
	assert.ErrorContains(t, err, "two consumers are called a")
}

// Whatever the other system refuses is sent again, in order.
func TestOutwardPublishesEveryEvent(t *testing.T) {
	log := openLog(t)
	write(t, log, 30)
	channel := gochannel.NewGoChannel(gochannel.Config{BlockPublishUntilSubscriberAck: true}, watermill.NopLogger{})
	defer func() { assert.NoError(t, channel.Close()) }()
	stored, err := log.Read(t.Context(), 0, 100)
	require.NoError(t, err)
	received, err := channel.Subscribe(t.Context(), "asem."+stored[0].Study+"."+stored[0].Type)
	require.NoError(t, err)
	marks := &bookmarks{at: map[string]events.Position{"out": 10}}
	run(t, log, feed.NewOutward("out", &flaky{Publisher: channel}, "asem", marks))
	next := events.Position(11)
	for next <= 30 {
		m := <-received
		e := stored[next-1]
		if m.UUID == e.ID.String() {
			next++
		}
		assert.Equal(t, e.Type, m.Metadata.Get(feed.KeyType))
		m.Ack()
	}
	require.Eventually(t, func() bool {
		at, err := marks.Bookmark(t.Context(), "out")
		return err == nil && at == 30
	}, 5*time.Second, 10*time.Millisecond)
}

// flaky fails every third message once.
type flaky struct {
	message.Publisher
	n int
}

func (f *flaky) Publish(topic string, list ...*message.Message) error {
	if f.n++; f.n%3 == 0 {
		return errors.New("not now")
	}
	return f.Publisher.Publish(topic, list...)
}
