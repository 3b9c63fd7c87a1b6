package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	Since   time.Time       // of the failure
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
	r := &Router{log: log, router: router, logger: o.Logger, state: map[string]*State{}}
	byName := map[string]Consumer{}
	for _, c := range consumers {
		if byName[c.Name()] != nil {
			return nil, fmt.Errorf("two consumers are called %s", c.Name())
		}
		byName[c.Name()] = c
		r.state[c.Name()] = &State{Name: c.Name()}
		r.order = append(r.order, c.Name())
	}
	r.batches = NewSubscriber(log, Config{Batch: o.Batch, Backoff: o.Backoff, From: func(ctx context.Context, name string) (events.Position, error) {
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
	router.AddMiddleware(middleware.CorrelationID, middleware.Recoverer)
	for _, c := range consumers {
		router.AddConsumerHandler(c.Name(), c.Name(), r.batches, r.handler(c))
	}
	return r, nil
}

func (r *Router) handler(c Consumer) message.NoPublishHandlerFunc {
	return func(m *message.Message) error {
		batch := Batch(m)
		if err := c.Apply(m.Context(), batch); err != nil {
			if m.Context().Err() != nil || errors.Is(err, events.ErrFenced) {
				return err // going down, or no longer the leader: no failure of the consumer
			}
			r.failed(c.Name(), err)
			return err
		}
		r.applied(c.Name(), batch[len(batch)-1].Position)
		return nil
	}
}

func (r *Router) failed(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state[name]
	if s.Failure == "" {
		s.Since = time.Now().UTC()
		r.logger.Error("a consumer stands still", "consumer", name, "applied", int64(s.Applied), "error", err.Error())
	}
	s.Failure, s.Poison = err.Error(), errors.Is(err, events.ErrUnknownType) || errors.Is(err, events.ErrDamaged) || errors.Is(err, events.ErrSealed)
	if r.fails != nil {
		r.fails.WithLabelValues(name).Set(1)
	}
}

func (r *Router) applied(name string, p events.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state[name]
	if s.Failure != "" {
		r.logger.Info("a consumer goes on", "consumer", name, "applied", int64(p))
	}
	*s = State{Name: name, Applied: p}
	if r.fails != nil {
		r.fails.WithLabelValues(name).Set(0)
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
