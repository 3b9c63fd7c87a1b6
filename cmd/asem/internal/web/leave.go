package web

import (
	"net/http"
	"strings"
	"time"

	"asem/domain"
)

type leavePage struct {
	Withdrawn  bool
	Apart      string // since when, in words; empty: not told
	First      string // day from which on a separation can be told, as 2026-11-23
	Last       string
	Day        string
	Unsure     string // what is wrong with the confirmation
	WrongDay   string
	DaySaved   bool
	HasFaults  bool
	FaultCount int
}

func (v *visit) choices() { v.render(http.StatusOK, "choices", "choices", nil) }

func (v *visit) leave() { v.showLeave(http.StatusOK, leavePage{}) }

func (v *visit) showLeave(status int, page leavePage) {
	page.Withdrawn = !v.who.WithdrawnOn.IsZero()
	if on := v.who.SeparatedOn; !on.IsZero() {
		page.Apart = v.T("apart.done", v.Date(on.Start(time.UTC)))
	}
	page.First, page.Last = v.past.Couple.EnrolledOn.String(), v.now.Format(time.DateOnly)
	page.DaySaved = v.r.URL.Query().Has("saved")
	page.HasFaults = page.Unsure != "" || page.WrongDay != ""
	page.FaultCount = 1
	v.render(status, "leave", "choices", page)
}

// withdraw ends the person's part in the study. What the partner is asked and sees stays as it was.
func (v *visit) withdraw() {
	if err := v.r.ParseForm(); err != nil {
		v.bad()
		return
	}
	if v.r.PostForm.Get("sure") != "yes" {
		v.showLeave(http.StatusUnprocessableEntity, leavePage{Unsure: v.T("error.confirm")})
		return
	}
	if v.carryOut(domain.WithdrawParticipant{Study: v.me.Study, Couple: v.me.Couple, Role: v.me.Role, On: v.calendarDay()}) {
		v.redirect("/me/leave")
	}
}

// calendarDay is the day that the person's calendar shows.
func (v *visit) calendarDay() domain.Date {
	y, m, d := v.now.Date()
	return domain.NewDate(y, m, d)
}

// reportSeparation takes the person's word that the relationship ended.
func (v *visit) reportSeparation() {
	if err := v.r.ParseForm(); err != nil {
		v.bad()
		return
	}
	text := strings.TrimSpace(v.r.PostForm.Get("day"))
	on, err := domain.ParseDate(text)
	if err != nil || v.calendarDay().Before(on) || on.Before(v.past.Couple.EnrolledOn) {
		page := leavePage{WrongDay: v.T("error.day", v.Date(v.past.Couple.EnrolledOn.Start(time.UTC)), v.Date(v.now))}
		if err == nil {
			page.Day = text
		}
		v.showLeave(http.StatusUnprocessableEntity, page)
		return
	}
	if v.carryOut(domain.ReportSeparation{Study: v.me.Study, Couple: v.me.Couple, Role: v.me.Role, On: on}) {
		v.redirect("/me/leave?saved")
	}
}
