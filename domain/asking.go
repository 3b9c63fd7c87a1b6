package domain

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
)

// Site is a place that looks after couples: a lab, a clinic. Couples belong to the first unless enrolment says otherwise.
type Site struct {
	Code  string     `json:"code"`
	Title string     `json:"title"`
	Help  []HelpLine `json:"help,omitempty"`
}

// HelpLine is where a participant finds help at any time.
type HelpLine struct {
	Label  map[string]string `json:"label"`            // by language
	Number string            `json:"number,omitempty"` // to call
	Link   string            `json:"link,omitempty"`   // https address
}

// ConsentForm is what a participant is asked to agree to for one scope. A changed text is a new version, which is asked for anew.
type ConsentForm struct {
	Scope    Scope             `json:"scope"`
	Version  string            `json:"version"`
	Required bool              `json:"required,omitempty"` // without it nobody can take part
	Text     map[string]string `json:"text"`               // by language
}

// Showing says how the items of an instrument are put to participants. An instrument without one is shown in the order of its items, and
// every item has to be answered.
type Showing struct {
	Instrument string   `json:"instrument"`          // code; it holds for every version
	Roles      []Role   `json:"roles,omitempty"`     // who is asked; empty: everybody
	MaySkip    bool     `json:"maySkip,omitempty"`   // an item may be left unanswered
	Shuffle    bool     `json:"shuffle,omitempty"`   // a random order for each person and occasion
	Sensitive  bool     `json:"sensitive,omitempty"` // participants are asked first whether they are alone
	Gate       *Gate    `json:"gate,omitempty"`
	Risk       []AtRisk `json:"risk,omitempty"`
}

// Gate is the item on which it depends whether the other items of its instrument apply.
type Gate struct {
	Item  string `json:"item"`
	Value int    `json:"value"` // the others apply where this was answered
}

// AtRisk marks an item by which a participant may tell of danger. Its answers are for clinicians: it may not be part of a scale, and no data
// set for analysis holds it.
type AtRisk struct {
	Item    string `json:"item"`
	AtLeast int    `json:"atLeast"` // an answer from here on is brought before the clinicians of the study
}

// NotePrompt invites to write a few words. They are for clinicians and for readers with a grant, never for the partner.
type NotePrompt struct {
	Code  string            `json:"code"`
	Waves []int             `json:"waves,omitempty"` // indices of waves at whose end it stands
	Diary string            `json:"diary,omitempty"` // code of the diary at whose end it stands
	Text  map[string]string `json:"text"`            // by language
	Limit int               `json:"limit,omitempty"` // characters; 0 means 2000
}

// Reminder is sent while something can be answered and has not been.
type Reminder struct {
	Waves      bool   `json:"waves,omitempty"`         // it is about waves
	Diary      string `json:"diary,omitempty"`         // or about the days of this diary
	AfterDays  int    `json:"afterDays,omitempty"`     // waves: days after the window opened
	AfterHours int    `json:"afterHours,omitempty"`    // diaries: hours after the day opened
	Hour       int    `json:"hour,omitempty"`          // waves: by the participant's wall clock
	Jitter     int    `json:"jitterMinutes,omitempty"` // it goes out up to so many minutes later, at random
}

// Arm is a condition to which couples or persons are randomised.
type Arm struct {
	Code   string `json:"code"`
	Weight int    `json:"weight,omitempty"` // relative share; 0 means 1
}

// Randomisation says who is randomised to the arms, and how: in permuted blocks within each site.
type Randomisation struct {
	Unit      string `json:"unit"`                // "couple" or "person"
	BlockSize int    `json:"blockSize,omitempty"` // a multiple of the arms' weights together; 0 means twice those
}

// The units of randomisation.
const (
	RandomiseCouples = "couple"
	RandomisePersons = "person"
)

// ChangeEvent is something that may happen once to a couple and that splits time for analysis: softening, moving in together.
type ChangeEvent struct {
	Code   string `json:"code"`
	Title  string `json:"title"`
	Source string `json:"source"` // "coded", "reported" or "session"
}

// Compensation is what participants get, each for what they themselves did.
type Compensation struct {
	Currency string `json:"currency"`           // ISO 4217: "EUR"
	Wave     int    `json:"wave,omitempty"`     // for a complete wave, in hundredths
	DiaryDay int    `json:"diaryDay,omitempty"` // for a diary day, in hundredths
}

// AnalysisHash identifies the plan of analysis: SHA-256, in hexadecimal, of its JSON. A preregistration quotes it; empty where there is no plan.
func (p Protocol) AnalysisHash() string {
	if len(p.Analyses) == 0 {
		return ""
	}
	text, err := json.Marshal(p.Analyses)
	if err != nil { // numbers that are not finite, which no published protocol has
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// Showing returns how an instrument is shown.
func (p Protocol) Showing(instrument string) Showing {
	if s, ok := find(p.Showings, func(s Showing) bool { return s.Instrument == instrument }); ok {
		return s
	}
	return Showing{Instrument: instrument}
}

// ConsentForm returns what is asked for a scope, if it is.
func (p Protocol) ConsentForm(s Scope) (ConsentForm, bool) {
	return find(p.Consents, func(f ConsentForm) bool { return f.Scope == s })
}

// NotesAfter lists the invitations to write that stand at the end of an occasion.
func (p Protocol) NotesAfter(o Occasion) (list []NotePrompt) {
	for _, n := range p.Notes {
		if o.Wave > 0 && slices.Contains(n.Waves, o.Wave) || o.Burst != "" && n.Diary == o.Burst {
			list = append(list, n)
		}
	}
	return list
}

// asks reports whether the role is asked an instrument.
func (s Showing) asks(r Role) bool { return len(s.Roles) == 0 || slices.Contains(s.Roles, r) }

// checkShown refuses answers that could not have been given to an instrument as it is shown.
func (p Protocol) checkShown(instrument string, answers []Answer) error {
	s, ok := find(p.Showings, func(s Showing) bool { return s.Instrument == instrument })
	if !ok {
		return nil
	}
	var k checks
	applies := true
	if s.Gate != nil {
		a, _ := find(answers, func(a Answer) bool { return a.Item == s.Gate.Item })
		applies = a.Value != nil && *a.Value == s.Gate.Value
	}
	for _, a := range answers {
		if s.Gate != nil && a.Item != s.Gate.Item {
			k.that(applies || a.Value == nil, a.Item, "this does not apply after what was answered before")
			if !applies {
				continue
			}
		}
		k.that(s.MaySkip || a.Missing != MissingSkipped, a.Item, "this has to be answered")
	}
	return k.err()
}

// maxNote bounds what can be written in one note, in characters.
const maxNote = 20000

// MaxLength returns how many characters are taken.
func (n NotePrompt) MaxLength() int {
	if n.Limit == 0 {
		return 2000
	}
	return n.Limit
}

// checkAsking refuses what contradicts itself in how participants are asked.
func (p Protocol) checkAsking(c *checks) {
	seen := map[string]bool{}
	once := func(path, what, key string) {
		c.that(!seen[what+" "+key], path, "%s %q stands twice", what, key)
		seen[what+" "+key] = true
	}
	for i, l := range p.Languages {
		path := fmt.Sprintf("languages[%d]", i)
		c.that(languagePattern.MatchString(l), path, "%q is not a language tag such as en or de", l)
		once(path, "language", l)
	}
	words := func(path string, text map[string]string) {
		for _, l := range p.Languages {
			c.that(text[l] != "", path+"."+l, "the text in language %q is missing", l)
		}
		c.that(len(text) > 0, path, "the text is missing")
	}
	arms := map[string]bool{}
	for _, a := range p.Arms {
		arms[a.Code] = true
	}
	knownArms := func(path string, list []string) {
		for _, a := range list {
			c.that(arms[a], path, "there is no arm %q", a)
		}
	}
	for i, w := range p.Waves {
		path := fmt.Sprintf("waves[%d]", i)
		knownArms(path+".arms", w.Arms)
		w.Origin.check(path, c)
	}
	for i, d := range p.Diaries {
		path := fmt.Sprintf("diaries[%d]", i)
		knownArms(path+".arms", d.Arms)
		d.Origin.check(path, c)
	}
	for i, t := range p.Tasks {
		path := fmt.Sprintf("tasks[%d]", i)
		knownArms(path+".arms", t.Arms)
		if len(t.Text) > 0 {
			words(path+".text", t.Text)
		}
	}
	for i, s := range p.Sites {
		path := fmt.Sprintf("sites[%d]", i)
		c.add(CheckCode(path+".code", s.Code))
		once(path, "site", s.Code)
		for j, h := range s.Help {
			path := fmt.Sprintf("%s.help[%d]", path, j)
			words(path+".label", h.Label)
			c.that(h.Number != "" || h.Link != "", path, "there is neither a number nor a link")
			c.that(h.Link == "" || len(h.Link) > 8 && h.Link[:8] == "https://", path+".link", "%q is not a link; expected one that begins with https://", h.Link)
		}
	}
	for i, f := range p.Consents {
		path := fmt.Sprintf("consents[%d]", i)
		if err := checkScope(f.Scope); err != nil {
			c.that(false, path+".scope", "%q is not a scope of consent; expected one of %v", f.Scope, Scopes())
		}
		once(path, "consent to", string(f.Scope))
		c.that(f.Version != "", path+".version", "the version of the text is missing")
		words(path+".text", f.Text)
	}
	for i, s := range p.Showings {
		path := fmt.Sprintf("showings[%d]", i)
		once(path, "showing of", s.Instrument)
		for _, r := range s.Roles {
			_, ok := find(p.Roles, func(l RoleLabel) bool { return l.Role == r })
			c.that(ok, path+".roles", "there is no role %q", r)
		}
	}
	for i, n := range p.Notes {
		path := fmt.Sprintf("notes[%d]", i)
		c.add(CheckCode(path+".code", n.Code))
		once(path, "note", n.Code)
		words(path+".text", n.Text)
		c.that(n.Limit >= 0 && n.Limit <= maxNote, path+".limit", "at most %d characters; expected 1 to %d", n.Limit, maxNote)
		c.that(len(n.Waves) > 0 || n.Diary != "", path, "it stands nowhere; expected waves or a diary")
		for _, w := range n.Waves {
			_, ok := p.Wave(w)
			c.that(ok, path+".waves", "there is no wave %d", w)
		}
		if n.Diary != "" {
			_, ok := p.Diary(n.Diary)
			c.that(ok, path+".diary", "there is no diary %q", n.Diary)
		}
	}
	for i, r := range p.Reminders {
		path := fmt.Sprintf("reminders[%d]", i)
		c.that(r.Waves != (r.Diary != ""), path, "a reminder is about waves or about one diary")
		if r.Diary != "" {
			_, ok := p.Diary(r.Diary)
			c.that(ok, path+".diary", "there is no diary %q", r.Diary)
		}
		c.that(r.AfterDays >= 0 && r.AfterHours >= 0, path, "it cannot be sent before the window opens")
		c.that(r.Hour >= 0 && r.Hour < 24, path+".hour", "hour %d; expected 0 to 23", r.Hour)
		c.that(r.Jitter >= 0 && r.Jitter <= 240, path+".jitterMinutes", "%d minutes; expected 0 to 240", r.Jitter)
	}
	total := 0
	for i, a := range p.Arms {
		path := fmt.Sprintf("arms[%d]", i)
		c.add(CheckCode(path+".code", a.Code))
		once(path, "arm", a.Code)
		c.that(a.Weight >= 0 && a.Weight <= 100, path+".weight", "the weight is %d; expected 1 to 100", a.Weight)
		total += max(a.Weight, 1)
	}
	if r := p.Randomise; r != nil {
		c.that(len(p.Arms) >= 2, "arms", "there are %d arms to randomise to; expected two or more", len(p.Arms))
		c.that(r.Unit == RandomiseCouples || r.Unit == RandomisePersons, "randomise.unit", "%q is not a unit; expected %s or %s", r.Unit, RandomiseCouples, RandomisePersons)
		c.that(r.BlockSize == 0 || total > 0 && r.BlockSize > 0 && r.BlockSize <= maxBlock && r.BlockSize%total == 0, "randomise.blockSize", "a block of %d; expected a multiple of %d, at most %d", r.BlockSize, total, maxBlock)
	} else {
		c.that(len(p.Arms) == 0, "randomise", "there are arms, and nothing says who is randomised to them")
	}
	c.that(len(p.Arms) <= maxArms, "arms", "there are %d arms; expected at most %d", len(p.Arms), maxArms)
	c.that(len(p.Analyses) <= maxModels, "analyses", "there are %d analyses; expected at most %d", len(p.Analyses), maxModels)
	for i, m := range p.Analyses {
		path := fmt.Sprintf("analyses[%d]", i)
		c.within(path, m.check())
		once(path+".name", "analysis", m.Name)
	}
	for i, e := range p.ChangeEvents {
		path := fmt.Sprintf("changeEvents[%d]", i)
		c.add(CheckCode(path+".code", e.Code))
		once(path, "change event", e.Code)
		c.that(e.Source == "coded" || e.Source == "reported" || e.Source == "session", path+".source", "%q is not a source; expected coded, reported or session", e.Source)
	}
	if m := p.Compensation; m != nil {
		c.that(len(m.Currency) == 3, "compensation.currency", "%q is not a currency such as EUR", m.Currency)
		c.that(m.Wave >= 0 && m.DiaryDay >= 0, "compensation", "an amount is negative")
	}
}

// checkShowings refuses showings that do not fit the instruments of the study.
func (s *Study) checkShowings(p Protocol, k *checks) {
	for i, sh := range p.Showings {
		path := fmt.Sprintf("showings[%d]", i)
		known := false
		for _, ref := range s.refs() {
			in := s.Instruments[ref]
			if ref.Code != sh.Instrument {
				continue
			}
			known = true
			if sh.Gate != nil {
				it, ok := in.Item(sh.Gate.Item)
				k.that(ok && it.takes(sh.Gate.Value), path+".gate", "instrument %s has no item %q that can be answered with %d", ref, sh.Gate.Item, sh.Gate.Value)
			}
			for _, r := range sh.Risk {
				it, ok := in.Item(r.Item)
				k.that(ok && it.takes(r.AtLeast), path+".risk", "instrument %s has no item %q that can be answered with %d", ref, r.Item, r.AtLeast)
				for _, sc := range in.Scales {
					_, used := find(sc.Items, func(it KeyedItem) bool { return it.ID == r.Item })
					k.that(!used, path+".risk", "item %s is part of scale %s of %s; what tells of danger may not be scored", r.Item, sc.Code, ref)
				}
			}
		}
		k.that(known, path+".instrument", "instrument %s is not registered in study %s", sh.Instrument, s.Code)
	}
}
