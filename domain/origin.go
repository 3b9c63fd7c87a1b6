package domain

// Anchor says from what days are counted.
type Anchor string

// The anchors.
const (
	AnchorEnrolment Anchor = ""         // the couple's enrolment
	AnchorJoining   Anchor = "joining"  // each partner's own first consent
	AnchorSession   Anchor = "session"  // a session that was held
	AnchorCalendar  Anchor = "calendar" // a date
)

// Origin is that from which the days of a wave or of a diary are counted.
type Origin struct {
	Anchor  Anchor `json:"anchor,omitempty"`
	Session int    `json:"session,omitempty"` // AnchorSession: its number
	On      Date   `json:"on,omitzero"`       // AnchorCalendar: the day
}

// maxSession is the highest number that a session can have.
const maxSession = 1000

func (o Origin) check(path string, c *checks) {
	switch o.Anchor {
	case AnchorEnrolment, AnchorJoining:
	case AnchorSession:
		c.that(o.Session >= 1 && o.Session <= maxSession, path+".session", "the number of the session is %d; expected 1 to %d", o.Session, maxSession)
	case AnchorCalendar:
		c.that(!o.On.IsZero(), path+".on", "the day is missing")
	default:
		c.that(false, path+".anchor", "%q is not an anchor; expected %s, %s or %s, or nothing for the couple's enrolment", o.Anchor, AnchorJoining, AnchorSession, AnchorCalendar)
	}
}

// Beginnings are the days of one participant from which others are counted, as far as they are known.
type Beginnings struct {
	Enrolled Date         // of the couple
	Joined   Date         // zero before the person's first consent, or where its time was not recorded
	Sessions map[int]Date // by number; those that were held
}

// Beginnings returns what the days of a participant are counted from.
func (c *Couple) Beginnings(who *Participant) Beginnings {
	return Beginnings{c.EnrolledOn, who.JoinedOn, c.sessions}
}

// Since returns the day from which on the person is asked anything: that of the couple's enrolment, or of an earlier first consent.
func (b Beginnings) Since() Date {
	if !b.Joined.IsZero() && b.Joined.Before(b.Enrolled) {
		return b.Joined
	}
	return b.Enrolled
}

// of returns the day of an origin; the zero Date while it is not known.
func (b Beginnings) of(o Origin) Date {
	switch o.Anchor {
	case AnchorJoining:
		return b.Joined
	case AnchorSession:
		return b.Sessions[o.Session]
	case AnchorCalendar:
		return o.On
	}
	return b.Enrolled
}

// NominalDay returns the day on which the wave falls for a participant; the zero Date while it is not known. At a session or a date it falls on that very
// day: there the month is for analyses.
func (w Wave) NominalDay(b Beginnings) Date {
	day := b.of(w.Origin)
	if day.IsZero() || w.Anchor == AnchorSession || w.Anchor == AnchorCalendar {
		return day
	}
	return monthsAfter(day, w.Month)
}

// FirstDay returns a participant's first day of the diary; the zero Date while it is not known.
func (d DiaryBurst) FirstDay(b Beginnings) Date {
	day := b.of(d.Origin)
	if day.IsZero() {
		return day
	}
	return monthsAfter(day, d.StartMonth).AddDays(d.StartDay)
}

// DayNumber returns which of a participant's days of the diary a date is, from 1; 0 when it is none, or while it is not known when the diary begins.
func (d DiaryBurst) DayNumber(b Beginnings, day Date) int {
	first := d.FirstDay(b)
	n := first.DaysUntil(day) + 1
	if first.IsZero() || n < 1 || n > d.Days {
		return 0
	}
	return n
}
