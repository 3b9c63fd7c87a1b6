package main

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"asem/cmd/asem/internal/web"
	"asem/domain"
	"asem/events"
)

var (
	headMetric    = prometheus.NewDesc("asem_log_head_position", "Position of the last event in the log.", nil, nil)
	modelMetrics  = newFollowerMetrics("asem_read_model", "a read model", "applied", "model")
	outwardMetric = newFollowerMetrics("asem_outward", "what publishes the log", "published")
)

// followerMetrics tell where something that follows the log stands.
type followerMetrics struct {
	position, behind, behindSeconds, failing, poison, leads *prometheus.Desc
}

func newFollowerMetrics(prefix, who, done string, labels ...string) followerMetrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prefix+"_"+name, help, labels, nil)
	}
	return followerMetrics{
		position:      desc("position", "Position of the last event that "+who+" has "+done+"."),
		behind:        desc("behind_events", "Events that "+who+" has not yet "+done+"."),
		behindSeconds: desc("behind_seconds", "How long ago the first of them was recorded."),
		failing:       desc("failing", "1 while "+who+" stands still."),
		poison:        desc("poison", "1 while "+who+" stands before an event that cannot be read."),
		leads:         desc("leads", "1 while this server drives "+who+"."),
	}
}

func (m followerMetrics) all() []*prometheus.Desc {
	return []*prometheus.Desc{m.position, m.behind, m.behindSeconds, m.failing, m.poison, m.leads}
}

func (m followerMetrics) collect(to chan<- prometheus.Metric, f web.Follower, labels ...string) {
	flag := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	values := []float64{float64(f.Position), float64(f.Behind), f.BehindFor.Seconds(), flag(f.Failure != ""), flag(f.Poison), flag(f.Leads)}
	for i, d := range m.all() {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, values[i], labels...)
	}
}

// Describe implements [prometheus.Collector].
func (o *operations) Describe(to chan<- *prometheus.Desc) {
	for _, d := range append(append([]*prometheus.Desc{headMetric}, modelMetrics.all()...), outwardMetric.all()...) {
		to <- d
	}
}

// Collect implements [prometheus.Collector].
func (o *operations) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(o.ctx, 5*time.Second)
	defer cancel()
	page, err := o.standing(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(headMetric, err)
		return
	}
	to <- prometheus.MustNewConstMetric(headMetric, prometheus.GaugeValue, float64(page.Head))
	for _, m := range page.Models {
		modelMetrics.collect(to, m, m.Name)
	}
	if page.Outward != nil {
		outwardMetric.collect(to, *page.Outward)
	}
}

// measuredLog counts what becomes of appends, and how long they take.
type measuredLog struct {
	events.Log
	appends *prometheus.CounterVec
	events  prometheus.Counter
	seconds prometheus.Histogram
}

// The outcomes of an append.
const (
	outcomeStored    = "stored"
	outcomeDuplicate = "duplicate" // the command had been stored before
	outcomeConflict  = "conflict"  // the stream had moved on; whoever appends decides anew
	outcomeInvalid   = "invalid"
	outcomeFull      = "full"
	outcomeAway      = "unavailable" // the database did not answer, or the log is closed
	outcomeCancelled = "cancelled"   // whoever appended went away; the outcome is not known
	outcomeFailed    = "failed"
)

// measure returns a log that keeps count in a registry.
func measure(log events.Log, registry prometheus.Registerer) *measuredLog {
	m := &measuredLog{
		Log:     log,
		appends: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "asem_log_appends_total", Help: "Appends by what became of them."}, []string{"outcome"}),
		events:  prometheus.NewCounter(prometheus.CounterOpts{Name: "asem_log_appended_events_total", Help: "Events that were stored."}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "asem_log_append_seconds", Help: "How long appends took that were stored.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15)}),
	}
	for _, o := range []string{outcomeStored, outcomeDuplicate, outcomeConflict, outcomeInvalid, outcomeFull, outcomeAway, outcomeCancelled, outcomeFailed} {
		m.appends.WithLabelValues(o) // shown from the start, so that a rate is one
	}
	registry.MustRegister(m.appends, m.events, m.seconds)
	return m
}

// Append implements [events.Log].
func (m *measuredLog) Append(ctx context.Context, a events.Append) (events.Receipt, error) {
	began := time.Now()
	r, err := m.Log.Append(ctx, a)
	outcome := outcomeOf(r, err)
	m.appends.WithLabelValues(outcome).Inc()
	if outcome == outcomeStored {
		m.events.Add(float64(r.Last - r.First + 1))
		m.seconds.Observe(time.Since(began).Seconds())
	}
	return r, err
}

func outcomeOf(r events.Receipt, err error) string {
	switch {
	case err == nil && r.Duplicate:
		return outcomeDuplicate
	case err == nil:
		return outcomeStored
	case errors.Is(err, events.ErrConflict):
		return outcomeConflict
	case errors.Is(err, events.ErrFull):
		return outcomeFull
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return outcomeCancelled
	case errors.Is(err, events.ErrClosed), domain.CodeOf(err) == domain.Unavailable:
		return outcomeAway
	case domain.CodeOf(err) == domain.Invalid:
		return outcomeInvalid
	}
	return outcomeFailed
}
