package prompting

import (
	"time"

	"asem/domain"
)

// The hours, by a participant's own wall clock, in which nothing is sent: from quietFrom until quietUntil. For a diary that stays open into the
// night they begin when its day closes, but an hour later at most: a diary is written late, and whoever sleeps by then is not woken.
const (
	quietFrom  = 22
	quietLate  = 23
	quietUntil = 8
)

// night tells when somebody is left alone.
type night struct {
	who   *domain.Participant
	offer domain.Offer
}

// begins returns when the night after a day begins, in a zone.
func (n night) begins(day domain.Date, zone *time.Location) time.Time {
	from, late := firstAt(day, quietFrom, zone), firstAt(day, quietLate, zone)
	switch closes := n.offer.Window.Closes; {
	case n.offer.Burst == "" || !closes.After(from) || !n.offer.Window.Opens.Before(late):
		return from
	case closes.Before(late):
		return closes
	}
	return late
}

// firstAt returns when a clock first shows an hour of a day: where it is put back at night, as in Cairo, it shows it twice.
func firstAt(day domain.Date, hour int, zone *time.Location) time.Time {
	t := day.At(hour, zone).In(zone)
	for _, back := range []time.Duration{time.Hour, 30 * time.Minute} {
		if before := t.Add(-back); before.Hour() == t.Hour() && before.Minute() == t.Minute() && before.Day() == t.Day() {
			return before
		}
	}
	return t
}

// around returns the night that an instant lies in or, where it is none, the next one.
func (n night) around(t time.Time) (from, until time.Time, quiet bool) {
	zone := n.who.ZoneAt(t)
	day := dateOf(t, zone)
	if until = day.At(quietUntil, zone); t.Before(until) {
		return n.begins(day.AddDays(-1), zone), until, true
	}
	from, until = n.begins(day, zone), day.AddDays(1).At(quietUntil, zone)
	return from, until, !t.Before(from)
}

func (n night) quiet(t time.Time) bool {
	_, _, quiet := n.around(t)
	return quiet
}

func dateOf(t time.Time, zone *time.Location) domain.Date {
	y, m, d := t.In(zone).Date()
	return domain.NewDate(y, m, d)
}
