package domain

import (
	"slices"
	"time"
)

// Occasion names what a participant is asked: a wave, or one day of a diary.
type Occasion struct {
	Wave  int    `json:"wave,omitempty"`  // its index; 0 for a diary day
	Burst string `json:"burst,omitempty"` // code of the diary
	Day   Date   `json:"day,omitzero"`    // of the diary, in the participant's own calendar
}

// Offer is an occasion as it is put to one participant.
type Offer struct {
	Occasion
	Number      int             // of the day in its diary, from 1; 0 for a wave
	Days        int             // of the diary; 0 for a wave
	Instruments []InstrumentRef // that this person is asked, in order
	Window      Window
	Asked       bool   // the person agreed to it and takes part; without it nothing is taken
	Received    int    // instruments that were answered
	Done        bool   // all of them
	Missed      bool   // closed without an answer
	Timing      Timing // late if anything of it was late; empty before the first answer
}

// Open reports whether it can be answered at an instant.
func (o Offer) Open(at time.Time) bool {
	return o.Asked && !o.Done && !o.Missed && !at.Before(o.Window.Opens) && at.Before(o.Window.Ends)
}

// Agenda lists everything that a participant was, is and will be asked, by the time at which it opens. It is made from facts of that person alone, and
// from what concerns the couple as a whole: nothing in it depends on what the partner does.
//
// Windows follow the person's own wall clock, also over a change of clocks or of zone. Every day of a diary is offered once: its window
// opens when that clock first shows the opening hour of the day and closes when it last shows an earlier time than the closing hour. Windows of one diary do not overlap. Who crosses
// the date line so that a day passes in less than an hour has an hour for it nevertheless.
func (p Past) Agenda(r Role) []Offer {
	who, ok := p.Couple.Participant(r)
	if !ok {
		return nil
	}
	arm := p.Couple.Arm(r)
	asked := func(arms []string) bool { return len(arms) == 0 || slices.Contains(arms, arm) }
	known := p.Couple.Beginnings(who)
	since := known.Since() // a date may lie before it: nobody is asked what was over then
	var list []Offer
	for _, w := range p.Study.Protocol.Waves {
		window, ok := p.waveWindow(who, w)
		if !ok || !asked(w.Arms) {
			continue
		}
		o := Offer{Occasion: Occasion{Wave: w.Index}, Instruments: p.askedOf(r, w.Instruments), Window: window}
		if len(o.Instruments) == 0 {
			continue
		}
		for _, ref := range o.Instruments {
			if q, ok := p.Couple.questionnaires[questionnaireKey{waveKey{r, w.Index}, ref.Code}]; ok {
				o.Received++
				if o.Timing != TimingLate {
					o.Timing = q.timing
				}
			}
		}
		o.Done, o.Missed = o.Received == len(o.Instruments), o.Received == 0 && p.Couple.missedWaves[waveKey{r, w.Index}]
		o.Asked, o.Window = p.asks(who, ScopeQuestionnaires, window)
		o.Asked = o.Asked && window.Ends.After(who.At(since, 0))
		list = append(list, o)
	}
	for _, b := range p.Study.Protocol.Diaries {
		refs := p.askedOf(r, b.Instruments)
		if !asked(b.Arms) || len(refs) == 0 {
			continue
		}
		first := b.FirstDay(known)
		for n, window := range who.diaryWindows(b, first) {
			o := Offer{Occasion: Occasion{Burst: b.Code, Day: first.AddDays(n)}, Number: n + 1, Days: b.Days, Instruments: refs, Window: window}
			if d, ok := p.Couple.diaries[diaryKey{r, b.Code, o.Day}]; ok {
				o.Missed, o.Done, o.Received, o.Timing = d.missed, !d.missed, len(d.entries), d.timing
			}
			o.Asked, o.Window = p.asks(who, ScopeDiary, window)
			o.Asked = o.Asked && !o.Day.Before(since)
			list = append(list, o)
		}
	}
	slices.SortStableFunc(list, func(a, b Offer) int { return a.Window.Opens.Compare(b.Window.Opens) })
	return list
}

// offer finds one occasion of a participant, or says why there is none.
func (p Past) offer(r Role, o Occasion) (Offer, error) {
	who, err := p.needParticipant(r)
	if err != nil {
		return Offer{}, err
	}
	if found, ok := find(p.Agenda(r), func(x Offer) bool { return x.Occasion == o }); ok {
		return found, nil
	}
	if o.Burst != "" {
		b, err := p.burst(o.Burst)
		if err == nil {
			_, err = p.diaryDay(who, b, o.Day)
		}
		if err != nil {
			return Offer{}, err
		}
	} else if _, err := p.wave(o.Wave); err != nil {
		return Offer{}, err
	}
	return Offer{}, refuse(NotFound, "occasion", "role %s is not asked this", r)
}

// askedOf leaves out what only the other role is asked.
func (p Past) askedOf(r Role, refs []InstrumentRef) []InstrumentRef {
	var list []InstrumentRef
	for _, ref := range refs {
		if p.Study.Protocol.Showing(ref.Code).asks(r) {
			list = append(list, ref)
		}
	}
	return list
}

// asks reports whether the person agreed to a scope and takes part when a window opens. The window ends with the day before the person does no longer.
func (p Past) asks(who *Participant, s Scope, w Window) (bool, Window) {
	clock := who.clock()
	for _, on := range p.partings(who) {
		if end := clock.first(on, 0); end.Before(w.Ends) {
			if !end.After(w.Opens) {
				return false, w
			}
			w.Closes, w.Ends = earlier(w.Closes, end), end
		}
	}
	_, agreed := who.Consents[s]
	return agreed, w
}

// partings lists the days from which on nothing is asked of the person.
func (p Past) partings(who *Participant) (days []Date) {
	if !who.WithdrawnOn.IsZero() {
		days = append(days, who.WithdrawnOn)
	}
	if p.Study.Protocol.AfterSeparation == StopAfterSeparation {
		for _, on := range []Date{p.Couple.SeparatedOn, who.SeparatedOn} {
			if !on.IsZero() {
				days = append(days, on)
			}
		}
	}
	return days
}

// stopped reports whether a separation ended what the person is asked.
func (p Past) stopped(who *Participant, day Date) bool {
	if p.Study.Protocol.AfterSeparation != StopAfterSeparation {
		return false
	}
	for _, on := range []Date{p.Couple.SeparatedOn, who.SeparatedOn} {
		if !on.IsZero() && !day.Before(on) {
			return true
		}
	}
	return false
}

// waveWindow returns when a participant may answer a wave; false while it is not known when.
func (p Past) waveWindow(who *Participant, w Wave) (Window, bool) {
	day := w.NominalDay(p.Couple.Beginnings(who))
	if day.IsZero() {
		return Window{}, false
	}
	clock := who.clock()
	return Window{
		Opens:  clock.first(day.AddDays(-w.OpensDaysEarly), 0),
		Closes: clock.last(day.AddDays(w.ClosesDaysLate+1), 0),
		Ends:   clock.last(day.AddDays(w.ClosesDaysLate+w.GraceDays+1), 0),
	}, true
}

// shortest is the least time for which a diary day is offered.
const shortest = time.Hour

// diaryWindows returns the windows of the days of a burst that begins on a day, in order; none while that day is not known.
func (who *Participant) diaryWindows(b DiaryBurst, first Date) []Window {
	if first.IsZero() {
		return nil
	}
	clock := who.clock()
	list := make([]Window, b.Days)
	for n := range list {
		day := first.AddDays(n)
		w := Window{Opens: clock.first(day, b.OpensHour), Closes: clock.last(day, b.ClosesHour), Ends: clock.last(day, b.ClosesHour+b.GraceHours)}
		if n > 0 {
			before := &list[n-1]
			// The clock was set back into the day before while this one had begun already: that day ended when this one began.
			before.Closes, before.Ends = earlier(before.Closes, w.Opens), earlier(before.Ends, w.Opens)
			if least := before.Opens.Add(shortest); before.Ends.Before(least) {
				before.Ends = least
			}
			w.Opens = later(w.Opens, before.Ends)
		}
		w.Closes = later(w.Closes, w.Opens)
		w.Ends = later(w.Ends, w.Closes)
		if least := w.Opens.Add(shortest); w.Ends.Before(least) {
			w.Ends = least
		}
		list[n] = w
	}
	return list
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// stay is a stretch of time that a participant spends in a zone, up to the next one.
type stay struct {
	since time.Time // zero: from the beginning
	zone  *time.Location
}

// clock is a participant's wall clock: its zones in order of time.
type clock []stay

func (who *Participant) clock() clock { return who.zones }

// ZoneAt returns the zone in which the participant's wall clock runs at an instant.
func (who *Participant) ZoneAt(t time.Time) *time.Location { return who.clock().at(t) }

// At returns the first instant at which the participant's wall clock shows an hour of a day or a later time.
func (who *Participant) At(day Date, hour int) time.Time { return who.clock().first(day, hour) }

// TakesPart reports whether a participant agrees, at an instant, to what is asked at an occasion: consent was given, and neither a withdrawal nor a
// separation ended it.
func (p Past) TakesPart(r Role, o Occasion, at time.Time) bool {
	_, err := p.mayObserve(r, o.scope(), at)
	return err == nil
}

// scope is what has to be agreed to.
func (o Occasion) scope() Scope {
	if o.Burst != "" {
		return ScopeDiary
	}
	return ScopeQuestionnaires
}

// at returns the zone in which the clock runs at an instant.
func (c clock) at(t time.Time) *time.Location {
	for i := len(c) - 1; i > 0; i-- {
		if !t.Before(c[i].since) {
			return c[i].zone
		}
	}
	if len(c) == 0 {
		return time.UTC
	}
	return c[0].zone
}

// first returns the first instant at which the clock shows an hour of a day or a later time.
func (c clock) first(day Date, hour int) time.Time {
	for i, s := range c {
		t := later(day.At(hour, s.zone), s.since)
		if i == len(c)-1 || t.Before(c[i+1].since) {
			return t
		}
	}
	return day.At(hour, time.UTC)
}

// last returns the instant after the last one at which the clock shows an earlier time than an hour of a day.
func (c clock) last(day Date, hour int) time.Time {
	for i := len(c) - 1; i >= 0; i-- {
		t := day.At(hour, c[i].zone)
		if i < len(c)-1 {
			t = earlier(t, c[i+1].since)
		}
		if i == 0 || t.After(c[i].since) {
			return t
		}
	}
	return day.At(hour, time.UTC)
}

// move appends a zone from an instant on. An instant that is not known, or lies before the last move, counts as that of the last move.
func (c clock) move(name string, at time.Time) clock {
	z, err := time.LoadLocation(name)
	if err != nil { // refused before it was recorded; a log of elsewhere may hold it nevertheless
		z = time.UTC
	}
	if n := len(c); n > 0 && !at.After(c[n-1].since) {
		return append(slices.Clone(c[:n-1]), stay{c[n-1].since, z})
	}
	if len(c) == 0 {
		at = time.Time{}
	}
	return append(slices.Clone(c), stay{at, z})
}
