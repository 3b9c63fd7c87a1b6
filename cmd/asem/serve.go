package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"asem/cmd/asem/internal/access"
	"asem/cmd/asem/internal/prompting"
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
	promptingFlags
	Listen      string   `help:"Address to serve on." default:"127.0.0.1:8080" env:"ASEM_LISTEN"`
	URL         string   `name:"url" help:"Address at which people reach this server, as https://study.example. Default: where it listens." env:"ASEM_URL" placeholder:"URL"`
	Proxies     []string `name:"proxy" help:"Networks of the proxies before this server, whose X-Forwarded-For counts." default:"127.0.0.0/8,::1/128" env:"ASEM_PROXY" placeholder:"CIDR"`
	NATS        string   `name:"nats" help:"Publish the log, sealed as it is, to the NATS JetStream at this address." env:"ASEM_NATS" placeholder:"URL"`
	NATSStream  string   `name:"nats-stream" help:"The stream." default:"ASEM" env:"ASEM_NATS_STREAM"`
	NATSSubject string   `name:"nats-subject" help:"What its subjects begin with: then come study and type." default:"asem.events" env:"ASEM_NATS_SUBJECT"`
}

func (c *serveCmd) Help() string {
	return `Serves the pages and GraphQL. Who may read what stands in tokens.json in the data folder; see asem token.

Examples:
  asem serve --data study
  asem serve --postgres postgres://asem@localhost/asem --listen :8080 --url https://study.example
  asem serve --data study --url https://study.example --smtp smtp://asem@mail.lab.example --mail-from 'Journal <journal@lab.example>'`
}

func (c *serveCmd) Run(ctx context.Context, io streams) error {
	if _, err := readTokens(c.tokenFile()); err != nil {
		return err
	}
	proxies, err := networks(c.Proxies)
	if err != nil {
		return err
	}
	if err := checkURL(c.URL); err != nil {
		return err
	}
	reach, err := c.reach()
	if err != nil {
		return err
	}
	who := &tokenFile{path: c.tokenFile()}
	return c.withWhatStands(ctx, newLogger(io.err), func(h *house) error {
		s := serving{reach: reach, listen: c.Listen, url: strings.TrimRight(c.URL, "/"), proxies: proxies, authenticate: who.authenticate}
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
	url          string         // at which people reach the server; empty: where it listens
	proxies      []netip.Prefix // whose word about the address of a visitor counts
	authenticate func(*http.Request) (graphql.Viewer, error)
	links        func(base string) []string // printed once the address is known
	outward      feed.Consumer              // nil: the log is not published
	reach        reach                      // how participants are reminded
	recordings   *projections.Recordings    // set by serve
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

// demoStaff makes accounts for the demo, and returns how to get into them. A set-up link is a new one each time until it is used. The coder gets the
// synthetic videos of the first study for training.
func (h *house) demoStaff(ctx context.Context, studies ...string) (func(base string) []string, error) {
	type account struct{ name, setup string }
	var accounts []account
	for _, role := range []domain.ActorRole{domain.ActorCoordinator, domain.ActorResearcher, domain.ActorCoder, domain.ActorClinician} {
		a := account{name: "demo-" + string(role)}
		for _, study := range studies {
			u, setup, err := h.access.AddUser(ctx, a.name, study, role)
			if err != nil && domain.CodeOf(err) != domain.Conflict { // disabled
				return nil, err
			}
			a.setup = setup
			if role == domain.ActorCoder && err == nil && study == studies[0] {
				if err := h.demoTraining(ctx, study, u.User); err != nil {
					return nil, err
				}
			}
		}
		accounts = append(accounts, a)
	}
	return func(base string) (lines []string) {
		for _, a := range accounts {
			line := fmt.Sprintf("Sign in as %s: %s/staff/in", a.name, base)
			if a.setup != "" {
				line = fmt.Sprintf("Set up %s (staff, once): %s", a.name, setupLink(base, a.setup))
			}
			lines = append(lines, line)
		}
		return lines
	}, nil
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
	leader := h.read.Lead(ctx, log, outwardName, prompting.Name)
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
	base := "http://" + listener.Addr().String()
	if s.url == "" {
		s.url = base
	}
	if ops.prompter, ops.prompting, err = h.prompter(s.reach, s.url, leader, log); err != nil {
		return errors.Join(err, listener.Close())
	}
	reminding, looking := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(reminding)
		ops.prompter.Run(ctx)
	}()
	go func() { looking <- ops.prompting.Run(ctx) }()
	metrics.MustRegister(ops, ops.prompter)
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
	sessions := access.NewSessions(h.access, strings.HasPrefix(s.url, "https://"), func(w http.ResponseWriter, _ *http.Request, err error) { web.Failed(log, w, err) })
	api, err := graphql.New(graphql.Config{Store: h.read, Live: live, Ledger: ledger{h.archive, h.keys.Signer()}, Authenticate: orSession(s.authenticate, sessions), Logger: log})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := h.openVideos(log); err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := h.videos.Start(ctx); err != nil {
		return errors.Join(err, listener.Close())
	}
	s.recordings = projections.NewRecordings(h.log)
	sweeping := make(chan struct{})
	go func() {
		defer close(sweeping)
		var sweeps sync.WaitGroup
		sweeps.Go(func() { h.sweepVideos(ctx, log, s.recordings) })
		h.sweepAccess(ctx, log)
		sweeps.Wait()
	}()
	server := &http.Server{
		Handler: ops.routes(api, metrics, s, sessions), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
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
	<-sweeping
	<-reminding
	if s.reach.mail != nil {
		s.reach.mail.Close()
	}
	h.videos.Wait()
	ops.work.Wait()
	leader.Ended()
	for _, ended := range []chan error{following, publishing, looking} {
		if e := <-ended; e != nil && !errors.Is(e, context.Canceled) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// routes lists everything that is served.
func (o *operations) routes(api http.Handler, metrics *prometheus.Registry, s serving, sessions *access.Sessions) http.Handler {
	// Positions and counts tell when somebody answered, and so are not for everybody.
	isOperator := func(r *http.Request) bool {
		v, err := s.authenticate(r)
		return err == nil && v.Role == operator
	}
	var links web.LinkSender
	var inviter web.Inviter
	if s.reach.mail != nil {
		links, inviter = signInMail{s.reach.mail, o.exec}, s.reach.mail
	}
	mux := http.NewServeMux()
	mux.Handle("/graphql", sessions.Wrap(api))
	mux.Handle("GET /healthz", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }))
	mux.Handle("GET /readyz", http.HandlerFunc(o.ready))
	mux.Handle("GET /metrics", onlyOperators(isOperator, promhttp.HandlerFor(metrics, promhttp.HandlerOpts{})))
	mux.Handle("/", sessions.Wrap(web.New(web.Config{
		Endpoint: "/graphql", Examples: exampleQueries, Operator: o, IsOperator: isOperator,
		Access: o.access, Sessions: sessions, Links: links, Inviter: inviter, Base: s.url, Proxies: s.proxies, Logger: o.logger, Executor: o.exec, Board: projections.NewBoard(o.log), Desk: projections.NewDesk(o.log),
		Videos: o.videos, Recordings: s.recordings,
	})))
	return mux
}

// orSession finds out who asks: by a token, or else by the session of a member of staff, which counts where it makes a researcher or coordinator.
func orSession(byToken func(*http.Request) (graphql.Viewer, error), sessions *access.Sessions) func(*http.Request) (graphql.Viewer, error) {
	return func(r *http.Request) (graphql.Viewer, error) {
		v, err := byToken(r)
		if err != nil || v.SignedIn() {
			return v, err
		}
		u, ok, err := sessions.Staff(r.Context())
		if err != nil || !ok {
			return graphql.Viewer{}, err
		}
		// GraphQL lets researchers and coordinators of a study see the same, and so one role speaks for all their studies.
		for _, role := range []domain.ActorRole{domain.ActorResearcher, domain.ActorCoordinator} {
			if len(u.Studies(role)) > 0 {
				return graphql.Viewer{Role: role, Studies: u.Studies(domain.ActorResearcher, domain.ActorCoordinator)}, nil
			}
		}
		return graphql.Viewer{}, nil
	}
}

// sweepAccess removes expired sessions and links once in a while.
func (h *house) sweepAccess(ctx context.Context, log *slog.Logger) {
	for tick := time.NewTicker(10 * time.Minute); ; {
		if err := h.access.Sweep(ctx); err != nil && ctx.Err() == nil {
			log.Error("expired sessions could not be removed", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
	}
}

func networks(list []string) (prefixes []netip.Prefix, err error) {
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, &domain.Error{Code: domain.Invalid, Path: "--proxy", Message: fmt.Sprintf("%q is not a network; expected one like 10.0.0.0/8 or 10.1.2.3/32", text)}
		}
		prefixes = append(prefixes, p.Masked())
	}
	return prefixes, nil
}

// checkURL checks the address at which people reach the server; none is fine.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if text == "" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == "" && u.User == nil {
		return nil
	}
	return &domain.Error{Code: domain.Invalid, Path: "--url", Message: "expected an address like https://study.example, without a path"}
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
