package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/components/metrics"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"asem/events"
)

// Consumer follows the log and keeps its own checkpoint. Apply must be exactly once in effect: what it does and the checkpoint it
// moves commit together, and events at or below the checkpoint are skipped.
type Consumer interface {
	Name() string
	Checkpoint(ctx context.Context) (events.Position, error)
	Apply(ctx context.Context, batch []events.Envelope) error
}

// State is where a consumer stands.
type State struct {
	Name    string
	Applied events.Position // of the last event applied by this router; 0 before the first
	Failure string          // why it stands still, without personal data; empty while it goes on
	Poison  bool            // it stands before an event that this program cannot read
	At      events.Position // of the event before which it stands; 0 if that is not known
	Type    string          // of that event
	Since   time.Time       // of the failure

	tried   int  // attempts so far
	reading bool // the failure is one of reading the log: it is over once that succeeds
}

// Stopped is an error that names the event before which a consumer stands still.
type Stopped interface {
	error
	StoppedAt() (at events.Position, eventType string)
}

// Router drives consumers along the log. A consumer that fails is tried again, at growing intervals, on the same batch: nothing is
// ever skipped, the others go on, and it resumes by itself once the cause is gone.
type Router struct {
	log     events.Log
	router  *message.Router
	batches *Subscriber
	logger  *slog.Logger

	mu    sync.Mutex
	state map[string]*State
	tried chan struct{} // closed and replaced whenever a consumer was tried
	order []string
	fails *prometheus.GaugeVec
}

// Leadership decides which of several replicas drives a consumer. Wait returns when it is this one's turn.
type Leadership interface {
	Wait(ctx context.Context, consumer string) error
}

// Options steer a router. The zero value will do.
type Options struct {
	Logger   *slog.Logger          // nil: slog.Default()
	Registry prometheus.Registerer // nil: no metrics
	Batch    int                   // 0 means DefaultBatch
	Backoff  func(tries int) time.Duration
	Leader   Leadership // nil: there are no other replicas
}

// NewRouter returns a router that drives consumers along a log.
func NewRouter(log events.Log, o Options, consumers ...Consumer) (*Router, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	adapter := watermill.NewSlogLogger(slog.New(quiet{o.Logger.Handler()}))
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: 10 * time.Second}, adapter)
	if err != nil {
		return nil, fmt.Errorf("make the router: %w", err)
	}
	r := &Router{log: log, router: router, logger: o.Logger, state: map[string]*State{}, tried: make(chan struct{})}
	byName := map[string]Consumer{}
	for _, c := range consumers {
		if byName[c.Name()] != nil {
			return nil, fmt.Errorf("two consumers are called %s", c.Name())
		}
		byName[c.Name()] = c
		r.state[c.Name()] = &State{Name: c.Name()}
		r.order = append(r.order, c.Name())
	}
	r.batches = NewSubscriber(log, Config{Batch: o.Batch, Backoff: o.Backoff, Reading: r.read, From: func(ctx context.Context, name string) (events.Position, error) {
		if o.Leader != nil {
			if err := o.Leader.Wait(ctx, name); err != nil {
				return 0, err
			}
		}
		return byName[name].Checkpoint(ctx)
	}})
	if o.Registry != nil {
		metrics.NewPrometheusMetricsBuilder(o.Registry, "asem", "feed").AddPrometheusRouterMetrics(router)
		r.fails = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "asem", Subsystem: "feed", Name: "consumer_failing", Help: "1 while a consumer stands still before a batch that it cannot apply."}, []string{"consumer"})
		if err := o.Registry.Register(r.fails); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	router.AddMiddleware(middleware.CorrelationID)
	for _, c := range consumers {
		router.AddConsumerHandler(c.Name(), c.Name(), r.batches, r.handler(c))
	}
	return r, nil
}

func (r *Router) handler(c Consumer) message.NoPublishHandlerFunc {
	return func(m *message.Message) error {
		batch := Batch(m)
		err := r.apply(m.Context(), c, batch)
		switch {
		case err == nil:
			r.applied(c.Name(), batch[len(batch)-1].Position)
		case m.Context().Err() != nil: // going down
		case errors.Is(err, events.ErrFenced): // no longer the leader: what stands in the way is another's to tell
			r.applied(c.Name(), 0)
		default:
			r.failed(c.Name(), err, false)
		}
		return err
	}
}

// apply turns a panic of a consumer into an error. What was panicked with may hold anything, and is told only where the runtime wrote it.
func (r *Router) apply(ctx context.Context, c Consumer, batch []events.Envelope) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("a mistake in the program")
			if known, ok := p.(runtime.Error); ok {
				err = fmt.Errorf("%w: %w", err, known)
			}
			r.logger.Error("a consumer panicked", "consumer", c.Name(), "stack", string(debug.Stack()))
		}
	}()
	return c.Apply(ctx, batch)
}

// read is told how the log was read for a consumer.
func (r *Router) read(name string, err error) {
	r.mu.Lock()
	s := *r.state[name]
	r.mu.Unlock()
	switch { // only the goroutine that calls this changes the state of this consumer
	case err == nil && s.reading:
		r.applied(name, 0)
	case err != nil && (s.reading || s.Failure == "" || errors.Is(err, events.ErrDamaged)): // what could not be applied tells more, but where the record was damaged since
		r.failed(name, err, true)
	}
}

func (r *Router) failed(name string, err error, reading bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state[name]
	if s.Failure == "" {
		s.Since = time.Now().UTC()
		r.logger.Error("a consumer stands still", "consumer", name, "applied", int64(s.Applied), "error", err.Error())
	}
	s.Failure, s.Poison, s.reading = err.Error(), errors.Is(err, events.ErrUnknownType) || errors.Is(err, events.ErrDamaged) || errors.Is(err, events.ErrSealed), reading
	s.At, s.Type = 0, ""
	if at := Stopped(nil); errors.As(err, &at) {
		s.At, s.Type = at.StoppedAt()
		if within := errors.Unwrap(at); within != nil { // the rest stands in the other fields
			s.Failure = strings.TrimPrefix(within.Error(), fmt.Sprintf("event %d: ", s.At))
		}
	}
	r.wasTried(s)
	if r.fails != nil {
		r.fails.WithLabelValues(name).Set(1)
	}
}

// applied notes that nothing stands in a consumer's way; p is 0 if nothing new was applied.
func (r *Router) applied(name string, p events.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state[name]
	p = max(p, s.Applied)
	if s.Failure != "" {
		r.logger.Info("a consumer goes on", "consumer", name, "applied", int64(p))
	}
	*s = State{Name: name, Applied: p, tried: s.tried}
	r.wasTried(s)
	if r.fails != nil {
		r.fails.WithLabelValues(name).Set(0)
	}
}

func (r *Router) wasTried(s *State) {
	s.tried++
	close(r.tried)
	r.tried = make(chan struct{})
}

// TryNow tries a consumer that stands still at once, and returns where it stands after that, or when ctx ends.
func (r *Router) TryNow(ctx context.Context, name string) (State, error) {
	before := -1
	for {
		r.mu.Lock()
		s, ok := r.state[name]
		if !ok {
			r.mu.Unlock()
			return State{}, fmt.Errorf("no consumer is called %s", name)
		}
		now, tried := *s, r.tried
		r.mu.Unlock()
		switch {
		case now.Failure == "" || before >= 0 && now.tried > before:
			return now, nil
		case before < 0:
			before = now.tried
			r.batches.TryNow()
		}
		select {
		case <-tried:
		case <-ctx.Done():
			return now, nil
		}
	}
}

// States tells where the consumers stand, in the order in which they were given.
func (r *Router) States() []State {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]State, len(r.order))
	for i, n := range r.order {
		list[i] = *r.state[n]
	}
	return list
}

// Run drives the consumers until ctx ends, then lets them finish their batch.
func (r *Router) Run(ctx context.Context) error {
	err := r.router.Run(ctx)
	return errors.Join(err, r.batches.Close())
}

// Running is closed once the consumers follow the log.
func (r *Router) Running() <-chan struct{} { return r.router.Running() }

// quiet takes Watermill's own chatter one level down and leaves out its reports of failed handlers: the router reports those
// once, not at every try.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}

func (q quiet) Handle(ctx context.Context, rec slog.Record) error {
	if rec.Message == "Handler returned error" {
		return nil
	}
	return q.Handler.Handle(ctx, rec)
}

func (q quiet) WithAttrs(a []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(a)} }
func (q quiet) WithGroup(g string) slog.Handler      { return quiet{q.Handler.WithGroup(g)} }
