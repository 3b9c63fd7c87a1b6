package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/access"
	"asem/cmd/asem/internal/web/language"
	"asem/domain"
)

// Executor reads what there is and carries out orders.
type Executor interface {
	Past(ctx context.Context, study, couple string) (domain.Past, error)
	Execute(ctx context.Context, o domain.Order) (domain.Receipt, error)
	// ExecuteAll carries out all orders or none.
	ExecuteAll(ctx context.Context, id uuid.UUID, orders []domain.Order) (domain.Receipt, error)
}

// journal is what the participants' pages have in common. They are made from what there is of the couple in the log, of which they show a person the own part
// alone: nothing on them, and nothing in how they are refused, depends on the partner.
type journal struct {
	*server
	pages  *template.Template
	assets *assets
}

func newJournal(s *server) *journal {
	j := &journal{server: s, assets: loadAssets()}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Elsewhere == "" {
		s.Elsewhere = "https://www.wikipedia.org/"
	}
	// entry puts what stands in a list beside the language in which it is shown.
	with := template.FuncMap{"entry": func(p frame, e ownEntry) entryPage { return entryPage{p.Language, e} }}
	j.pages = template.Must(template.New("journal").Funcs(with).ParseFS(files, "pages/journal/*.html"))
	return j
}

// mine is a page of participants who are signed in. What others post is kept on a page on which to sign in again, and goes on from there.
func (s *server) mine(show func(*visit)) guarded {
	return participantsOr(func(w http.ResponseWriter, r *http.Request, p access.Participant) {
		if v := s.visit(w, r, p); v != nil {
			v.show(show)
		}
	}, func(w http.ResponseWriter, r *http.Request) { s.visitor(w, r).signInAnd(show) })
}

// show goes on with a page. What was posted must be meant for this person.
func (v *visit) show(page func(*visit)) {
	if err := v.r.ParseForm(); err != nil {
		v.bad()
		return
	}
	if owner := v.r.PostForm.Get("for"); owner != "" && owner != v.opaque("owner") {
		v.notYours()
		return
	}
	page(v)
}

// signInAnd lets in whoever gives code and PIN with what was posted, and goes on with it.
func (v *visit) signInAnd(page func(*visit)) {
	if err := v.r.ParseForm(); err != nil {
		v.bad()
		return
	}
	code := v.r.PostForm.Get("signin-code")
	if code == "" {
		v.expired("")
		return
	}
	me, err := v.j.SignInParticipant(v.r, code, v.r.PostForm.Get("signin-pin"))
	ok := false
	switch {
	case access.Limited(err):
		v.expired(v.T("signin.limited"))
		return
	case access.Refused(err) || isMistyped(err):
		v.expired(v.T("expired.wrong"))
		return
	case err == nil:
		ok, err = v.load(me)
	}
	switch {
	case err != nil:
		v.failed(err)
	case !ok:
		v.expired("")
	default:
		v.show(page)
	}
}

// visit is one request of a participant who is signed in, with what there is of this person.
type visit struct {
	*language.Language
	j    *journal
	w    http.ResponseWriter
	r    *http.Request
	me   access.Participant
	past domain.Past
	who  *domain.Participant
	zone *time.Location
	now  time.Time
}

// maxBody bounds what is sent in one form: a long note in any script, and room for answers.
const maxBody = 512 << 10

// visitor is a request of somebody who is not known yet.
func (s *server) visitor(w http.ResponseWriter, r *http.Request) *visit {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	return &visit{Language: languageOf(r, nil, nil), j: s.journal, w: w, r: r, zone: time.UTC, now: s.Now()}
}

// visit reads what there is of a participant; nil once it has answered.
func (s *server) visit(w http.ResponseWriter, r *http.Request, p access.Participant) *visit {
	v := s.visitor(w, r)
	switch ok, err := v.load(p); {
	case err != nil:
		v.failed(err)
	case ok:
		return v
	case r.Method == http.MethodGet:
		v.redirect("/in")
	default:
		v.expired("")
	}
	return nil
}

// load reads what there is of a participant; false: there is none, such as after an erasure.
func (v *visit) load(me access.Participant) (bool, error) {
	past, err := v.j.Executor.Past(v.r.Context(), me.Study, me.Couple)
	if err != nil || past.Study == nil || past.Couple == nil {
		return false, err
	}
	who, ok := past.Couple.Participant(me.Role)
	if !ok {
		return false, nil
	}
	v.me, v.past, v.who = me, past, who
	v.Language = languageOf(v.r, who, past.Study.Protocol.AskedIn())
	if z, err := time.LoadLocation(who.Zone); err == nil {
		v.zone = z
	}
	v.now = v.now.In(v.zone)
	return true, nil
}

// languageOf returns the language for a person: the one chosen, else the one that the form was in, else what the browser asks for.
func languageOf(r *http.Request, who *domain.Participant, offered []string) *language.Language {
	if who != nil && who.Language != "" {
		if l, ok := language.For(who.Language); ok {
			return l
		}
	}
	if l, ok := language.For(r.URL.Query().Get("lang")); ok && (len(offered) == 0 || slices.Contains(offered, l.Tag)) {
		return l
	}
	return language.Match(r.Header.Get("Accept-Language"), offered...)
}

// execute carries out a command of the person. The id makes a repeat harmless.
func (v *visit) execute(id uuid.UUID, at time.Time, c domain.Command) (domain.Receipt, error) {
	return v.j.Executor.Execute(v.r.Context(), domain.Order{ID: id.String(), By: domain.Actor{Role: domain.ActorParticipant, Subject: v.who.Code}, At: at.UTC(), Command: c})
}

// opaque makes a text that tells nothing of what it was made from, and is the same every time.
func (v *visit) opaque(parts ...string) string {
	return lowerBase32.EncodeToString(v.j.Access.Keyed("participants' forms", append([]string{v.me.Study, v.me.Couple, string(v.me.Role)}, parts...)...)[:15])
}

// frame is what a template is given: the language with its texts, and what the frame of a page needs.
type frame struct {
	*language.Language
	Nav       string // which of the pages below it is; empty: none is shown
	Module    string // the script of the page
	Assets    string // path of the assets
	Owner     string // whose things the browser keeps
	Elsewhere string
	Body      any
}

// Languages lists those in which the pages can be read.
func (frame) Languages() []*language.Language { return language.All() }

// page makes a page.
func (v *visit) page(name, nav string, body any) ([]byte, error) {
	p := frame{Language: v.Language, Nav: nav, Module: name, Assets: v.j.assets.path, Elsewhere: v.j.Elsewhere, Body: body}
	if v.who != nil {
		p.Owner = v.opaque("owner")
	}
	var b bytes.Buffer
	err := v.j.pages.ExecuteTemplate(&b, name+".html", p)
	return b.Bytes(), err
}

// render sends a page. It is made as a whole before anything is sent.
func (v *visit) render(status int, name, nav string, body any) {
	page, err := v.page(name, nav, body)
	if err != nil {
		v.j.Logger.Error("a page could not be made", "page", name, "error", err.Error())
		http.Error(v.w, v.T("busy"), http.StatusInternalServerError)
		return
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	v.w.Write(page) // the client may be gone
}

// wantsJSON reports whether a script asks, which shows the outcome itself.
func (v *visit) wantsJSON() bool { return v.r.Header.Get("Accept") == "application/json" }

func (v *visit) json(status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		v.failed(err)
		return
	}
	v.w.Header().Set("Content-Type", "application/json")
	if len(text) > 1<<12 && strings.Contains(v.r.Header.Get("Accept-Encoding"), "gzip") { // forms, of which a phone keeps several, are much the same throughout
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, err := w.Write(text)
		if err = errors.Join(err, w.Close()); err != nil {
			v.failed(err)
			return
		}
		v.w.Header().Set("Content-Encoding", "gzip")
		text = packed.Bytes()
	}
	v.w.WriteHeader(status)
	v.w.Write(text) // the client may be gone
}

// redirect shows another page, so that loading it again asks for nothing.
func (v *visit) redirect(to string) { http.Redirect(v.w, v.r, to, http.StatusSeeOther) }

// message is a page with a few sentences.
type message struct {
	Title string
	Lines []string
	Wrong bool
}

func (v *visit) notFound() {
	v.render(http.StatusNotFound, "message", "", message{Title: v.T("notfound"), Lines: []string{v.T("notfound.text")}})
}

// bad answers what could not be read.
func (v *visit) bad() {
	if v.wantsJSON() {
		v.json(http.StatusBadRequest, outcome{State: "bad"})
		return
	}
	v.render(http.StatusBadRequest, "message", "", message{Title: v.T("bad"), Lines: []string{v.T("bad.text")}, Wrong: true})
}

// failed answers a failure of ours. The log has it under an id, and only the id is shown.
func (v *visit) failed(err error) {
	id := uuid.NewString()[:8]
	v.j.Logger.Error("a participant's page failed", "id", id, "code", string(domain.CodeOf(err)), "error", err.Error())
	v.w.Header().Set("Retry-After", "10")
	if v.wantsJSON() {
		v.json(http.StatusServiceUnavailable, outcome{State: "busy"})
		return
	}
	v.render(http.StatusServiceUnavailable, "message", "", message{Title: v.T("busy"), Lines: []string{v.T("busy.text"), v.T("busy.id", id)}, Wrong: true})
}
