package domain

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// NoteWritten: a participant wrote a few words. Only clinicians of the study, and readers to whom the participant granted it, may read them,
// and NoteRead tells who did.
type NoteWritten struct {
	Role      Role      `json:"role"`
	Occasion  Occasion  `json:"occasion"`
	Prompt    string    `json:"prompt"`
	Text      string    `json:"text"`
	WrittenAt time.Time `json:"writtenAt"` // UTC
}

// RiskRaised: an answer tells of danger. The answer itself stands where it was given.
type RiskRaised struct {
	Role       Role     `json:"role"`
	Occasion   Occasion `json:"occasion"`
	Instrument string   `json:"instrument"`
	Item       string   `json:"item"`
}

// NoteRead: somebody of the study's staff looked at what is for clinicians only. The envelope says who.
type NoteRead struct {
	Role     Role     `json:"role"` // whose words or answers
	Occasion Occasion `json:"occasion"`
	Prompt   string   `json:"prompt,omitempty"` // of the note; empty: an answer that tells of danger
	Item     string   `json:"item,omitempty"`   // instrument and item of that answer
}

// RiskHandled: a clinician took care of what an answer told. The envelope says who.
type RiskHandled struct {
	Role       Role     `json:"role"`
	Occasion   Occasion `json:"occasion"`
	Instrument string   `json:"instrument"`
	Item       string   `json:"item"`
	Outcome    string   `json:"outcome"` // in a few words
}

func (NoteWritten) isEvent() {}
func (RiskRaised) isEvent()  {}
func (NoteRead) isEvent()    {}
func (RiskHandled) isEvent() {}

type noteKey struct {
	role     Role
	occasion Occasion
	prompt   string
}

type riskKey struct {
	role             Role
	occasion         Occasion
	instrument, item string
}

func (c *Couple) applyNote(e Event) {
	switch e := e.(type) {
	case NoteWritten:
		set(&c.notes, noteKey{e.Role, e.Occasion, e.Prompt}, e)
	case RiskRaised:
		set(&c.risks, riskKey{e.Role, e.Occasion, e.Instrument, e.Item}, false)
	case RiskHandled:
		set(&c.risks, riskKey{e.Role, e.Occasion, e.Instrument, e.Item}, true)
	}
}

// WriteNote sends a few words of a participant.
type WriteNote struct {
	Study, Couple string
	Role          Role
	Occasion      Occasion
	Prompt        string
	Text          string
	WrittenAt     time.Time
}

func (c WriteNote) Target() Target { return Target{c.Study, c.Couple} }

func (c WriteNote) decide(p Past) ([]Event, error) {
	if _, err := p.mayObserve(c.Role, c.Occasion.scope(), c.WrittenAt); err != nil {
		return nil, err
	}
	prompt, ok := find(p.Study.Protocol.NotesAfter(c.Occasion), func(n NotePrompt) bool { return n.Code == c.Prompt })
	if !ok {
		return nil, refuse(NotFound, "note", "nothing invites to write %q here", c.Prompt)
	}
	offer, err := p.offer(c.Role, c.Occasion)
	if err != nil {
		return nil, err
	}
	if _, err := offer.Window.timing("note", c.WrittenAt); err != nil {
		return nil, err
	}
	text := strings.TrimSpace(c.Text)
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return nil, nil
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return nil, refuse(Invalid, "note", "the note is not text")
	case n > prompt.MaxLength():
		return nil, refuse(Invalid, "note", "the note has %d characters; at most %d are taken", n, prompt.MaxLength())
	}
	if old, ok := p.Couple.notes[noteKey{c.Role, c.Occasion, c.Prompt}]; ok {
		if old.Text == text {
			return nil, nil
		}
		return nil, refuse(Conflict, "note", "the note was sent before")
	}
	return []Event{NoteWritten{c.Role, c.Occasion, c.Prompt, text, c.WrittenAt.UTC()}}, nil
}

// ReadNote records that somebody of the staff is about to look at a note, or at an answer that tells of danger. It comes before the text is shown.
type ReadNote struct {
	Study, Couple string
	Role          Role
	Occasion      Occasion
	Prompt        string // of the note; empty with Item
	Instrument    string // with Item
	Item          string
}

func (c ReadNote) Target() Target { return Target{c.Study, c.Couple} }

func (c ReadNote) decide(p Past) ([]Event, error) {
	if _, err := p.needParticipant(c.Role); err != nil {
		return nil, err
	}
	_, note := p.Couple.notes[noteKey{c.Role, c.Occasion, c.Prompt}]
	_, risk := p.Couple.risks[riskKey{c.Role, c.Occasion, c.Instrument, c.Item}]
	if !note && !risk {
		return nil, refuse(NotFound, "note", "there is no such note or answer")
	}
	e := NoteRead{Role: c.Role, Occasion: c.Occasion, Prompt: c.Prompt}
	if risk {
		e.Item = c.Instrument + "/" + c.Item
	}
	return []Event{e}, nil
}

// HandleRisk records that a clinician took care of what an answer told.
type HandleRisk struct {
	Study, Couple    string
	Role             Role
	Occasion         Occasion
	Instrument, Item string
	Outcome          string
}

func (c HandleRisk) Target() Target { return Target{c.Study, c.Couple} }

func (c HandleRisk) decide(p Past) ([]Event, error) {
	if _, err := p.needParticipant(c.Role); err != nil {
		return nil, err
	}
	if n := utf8.RuneCountInString(c.Outcome); n == 0 || n > 500 {
		return nil, refuse(Invalid, "outcome", "the outcome has %d characters; expected 1 to 500", n)
	}
	switch handled, ok := p.Couple.risks[riskKey{c.Role, c.Occasion, c.Instrument, c.Item}]; {
	case !ok:
		return nil, refuse(NotFound, "risk", "there is no such answer")
	case handled:
		return nil, nil
	}
	return []Event{RiskHandled{c.Role, c.Occasion, c.Instrument, c.Item, c.Outcome}}, nil
}

// risks lists what the answers to an instrument tell of danger.
func (p Past) risks(r Role, o Occasion, instrument string, answers []Answer) (list []Event) {
	for _, rule := range p.Study.Protocol.Showing(instrument).Risk {
		a, ok := find(answers, func(a Answer) bool { return a.Item == rule.Item })
		if ok && a.Value != nil && *a.Value >= rule.AtLeast {
			list = append(list, RiskRaised{r, o, instrument, rule.Item})
		}
	}
	return list
}

// Concern is something that clinicians of the study should look at: a note, or an answer that tells of danger. It says where it stands and not what it says.
type Concern struct {
	Role             Role
	Occasion         Occasion
	Prompt           string // of a note; empty: an answer
	Instrument, Item string // of an answer
	Handled          bool   // an answer that somebody took care of
}

// Concerns lists what clinicians should look at, in the order of occasions.
func (c *Couple) Concerns() []Concern {
	var list []Concern
	for k := range c.notes {
		list = append(list, Concern{Role: k.role, Occasion: k.occasion, Prompt: k.prompt})
	}
	for k, handled := range c.risks {
		list = append(list, Concern{Role: k.role, Occasion: k.occasion, Instrument: k.instrument, Item: k.item, Handled: handled})
	}
	slices.SortFunc(list, func(a, b Concern) int {
		return cmp.Or(cmp.Compare(a.Occasion.Wave, b.Occasion.Wave), strings.Compare(a.Occasion.Burst, b.Occasion.Burst), a.Occasion.Day.Start(time.UTC).Compare(b.Occasion.Day.Start(time.UTC)),
			strings.Compare(string(a.Role), string(b.Role)), strings.Compare(a.Instrument+a.Item+a.Prompt, b.Instrument+b.Item+b.Prompt))
	})
	return list
}

// Note returns what a participant wrote. Whoever is about to show it to anybody but the participant records a [ReadNote] first.
func (c *Couple) Note(r Role, o Occasion, prompt string) (NoteWritten, bool) {
	n, ok := c.notes[noteKey{r, o, prompt}]
	return n, ok
}

// Answer returns what a participant answered to one item. Whoever is about to show it to anybody but the participant records a [ReadNote] first.
func (c *Couple) Answer(r Role, o Occasion, instrument, item string) (Answer, bool) {
	answers := c.questionnaires[questionnaireKey{waveKey{r, o.Wave}, instrument}].answers
	if o.Burst != "" {
		e, _ := find(c.diaries[diaryKey{r, o.Burst, o.Day}].entries, func(e DiaryEntry) bool { return e.Instrument == instrument })
		answers = e.Answers
	}
	return find(answers, func(a Answer) bool { return a.Item == item })
}
