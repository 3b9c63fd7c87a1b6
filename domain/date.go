package domain

import (
	"fmt"
	"time"
	_ "time/tzdata" // every zone is known wherever asem runs, also on a machine without zone files
)

// Date is a calendar day without a clock or a zone: the day a participant calls "today".
// The zero Date is no date.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// NewDate returns the given day; days and months out of range are carried over as in [time.Date].
func NewDate(year int, month time.Month, day int) Date {
	return dateOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
}

// ParseDate reads a day written as 2026-11-23.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return Date{}, refuse(Invalid, "", "%q is not a calendar date; write it as 2026-11-23", s)
	}
	return dateOf(t), nil
}

func dateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// IsZero reports whether d is no date.
func (d Date) IsZero() bool { return d == Date{} }

// AddDays returns the day n days later.
func (d Date) AddDays(n int) Date { return NewDate(d.Year, d.Month, d.Day+n) }

// AddMonths returns the same day of the month n months later, or the last day of that month
// where it is shorter: 31 January plus one month is 28 or 29 February.
func (d Date) AddMonths(n int) Date {
	first := NewDate(d.Year, d.Month+time.Month(n), 1)
	last := NewDate(first.Year, first.Month+1, 0).Day
	return Date{first.Year, first.Month, min(d.Day, last)}
}

// DaysUntil returns how many days e lies after d.
func (d Date) DaysUntil(e Date) int {
	return int(e.Start(time.UTC).Sub(d.Start(time.UTC)) / (24 * time.Hour))
}

// Before reports whether d is an earlier day than e.
func (d Date) Before(e Date) bool { return d.Start(time.UTC).Before(e.Start(time.UTC)) }

// Start returns the instant at which the day begins in a zone. Where clocks spring forward over
// midnight the day begins at the first instant that exists.
func (d Date) Start(zone *time.Location) time.Time { return d.At(0, zone) }

// At returns the instant hours after midnight by the wall clock of a zone; 27 is three in the
// following night. An hour that a clock change skips is moved forward by the change.
func (d Date) At(hours int, zone *time.Location) time.Time {
	t := time.Date(d.Year, d.Month, d.Day, hours, 0, 0, 0, zone)
	if want := ((hours % 24) + 24) % 24; t.Hour() < want || (want == 0 && t.Hour() == 23) {
		// time.Date may answer a skipped hour with the instant before the gap.
		t = t.Add(time.Hour)
	}
	return t
}

func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day)
}

// MarshalText writes 2026-11-23, and nothing for no date.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	p, err := ParseDate(string(text))
	if err != nil {
		return err
	}
	*d = p
	return nil
}

// checkZone refuses what is not the name of a zone.
func checkZone(path, name string) error {
	if name == "" || name == "Local" {
		return refuse(Invalid, path, "a time zone is missing; expected an IANA name such as Europe/Berlin")
	}
	if _, err := time.LoadLocation(name); err != nil {
		return refuse(Invalid, path, "%q is not a known time zone; expected an IANA name such as Europe/Berlin", name)
	}
	return nil
}
