package prompting

import (
	"slices"
	"strings"
	"time"

	"asem/domain"
)

// How far ahead reminders are put into the ledger, and how long after a claim its outcome is waited for: longer than any attempt takes.
const (
	horizon = 24 * time.Hour
	doubt   = 30 * time.Minute
)

// round is what is to be done for a couple, each partner by itself.
type round struct {
	orders []order
	send   []job
	next   time.Time // when to look again; zero: when something happens
}

// order is a command with an id that is the same whenever and by whomever it is given.
type order struct {
	id      string
	command domain.Command
}

// job is a reminder whose time has come.
type job struct {
	Participant
	prompt     string
	occasion   domain.Occasion
	at, latest time.Time
}

func (r *round) order(c domain.Command, words ...string) {
	r.orders = append(r.orders, order{idOf(words...).String(), c})
}

// again asks to look again at a time.
func (r *round) again(at time.Time) {
	if r.next.IsZero() || at.Before(r.next) {
		r.next = at
	}
}

// look finds out what is to be done for a couple. It changes nothing.
func (s *Scheduler) look(past domain.Past, now time.Time) *round {
	r := &round{}
	if past.Study.Protocol.Version == 0 || !past.Couple.Exists() {
		return r
	}
	for i := range past.Couple.Participants {
		who := &past.Couple.Participants[i]
		r.close(past, who, now)
		s.remind(past, who, now, r)
	}
	return r
}

// close notes what ended without an answer. Whoever agreed only after the end was never asked.
func (r *round) close(past domain.Past, who *domain.Participant, now time.Time) {
	study, couple := past.Couple.Study, past.Couple.Code
	for _, o := range past.Agenda(who.Role) {
		scope := domain.ScopeQuestionnaires
		if o.Burst != "" {
			scope = domain.ScopeDiary
		}
		switch {
		case !o.Asked, o.Missed, o.Received > 0, !who.Consents[scope].At.Before(o.Window.Ends):
		case now.Before(o.Window.Ends):
			r.again(o.Window.Ends)
		case o.Burst != "":
			r.order(domain.CloseDiaryDay{Study: study, Couple: couple, Role: who.Role, Burst: o.Burst, Day: o.Day, At: now}, "close", study, couple, string(who.Role), occasionName(o.Occasion))
		default:
			r.order(domain.CloseWave{Study: study, Couple: couple, Role: who.Role, Wave: o.Wave, At: now}, "close", study, couple, string(who.Role), occasionName(o.Occasion))
		}
	}
}

// remind brings a person's ledger forward.
func (s *Scheduler) remind(past domain.Past, who *domain.Participant, now time.Time, r *round) {
	to := Participant{past.Couple.Study, past.Couple.Code, who.Role}
	plan := s.Planner.Plan(past, who.Role, now)
	ledger := past.Couple.Prompts(who.Role)
	known := func(d Due) bool {
		return slices.ContainsFunc(ledger, func(p domain.Prompt) bool { return p.Code == d.Prompt })
	}
	if len(s.Channels) > 0 {
		name := s.Channels[0].Name()
		if ch := s.channel(recipient(past, who)); ch != nil {
			name = ch.Name()
		}
		for _, d := range plan {
			switch from := d.At.Add(-horizon); {
			case known(d) || !now.Before(d.Latest): // what nobody knew of in time is not made up for
			case now.Before(from):
				r.again(from)
			default:
				c := domain.SchedulePrompt{Study: to.Study, Couple: to.Couple, Role: to.Role, Prompt: d.Prompt, Occasion: d.Occasion, Channel: name, At: d.At}
				r.order(c, "schedule", d.Prompt)
				ledger = append(ledger, domain.Prompt{Code: d.Prompt, Role: to.Role, Occasion: d.Occasion, Channel: name, At: d.At})
			}
		}
	}
	slices.SortFunc(ledger, func(a, b domain.Prompt) int { return strings.Compare(a.Code, b.Code) })
	var due []job
	for _, p := range ledger {
		switch i := slices.IndexFunc(plan, func(d Due) bool { return d.Prompt == p.Code }); {
		case !p.Accepted.IsZero() || !p.Failed.IsZero() || s.isFlying(p.Code):
		case !p.Sent.IsZero(): // whoever claimed it has not said what became of it
			if at := p.Sent.Add(doubt); now.Before(at) {
				r.again(at)
			} else {
				r.order(domain.SettlePrompt{Study: to.Study, Couple: to.Couple, Role: to.Role, Prompt: p.Code, At: now, Reason: domain.PromptUncertain}, "settle", p.Code)
			}
		case i < 0: // answered, ended or not asked any more
			if now.Before(p.At) {
				r.again(p.At)
			} else {
				r.drop(to, p.Code, now, unplanned(past, who.Role, p.Occasion, now))
			}
		case now.Before(plan[i].At):
			r.again(plan[i].At)
		case !now.Before(plan[i].Latest):
			reason := domain.PromptOverdue
			if s.wasAway(s.channel(recipient(past, who)), plan[i].At, plan[i].Latest) {
				reason = domain.PromptUnreached
			}
			r.drop(to, p.Code, now, reason)
		default:
			due = append(due, job{to, p.Code, p.Occasion, plan[i].At, plan[i].Latest})
		}
	}
	slices.SortFunc(due, func(a, b job) int { return a.at.Compare(b.at) })
	for i, j := range due {
		if slices.ContainsFunc(due[i+1:], func(later job) bool { return later.occasion == j.occasion }) {
			r.drop(to, j.prompt, now, domain.PromptOverdue) // of several about the same thing, after an outage, only the last goes out
			continue
		}
		s.sendOrWait(past, who, j, now, r)
	}
}

// sendOrWait sends a reminder that is due, if there is a way to the person and it is not closed at the moment.
func (s *Scheduler) sendOrWait(past domain.Past, who *domain.Participant, j job, now time.Time, r *round) {
	ch := s.channel(recipient(past, who))
	switch until := s.awayUntil(ch); {
	case len(s.Channels) == 0:
		r.again(j.latest)
	case ch == nil:
		r.drop(j.Participant, j.prompt, now, domain.PromptNoAddress)
	case now.Before(until):
		r.again(until)
	default:
		r.send = append(r.send, j)
		r.again(j.latest)
	}
}

func (r *round) drop(to Participant, prompt string, now time.Time, reason string) {
	r.order(domain.DropPrompt{Study: to.Study, Couple: to.Couple, Role: to.Role, Prompt: prompt, At: now, Reason: reason}, "claim", prompt)
}

// unplanned tells why a reminder in the ledger is planned no more.
func unplanned(past domain.Past, r domain.Role, o domain.Occasion, now time.Time) string {
	for _, offer := range past.Agenda(r) {
		if offer.Occasion == o && offer.Asked && !offer.Done && !now.Before(offer.Window.Ends) {
			return domain.PromptOverdue
		}
	}
	return domain.PromptNotNeeded
}

func recipient(past domain.Past, who *domain.Participant) Recipient {
	return Recipient{Participant{past.Couple.Study, past.Couple.Code, who.Role}, who.Code, who.Email}
}

// channel returns the first channel that has a way to somebody; nil if none has.
func (s *Scheduler) channel(to Recipient) Channel {
	for _, c := range s.Channels {
		if c.Reaches(to) {
			return c
		}
	}
	return nil
}
