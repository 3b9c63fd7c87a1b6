package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"asem/cmd/asem/internal/prompting"
	"asem/cmd/asem/internal/web"
	"asem/domain"
	"asem/events"
	"asem/events/feed"
	"asem/events/proof"
	"asem/projections"
)

// operator is the capacity of those who keep a server running. It opens no data.
const operator domain.ActorRole = "operator"

// operations is what runs beside the answers to requests, and what operators see of it.
type operations struct {
	*house
	follower  *feed.Router
	publisher *feed.Router // nil: the log is not published
	prompter  *prompting.Scheduler
	prompting *feed.Router // drives the prompter
	leader    *projections.Leadership
	logger    *slog.Logger
	ctx       context.Context // of the server
	readiness readiness
	work      sync.WaitGroup // what operators asked for

	mu    sync.Mutex
	built *web.Built
}

var _ web.Operator = (*operations)(nil)

// patience is how long a read model that another server leads may leave an event alone before it counts as standing still.
const patience = 10 * time.Second

// Operations implements [web.Operator].
func (o *operations) Operations(ctx context.Context) (web.Operations, error) {
	page, err := o.standing(ctx)
	if err != nil {
		return page, err
	}
	building, is, err := o.read.Building(ctx)
	if err != nil {
		return page, err
	}
	if is {
		page.Building = &web.Building{Since: building.Since, Done: int64(building.Position)}
		if took := page.Now.Sub(building.Since); building.Position > 0 && took > 0 {
			page.Building.Rate = float64(building.Position) / took.Seconds()
			page.Building.Left = time.Duration(float64(page.Head-int64(building.Position)) / page.Building.Rate * float64(time.Second)).Round(time.Second)
		}
	}
	o.mu.Lock()
	page.Built = o.built
	o.mu.Unlock()
	page.Reminders = o.reminders()
	signed, err := o.archive.LastSignedTrees(ctx, "")
	if err != nil {
		return page, err
	}
	for _, t := range signed {
		page.Trees = append(page.Trees, web.Tree{Study: t.Study, Size: t.Size, Position: int64(t.Position), SignedAt: t.SignedAt})
	}
	return page, nil
}

// standing tells where everything that follows the log stands.
func (o *operations) standing(ctx context.Context) (web.Operations, error) {
	page := web.Operations{Now: time.Now().UTC()}
	states, err := o.read.States(ctx) // before the head, which would otherwise be behind them
	if err != nil {
		return page, err
	}
	head, err := o.log.Head(ctx)
	if err != nil {
		return page, err
	}
	page.Head = int64(head)
	next := map[events.Position]waiting{}
	follower := func(f web.Follower, driven *feed.Router) web.Follower {
		at := events.Position(f.Position)
		f.Behind, f.Leads = max(0, int64(head-at)), o.leader.Leads(f.Name)
		if f.Behind > 0 {
			w, ok := next[at]
			if !ok {
				w = o.next(ctx, at)
				next[at] = w
			}
			f.BehindFor = max(0, page.Now.Sub(w.recorded).Round(time.Second))
			if !f.Leads && f.BehindFor > patience {
				f.Failure, f.Poison, f.At, f.Type = w.reason, w.poison, int64(w.at), w.eventType
			}
		}
		for _, s := range driven.States() {
			if s.Name == f.Name && s.Failure != "" && f.Leads {
				f.Failure, f.Poison, f.At, f.Type, f.Since = s.Failure, s.Poison, int64(s.At), s.Type, s.Since
			}
		}
		return f
	}
	for _, s := range states {
		page.Models = append(page.Models, follower(web.Follower{Name: s.Projection, Version: s.Version, Position: int64(s.Position)}, o.follower))
	}
	if o.publisher != nil {
		at, err := o.read.Bookmark(ctx, outwardName)
		if err != nil {
			return page, err
		}
		f := follower(web.Follower{Name: outwardName, Position: int64(at)}, o.publisher)
		page.Outward = &f
	}
	return page, nil
}

// waiting is an event that has not been applied, and what may stand in the way.
type waiting struct {
	recorded  time.Time
	at        events.Position
	eventType string
	poison    bool
	reason    string
}

// next looks at the event behind a position: where a read model stands before an event that cannot be read, it is that one.
func (o *operations) next(ctx context.Context, after events.Position) waiting {
	list, err := o.log.Read(ctx, after, 1)
	switch {
	case err != nil:
		return waiting{recorded: time.Now(), poison: errors.Is(err, events.ErrDamaged), reason: err.Error()}
	case len(list) == 0:
		return waiting{recorded: time.Now()}
	}
	w := waiting{recorded: list[0].RecordedAt, at: list[0].Position, eventType: list[0].Type, reason: "the server that leads it does not apply it"}
	if _, err := events.Decode(list[0]); err != nil && !errors.Is(err, events.ErrErased) {
		w.poison, w.reason = true, strings.TrimPrefix(err.Error(), fmt.Sprintf("event %d: ", w.at))
	}
	return w
}

// TryNow implements [web.Operator].
func (o *operations) TryNow(ctx context.Context, name string) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, r := range []*feed.Router{o.follower, o.publisher, o.prompting} {
		if r == nil {
			continue
		}
		if s, err := r.TryNow(ctx, name); err == nil {
			if s.Failure != "" {
				return fmt.Sprintf("Tried %s again: it still stands still.", name), true
			}
			return fmt.Sprintf("Tried %s again: it goes on.", name), true
		}
	}
	return "", false
}

// Rebuild implements [web.Operator].
func (o *operations) Rebuild(ctx context.Context) error {
	if b, is, err := o.read.Building(ctx); err != nil || is {
		if err == nil {
			err = &domain.Error{Code: domain.Conflict, Message: fmt.Sprintf("a rebuild is under way since %s", b.Since.Format(time.RFC3339))}
		}
		return err
	}
	o.work.Go(o.rebuild)
	return nil
}

func (o *operations) rebuild() {
	began := time.Now()
	err := projections.Replace(o.ctx, o.log, o.read, projections.Grace, nil)
	if o.ctx.Err() != nil {
		return // going down
	}
	built := &web.Built{At: time.Now().UTC(), Took: time.Since(began).Round(time.Millisecond)}
	if err != nil {
		built.Failure = err.Error()
		o.logger.Error("the read models were not rebuilt", "error", built.Failure)
	} else {
		o.logger.Info("the read models were rebuilt", "took", built.Took.String())
	}
	o.mu.Lock()
	o.built = built
	o.mu.Unlock()
	if err != nil {
		return
	}
	select {
	case <-o.ctx.Done(): // the next rebuild empties what was replaced
		return
	case <-time.After(projections.Grace):
	}
	if err := o.read.EmptyReplaced(o.ctx); err != nil && o.ctx.Err() == nil {
		o.logger.Warn("the read models that were replaced could not be emptied", "error", err.Error())
	}
}

// signEvery is how often the trees of studies that grew are signed.
const signEvery = time.Minute

// signTrees signs the trees of all studies, now and then, until ctx ends.
func (o *operations) signTrees(ctx context.Context) {
	for {
		if err := o.signAll(ctx); err != nil && ctx.Err() == nil {
			o.logger.Warn("a tree could not be signed", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(signEvery):
		}
	}
}

func (o *operations) signAll(ctx context.Context) error {
	view, err := o.read.View(ctx, projections.AsOf{})
	if err != nil {
		return err
	}
	for after := ""; ; {
		page, err := view.Studies(ctx, projections.Page{First: 100, After: after})
		if err != nil {
			return err
		}
		for _, s := range page.Items {
			if _, err := proof.Sign(ctx, o.archive, o.keys.Signer(), s.Code, time.Now()); err != nil {
				return err
			}
			after = s.Code
		}
		if !page.HasNext {
			return nil
		}
	}
}

// readiness is what was last found out for everybody who asks, often and without leave.
type readiness struct {
	mu     sync.Mutex
	at     time.Time
	status int
	text   string
}

// readyEvery is how often the databases are asked for it.
const readyEvery = 500 * time.Millisecond

// lagAllowed is how far read models may be behind the log and still be called ready.
const lagAllowed = 10_000

// ready answers whether the read models follow the log, and which stand still. It tells everybody, and so no more than that.
func (o *operations) ready(w http.ResponseWriter, r *http.Request) {
	known := &o.readiness
	known.mu.Lock()
	defer known.mu.Unlock()
	if time.Since(known.at) >= readyEvery {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 5*time.Second)
		defer cancel()
		known.status, known.text = o.isReady(ctx)
		known.at = time.Now()
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(known.status)
	fmt.Fprint(w, known.text)
}

func (o *operations) isReady(ctx context.Context) (status int, text string) {
	page, err := o.standing(ctx)
	if err != nil {
		return http.StatusServiceUnavailable, "the log or the read models cannot be read\n"
	}
	status, lines := http.StatusOK, strings.Builder{}
	for _, m := range page.Models {
		what := "ready"
		switch {
		case m.Failure != "" && m.Poison:
			status, what = http.StatusServiceUnavailable, "stands still before an event that cannot be read"
		case m.Failure != "":
			status, what = http.StatusServiceUnavailable, "stands still"
		case m.Behind > lagAllowed:
			status, what = http.StatusServiceUnavailable, "catching up"
		}
		fmt.Fprintf(&lines, "%s: %s\n", m.Name, what)
	}
	return status, lines.String() + o.remindersReady()
}
