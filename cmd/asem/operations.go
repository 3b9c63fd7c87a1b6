package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"asem/cmd/asem/internal/web"
	"asem/domain"
	"asem/events/feed"
	"asem/events/proof"
	"asem/graphql"
	"asem/projections"
)

// operator is the capacity of those who keep a server running. It opens no data.
const operator domain.ActorRole = "operator"

// operations is what runs beside the answers to requests, and what operators see of it.
type operations struct {
	*house
	follower *feed.Router
	leader   *projections.Leadership
	logger   *slog.Logger
	ctx      context.Context // of the server
}

var _ web.Operator = (*operations)(nil)

// onlyOperators lets operators through. Positions and counts tell when somebody answered, and so are not for everybody.
func onlyOperators(authenticate func(*http.Request) (graphql.Viewer, error)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if v, err := authenticate(r); err != nil || v.Role != operator {
				w.Header().Set("WWW-Authenticate", `Basic realm="asem operations: the password is an operator's token", charset="UTF-8"`)
				http.Error(w, "This page is for operators. The password is the token that asem token --operator prints; the user name does not matter.", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Operations implements [web.Operator].
func (o *operations) Operations(ctx context.Context) (web.Operations, error) {
	page := web.Operations{Now: time.Now().UTC()}
	head, err := o.log.Head(ctx)
	if err != nil {
		return page, err
	}
	states, err := o.read.States(ctx)
	if err != nil {
		return page, err
	}
	page.Head = int64(head)
	driven := map[string]feed.State{}
	for _, s := range o.follower.States() {
		driven[s.Name] = s
	}
	for _, s := range states {
		d := driven[s.Projection]
		page.Models = append(page.Models, web.Model{Name: s.Projection, Version: s.Version, Position: int64(s.Position), Behind: max(0, int64(head-s.Position)),
			Leads: o.leader.Leads(s.Projection), Failure: d.Failure, Poison: d.Poison, Since: d.Since})
	}
	building, is, err := o.read.Building(ctx)
	if err != nil {
		return page, err
	}
	if is {
		page.Building = &web.Building{Since: building.Since, Done: int64(building.Position)}
		if took := time.Since(building.Since); building.Position > 0 {
			page.Building.Left = time.Duration(float64(took) * float64(head-building.Position) / float64(building.Position)).Round(time.Second)
		}
	}
	signed, err := o.archive.SignedTrees(ctx, "")
	if err != nil {
		return page, err
	}
	for i, t := range signed {
		if i+1 == len(signed) || signed[i+1].Study != t.Study {
			page.Trees = append(page.Trees, web.Tree{Study: t.Study, Size: t.Size, Position: int64(t.Position), SignedAt: t.SignedAt})
		}
	}
	return page, nil
}

// Rebuild implements [web.Operator].
func (o *operations) Rebuild(ctx context.Context) error {
	if b, is, err := o.read.Building(ctx); err != nil || is {
		if err == nil {
			err = &domain.Error{Code: domain.Conflict, Message: fmt.Sprintf("a rebuild is under way since %s", b.Since.Format(time.RFC3339))}
		}
		return err
	}
	go func() {
		began := time.Now()
		err := projections.Rebuild(o.ctx, o.log, o.read, projections.Grace, nil)
		switch {
		case errors.Is(err, context.Canceled):
		case err != nil:
			o.logger.Error("the read models were not rebuilt", "error", err.Error())
		default:
			o.logger.Info("the read models were rebuilt", "took", time.Since(began).Round(time.Millisecond).String())
		}
	}()
	return nil
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

// ready answers whether the read models follow the log, and which stand still. It tells everybody, and so no more than that.
func (o *operations) ready(w http.ResponseWriter, r *http.Request) {
	page, err := o.Operations(r.Context())
	if err != nil {
		http.Error(w, "the log or the read models cannot be read", http.StatusServiceUnavailable)
		return
	}
	status, lines := http.StatusOK, []string{}
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
		lines = append(lines, m.Name+": "+what)
	}
	w.WriteHeader(status)
	for _, l := range lines {
		fmt.Fprintln(w, l)
	}
}

var (
	headMetric     = prometheus.NewDesc("asem_log_head_position", "Position of the last event in the log.", nil, nil)
	positionMetric = prometheus.NewDesc("asem_read_model_position", "Position of the last event that a read model has applied.", []string{"model"}, nil)
	behindMetric   = prometheus.NewDesc("asem_read_model_behind_events", "Events that a read model has still to apply.", []string{"model"}, nil)
	failingMetric  = prometheus.NewDesc("asem_read_model_failing", "1 while a read model stands still.", []string{"model"}, nil)
	poisonMetric   = prometheus.NewDesc("asem_read_model_poison", "1 while a read model stands before an event that cannot be read.", []string{"model"}, nil)
	leadsMetric    = prometheus.NewDesc("asem_read_model_leads", "1 while this server drives a read model.", []string{"model"}, nil)
)

// Describe implements [prometheus.Collector].
func (o *operations) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{headMetric, positionMetric, behindMetric, failingMetric, poisonMetric, leadsMetric} {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (o *operations) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(o.ctx, 5*time.Second)
	defer cancel()
	page, err := o.Operations(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(headMetric, err)
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	flag := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	gauge(headMetric, float64(page.Head))
	for _, m := range page.Models {
		gauge(positionMetric, float64(m.Position), m.Name)
		gauge(behindMetric, float64(m.Behind), m.Name)
		gauge(failingMetric, flag(m.Failure != ""), m.Name)
		gauge(poisonMetric, flag(m.Poison), m.Name)
		gauge(leadsMetric, flag(m.Leads), m.Name)
	}
}
