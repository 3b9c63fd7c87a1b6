package studyfile

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"asem/domain"
)

const daysPerMonth = 30.4375 // 365.25 / 12, as the domain counts

// moment is when a wave falls, and its window around that.
type moment struct {
	domain.Origin
	month       float64 // AnchorEnrolment and AnchorJoining
	early, late int     // days
}

const momentForms = `expected "enrolment", "4 months", "14 days after joining", "session 5" or "2026-12-24", and then perhaps "+/- 21 days", "-3/+14 days" or "+14 days"`

var (
	windowPattern = regexp.MustCompile(`^(.*?)(?:\s*(?:\+/-|±)\s*(\d{1,4}) days?|\s+(?:-\s*(\d{1,4})\s*/\s*)?\+\s*(\d{1,4}) days?)?$`)
	afterPattern  = regexp.MustCompile(`^(\d{1,4}(?:\.\d+)?) (day|week|month|year)s?(?: after (enrolment|joining))?$`)
	sessionForm   = regexp.MustCompile(`^session (\d{1,4})$`)
	startPattern  = regexp.MustCompile(`^(?:(\d{1,4}(?:\.\d+)?) months?)?(?:(?:^| and | )(\d{1,4}) (day|week)s?)?$`)
	hoursPattern  = regexp.MustCompile(`^(\d{1,2}):00\s*\.\.\s*(\d{1,2}):00( next day)?$`)
	clockPattern  = regexp.MustCompile(`^(\d{1,2}):00$`)
	amountPattern = regexp.MustCompile(`^(\d{1,5}) ([a-z]+?)s?$`)
	moneyPattern  = regexp.MustCompile(`^(\d{1,6})(?:\.(\d{2}))?$`)
)

// parseOrigin reads what days are counted from.
func parseOrigin(text string) (o domain.Origin, ok bool) {
	switch p := sessionForm.FindStringSubmatch(text); {
	case p != nil:
		o.Anchor = domain.AnchorSession
		o.Session, _ = strconv.Atoi(p[1])
	case text == "joining":
		o.Anchor = domain.AnchorJoining
	case text != "enrolment":
		day, err := domain.ParseDate(text)
		return domain.Origin{Anchor: domain.AnchorCalendar, On: day}, err == nil
	}
	return o, true
}

// originText is the way back of parseOrigin.
func originText(o domain.Origin) string {
	switch o.Anchor {
	case domain.AnchorSession:
		return fmt.Sprintf("session %d", o.Session)
	case domain.AnchorCalendar:
		return o.On.String()
	case domain.AnchorJoining:
		return "joining"
	}
	return "enrolment"
}

// parseMoment reads the "at" of a wave.
func parseMoment(text string) (m moment, err error) {
	parts := windowPattern.FindStringSubmatch(strings.TrimSpace(text))
	if parts == nil {
		return m, fmt.Errorf("%q is no moment; %s", text, momentForms)
	}
	number := func(s string) int { n, _ := strconv.Atoi(s); return n } // the pattern let digits through only
	if parts[2] != "" {
		m.early = number(parts[2])
		m.late = m.early
	} else {
		m.early, m.late = number(parts[3]), number(parts[4])
	}
	head := strings.TrimSpace(parts[1])
	if o, ok := parseOrigin(head); ok {
		m.Origin = o
		return m, nil
	}
	p := afterPattern.FindStringSubmatch(head)
	if p == nil {
		return m, fmt.Errorf("%q is no moment; %s", text, momentForms)
	}
	if p[3] == "joining" {
		m.Anchor = domain.AnchorJoining
	}
	x, _ := strconv.ParseFloat(p[1], 64)
	m.month, err = inMonths(x, p[2])
	return m, err
}

// inMonths turns days and weeks into the part of a month by which the domain counts them. Beyond a month that would no longer be a whole number of days
// everywhere, as calendar months differ.
func inMonths(x float64, unit string) (float64, error) {
	switch unit {
	case "year":
		return 12 * x, nil
	case "month":
		return x, nil
	case "week":
		x *= 7
	}
	if x != math.Trunc(x) || x > 30 {
		return 0, fmt.Errorf("%g days; days are counted whole and up to 30, later moments in months", x)
	}
	return x / daysPerMonth, nil
}

// monthsText is the way back of inMonths.
func monthsText(months float64) string {
	if days := math.Round(months * daysPerMonth); days >= 1 && days <= 30 && days/daysPerMonth == months {
		return plural(int(days), "day")
	}
	if months == 1 {
		return "1 month"
	}
	return strconv.FormatFloat(months, 'f', -1, 64) + " months"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// String is the way back of parseMoment.
func (m moment) String() string {
	s := originText(m.Origin)
	switch {
	case m.month == 0:
	case m.Anchor == domain.AnchorEnrolment:
		s = monthsText(m.month)
	case m.Anchor == domain.AnchorJoining:
		s = monthsText(m.month) + " after " + s
	}
	switch {
	case m.early == 0 && m.late == 0:
		return s
	case m.early == m.late:
		return s + " +/- " + plural(m.early, "day")
	case m.early == 0:
		return s + " +" + plural(m.late, "day")
	}
	return fmt.Sprintf("%s -%d/+%s", s, m.early, plural(m.late, "day"))
}

// start is when a diary begins: months from its origin, and days after that.
type start struct {
	domain.Origin
	months float64
	days   int
}

// parseStart reads the "starts" of a diary.
func parseStart(text string) (s start, err error) {
	text = strings.TrimSpace(text)
	if o, ok := parseOrigin(text); ok {
		return start{Origin: o}, nil
	}
	later, from, counted := strings.Cut(text, " after ")
	known := true
	if counted {
		s.Origin, known = parseOrigin(strings.TrimSpace(from))
	}
	p := startPattern.FindStringSubmatch(strings.TrimSpace(later))
	if p == nil || p[0] == "" || !known {
		return start{}, fmt.Errorf(`%q is no start; expected "enrolment", "7 days", "4 months", "4 months and 7 days", "7 days after joining", "session 3", "1 day after session 3" or "2027-01-04"`, text)
	}
	if p[1] != "" {
		s.months, _ = strconv.ParseFloat(p[1], 64)
	}
	s.days, _ = strconv.Atoi(p[2])
	if p[3] == "week" {
		s.days *= 7
	}
	return s, nil
}

// String is the way back of parseStart.
func (s start) String() string {
	var parts []string
	if s.months != 0 {
		text := strconv.FormatFloat(s.months, 'f', -1, 64) + " months"
		if s.months == 1 {
			text = "1 month"
		}
		parts = append(parts, text)
	}
	if s.days != 0 {
		parts = append(parts, plural(s.days, "day"))
	}
	switch later := strings.Join(parts, " and "); {
	case later == "":
		return originText(s.Origin)
	case s.Anchor == domain.AnchorEnrolment:
		return later
	default:
		return later + " after " + originText(s.Origin)
	}
}

// parseHours reads the hours in which a diary day is open, counted from the day's midnight.
func parseHours(text string) (opens, closes int, err error) {
	p := hoursPattern.FindStringSubmatch(strings.TrimSpace(text))
	if p == nil {
		return 0, 0, fmt.Errorf(`%q are no hours; expected full hours such as "17:00..24:00" or "17:00..03:00 next day"`, text)
	}
	opens, _ = strconv.Atoi(p[1])
	closes, _ = strconv.Atoi(p[2])
	if opens > 23 || closes > 24 {
		return 0, 0, fmt.Errorf("%q are no hours; a day has 24", text)
	}
	if p[3] != "" {
		closes += 24
	}
	if closes <= opens {
		return 0, 0, fmt.Errorf(`%q closes before it opens; write "%02d:00..%02d:00 next day" for the following night`, text, opens, closes)
	}
	return opens, closes, nil
}

func hoursText(opens, closes int) string {
	if closes > 24 {
		return fmt.Sprintf("%02d:00..%02d:00 next day", opens, closes-24)
	}
	return fmt.Sprintf("%02d:00..%02d:00", opens, closes)
}

// parseClock reads a full hour of the day.
func parseClock(text string) (int, error) {
	p := clockPattern.FindStringSubmatch(strings.TrimSpace(text))
	if p != nil {
		if hour, _ := strconv.Atoi(p[1]); hour < 24 {
			return hour, nil
		}
	}
	return 0, fmt.Errorf(`%q is no full hour of the day; expected one such as "18:00"`, text)
}

// parseAmount reads a number of days, hours or minutes; nothing is 0.
func parseAmount(text, unit string) (int, error) {
	if text == "" {
		return 0, nil
	}
	p := amountPattern.FindStringSubmatch(strings.TrimSpace(text))
	if p == nil || p[2] != unit {
		return 0, fmt.Errorf(`%q is no number of %ss; expected one such as "%s"`, text, unit, plural(2, unit))
	}
	return strconv.Atoi(p[1])
}

func amountText(n int, unit string) string {
	if n == 0 {
		return ""
	}
	return plural(n, unit)
}

// parseMoney reads an amount of money in hundredths; nothing is 0.
func parseMoney(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	p := moneyPattern.FindStringSubmatch(text)
	if p == nil {
		return 0, fmt.Errorf(`%q is no amount; expected one such as 20 or "1.50", in the currency above`, text)
	}
	whole, _ := strconv.Atoi(p[1])
	hundredths, _ := strconv.Atoi(p[2])
	return 100*whole + hundredths, nil
}

func moneyText(hundredths int) string {
	if hundredths == 0 {
		return ""
	}
	return fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100)
}
