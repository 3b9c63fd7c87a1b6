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
	if !v.who.Paired && v.who.WithdrawnOn.IsZero() {
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
		case o.Open(v.now):
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
	case !v.who.WithdrawnOn.IsZero():
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
	if next != nil && v.who.WithdrawnOn.IsZero() && len(page.Tasks) == 0 {
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
	until, soon, far := o.Window.Closes, "today.untilTime", "today.untilDay"
	if t.Late {
		until, soon, far = o.Window.Ends, "today.lateTime", "today.lateDay"
	}
	until = until.In(v.zone)
	if until.Sub(v.now) < 20*time.Hour {
		t.Until = v.T(soon, v.Time(until))
	} else {
		t.Until = v.T(far, v.Day(until), v.Time(until))
	}
	return t
}

func dedupe(list []string) (out []string) {
	for i, s := range list {
		if i == 0 || s != list[i-1] {
			out = append(out, s)
		}
	}
	return out
}
