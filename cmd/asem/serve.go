package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"asem/cmd/asem/internal/web"
	"asem/domain"
	"asem/events"
	"asem/events/feed"
	"asem/graphql"
	"asem/projections"
)

// serveCmd serves studies until it is interrupted.
type serveCmd struct {
	storage
	Listen      string `help:"Address to serve on." default:"127.0.0.1:8080" env:"ASEM_LISTEN"`
	NATS        string `name:"nats" help:"Publish the log, sealed as it is, to the NATS JetStream at this address." env:"ASEM_NATS" placeholder:"URL"`
	NATSStream  string `name:"nats-stream" help:"The stream." default:"ASEM" env:"ASEM_NATS_STREAM"`
	NATSSubject string `name:"nats-subject" help:"What its subjects begin with: then come study and type." default:"asem.events" env:"ASEM_NATS_SUBJECT"`
}

func (c *serveCmd) Help() string {
	return `Serves the pages and GraphQL. Who may read what stands in tokens.json in the data folder; see asem token.

Examples:
  asem serve --data study
  asem serve --postgres postgres://asem@localhost/asem --listen :8080`
}

func (c *serveCmd) Run(ctx context.Context, io streams) error {
	if _, err := readTokens(c.tokenFile()); err != nil {
		return err
	}
	who := &tokenFile{path: c.tokenFile()}
	return c.withWhatStands(ctx, newLogger(io.err), func(h *house) error {
		s := serving{listen: c.Listen, authenticate: who.authenticate}
		if c.NATS != "" {
			to, err := feed.ConnectNATS(c.NATS, c.NATSStream, c.NATSSubject)
			if err != nil {
				return &domain.Error{Code: domain.Unavailable, Path: "--nats", Message: "the log cannot be published to NATS", Err: err}
			}
			defer func() { _ = to.Close() }() // nothing is under way any more
			s.outward = feed.NewOutward(outwardName, to, c.NATSSubject, h.read)
		}
		return h.serve(ctx, io, s)
	})
}

// serving says how to serve.
type serving struct {
	listen       string
	authenticate func(*http.Request) (graphql.Viewer, error)
	links        func(base string) []string // printed once the address is known
	outward      feed.Consumer              // nil: the log is not published
}

// outwardName names what publishes the log, among consumers and bookmarks.
const outwardName = "outward"

// demoTokens makes a token for the studies of the demo, for as long as it runs, and the link that carries it.
func demoTokens(studies ...string) (tokens, func(base string) []string) {
	token, keeper := newToken(), newToken()
	known := tokens{hashOf(token): {Role: domain.ActorResearcher, Studies: studies}, hashOf(keeper): {Role: operator}}
	return known, func(base string) []string {
		// A fragment never leaves the browser: it stands in no log and no referrer.
		return []string{
			"Sign in as researcher (read only): " + base + "/query#token=" + token,
			"Look after the server: " + base + "/admin (any user name, password " + keeper + ")",
		}
	}
}

// serve serves until ctx ends, then lets requests finish.
func (h *house) serve(ctx context.Context, io streams, s serving) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.listen)
	if err != nil {
		return &domain.Error{Code: domain.Invalid, Path: "--listen", Message: fmt.Sprintf("cannot serve on %s: the address is taken or not this machine's", s.listen), Err: err}
	}
	log := newLogger(io.err)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	following := make(chan error, 1)
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	consumers := make([]feed.Consumer, 0, len(projections.All(h.read)))
	for _, p := range projections.All(h.read) {
		consumers = append(consumers, p)
	}
	leader := h.read.Lead(ctx, log, outwardName)
	follower, err := feed.NewRouter(h.log, feed.Options{Logger: log, Registry: metrics, Leader: leader}, consumers...)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	h.exec = events.NewExecutor(measure(h.log, metrics))
	ops := &operations{house: h, follower: follower, leader: leader, logger: log, ctx: ctx}
	publishing := make(chan error, 1)
	if s.outward == nil {
		publishing <- nil
	} else {
		if ops.publisher, err = feed.NewRouter(h.archive, feed.Options{Logger: log, Leader: leader, Batch: 100}, s.outward); err != nil {
			return errors.Join(err, listener.Close())
		}
		go func() { publishing <- ops.publisher.Run(ctx) }()
	}
	metrics.MustRegister(ops)
	signing := make(chan struct{})
	go func() {
		defer close(signing)
		ops.signTrees(ctx)
	}()
	go func() { following <- follower.Run(ctx) }()
	live, fitting := projections.NewLive(h.read, h.log, log), make(chan struct{})
	go func() {
		defer close(fitting)
		live.Run(ctx)
	}()
	api, err := graphql.New(graphql.Config{Store: h.read, Live: live, Ledger: ledger{h.archive, h.keys.Signer()}, Authenticate: s.authenticate, Logger: log})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{
		Handler: ops.routes(api, metrics, s.authenticate), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
	base := "http://" + listener.Addr().String()
	fmt.Fprintf(io.out, "\nServing %s on %s (GraphQL: %s/graphql, query page: %s/query)\n", h.where, base, base, base)
	if s.links != nil {
		for _, l := range s.links(base) {
			fmt.Fprintln(io.out, l)
		}
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case <-ctx.Done():
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	}
	fmt.Fprintln(io.out, "stopping")
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = server.Shutdown(grace)
	<-signing
	<-fitting
	ops.work.Wait()
	leader.Ended()
	for _, ended := range []chan error{following, publishing} {
		if e := <-ended; e != nil && !errors.Is(e, context.Canceled) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// routes lists everything that is served.
func (o *operations) routes(api http.Handler, metrics *prometheus.Registry, authenticate func(*http.Request) (graphql.Viewer, error)) http.Handler {
	// Positions and counts tell when somebody answered, and so are not for everybody.
	isOperator := func(r *http.Request) bool {
		v, err := authenticate(r)
		return err == nil && v.Role == operator
	}
	mux := http.NewServeMux()
	mux.Handle("/graphql", api)
	mux.Handle("GET /healthz", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }))
	mux.Handle("GET /readyz", http.HandlerFunc(o.ready))
	mux.Handle("GET /metrics", onlyOperators(isOperator, promhttp.HandlerFor(metrics, promhttp.HandlerOpts{})))
	mux.Handle("/", web.New(web.Config{Endpoint: "/graphql", Examples: exampleQueries, Operator: o, IsOperator: isOperator}))
	return mux
}

// onlyOperators lets operators through.
func onlyOperators(isOperator func(*http.Request) bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !isOperator(r) {
			w.Header().Set("WWW-Authenticate", web.Challenge)
			http.Error(w, "Metrics are for operators. The password is the token that asem token --operator prints; the user name does not matter.", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
