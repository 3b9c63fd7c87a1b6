package feed

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"

	"asem/events"
)

// Metadata keys of the messages.
const (
	KeyType     = "asem_type"     // of the event, for messages of one event
	KeyStudy    = "asem_study"    //
	KeyStream   = "asem_stream"   //
	KeyFirst    = "asem_first"    // position of the first event of the message
	KeyLast     = "asem_last"     // position of the last
	KeyOccurred = "asem_occurred" // RFC 3339
)

// Bounds of a batch.
const (
	DefaultBatch  = 1000
	maxBatchBytes = 8 << 20
)

// Config says how a subscriber follows the log.
type Config struct {
	// From may take its time: it returns the position behind which a subscription to a topic begins, and behind which it goes on after a message
	// was refused. nil: the start of the log, and after a refusal the same message again.
	From func(ctx context.Context, topic string) (events.Position, error)
	// Match chooses the events of a topic. nil: all.
	Match func(topic string, e events.Envelope) bool
	// Batch is the most events of one message. 0 means DefaultBatch. With 1 a message is an event: its id, payload and
	// metadata. With more, a message carries the envelopes in process, see [Batch], and has no payload.
	Batch int
	// Backoff returns how long to wait before a message that was refused is delivered again. nil: 10 ms, doubling up to 1 s.
	Backoff func(tries int) time.Duration
	// Reading is told how each attempt to find a topic's events ended; err is nil when it was none the worse. nil: nobody is told.
	Reading func(topic string, err error)
}

// Subscriber is the log as a Watermill subscriber. Every subscription follows the log by itself, in order, one
// message at a time: the next is delivered when the one before was acknowledged.
type Subscriber struct {
	log     events.Log
	cfg     Config
	closing chan struct{}
	once    sync.Once
	open    sync.WaitGroup
	mu      sync.Mutex // orders Subscribe and Close
	closed  bool
	now     chan struct{} // closed and replaced by TryNow
}

var _ message.Subscriber = (*Subscriber)(nil)

// NewSubscriber returns a subscriber to a log.
func NewSubscriber(log events.Log, cfg Config) *Subscriber {
	if cfg.Batch <= 0 {
		cfg.Batch = DefaultBatch
	}
	if cfg.Backoff == nil {
		cfg.Backoff = func(tries int) time.Duration { return min(10*time.Millisecond<<min(tries, 7), time.Second) }
	}
	if cfg.Reading == nil {
		cfg.Reading = func(string, error) {}
	}
	return &Subscriber{log: log, cfg: cfg, closing: make(chan struct{}), now: make(chan struct{})}
}

// TryNow ends the waiting before messages that were refused are delivered again.
func (s *Subscriber) TryNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.now)
	s.now = make(chan struct{})
}

// Subscribe follows the log for a topic until ctx ends or the subscriber is closed.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("the subscriber is closed")
	}
	ctx, cancel := context.WithCancel(ctx)
	out := make(chan *message.Message)
	s.open.Go(func() {
		defer close(out)
		defer cancel()
		go func() { // ends the waiting for events when the subscriber closes
			select {
			case <-s.closing:
				cancel()
			case <-ctx.Done():
			}
		}()
		if after, ok := s.from(ctx, topic); ok {
			s.follow(ctx, topic, after, out)
		}
	})
	return out, nil
}

// from returns where a subscription begins, however long that takes to find out; false if ctx ended first.
func (s *Subscriber) from(ctx context.Context, topic string) (events.Position, bool) {
	if s.cfg.From == nil {
		return 0, true
	}
	for {
		after, err := s.cfg.From(ctx, topic)
		if err == nil {
			return after, true
		}
		if ctx.Err() == nil {
			s.cfg.Reading(topic, err)
		}
		if !s.sleep(ctx, pause) {
			return 0, false
		}
	}
}

// Close ends every subscription and waits for them.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.once.Do(func() { close(s.closing) })
	s.open.Wait()
	return nil
}

// pause is how long to wait after the log could not be read.
const pause = 200 * time.Millisecond

func (s *Subscriber) follow(ctx context.Context, topic string, after events.Position, out chan<- *message.Message) {
	refused := 0 // times in a row
	for ctx.Err() == nil {
		list, err := s.log.Read(ctx, after, max(s.cfg.Batch, 100))
		if err == nil {
			s.cfg.Reading(topic, nil)
			if len(list) == 0 {
				err = s.log.Wait(ctx, after)
			}
		}
		switch {
		case errors.Is(err, events.ErrClosed) || ctx.Err() != nil:
			return
		case err != nil:
			s.cfg.Reading(topic, err)
			s.sleep(ctx, pause)
			continue
		}
		for len(list) > 0 {
			n := s.take(topic, list)
			if len(n.batch) > 0 {
				acked, ok := s.deliver(ctx, n.batch, out)
				if !ok {
					return
				}
				if !acked {
					if !s.sleep(ctx, s.cfg.Backoff(refused)) {
						return
					}
					refused++
					if s.cfg.From != nil { // read again: the cause may have been repaired where it is stored
						if after, ok = s.from(ctx, topic); !ok {
							return
						}
						break
					}
					continue
				}
				refused = 0
			}
			after, list = list[n.used-1].Position, list[n.used:]
		}
	}
}

// taken is a batch and how many envelopes of the list it used up.
type taken struct {
	batch []events.Envelope
	used  int
}

func (s *Subscriber) take(topic string, list []events.Envelope) (t taken) {
	size := 0
	for _, e := range list {
		wanted := s.cfg.Match == nil || s.cfg.Match(topic, e)
		if wanted && len(t.batch) > 0 && (len(t.batch) == s.cfg.Batch || size+len(e.Payload) > maxBatchBytes) {
			return t
		}
		t.used++
		if wanted {
			t.batch, size = append(t.batch, e), size+len(e.Payload)
		}
	}
	return t
}

// deliver sends a batch and reports whether it was acknowledged; ok is false when ctx ended first.
func (s *Subscriber) deliver(ctx context.Context, batch []events.Envelope, out chan<- *message.Message) (acked, ok bool) {
	m := s.message(ctx, batch)
	msgCtx, cancel := context.WithCancel(m.Context())
	defer cancel()
	m.SetContext(msgCtx)
	select {
	case out <- m:
	case <-ctx.Done():
		return false, false
	}
	select {
	case <-m.Acked():
		return true, true
	case <-m.Nacked():
		return false, true
	case <-ctx.Done():
		return false, false
	}
}

// sleep waits, unless somebody is for trying at once, and reports false when ctx ended first.
func (s *Subscriber) sleep(ctx context.Context, d time.Duration) bool {
	s.mu.Lock()
	now := s.now
	s.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-now:
		return true
	case <-ctx.Done():
		return false
	}
}

type batchKey struct{}

// Batch returns the envelopes that a message of a [Subscriber] carries, in order.
func Batch(m *message.Message) []events.Envelope {
	list, _ := m.Context().Value(batchKey{}).([]events.Envelope)
	return list
}

// message makes a message of a batch. The id of a batch is that of its first event.
func (s *Subscriber) message(ctx context.Context, batch []events.Envelope) *message.Message {
	first, last := batch[0], batch[len(batch)-1]
	m := message.NewMessage(first.ID.String(), nil)
	if s.cfg.Batch == 1 {
		m = single(first)
	}
	m.Metadata.Set(KeyFirst, strconv.FormatInt(int64(first.Position), 10))
	m.Metadata.Set(KeyLast, strconv.FormatInt(int64(last.Position), 10))
	middleware.SetCorrelationID(first.Command.String(), m)
	m.SetContext(context.WithValue(ctx, batchKey{}, batch))
	return m
}

// single makes a message of one event. What a [Publisher] put in comes out as it was.
func single(e events.Envelope) *message.Message {
	if m, ok := unwrap(e); ok {
		return m
	}
	m := message.NewMessage(e.ID.String(), e.Payload)
	m.Metadata.Set(KeyType, e.Type)
	m.Metadata.Set(KeyStudy, e.Study)
	m.Metadata.Set(KeyStream, string(e.Stream))
	m.Metadata.Set(KeyOccurred, e.OccurredAt.Format(time.RFC3339Nano))
	return m
}
