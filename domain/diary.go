package domain

import (
	"fmt"
	"reflect"
	"time"
)

type (
	diaryKey struct {
		role  Role
		burst string
		day   Date
	}
	diary struct {
		missed  bool
		entries []DiaryEntry
	}
)

// DiaryEntry is the part of a diary that answers one instrument.
type DiaryEntry struct {
	Instrument string   `json:"instrument"`
	Version    string   `json:"version"`
	Answers    []Answer `json:"answers"`
}

// DiarySubmitted: a participant sent the diary of one day.
type DiarySubmitted struct {
	Role     Role         `json:"role"`
	Burst    string       `json:"burst"`
	Day      Date         `json:"day"` // in the participant's own calendar
	Entries  []DiaryEntry `json:"entries"`
	FilledAt time.Time    `json:"filledAt"` // UTC
	Timing   Timing       `json:"timing"`
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
		set(&c.diaries, diaryKey{e.Role, e.Burst, e.Day}, diary{entries: e.Entries})
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
	if err := c.checkEntries(p, burst); err != nil {
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
	return []Event{DiarySubmitted{c.Role, c.Burst, c.Day, c.Entries, c.FilledAt.UTC(), timing}}, nil
}

func (c SubmitDiary) checkEntries(p Past, burst DiaryBurst) error {
	var k checks
	k.that(len(c.Entries) > 0, "entries", "the diary is empty")
	seen := map[string]bool{}
	for i, e := range c.Entries {
		path := fmt.Sprintf("entries[%d]", i)
		ref := InstrumentRef{e.Instrument, e.Version}
		if _, ok := find(burst.Instruments, func(r InstrumentRef) bool { return r == ref }); !ok {
			k.that(false, path, "diary %s does not ask %s", burst.Code, ref)
			continue
		}
		k.that(!seen[e.Instrument], path, "%s is answered twice", e.Instrument)
		seen[e.Instrument] = true
		k.add(p.Study.Instruments[ref].CheckAnswers(e.Answers))
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
	z, err := zone("zone", who.Zone)
	if err != nil {
		return DiaryBurst{}, Window{}, err
	}
	return burst, burst.Window(day, z), nil
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
