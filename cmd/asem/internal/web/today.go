package web

import (
	"net/http"
	"time"

	"asem/domain"
)

// task is something to do now.
type task struct {
	Title, Lead, Until string
	ID                 string
	Questions, Minutes int
	Begun, Late        bool
}

// progress is how far a person has come.
type progress struct {
	Title      string
	Done, From int
}

type todayPage struct {
	Day      string
	Tasks    []task
	Received []string // what came in today
	Lines    []string
	Choices  bool // agreeing to something would change the page
	Progress []progress
	Pay      string
}

// today shows what is open now.
func (v *visit) today() {
	v.opened()
	if !v.who.Paired && !v.gone() {
		v.redirect("/me/welcome")
		return
	}
	page := todayPage{Day: v.Day(v.now)}
	var next *domain.Offer
	agreed, later := false, false
	days, waves := progress{Title: v.T("progress.diary")}, progress{Title: v.T("progress.waves")}
	paid := 0
	pay := v.past.Study.Protocol.Compensation
	for _, o := range v.past.Agenda(v.me.Role) {
		agreed = agreed || o.Asked
		later = later || o.Window.Ends.After(v.now)
		switch {
		case v.open(o):
			page.Tasks = append(page.Tasks, v.task(o))
		case o.Asked && o.Window.Opens.After(v.now) && next == nil:
			next = &o
		}
		count, worth := &waves, 0
		if o.Burst != "" {
			count = &days
		}
		count.From++
		if pay != nil && o.Burst != "" {
			worth = pay.DiaryDay
		} else if pay != nil {
			worth = pay.Wave
		}
		if o.Done {
			count.Done++
			paid += worth
		}
	}
	for _, e := range v.past.Couple.Entries(v.me.Role) {
		if at := e.FilledAt.In(v.zone); !e.Missed && sameDay(at, v.now) {
			page.Received = append(page.Received, v.nameOf(e.Occasion)+" · "+v.T("today.received", v.Time(at)))
		}
	}
	page.Received = dedupe(page.Received)
	switch {
	case v.gone():
		page.Lines = []string{v.T("today.withdrawn")}
	case !agreed && later:
		page.Lines, page.Choices = []string{v.T("today.unagreed")}, true
	case len(page.Tasks) > 0:
	case next == nil:
		page.Lines = []string{v.T("today.over")}
	default:
		page.Lines = []string{v.T("today.nothing")}
		if len(page.Received) > 0 {
			page.Lines = []string{v.T("today.done")}
		}
	}
	if next != nil && !v.gone() && len(page.Tasks) == 0 {
		opens := next.Window.Opens.In(v.zone)
		if next.Burst != "" {
			page.Lines = append(page.Lines, v.T("today.next.diary", v.Day(opens), v.Time(opens)))
		} else {
			page.Lines = append(page.Lines, v.T("today.next.wave", v.Day(opens)))
		}
	}
	for _, p := range []progress{days, waves} {
		if p.From > 0 {
			page.Progress = append(page.Progress, p)
		}
	}
	if pay != nil {
		page.Pay = v.Number(float64(paid)/100) + " " + pay.Currency
	}
	v.render(http.StatusOK, "today", "today", page)
}

// open reports whether an offer can be answered now: a window that opened before the person withdrew is closed to it as well.
func (v *visit) open(o domain.Offer) bool { return o.Open(v.now) && !v.gone() }

// gone reports whether the person takes part no longer.
func (v *visit) gone() bool {
	return !v.who.WithdrawnOn.IsZero() && !v.calendarDay().Before(v.who.WithdrawnOn)
}

func (v *visit) nameOf(o domain.Occasion) string {
	if o.Burst != "" {
		return v.T("form.diary")
	}
	return v.T("form.wave")
}

// task describes an offer that is open, from the first part of it that was not sent.
func (v *visit) task(o domain.Offer) task {
	t := task{Late: !v.now.Before(o.Window.Closes)}
	items := 0
	all := parts(v.past, o)
	for i := len(all) - 1; i >= 0; i-- {
		p := all[i]
		if _, sent := v.entry(p); sent {
			t.Begun = true
			continue
		}
		t.ID, t.Title, t.Lead = v.id(p), v.titleOf(p), v.leadOf(p)
		for _, ref := range p.Refs {
			items += len(v.past.Study.Instruments[ref].Items)
		}
		items += len(p.Notes)
	}
	t.Questions = items
	t.Minutes = max(1, (items*8+59)/60) // some eight seconds a question
	t.Until = v.until(o.Window, t.Late, true)
	return t
}

// until says until when what has a window can be answered, in time or late. Where the time is near it need not name the day.
func (v *visit) until(w domain.Window, late, mayBeNear bool) string {
	until, near, far, through := w.Closes, "today.untilTime", "today.untilDay", "today.throughDay"
	if late {
		until, near, far, through = w.Ends, "today.lateTime", "today.lateDay", "today.lateThroughDay"
	}
	until = until.In(v.zone)
	switch {
	case until.Hour() == 0 && until.Minute() == 0: // midnight belongs to the day that ends with it
		return v.T(through, v.Day(until.Add(-time.Minute)))
	case mayBeNear && until.Sub(v.now) < 20*time.Hour:
		return v.T(near, v.Time(until))
	}
	return v.T(far, v.Day(until), v.Time(until))
}

func dedupe(list []string) (out []string) {
	for i, s := range list {
		if i == 0 || s != list[i-1] {
			out = append(out, s)
		}
	}
	return out
}
