package domain

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Entry is what a participant sent for one instrument of an occasion, or let pass.
type Entry struct {
	Occasion   Occasion
	Instrument string // code; empty if missed
	Version    string
	Answers    []Answer
	FilledAt   time.Time // UTC; zero if missed
	Timing     Timing
	Missed     bool
}

// Entries lists everything that a participant sent or let pass, in the order of time; what was missed stands last. It is for this person alone.
func (c *Couple) Entries(r Role) []Entry {
	var list []Entry
	for k, q := range c.questionnaires {
		if k.role == r {
			list = append(list, Entry{Occasion: Occasion{Wave: k.wave}, Instrument: k.instrument, Version: q.version, Answers: q.answers, FilledAt: q.filledAt, Timing: q.timing})
		}
	}
	for k := range c.missedWaves {
		if k.role == r {
			list = append(list, Entry{Occasion: Occasion{Wave: k.wave}, Missed: true})
		}
	}
	for k, d := range c.diaries {
		if k.role != r {
			continue
		}
		o := Occasion{Burst: k.burst, Day: k.day}
		if d.missed {
			list = append(list, Entry{Occasion: o, Missed: true})
		}
		for _, e := range d.entries {
			list = append(list, Entry{Occasion: o, Instrument: e.Instrument, Version: e.Version, Answers: e.Answers, FilledAt: d.filledAt, Timing: d.timing})
		}
	}
	slices.SortFunc(list, func(a, b Entry) int {
		if a.Missed != b.Missed {
			if b.Missed {
				return -1
			}
			return 1
		}
		return cmp.Or(a.FilledAt.Compare(b.FilledAt), a.Occasion.compare(b.Occasion), strings.Compare(a.Instrument, b.Instrument))
	})
	return list
}

// Notes lists everything that a participant wrote, in the order of time. It is for this person alone; whoever is about to show it to anybody else
// records a [ReadNote] first.
func (c *Couple) Notes(r Role) []NoteWritten {
	var list []NoteWritten
	for k, n := range c.notes {
		if k.role == r {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, func(a, b NoteWritten) int {
		return cmp.Or(a.WrittenAt.Compare(b.WrittenAt), a.Occasion.compare(b.Occasion), strings.Compare(a.Prompt, b.Prompt))
	})
	return list
}

// compare orders occasions: waves, then diaries by code and day.
func (o Occasion) compare(p Occasion) int {
	return cmp.Or(cmp.Compare(o.Wave, p.Wave), strings.Compare(o.Burst, p.Burst), o.Day.Start(time.UTC).Compare(p.Day.Start(time.UTC)))
}
