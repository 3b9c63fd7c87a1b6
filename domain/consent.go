package domain

import "time"

// Scope is a part of the study to which a participant agrees or does not.
type Scope string

// The scopes of consent. Each is given and withdrawn by itself, by each partner alone.
const (
	ScopeQuestionnaires Scope = "questionnaires"
	ScopeDiary          Scope = "diary"
	ScopeVideo          Scope = "video"
	ScopeTextReading    Scope = "text_reading"
	ScopeSharing        Scope = "sharing"
	ScopeRecontact      Scope = "recontact"
)

// Scopes lists every scope in the order in which people are asked.
func Scopes() []Scope {
	return []Scope{ScopeQuestionnaires, ScopeDiary, ScopeVideo, ScopeTextReading, ScopeSharing, ScopeRecontact}
}

// Consent is an agreement in force.
type Consent struct {
	Version string    // of the text that was agreed to
	At      time.Time // zero: not recorded
}

// ConsentGiven: a participant agreed to a scope, having read a version of its text.
type ConsentGiven struct {
	Role    Role      `json:"role"`
	Scope   Scope     `json:"scope"`
	Version string    `json:"version"`
	At      time.Time `json:"at,omitzero"` // UTC; zero: not recorded
}

// ConsentWithdrawn: a participant no longer agrees to a scope.
type ConsentWithdrawn struct {
	Role  Role  `json:"role"`
	Scope Scope `json:"scope"`
}

func (ConsentGiven) isEvent()     {}
func (ConsentWithdrawn) isEvent() {}

// GiveConsent records that a participant agrees to a scope.
type GiveConsent struct {
	Study, Couple string
	Role          Role
	Scope         Scope
	Version       string
	At            time.Time // zero: not recorded
}

func (c GiveConsent) Target() Target { return Target{c.Study, c.Couple} }

func (c GiveConsent) decide(p Past) ([]Event, error) {
	who, err := p.needParticipant(c.Role)
	if err != nil {
		return nil, err
	}
	if err := checkScope(c.Scope); err != nil {
		return nil, err
	}
	switch {
	case c.Version == "":
		return nil, refuse(Invalid, "version", "the version of the consent text is missing")
	case !who.WithdrawnOn.IsZero():
		return nil, refuse(Conflict, "role", "role %s withdrew on %s", c.Role, who.WithdrawnOn)
	case who.Consents[c.Scope].Version == c.Version:
		return nil, nil
	}
	return []Event{ConsentGiven{c.Role, c.Scope, c.Version, c.At.UTC()}}, nil
}

// WithdrawConsent records that a participant no longer agrees to a scope.
type WithdrawConsent struct {
	Study, Couple string
	Role          Role
	Scope         Scope
}

func (c WithdrawConsent) Target() Target { return Target{c.Study, c.Couple} }

func (c WithdrawConsent) decide(p Past) ([]Event, error) {
	who, err := p.needParticipant(c.Role)
	if err != nil {
		return nil, err
	}
	if err := checkScope(c.Scope); err != nil {
		return nil, err
	}
	if _, ok := who.Consents[c.Scope]; !ok {
		return nil, nil
	}
	return []Event{ConsentWithdrawn{c.Role, c.Scope}}, nil
}

func checkScope(s Scope) error {
	if _, ok := find(Scopes(), func(k Scope) bool { return k == s }); !ok {
		return refuse(Invalid, "scope", "%q is not a scope of consent; expected one of %v", s, Scopes())
	}
	return nil
}
