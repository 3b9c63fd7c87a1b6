package domain

import (
	"fmt"
	"slices"
	"time"
)

// Couple is the aggregate that every observation belongs to: the unit of the protocol with a
// participant in each role. It is the fold of the couple's stream and holds what decisions
// need, not what is shown.
type Couple struct {
	Study        string
	Code         string
	Site         string // code; empty: the first of the protocol
	EnrolledOn   Date
	SeparatedOn  Date // zero while together
	Participants []Participant
	Erased       []Role // whose data were erased; they are no participants any more

	questionnaires map[questionnaireKey]questionnaire
	scores         map[scoreKey]float64
	missedWaves    map[waveKey]bool
	diaries        map[diaryKey]diary // submitted or missed
	interactions   map[string]interaction
	clips          map[string]clip
	ratings        map[ratingKey]float64
	adjudicated    map[ratingKey]float64 // without judge and assignment
	assignments    map[string]Assignment
	criteria       map[criterionKey][]CriterionScore
	videos         map[string]Video
	arms           map[Role]string // role empty: the couple's
	sessions       map[int]Date
	changes        map[string]Date
	prompts        map[string]Prompt
	started        map[startKey]time.Time
	notes          map[noteKey]NoteWritten
	risks          map[riskKey]bool // whether somebody has taken care
}

// Participant is one person in a role of a couple, known by a code only.
type Participant struct {
	Role        Role
	Code        string
	Zone        string
	Email       string // empty: not reached by e-mail
	Language    string // empty: the first of the protocol
	Paired      bool   // confirmed to take part with the partner
	JoinedOn    Date   // the day of the first consent; zero before, or where its time was not recorded
	SeparatedOn Date   // as this person reported; zero: not reported
	WithdrawnOn Date   // zero while taking part
	Consents    map[Scope]Consent

	zones clock // Zone and those before
}

// Exists reports whether the couple has been enrolled.
func (c *Couple) Exists() bool { return c.Code != "" }

// Participant returns who is in a role.
func (c *Couple) Participant(r Role) (*Participant, bool) {
	for i := range c.Participants {
		if c.Participants[i].Role == r {
			return &c.Participants[i], true
		}
	}
	return nil, false
}

// Apply folds one event of the couple's stream. It is total, and the only place that changes a
// couple.
func (c *Couple) Apply(e Event) {
	switch e := e.(type) {
	case CoupleEnrolled:
		c.Study, c.Code, c.Site, c.EnrolledOn = e.Study, e.Code, e.Site, e.EnrolledOn
		for _, p := range e.Participants {
			c.join(p)
		}
	case ParticipantJoined:
		c.join(NewParticipant(e))
	case ParticipantErased:
		c.Erased = append(c.Erased, e.Role)
		c.Participants = slices.DeleteFunc(c.Participants, func(p Participant) bool { return p.Role == e.Role })
	case ParticipantMoved:
		c.with(e.Role, func(p *Participant) { p.Zone, p.zones = e.Zone, p.zones.move(e.Zone, e.At) })
	case CoupleSeparated:
		c.SeparatedOn = e.On
	case ParticipantWithdrew:
		c.with(e.Role, func(p *Participant) { p.WithdrawnOn = e.On })
	case ConsentGiven:
		c.with(e.Role, func(p *Participant) {
			p.Consents[e.Scope] = Consent{e.Version, e.At}
			if p.JoinedOn.IsZero() && !e.At.IsZero() {
				p.JoinedOn = dateOf(e.At.In(p.zones.at(e.At)))
			}
		})
	case ConsentWithdrawn:
		c.with(e.Role, func(p *Participant) { delete(p.Consents, e.Scope) })
	case ContactChanged:
		c.with(e.Role, func(p *Participant) { p.Email = e.Email })
	case LanguageChosen:
		c.with(e.Role, func(p *Participant) { p.Language = e.Language })
	case PairingConfirmed:
		c.with(e.Role, func(p *Participant) { p.Paired = true })
	case SeparationReported:
		c.with(e.Role, func(p *Participant) { p.SeparatedOn = e.On })
	case ArmAssigned, SessionHeld, ChangeNoted:
		c.applyArm(e)
	case PromptScheduled, PromptSent, PromptAccepted, PromptFailed, PromptOpened, FormStarted:
		c.applyPrompt(e)
	case NoteWritten, RiskRaised, NoteRead, RiskHandled:
		c.applyNote(e)
	case QuestionnaireSubmitted, AnswerCorrected, ScoreRecorded, ScoreCorrected, WaveMissed:
		c.applyWave(e)
	case DiarySubmitted, DiaryMissed:
		c.applyDiary(e)
	case InteractionRecorded, ClipCut, RatingRecorded:
		c.applyCoding(e)
	case AssignmentMade, AssignmentClaimed, AssignmentReturned, AssignmentRetracted, RatingsSubmitted, RatingCorrected, RatingAdjudicated, CriterionSet:
		c.applyAssignment(e)
	case VideoStored, VideoKeyShared, VideoDeleted:
		c.applyVideo(e)
	}
}

func (c *Couple) join(p NewParticipant) {
	c.Participants = append(c.Participants, Participant{Role: p.Role, Code: p.Code, Zone: p.Zone, Consents: map[Scope]Consent{}, zones: clock(nil).move(p.Zone, time.Time{})})
}

func (c *Couple) with(r Role, change func(*Participant)) {
	if p, ok := c.Participant(r); ok {
		change(p)
	}
}

// set stores a value in a map that is made on first use.
func set[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

// NewParticipant is a person joining in a role.
type NewParticipant struct {
	Role Role   `json:"role"`
	Code string `json:"code"` // pseudonymous
	Zone string `json:"zone"` // IANA name
}

// CoupleEnrolled: a couple takes part from a day on. Who the partners are is told by ParticipantJoined, for each in an event that
// can be erased alone; the oldest logs told it here.
type CoupleEnrolled struct {
	Study        string           `json:"study"`
	Code         string           `json:"code"`
	EnrolledOn   Date             `json:"enrolledOn"`
	Site         string           `json:"site,omitempty"` // code; empty: the first of the protocol
	Participants []NewParticipant `json:"participants,omitempty"`
}

// ParticipantJoined: a person takes part in a role of the couple.
type ParticipantJoined struct {
	Role Role   `json:"role"`
	Code string `json:"code"` // pseudonymous
	Zone string `json:"zone"` // IANA name
}

// ParticipantMoved: a participant lives in another time zone from now on.
type ParticipantMoved struct {
	Role Role      `json:"role"`
	Zone string    `json:"zone"`
	At   time.Time `json:"at,omitzero"` // UTC; zero: not recorded, it counts from the beginning
}

// CoupleSeparated: the relationship ended on a day. What was observed stays.
type CoupleSeparated struct {
	On Date `json:"on"`
}

// ParticipantWithdrew: a participant takes part no longer. What was observed stays, unless the
// person asks for erasure, which is another matter.
type ParticipantWithdrew struct {
	Role Role `json:"role"`
	On   Date `json:"on"`
}

func (CoupleEnrolled) isEvent()      {}
func (ParticipantJoined) isEvent()   {}
func (ParticipantMoved) isEvent()    {}
func (CoupleSeparated) isEvent()     {}
func (ParticipantWithdrew) isEvent() {}

// EnrolCouple brings a couple into a study.
type EnrolCouple struct {
	Study        string
	Couple       string
	EnrolledOn   Date
	Site         string           // code of a site of the protocol; empty: its first
	Participants []NewParticipant // one for each role of the protocol; an empty zone means the study's
}

func (c EnrolCouple) Target() Target { return Target{c.Study, c.Couple} }

func (c EnrolCouple) decide(p Past) ([]Event, error) {
	if err := p.needProtocol(); err != nil {
		return nil, err
	}
	var k checks
	k.add(CheckCode("couple", c.Couple))
	k.that(!c.EnrolledOn.IsZero(), "enrolledOn", "the day of enrolment is missing")
	if c.Site != "" {
		_, ok := find(p.Study.Protocol.Sites, func(s Site) bool { return s.Code == c.Site })
		k.that(ok, "site", "the protocol has no site %q", c.Site)
	}
	k.that(len(c.Participants) == len(p.Study.Protocol.Roles), "participants", "there are %d participants; the protocol has %d roles", len(c.Participants), len(p.Study.Protocol.Roles))
	joined := make([]NewParticipant, 0, len(c.Participants))
	codes := map[string]bool{}
	for i, n := range c.Participants {
		path := fmt.Sprintf("participants[%d]", i)
		if n.Zone == "" {
			n.Zone = p.Study.Zone
		}
		k.add(checkZone(path+".zone", n.Zone))
		k.add(CheckCode(path+".code", n.Code))
		k.that(!codes[n.Code], path+".code", "code %s stands twice", n.Code)
		codes[n.Code] = true
		_, known := find(p.Study.Protocol.Roles, func(r RoleLabel) bool { return r.Role == n.Role })
		k.that(known, path+".role", "the protocol has no role %q", n.Role)
		_, taken := find(joined, func(o NewParticipant) bool { return o.Role == n.Role })
		k.that(!taken, path+".role", "role %q is taken twice", n.Role)
		joined = append(joined, n)
	}
	if err := k.err(); err != nil {
		return nil, err
	}
	if p.Couple != nil && p.Couple.Exists() {
		same := p.Couple.EnrolledOn == c.EnrolledOn && len(p.Couple.Participants) == len(joined)
		for _, n := range joined {
			old, ok := p.Couple.Participant(n.Role)
			same = same && ok && old.Code == n.Code
		}
		if same {
			return nil, nil
		}
		return nil, refuse(Conflict, "couple", "couple %s is enrolled already", c.Couple)
	}
	list := []Event{CoupleEnrolled{Study: c.Study, Code: c.Couple, EnrolledOn: c.EnrolledOn, Site: c.Site}}
	for _, n := range joined {
		list = append(list, ParticipantJoined(n))
	}
	return list, nil
}

// MoveParticipant changes a participant's time zone, from which on its windows are counted.
type MoveParticipant struct {
	Study, Couple string
	Role          Role
	Zone          string
	At            time.Time // from when on; zero: from the beginning
}

func (c MoveParticipant) Target() Target { return Target{c.Study, c.Couple} }

func (c MoveParticipant) decide(p Past) ([]Event, error) {
	who, err := p.needParticipant(c.Role)
	if err != nil {
		return nil, err
	}
	if err := checkZone("zone", c.Zone); err != nil {
		return nil, err
	}
	if who.Zone == c.Zone {
		return nil, nil
	}
	return []Event{ParticipantMoved{c.Role, c.Zone, c.At.UTC()}}, nil
}

// SeparateCouple records that a relationship ended.
type SeparateCouple struct {
	Study, Couple string
	On            Date
}

func (c SeparateCouple) Target() Target { return Target{c.Study, c.Couple} }

func (c SeparateCouple) decide(p Past) ([]Event, error) {
	if err := p.needCouple(); err != nil {
		return nil, err
	}
	switch {
	case c.On.IsZero():
		return nil, refuse(Invalid, "on", "the day of separation is missing")
	case p.Couple.SeparatedOn == c.On:
		return nil, nil
	case !p.Couple.SeparatedOn.IsZero():
		return nil, refuse(Conflict, "on", "the couple separated on %s already", p.Couple.SeparatedOn)
	case c.On.Before(p.Couple.EnrolledOn):
		return nil, refuse(Invalid, "on", "a separation on %s lies before the enrolment on %s", c.On, p.Couple.EnrolledOn)
	}
	return []Event{CoupleSeparated{c.On}}, nil
}

// WithdrawParticipant ends one person's part in the study. The partner's part goes on.
type WithdrawParticipant struct {
	Study, Couple string
	Role          Role
	On            Date
}

func (c WithdrawParticipant) Target() Target { return Target{c.Study, c.Couple} }

func (c WithdrawParticipant) decide(p Past) ([]Event, error) {
	who, err := p.needParticipant(c.Role)
	switch {
	case err != nil:
		return nil, err
	case c.On.IsZero():
		return nil, refuse(Invalid, "on", "the day of withdrawal is missing")
	case who.WithdrawnOn == c.On:
		return nil, nil
	case !who.WithdrawnOn.IsZero():
		return nil, refuse(Conflict, "on", "the participant withdrew on %s already", who.WithdrawnOn)
	case c.On.Before(p.Couple.EnrolledOn):
		return nil, refuse(Invalid, "on", "a withdrawal on %s lies before the enrolment on %s", c.On, p.Couple.EnrolledOn)
	}
	return []Event{ParticipantWithdrew{c.Role, c.On}}, nil
}

func (p Past) needParticipant(r Role) (*Participant, error) {
	if err := p.needCouple(); err != nil {
		return nil, err
	}
	who, ok := p.Couple.Participant(r)
	if !ok {
		return nil, refuse(NotFound, "role", "couple %s has nobody in role %q", p.Couple.Code, r)
	}
	return who, nil
}

// mayObserve refuses what nobody agreed to or what ended before the observation was made.
func (p Past) mayObserve(r Role, scope Scope, at time.Time) (*Participant, error) {
	who, err := p.needParticipant(r)
	if err != nil {
		return nil, err
	}
	if _, ok := who.Consents[scope]; !ok {
		return nil, refuse(Forbidden, "consent", "there is no consent to %s in role %s", scope, r)
	}
	day := dateOf(at.In(who.clock().at(at)))
	if !who.WithdrawnOn.IsZero() && !day.Before(who.WithdrawnOn) {
		return nil, refuse(Conflict, "role", "role %s withdrew on %s; nothing of %s is taken", r, who.WithdrawnOn, day)
	}
	if p.stopped(who, day) {
		return nil, refuse(Conflict, "couple", "after a separation this protocol asks nothing")
	}
	return who, nil
}
