package prompting

import (
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"asem/domain"
)

// settlement is how a letter ended.
type settlement struct{ channel, outcome string }

func (s *Scheduler) count(ch Channel, reason string) {
	if reason == "" {
		reason = "accepted"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled[settlement{ch.Name(), reason}]++
}

// State is where the scheduler stands. It tells nothing of anybody.
type State struct {
	Channels []ChannelState // none: nothing is sent
	Couples  int            // looked after
	Due      int            // of them, those for whom there is something to do now
	Behind   time.Duration  // since the first of them was due
	UnderWay int            // letters
	Accepted int64          // letters since the program began
	Failed   int64
}

// ChannelState tells whether a channel could last be opened.
type ChannelState struct {
	Name string
	Away bool
}

// State returns where the scheduler stands.
func (s *Scheduler) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Clock.Now()
	st := State{Couples: len(s.couples), Due: s.queue.due(now), UnderWay: len(s.flying)}
	if _, at, ok := s.queue.first(); ok && at.Before(now) {
		st.Behind = now.Sub(at)
	}
	for _, c := range s.Channels {
		o := s.outages[c.Name()]
		st.Channels = append(st.Channels, ChannelState{c.Name(), o != nil && o.until.IsZero()})
	}
	for by, n := range s.settled {
		if by.outcome == "accepted" {
			st.Accepted += n
		} else {
			st.Failed += n
		}
	}
	return st
}

var (
	lettersMetric = prometheus.NewDesc("asem_prompts_settled_total", "Reminders that were claimed for sending, by what became of them.", []string{"channel", "outcome"}, nil)
	flyingMetric  = prometheus.NewDesc("asem_prompts_under_way", "Reminders that are being sent.", nil, nil)
	dueMetric     = prometheus.NewDesc("asem_prompting_due_couples", "Couples for whom there is something to do now.", nil, nil)
	behindMetric  = prometheus.NewDesc("asem_prompting_behind_seconds", "For how long the first of them has been waiting.", nil, nil)
	awayMetric    = prometheus.NewDesc("asem_prompting_channel_away", "1 while a channel cannot be opened.", []string{"channel"}, nil)
)

var _ prometheus.Collector = (*Scheduler)(nil)

// Describe implements [prometheus.Collector].
func (s *Scheduler) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{lettersMetric, flyingMetric, dueMetric, behindMetric, awayMetric} {
		to <- d
	}
}

// outcomes are shown from the start, so that a rate is one.
var outcomes = []string{"accepted", domain.PromptRefused, domain.PromptUnreached, domain.PromptUncertain, domain.PromptNotNeeded}

// Collect implements [prometheus.Collector].
func (s *Scheduler) Collect(to chan<- prometheus.Metric) {
	st := s.State()
	s.mu.Lock()
	settled := maps.Clone(s.settled)
	s.mu.Unlock()
	for _, c := range st.Channels {
		away := 0.0
		if c.Away {
			away = 1
		}
		to <- prometheus.MustNewConstMetric(awayMetric, prometheus.GaugeValue, away, c.Name)
		for _, o := range slices.Sorted(slices.Values(outcomes)) {
			to <- prometheus.MustNewConstMetric(lettersMetric, prometheus.CounterValue, float64(settled[settlement{c.Name, o}]), c.Name, o)
		}
	}
	to <- prometheus.MustNewConstMetric(flyingMetric, prometheus.GaugeValue, float64(st.UnderWay))
	to <- prometheus.MustNewConstMetric(dueMetric, prometheus.GaugeValue, float64(st.Due))
	to <- prometheus.MustNewConstMetric(behindMetric, prometheus.GaugeValue, st.Behind.Seconds())
}
