package domain

import (
	"net/mail"
	"slices"
	"strings"
)

// ContactChanged: a participant is reached at this address from now on, or at none. Like everything of a person it is sealed and can be erased.
type ContactChanged struct {
	Role  Role   `json:"role"`
	Email string `json:"email"` // empty: no longer reached by e-mail
}

// LanguageChosen: a participant wants to be asked in this language.
type LanguageChosen struct {
	Role     Role   `json:"role"`
	Language string `json:"language"` // of the protocol's
}

// PairingConfirmed: a participant confirmed to take part together with the partner. Each partner does so alone.
type PairingConfirmed struct {
	Role Role `json:"role"`
}

// SeparationReported: one partner said that the relationship ended. It changes what that person is asked, and nothing that the other one
// sees; CoupleSeparated is for the study's staff to say.
type SeparationReported struct {
	Role Role `json:"role"`
	On   Date `json:"on"`
}

func (ContactChanged) isEvent()     {}
func (LanguageChosen) isEvent()     {}
func (PairingConfirmed) isEvent()   {}
func (SeparationReported) isEvent() {}

// ChangeContact changes the address at which a participant is reached; an empty one means none.
type ChangeContact struct {
	Study, Couple string
	Role          Role
	Email         string
}

func (c ChangeContact) Target() Target { return Target{c.Study, c.Couple} }

func (c ChangeContact) decide(p Past) ([]Event, error) {
	who, err := p.needParticipant(c.Role)
	if err != nil {
		return nil, err
	}
	email := strings.TrimSpace(c.Email)
	if email != "" {
		// The address itself stays out of the refusal: refusals are logged.
		a, err := mail.ParseAddress(email)
		if err != nil || a.Address != email || len(email) > 254 || strings.ContainsAny(email, "\r\n\x00") {
			return nil, refuse(Invalid, "email", "this is not an e-mail address; expected one such as name@example.org")
		}
	}
	if who.Email == email {
		return nil, nil
	}
	return []Event{ContactChanged{c.Role, email}}, nil
}

// ChooseLanguage changes the language in which a participant is asked.
type ChooseLanguage struct {
	Study, Couple string
	Role          Role
	Language      string
}

func (c ChooseLanguage) Target() Target { return Target{c.Study, c.Couple} }

func (c ChooseLanguage) decide(p Past) ([]Event, error) {
	who, err := p.needParticipant(c.Role)
	if err != nil {
		return nil, err
	}
	if known := p.Study.Protocol.AskedIn(); !slices.Contains(known, c.Language) {
		return nil, refuse(Invalid, "language", "this study does not ask in %q; expected one of %v", c.Language, known)
	}
	if who.Language == c.Language {
		return nil, nil
	}
	return []Event{LanguageChosen{c.Role, c.Language}}, nil
}

// AskedIn lists the languages in which participants are asked.
func (p Protocol) AskedIn() []string {
	if len(p.Languages) == 0 {
		return []string{"en"}
	}
	return p.Languages
}

// ConfirmPairing records that a participant takes part together with the partner.
type ConfirmPairing struct {
	Study, Couple string
	Role          Role
}

func (c ConfirmPairing) Target() Target { return Target{c.Study, c.Couple} }

func (c ConfirmPairing) decide(p Past) ([]Event, error) {
	who, err := p.needParticipant(c.Role)
	if err != nil || who.Paired {
		return nil, err
	}
	return []Event{PairingConfirmed{c.Role}}, nil
}

// ReportSeparation records that one partner said that the relationship ended.
type ReportSeparation struct {
	Study, Couple string
	Role          Role
	On            Date
}

func (c ReportSeparation) Target() Target { return Target{c.Study, c.Couple} }

func (c ReportSeparation) decide(p Past) ([]Event, error) {
	who, err := p.needParticipant(c.Role)
	switch {
	case err != nil:
		return nil, err
	case c.On.IsZero():
		return nil, refuse(Invalid, "on", "the day of separation is missing")
	case who.SeparatedOn == c.On:
		return nil, nil
	case c.On.Before(p.Couple.EnrolledOn):
		return nil, refuse(Invalid, "on", "a separation on %s lies before the enrolment on %s", c.On, p.Couple.EnrolledOn)
	}
	return []Event{SeparationReported{c.Role, c.On}}, nil
}
