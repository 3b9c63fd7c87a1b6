package domain

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// The ledger of what reminds participants. A prompt goes through it in this order, each step at most once: scheduled, sent, then accepted or
// failed, opened. Sent is recorded before anything leaves, so that a crash in between loses a reminder rather than sends it twice.
type (
	// PromptScheduled: a participant will be reminded of something that is open.
	PromptScheduled struct {
		Role     Role      `json:"role"`
		Prompt   string    `json:"prompt"` // unique in the couple
		Occasion Occasion  `json:"occasion"`
		Channel  string    `json:"channel"` // "email", "webhook"
		At       time.Time `json:"at"`      // when it is to be sent; UTC
	}
	// PromptSent: it is being handed over. It is never handed over again.
	PromptSent struct {
		Role   Role      `json:"role"`
		Prompt string    `json:"prompt"`
		At     time.Time `json:"at"`
	}
	// PromptAccepted: the next mail server or provider took it.
	PromptAccepted struct {
		Role   Role      `json:"role"`
		Prompt string    `json:"prompt"`
		At     time.Time `json:"at"`
	}
	// PromptFailed: it was not taken, or is not sent any more.
	PromptFailed struct {
		Role   Role      `json:"role"`
		Prompt string    `json:"prompt"`
		At     time.Time `json:"at"`
		Reason string    `json:"reason"` // one of the PromptReason words; never what a server said, which may quote the address
	}
	// PromptOpened: the participant followed it.
	PromptOpened struct {
		Role   Role      `json:"role"`
		Prompt string    `json:"prompt"`
		At     time.Time `json:"at"`
	}
	// FormStarted: the participant opened what is asked at an occasion.
	FormStarted struct {
		Role     Role      `json:"role"`
		Occasion Occasion  `json:"occasion"`
		At       time.Time `json:"at"`
	}
)

// Why a prompt was not delivered.
const (
	PromptRefused   = "refused"    // the server or provider refused it for good
	PromptUnreached = "unreached"  // no server took it in time
	PromptUncertain = "uncertain"  // it was being handed over when the connection or the program broke off: it may have arrived, and is never sent again
	PromptOverdue   = "overdue"    // it could only be sent too late
	PromptNotNeeded = "not_needed" // answered, withdrawn, separated or erased before it was due
	PromptNoAddress = "no_address"
)

func (PromptScheduled) isEvent() {}
func (PromptSent) isEvent()      {}
func (PromptAccepted) isEvent()  {}
func (PromptFailed) isEvent()    {}
func (PromptOpened) isEvent()    {}
func (FormStarted) isEvent()     {}

// Prompt is one line of the ledger.
type Prompt struct {
	Code     string
	Role     Role
	Occasion Occasion
	Channel  string
	At       time.Time // scheduled for
	Sent     time.Time // zero: not yet
	Accepted time.Time
	Failed   time.Time
	Reason   string
	Opened   time.Time
}

// Pending reports whether it still waits to be sent.
func (p Prompt) Pending() bool { return p.Sent.IsZero() && p.Failed.IsZero() }

type startKey struct {
	role     Role
	occasion Occasion
}

func (c *Couple) applyPrompt(e Event) {
	change := func(code string, do func(*Prompt)) {
		if p, ok := c.prompts[code]; ok {
			do(&p)
			c.prompts[code] = p
		}
	}
	switch e := e.(type) {
	case PromptScheduled:
		set(&c.prompts, e.Prompt, Prompt{Code: e.Prompt, Role: e.Role, Occasion: e.Occasion, Channel: e.Channel, At: e.At})
	case PromptSent:
		change(e.Prompt, func(p *Prompt) { p.Sent = e.At })
	case PromptAccepted:
		change(e.Prompt, func(p *Prompt) { p.Accepted = e.At })
	case PromptFailed:
		change(e.Prompt, func(p *Prompt) { p.Failed, p.Reason = e.At, e.Reason })
	case PromptOpened:
		change(e.Prompt, func(p *Prompt) { p.Opened = e.At })
	case FormStarted:
		set(&c.started, startKey{e.Role, e.Occasion}, e.At)
	}
}

// Prompts returns the ledger of a participant, by the time for which reminders are scheduled, then by code.
func (c *Couple) Prompts(r Role) (list []Prompt) {
	for _, p := range c.prompts {
		if p.Role == r {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Prompt) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Code, b.Code)) })
	return list
}

// SchedulePrompt plans a reminder of something that the participant is asked and has not answered.
type SchedulePrompt struct {
	Study, Couple string
	Role          Role
	Prompt        string
	Occasion      Occasion
	Channel       string
	At            time.Time
}

func (c SchedulePrompt) Target() Target { return Target{c.Study, c.Couple} }

func (c SchedulePrompt) decide(p Past) ([]Event, error) {
	if _, err := p.needParticipant(c.Role); err != nil {
		return nil, err
	}
	if err := CheckCode("prompt", c.Prompt); err != nil {
		return nil, err
	}
	if _, ok := p.Couple.prompts[c.Prompt]; ok {
		return nil, nil
	}
	offer, err := p.offer(c.Role, c.Occasion)
	if err != nil {
		return nil, err
	}
	if c.At.Before(offer.Window.Opens) || !c.At.Before(offer.Window.Ends) {
		return nil, refuse(Conflict, "at", "nothing of this can be answered at that time")
	}
	return []Event{PromptScheduled{c.Role, c.Prompt, c.Occasion, c.Channel, c.At.UTC()}}, nil
}

// SendPrompt claims a scheduled prompt for sending. It gives an event only once, and only while there is something to remind of: whoever gets it sends.
type SendPrompt struct {
	Study, Couple string
	Role          Role
	Prompt        string
	At            time.Time
}

func (c SendPrompt) Target() Target { return Target{c.Study, c.Couple} }

func (c SendPrompt) decide(p Past) ([]Event, error) {
	prompt, err := p.prompt(c.Role, c.Prompt)
	if err != nil || !prompt.Pending() {
		return nil, err
	}
	offer, err := p.offer(c.Role, prompt.Occasion)
	if err != nil || !offer.Asked || offer.Done || offer.Missed || !p.TakesPart(c.Role, prompt.Occasion, c.At) {
		return []Event{PromptFailed{c.Role, c.Prompt, c.At.UTC(), PromptNotNeeded}}, nil //nolint:nilerr // what is no longer offered needs no reminder
	}
	if !c.At.Before(offer.Window.Ends) {
		return []Event{PromptFailed{c.Role, c.Prompt, c.At.UTC(), PromptOverdue}}, nil
	}
	return []Event{PromptSent{c.Role, c.Prompt, c.At.UTC()}}, nil
}

// DropPrompt gives up a prompt that nobody has claimed for sending.
type DropPrompt struct {
	Study, Couple string
	Role          Role
	Prompt        string
	At            time.Time
	Reason        string // why, one of the PromptReason words
}

func (c DropPrompt) Target() Target { return Target{c.Study, c.Couple} }

func (c DropPrompt) decide(p Past) ([]Event, error) {
	prompt, err := p.prompt(c.Role, c.Prompt)
	if err != nil || !prompt.Pending() {
		return nil, err
	}
	if c.Reason == "" {
		return nil, refuse(Invalid, "reason", "a prompt is not dropped without a reason")
	}
	return []Event{PromptFailed{c.Role, c.Prompt, c.At.UTC(), c.Reason}}, nil
}

// SettlePrompt records what became of a prompt that was sent: accepted, or failed for a reason.
type SettlePrompt struct {
	Study, Couple string
	Role          Role
	Prompt        string
	At            time.Time
	Reason        string // empty: accepted
}

func (c SettlePrompt) Target() Target { return Target{c.Study, c.Couple} }

func (c SettlePrompt) decide(p Past) ([]Event, error) {
	prompt, err := p.prompt(c.Role, c.Prompt)
	switch {
	case err != nil:
		return nil, err
	case !prompt.Accepted.IsZero() || !prompt.Failed.IsZero():
		return nil, nil
	case c.Reason != "":
		return []Event{PromptFailed{c.Role, c.Prompt, c.At.UTC(), c.Reason}}, nil
	case prompt.Sent.IsZero():
		return nil, refuse(Conflict, "prompt", "the prompt was not sent")
	}
	return []Event{PromptAccepted{c.Role, c.Prompt, c.At.UTC()}}, nil
}

// OpenPrompt records that a participant followed a prompt.
type OpenPrompt struct {
	Study, Couple string
	Role          Role
	Prompt        string
	At            time.Time
}

func (c OpenPrompt) Target() Target { return Target{c.Study, c.Couple} }

func (c OpenPrompt) decide(p Past) ([]Event, error) {
	prompt, err := p.prompt(c.Role, c.Prompt)
	if err != nil || !prompt.Opened.IsZero() {
		return nil, err
	}
	return []Event{PromptOpened{c.Role, c.Prompt, c.At.UTC()}}, nil
}

// StartForm records that a participant opened what is asked at an occasion; the first time counts.
type StartForm struct {
	Study, Couple string
	Role          Role
	Occasion      Occasion
	At            time.Time
}

func (c StartForm) Target() Target { return Target{c.Study, c.Couple} }

func (c StartForm) decide(p Past) ([]Event, error) {
	if _, err := p.offer(c.Role, c.Occasion); err != nil {
		return nil, err
	}
	if _, ok := p.Couple.started[startKey{c.Role, c.Occasion}]; ok {
		return nil, nil
	}
	return []Event{FormStarted{c.Role, c.Occasion, c.At.UTC()}}, nil
}

func (p Past) prompt(r Role, code string) (Prompt, error) {
	if _, err := p.needParticipant(r); err != nil {
		return Prompt{}, err
	}
	prompt, ok := p.Couple.prompts[code]
	if !ok || prompt.Role != r {
		return Prompt{}, refuse(NotFound, "prompt", "there is no such prompt")
	}
	return prompt, nil
}
