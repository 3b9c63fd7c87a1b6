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
	burst, window, err := p.diaryDay(who, c.Burst, c.Day)
	if err != nil {
		return nil, err
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
	if old, ok := p.Couple.diaries[diaryKey{c.Role, c.Burst, c.Day}]; ok {
		switch {
		case old.missed:
			return nil, refuse(Conflict, "day", "the diary of %s was closed as missed", c.Day)
		case reflect.DeepEqual(old.entries, c.Entries):
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

// diaryDay finds the burst and window of a day, or says why there is none.
func (p Past) diaryDay(who *Participant, code string, day Date) (DiaryBurst, Window, error) {
	burst, ok := p.Study.Protocol.Diary(code)
	if !ok {
		return DiaryBurst{}, Window{}, refuse(NotFound, "burst", "the protocol has no diary %q", code)
	}
	if burst.DayNumber(p.Couple.EnrolledOn, day) == 0 {
		first := burst.FirstDay(p.Couple.EnrolledOn)
		return DiaryBurst{}, Window{}, refuse(Invalid, "day", "%s is not a day of diary %s; expected %s to %s", day, code, first, first.AddDays(burst.Days-1))
	}
	first := burst.FirstDay(p.Couple.EnrolledOn)
	return burst, who.diaryWindows(burst, first)[first.DaysUntil(day)], nil
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
	_, window, err := p.diaryDay(who, c.Burst, c.Day)
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
