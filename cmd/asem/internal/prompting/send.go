package prompting

import (
	"context"
	"errors"
	"time"

	"asem/cmd/asem/internal/prompting/texts"
	"asem/domain"
)

// launch sends a reminder beside everything else. It waits while too many are under way.
func (s *Scheduler) launch(ctx context.Context, j job) {
	select {
	case s.flights <- struct{}{}:
	case <-ctx.Done():
		return
	}
	s.mu.Lock()
	s.flying[j.prompt] = true
	s.mu.Unlock()
	s.done.Go(func() {
		next := s.Clock.Now()
		if err := s.deliver(ctx, j); err != nil {
			next = s.Clock.Now().Add(tryAgain)
		}
		s.mu.Lock()
		delete(s.flying, j.prompt)
		s.mu.Unlock()
		<-s.flights
		s.later(Couple{j.Study, j.Couple}, next)
	})
}

// deliver claims a reminder, hands it over and records what became of it. After an error nothing was handed over; it may be tried again.
func (s *Scheduler) deliver(ctx context.Context, j job) error {
	if !s.turn(ctx) {
		return ctx.Err()
	}
	past, err := s.Exec.Past(ctx, j.Study, j.Couple)
	if err != nil {
		return err
	}
	who, ok := past.Couple.Participant(j.Role)
	if !ok {
		return nil
	}
	ch := s.channel(recipient(past, who))
	if ch == nil {
		return nil
	}
	talk, err := s.open(ctx, ch)
	if err != nil {
		return nil //nolint:nilerr // it is known until when the channel is left alone
	}
	if claimed, err := s.claim(ctx, j); err != nil || !claimed {
		talk.end()
		return err
	}
	r, needed := s.hand(ctx, talk, j)
	until := s.Clock.Now().Add(patience)
	if j.latest.Before(until) {
		until = j.latest
	}
	for try := 0; needed && r.Outcome == NotNow; try++ {
		pause := min(firstPause<<min(try, 4), maxPause)
		if s.Clock.Now().Add(pause).After(until) || !s.sleep(ctx, pause, nil) {
			break
		}
		if talk, err = s.open(ctx, ch); err != nil {
			continue
		}
		r, needed = s.hand(ctx, talk, j)
	}
	reason := map[Outcome]string{Accepted: "", Refused: domain.PromptRefused, NotNow: domain.PromptUnreached, Uncertain: domain.PromptUncertain}[r.Outcome]
	if !needed {
		reason = domain.PromptNotNeeded
	}
	s.settle(ctx, j, ch, reason, r)
	return nil
}

// For how long a claimed reminder is handed over again while the other side says that it does not take it now, and at which intervals.
const (
	patience   = 15 * time.Minute
	firstPause = 15 * time.Second
	maxPause   = 4 * time.Minute
)

// turn waits until another letter may be sent; false if ctx ended first.
func (s *Scheduler) turn(ctx context.Context) bool {
	now := s.Clock.Now()
	wait := s.limit.ReserveN(now, 1).DelayFrom(now)
	return wait <= 0 || s.sleep(ctx, wait, nil)
}

// talk is an open session, and the place among conversations that it takes.
type talk struct {
	Session
	end func() // closes it
}

// openWithin bounds how long it may take until a channel is open.
const openWithin = 20 * time.Second

var errAway = errors.New("the channel is left alone for a while")

// open opens a channel. One that cannot be opened is left alone for a while.
func (s *Scheduler) open(ctx context.Context, ch Channel) (talk, error) {
	select {
	case s.talking <- struct{}{}:
	case <-ctx.Done():
		return talk{}, ctx.Err()
	}
	if s.Clock.Now().Before(s.awayUntil(ch)) {
		<-s.talking
		return talk{}, errAway
	}
	opening, cancel := context.WithTimeout(ctx, openWithin)
	session, err := ch.Open(opening)
	cancel()
	if err != nil {
		<-s.talking
		if ctx.Err() == nil {
			s.isAway(ch, err)
		}
		return talk{}, err
	}
	s.isThere(ch)
	return talk{session, func() {
		session.Close()
		<-s.talking
	}}, nil
}

// outage is a time in which a channel could not be opened.
type outage struct {
	since, until time.Time // until zero: it goes on
	again        time.Time // when it is tried again
}

func (s *Scheduler) isAway(ch Channel, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Clock.Now()
	o := s.outages[ch.Name()]
	if o == nil || !o.until.IsZero() {
		s.Logger.Warn("a channel for reminders is away", "channel", ch.Name(), "error", err.Error())
		o = &outage{since: now}
		s.outages[ch.Name()] = o
	}
	o.again = now.Add(tryAgain)
}

func (s *Scheduler) isThere(ch Channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.outages[ch.Name()]; o != nil && o.until.IsZero() {
		s.Logger.Info("a channel for reminders is there again", "channel", ch.Name())
		o.until = s.Clock.Now()
	}
}

// awayUntil returns when a channel may be tried again.
func (s *Scheduler) awayUntil(ch Channel) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch == nil || s.outages[ch.Name()] == nil || !s.outages[ch.Name()].until.IsZero() {
		return time.Time{}
	}
	return s.outages[ch.Name()].again
}

// wasAway reports whether a channel was away in a stretch of time.
func (s *Scheduler) wasAway(ch Channel, from, until time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch == nil || s.outages[ch.Name()] == nil {
		return false
	}
	o := s.outages[ch.Name()]
	return o.since.Before(until) && (o.until.IsZero() || o.until.After(from))
}

func (s *Scheduler) isFlying(prompt string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flying[prompt]
}

// claim records that a reminder is being sent, and reports whether it is this call that did. If that cannot be found out it is somebody else's.
func (s *Scheduler) claim(ctx context.Context, j job) (bool, error) {
	now := s.Clock.Now()
	if !now.Before(j.latest) || !s.Leads() {
		return false, nil
	}
	c := domain.SendPrompt{Study: j.Study, Couple: j.Couple, Role: j.Role, Prompt: j.prompt, At: now}
	r, err := s.order(ctx, order{idOf("claim", j.prompt).String(), c}, now)
	return err == nil && r.Events > 0 && !r.Duplicate, err
}

// hand hands a claimed reminder over and closes the session. It reports false, and hands over nothing, if the person does not need it any more.
func (s *Scheduler) hand(ctx context.Context, t talk, j job) (Result, bool) {
	defer t.end()
	past, err := s.Exec.Past(ctx, j.Study, j.Couple)
	if err != nil {
		return Result{NotNow, "log", 0}, true
	}
	now := s.Clock.Now()
	offer, ok := wanted(past, j, now)
	if !ok {
		return Result{}, false
	}
	l, err := s.letter(ctx, past, j, offer, now)
	if err != nil {
		s.Logger.Error("a letter cannot be written", "error", err.Error())
		return Result{Refused, "letter", 0}, true
	}
	return t.Send(ctx, l), true
}

// wanted finds what a claimed reminder is about, and reports false if there is nothing to remind of any more, or not at this hour.
func wanted(past domain.Past, j job, now time.Time) (domain.Offer, bool) {
	who, ok := past.Couple.Participant(j.Role)
	if !ok || !now.Before(j.latest) || !past.TakesPart(j.Role, j.occasion, now) {
		return domain.Offer{}, false
	}
	claimed := false
	for _, p := range past.Couple.Prompts(j.Role) {
		claimed = claimed || p.Code == j.prompt && !p.Sent.IsZero() && p.Accepted.IsZero() && p.Failed.IsZero()
	}
	for _, o := range past.Agenda(j.Role) {
		if o.Occasion == j.occasion {
			return o, claimed && o.Open(now) && !(night{who, o}).quiet(now)
		}
	}
	return domain.Offer{}, false
}

// letter writes what reminds a person of an offer. It is made of facts of that person alone.
func (s *Scheduler) letter(ctx context.Context, past domain.Past, j job, o domain.Offer, now time.Time) (Letter, error) {
	who, _ := past.Couple.Participant(j.Role)
	language := who.Language
	if language == "" {
		language = past.Study.Protocol.AskedIn()[0]
	}
	words := texts.For(language)
	site := past.Couple.Site
	if sites := past.Study.Protocol.Sites; site == "" && len(sites) > 0 {
		site = sites[0].Code
	}
	what := words.Wave
	if o.Burst != "" {
		what = words.Diary
	}
	closes := o.Window.Closes
	if !now.Before(closes) {
		closes = o.Window.Ends
	}
	l := Letter{ID: j.prompt, To: recipient(past, who), From: s.From.For(j.Study, site), Language: words.Tag, Link: s.Address, At: now.In(who.ZoneAt(now)), Expires: o.Window.Ends}
	if s.Linker != nil {
		link, err := s.Linker.Link(ctx, j.Participant, j.prompt, o.Window.Ends)
		if err != nil { // the person can still sign in on the page
			s.Logger.Warn("a letter goes out without a link of its own", "code", string(domain.CodeOf(err)))
		} else {
			l.Link = link
		}
	}
	var err error
	l.Rendered, err = words.Render(what, texts.Values{Link: l.Link, Until: words.Until(closes.In(who.ZoneAt(closes))), Subject: l.From.Subject[words.Tag], Name: l.From.Name})
	return l, err
}

// settle records what became of a reminder, also while the program ends. What cannot be recorded counts as uncertain later.
func (s *Scheduler) settle(ctx context.Context, j job, ch Channel, reason string, r Result) {
	s.count(ch, reason)
	if reason != "" && reason != domain.PromptNotNeeded {
		s.Logger.Warn("a reminder was not delivered", "channel", ch.Name(), "outcome", r.String())
	}
	for try := 0; ; try++ {
		now := s.Clock.Now()
		c := domain.SettlePrompt{Study: j.Study, Couple: j.Couple, Role: j.Role, Prompt: j.prompt, At: now, Reason: reason}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWishes)
		_, err := s.order(last, order{idOf("settle", j.prompt).String(), c}, now)
		cancel()
		if code := domain.CodeOf(err); err == nil || code == domain.NotFound || code == domain.Conflict || code == domain.Invalid {
			return // recorded, or the person was erased
		}
		if try == 5 || !s.sleep(ctx, tryAgain, nil) {
			return
		}
	}
}
