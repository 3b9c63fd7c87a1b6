package domain

import (
	"fmt"
	"reflect"
	"slices"
	"time"
)

type (
	diaryKey struct {
		role  Role
		burst string
		day   Date
	}
	diary struct {
		missed   bool
		entries  []DiaryEntry
		filledAt time.Time
		timing   Timing
	}
)

// DiaryEntry is the part of a diary that answers one instrument.
type DiaryEntry struct {
	Instrument string   `json:"instrument"`
	Version    string   `json:"version"`
	Answers    []Answer `json:"answers"`
	ShownOrder []string `json:"shownOrder,omitempty"` // item ids in the order shown; empty if not recorded
}

// DiarySubmitted: a participant sent the diary of one day.
type DiarySubmitted struct {
	Role      Role         `json:"role"`
	Burst     string       `json:"burst"`
	Day       Date         `json:"day"` // in the participant's own calendar
	Entries   []DiaryEntry `json:"entries"`
	StartedAt time.Time    `json:"startedAt,omitzero"`
	FilledAt  time.Time    `json:"filledAt"` // UTC
	Timing    Timing       `json:"timing"`
}

// DiaryMissed: a diary day ended without an entry of this participant.
type DiaryMissed struct {
	Role  Role   `json:"role"`
	Burst string `json:"burst"`
	Day   Date   `json:"day"`
}

func (DiarySubmitted) isEvent() {}
func (DiaryMissed) isEvent()    {}

func (c *Couple) applyDiary(e Event) {
	switch e := e.(type) {
	case DiarySubmitted:
		set(&c.diaries, diaryKey{e.Role, e.Burst, e.Day}, diary{entries: e.Entries, filledAt: e.FilledAt, timing: e.Timing})
	case DiaryMissed:
		set(&c.diaries, diaryKey{e.Role, e.Burst, e.Day}, diary{missed: true})
	}
}

// SubmitDiary sends the diary of one day.
type SubmitDiary struct {
	Study, Couple string
	Role          Role
	Burst         string
	Day           Date
	Entries       []DiaryEntry
	StartedAt     time.Time // zero: not recorded
	FilledAt      time.Time
	Elsewhere     bool // collected by another program, as in SubmitQuestionnaire
}

func (c SubmitDiary) Target() Target { return Target{c.Study, c.Couple} }

func (c SubmitDiary) decide(p Past) ([]Event, error) {
	who, err := p.mayObserve(c.Role, ScopeDiary, c.FilledAt)
	if err != nil {
		return nil, err
	}
	burst, err := p.burst(c.Burst)
	if err != nil {
		return nil, err
	}
	var window Window
	// Another program may have known when the diary began though nobody has told it here yet.
	if !c.Elsewhere || !burst.FirstDay(p.Couple.Beginnings(who)).IsZero() {
		if window, err = p.diaryDay(who, burst, c.Day); err != nil {
			return nil, err
		}
	}
	occasion := Occasion{Burst: c.Burst, Day: c.Day}
	asked := burst.Instruments
	if !c.Elsewhere {
		offer, err := p.offer(c.Role, occasion)
		if err != nil {
			return nil, err
		}
		asked = offer.Instruments
	}
	if err := c.checkEntries(p, asked); err != nil {
		return nil, err
	}
	// What was filled in in time and arrives after the day was closed, from a phone that had no connection, is taken: the day cannot be asked again.
	if old, ok := p.Couple.diaries[diaryKey{c.Role, c.Burst, c.Day}]; ok && !old.missed {
		if reflect.DeepEqual(old.entries, c.Entries) {
			return nil, nil
		}
		return nil, refuse(Conflict, "day", "the diary of %s was sent before", c.Day)
	}
	timing := TimingUnrecorded
	if !c.Elsewhere {
		if timing, err = window.timing("day", c.FilledAt); err != nil {
			return nil, err
		}
	}
	list := []Event{DiarySubmitted{c.Role, c.Burst, c.Day, c.Entries, c.StartedAt.UTC(), c.FilledAt.UTC(), timing}}
	for _, e := range c.Entries {
		list = append(list, p.risks(c.Role, occasion, e.Instrument, e.Answers)...)
	}
	return list, nil
}

func (c SubmitDiary) checkEntries(p Past, asked []InstrumentRef) error {
	var k checks
	k.that(len(c.Entries) > 0, "entries", "the diary is empty")
	seen := map[string]bool{}
	for i, e := range c.Entries {
		path := fmt.Sprintf("entries[%d]", i)
		ref := InstrumentRef{e.Instrument, e.Version}
		if !slices.Contains(asked, ref) {
			k.that(false, path, "diary %s does not ask %s of this person", c.Burst, ref)
			continue
		}
		k.that(!seen[e.Instrument], path, "%s is answered twice", e.Instrument)
		seen[e.Instrument] = true
		k.add(p.Study.Instruments[ref].CheckAnswers(e.Answers))
		if !c.Elsewhere {
			k.add(p.Study.Protocol.checkShown(e.Instrument, e.Answers))
		}
	}
	return k.err()
}

// burst finds a diary of the protocol in force.
func (p Past) burst(code string) (DiaryBurst, error) {
	b, ok := p.Study.Protocol.Diary(code)
	if !ok {
		return DiaryBurst{}, refuse(NotFound, "burst", "the protocol has no diary %q", code)
	}
	return b, nil
}

// diaryDay finds the window of a day, or says why there is none.
func (p Past) diaryDay(who *Participant, b DiaryBurst, day Date) (Window, error) {
	known := p.Couple.Beginnings(who)
	first, n := b.FirstDay(known), b.DayNumber(known, day)
	switch {
	case first.IsZero():
		return Window{}, refuse(Conflict, "day", "what diary %s is counted from has not happened yet", b.Code)
	case n == 0:
		return Window{}, refuse(Invalid, "day", "%s is not a day of diary %s; expected %s to %s", day, b.Code, first, first.AddDays(b.Days-1))
	}
	return who.diaryWindows(b, first)[n-1], nil
}

// CloseDiaryDay notes that a participant let a diary day pass. A scheduler sends it; sent early it is refused.
type CloseDiaryDay struct {
	Study, Couple string
	Role          Role
	Burst         string
	Day           Date
	At            time.Time
}

func (c CloseDiaryDay) Target() Target { return Target{c.Study, c.Couple} }

func (c CloseDiaryDay) decide(p Past) ([]Event, error) {
	who, err := p.needParticipant(c.Role)
	if err != nil {
		return nil, err
	}
	burst, err := p.burst(c.Burst)
	if err != nil {
		return nil, err
	}
	window, err := p.diaryDay(who, burst, c.Day)
	if err != nil {
		return nil, err
	}
	if c.At.Before(window.Ends) {
		return nil, refuse(Conflict, "day", "the diary of %s is open until %s", c.Day, window.Ends.Format(time.RFC3339))
	}
	if _, ok := p.Couple.diaries[diaryKey{c.Role, c.Burst, c.Day}]; ok {
		return nil, nil
	}
	return []Event{DiaryMissed{c.Role, c.Burst, c.Day}}, nil
}
