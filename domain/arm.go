package domain

import (
	"maps"
	"slices"
)

// RandomisationSeeded: the plan of randomisation was fixed, before anybody was randomised. It is sealed under a key of the study: who can read it knows
// every arm to come.
type RandomisationSeeded struct {
	Seed []byte `json:"seed"` // see Draw
}

// PlaceTaken: a couple, or one person of it, is the next to be randomised in its stratum. It stands with the study, so that no place is taken twice.
type PlaceTaken struct {
	Stratum string `json:"stratum"` // code of the site; empty: the only one
	Number  int    `json:"number"`  // from 1
	Unit    string `json:"unit"`    // code of the couple, or, where persons are randomised, that and the role: "017/A"
}

// ArmAssigned: chance put a couple, or one person of it, into an arm. It is sealed with the couple, and no page of participants names it.
type ArmAssigned struct {
	Role    Role   `json:"role,omitempty"` // empty: the couple
	Arm     string `json:"arm"`
	Stratum string `json:"stratum,omitempty"` // code of the site within which it was drawn
	Number  int    `json:"number,omitempty"`  // in the order of its stratum, from 1; 0: drawn elsewhere
}

// SessionHeld: a session took place, such as of couple therapy; the days of waves and diaries may be counted from it. A later one of the same number
// corrects the day.
type SessionHeld struct {
	Number int  `json:"number"` // from 1
	On     Date `json:"on"`
}

// ChangeNoted: a change event of the protocol happened, once.
type ChangeNoted struct {
	Code string `json:"code"`
	On   Date   `json:"on"`
}

func (RandomisationSeeded) isEvent() {}
func (PlaceTaken) isEvent()          {}
func (ArmAssigned) isEvent()         {}
func (SessionHeld) isEvent()         {}
func (ChangeNoted) isEvent()         {}

func (c *Couple) applyArm(e Event) {
	switch e := e.(type) {
	case ArmAssigned:
		set(&c.arms, e.Role, e.Arm)
	case SessionHeld:
		set(&c.sessions, e.Number, e.On)
	case ChangeNoted:
		set(&c.changes, e.Code, e.On)
	}
}

// Arm returns the arm of a participant; empty where nobody was randomised.
func (c *Couple) Arm(r Role) string {
	if a, ok := c.arms[r]; ok {
		return a
	}
	return c.arms[""]
}

// AssignArm puts a couple, or one person of it, into an arm. The draw itself comes in as a value, see [Study.Draw]; one with a number must be
// what the plan of randomisation says.
type AssignArm struct {
	Study, Couple string
	Role          Role // empty: the couple
	Arm           string
	Stratum       string // code of the couple's site; empty: the only one
	Number        int    // in the order of its stratum, from 1; 0: drawn elsewhere
}

func (c AssignArm) Target() Target { return Target{c.Study, c.Couple} }

func (c AssignArm) decide(p Past) ([]Event, error) {
	if err := p.needCouple(); err != nil {
		return nil, err
	}
	r := p.Study.Protocol.Randomise
	if r == nil {
		return nil, refuse(Conflict, "arm", "study %s randomises nobody", c.Study)
	}
	var k checks
	k.that((c.Role == "") == (r.Unit == RandomiseCouples), "role", "the protocol randomises by %s", r.Unit)
	if c.Role != "" {
		_, err := p.needParticipant(c.Role)
		k.add(err)
	}
	_, known := find(p.Study.Protocol.Arms, func(a Arm) bool { return a.Code == c.Arm })
	k.that(known, "arm", "there is no arm %q", c.Arm)
	k.that(c.Number >= 0, "number", "number %d of the order; expected 1 or more", c.Number)
	if err := k.err(); err != nil {
		return nil, err
	}
	if old, ok := p.Couple.arms[c.Role]; ok {
		if old == c.Arm {
			return nil, nil
		}
		return nil, refuse(Conflict, "arm", "chance has decided already, and decides once")
	}
	if c.Number > 0 {
		if planned, err := p.Study.Draw(c.Stratum, c.Number); err != nil {
			return nil, err
		} else if planned != c.Arm {
			return nil, refuse(Conflict, "arm", "this is not what was drawn for number %d", c.Number)
		}
	}
	return []Event{ArmAssigned{c.Role, c.Arm, c.Stratum, c.Number}}, nil
}

// unitName names who is randomised; without a role it is the couple.
func unitName(couple string, r Role) string {
	if r == "" {
		return couple
	}
	return couple + "/" + string(r)
}

// TakePlace lets a couple, or one person of it, be the next to be randomised in its stratum. It goes before [Randomise], in the same append.
type TakePlace struct {
	Study, Couple string
	Role          Role // empty: the couple
	Stratum       string
}

func (c TakePlace) Target() Target { return Target{Study: c.Study} }

func (c TakePlace) decide(p Past) ([]Event, error) {
	if err := p.needProtocol(); err != nil {
		return nil, err
	}
	if p.Study.Protocol.Randomise == nil {
		return nil, refuse(Conflict, "arm", "study %s randomises nobody", c.Study)
	}
	if _, ok := p.Study.places[unitName(c.Couple, c.Role)]; ok {
		return nil, nil
	}
	return []Event{PlaceTaken{c.Stratum, p.Study.taken[c.Stratum] + 1, unitName(c.Couple, c.Role)}}, nil
}

// Randomise puts a couple, or one person of it, into the arm that the plan has for the place it has taken.
type Randomise struct {
	Study, Couple string
	Role          Role // empty: the couple
}

func (c Randomise) Target() Target { return Target{c.Study, c.Couple} }

func (c Randomise) decide(p Past) ([]Event, error) {
	if err := p.needCouple(); err != nil {
		return nil, err
	}
	place, ok := p.Study.places[unitName(c.Couple, c.Role)]
	if !ok {
		return nil, refuse(Conflict, "arm", "it has no place in the order of randomisation")
	}
	if p.Couple.arms[c.Role] != "" {
		return nil, nil
	}
	arm, err := p.Study.Draw(place.Stratum, place.Number)
	if err != nil {
		return nil, err
	}
	return AssignArm{c.Study, c.Couple, c.Role, arm, place.Stratum, place.Number}.decide(p)
}

// HoldSession records that a session took place, or corrects the day.
type HoldSession struct {
	Study, Couple string
	Number        int
	On            Date
	Corrects      bool // the day that was recorded before was wrong
}

func (c HoldSession) Target() Target { return Target{c.Study, c.Couple} }

func (c HoldSession) decide(p Past) ([]Event, error) {
	if err := p.needCouple(); err != nil {
		return nil, err
	}
	var k checks
	k.that(c.Number >= 1 && c.Number <= maxSession, "number", "session %d; expected 1 to %d", c.Number, maxSession)
	k.that(!c.On.IsZero() && !c.On.Before(p.Couple.EnrolledOn), "on", "the day of the session is missing or lies before the enrolment")
	if err := k.err(); err != nil {
		return nil, err
	}
	switch old, known := p.Couple.sessions[c.Number]; {
	case known && old == c.On:
		return nil, nil
	case known && !c.Corrects:
		return nil, refuse(Conflict, "number", "session %d was held on %s already; if that day was wrong, say that this one corrects it", c.Number, old)
	case !known && c.Corrects:
		return nil, refuse(NotFound, "number", "session %d was not recorded before; there is no day to correct", c.Number)
	}
	return []Event{SessionHeld{c.Number, c.On}}, nil
}

// Sessions lists the sessions that were held, by number, with their days as corrected.
func (c *Couple) Sessions() (list []SessionHeld) {
	for _, n := range slices.Sorted(maps.Keys(c.sessions)) {
		list = append(list, SessionHeld{n, c.sessions[n]})
	}
	return list
}

// NoteChange records that a change event of the protocol happened.
type NoteChange struct {
	Study, Couple string
	Code          string
	On            Date
}

func (c NoteChange) Target() Target { return Target{c.Study, c.Couple} }

func (c NoteChange) decide(p Past) ([]Event, error) {
	if err := p.needCouple(); err != nil {
		return nil, err
	}
	if _, ok := find(p.Study.Protocol.ChangeEvents, func(e ChangeEvent) bool { return e.Code == c.Code }); !ok {
		return nil, refuse(NotFound, "code", "the protocol has no change event %q", c.Code)
	}
	if c.On.IsZero() {
		return nil, refuse(Invalid, "on", "the day is missing")
	}
	if old, ok := p.Couple.changes[c.Code]; ok {
		if old == c.On {
			return nil, nil
		}
		return nil, refuse(Conflict, "code", "%s happened on %s already", c.Code, old)
	}
	return []Event{ChangeNoted{c.Code, c.On}}, nil
}
