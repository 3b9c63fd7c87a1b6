package web

import (
	"net/http"

	"github.com/google/uuid"

	"asem/domain"
)

// agreement is one scope of consent as it is shown.
type agreement struct {
	Scope, Title  string
	Text          string
	Lang, Dir     string // of the text, where it is not that of the page
	Version       string
	State         string // what is in force, in words
	Given         bool
	Changed       bool // an older text was agreed to
	Required      bool
	Saved, Ending bool // just now
}

type consentPage struct {
	First      bool // on the way in
	Agreements []agreement
	Over       bool // the person withdrew: nothing can be agreed to any more
}

// consent shows what a person agrees to, each scope by itself.
func (v *visit) consent() { v.showConsent(http.StatusOK) }

func (v *visit) showConsent(status int) {
	query := v.r.URL.Query()
	page := consentPage{First: query.Has("first"), Over: !v.who.WithdrawnOn.IsZero()}
	for _, scope := range domain.Scopes() {
		f, asked := v.past.Study.Protocol.ConsentForm(scope)
		given, has := v.who.Consents[scope]
		if !asked && !has {
			continue
		}
		a := agreement{Scope: string(scope), Title: v.T("scope." + string(scope)), Version: f.Version, Given: has, Changed: has && asked && given.Version != f.Version,
			Required: f.Required, Saved: query.Get("saved") == string(scope)}
		a.Ending = a.Saved && !has
		var q question
		a.Text, a.Lang = wording(f.Text, v.Tag, v.past.Study.Protocol.AskedIn())
		v.speak(&q, a.Lang)
		a.Lang, a.Dir = q.Lang, q.Dir
		switch {
		case a.Changed:
			a.State = v.T("consent.changed", given.Version, f.Version)
		case has && given.At.IsZero():
			a.State = v.T("consent.givenPlain", given.Version)
		case has:
			a.State = v.T("consent.given", v.Moment(given.At.In(v.zone)), given.Version)
		default:
			a.State = v.T("consent.not")
		}
		page.Agreements = append(page.Agreements, a)
	}
	v.render(status, "consent", "choices", page)
}

// changeConsent gives or withdraws consent to one scope. What is agreed to is the version of the text that was on the page.
func (v *visit) changeConsent() {
	if err := v.r.ParseForm(); err != nil {
		v.bad()
		return
	}
	form := v.r.PostForm
	scope := domain.Scope(form.Get("scope"))
	f, asked := v.past.Study.Protocol.ConsentForm(scope)
	var c domain.Command
	switch {
	case form.Get("agree") == "no":
		c = domain.WithdrawConsent{Study: v.me.Study, Couple: v.me.Couple, Role: v.me.Role, Scope: scope}
	case form.Get("agree") != "yes" || !asked:
		v.bad()
		return
	case form.Get("version") != f.Version: // the text changed while the page was open
		v.showConsent(http.StatusConflict)
		return
	default:
		c = domain.GiveConsent{Study: v.me.Study, Couple: v.me.Couple, Role: v.me.Role, Scope: scope, Version: f.Version, At: v.now}
	}
	if !v.carryOut(c) {
		return
	}
	to := "/me/consent?saved=" + string(scope)
	if form.Get("first") != "" {
		to += "&first"
	}
	v.redirect(to + "#" + string(scope))
}

// carryOut gives an order that was pressed once. It reports false after it has answered.
func (v *visit) carryOut(c domain.Command) bool {
	_, err := v.execute(uuid.New(), v.now, c)
	switch {
	case err == nil:
		return true
	case domain.CodeOf(err) == domain.Invalid:
		v.bad()
	case domain.CodeOf(err) == domain.Conflict:
		v.render(http.StatusConflict, "message", "", message{Title: v.T("closed"), Lines: []string{v.T("closed.stored")}})
	default:
		v.failed(err)
	}
	return false
}
