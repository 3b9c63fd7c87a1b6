package web

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/web/language"
	"asem/domain"
)

// Journal is what the participants' pages work with. They are made from what there is of the couple in the log, of which they show a person the own part alone: nothing
// on them, and nothing in how they are refused, depends on the partner.
type Journal struct {
	Executor  Executor
	Visitors  Visitors
	Key       []byte           // secret, at least 32 bytes, the same at every start: the addresses of forms are made with it
	Elsewhere string           // where who leaves at once is taken; empty: https://www.wikipedia.org/
	Now       func() time.Time // nil: the clock
	Logger    *slog.Logger
}

// Executor reads what there is and carries out orders.
type Executor interface {
	Past(ctx context.Context, study, couple string) (domain.Past, error)
	Execute(ctx context.Context, o domain.Order) (domain.Receipt, error)
}

// Participant is a person in a role of a couple.
type Participant struct {
	Study, Couple string
	Role          domain.Role
}

// Visitors knows which participant is signed in. Contexts are those of requests.
type Visitors interface {
	Participant(ctx context.Context) (Participant, bool, error)
	// SignIn lets in who gives the right code and PIN; a refusal is Unauthenticated or Limited.
	SignIn(r *http.Request, code, pin string) (Participant, error)
	// End signs out; it is no mistake if nobody is signed in.
	End(ctx context.Context) error
	// SetEmail lets a participant ask for sign-in links at an address, or no longer at any if it is empty.
	SetEmail(ctx context.Context, p Participant, address string) error
}

// journal serves the participants' pages.
type journal struct {
	Journal
	pages  *template.Template
	assets *assets
}

func newJournal(c Journal, a *assets) *journal {
	if len(c.Key) < 32 {
		panic("web: the key of the journal has less than 32 bytes")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Elsewhere == "" {
		c.Elsewhere = "https://www.wikipedia.org/"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	// entry puts what stands in a list beside the language in which it is shown.
	with := template.FuncMap{"entry": func(p page, e ownEntry) entryPage { return entryPage{p.Language, e} }}
	return &journal{c, template.Must(template.New("journal").Funcs(with).ParseFS(files, "pages/journal/*.html")), a}
}

// routes lists every page of participants, in reading order.
func (j *journal) routes(mux *http.ServeMux) {
	handle := func(pattern string, h func(*visit)) { mux.HandleFunc(pattern, j.page(h)) }
	handle("GET /me", j.today)
	handle("GET /me/welcome", j.welcome)
	handle("POST /me/welcome", j.confirmPairing)
	handle("GET /me/f/{id}", j.form)
	mux.HandleFunc("POST /me/f/{id}", j.submit)
	handle("GET /me/own", j.own)
	handle("GET /me/own/journal.json", j.ownJSON)
	handle("GET /me/own/journal.csv", j.ownCSV)
	handle("GET /me/choices", j.choices)
	handle("GET /me/consent", j.consent)
	handle("POST /me/consent", j.changeConsent)
	handle("GET /me/settings", j.settings)
	handle("POST /me/settings", j.changeSettings)
	handle("GET /me/leave", j.leave)
	handle("POST /me/leave", j.withdraw)
	handle("POST /me/apart", j.reportSeparation)
	handle("GET /me/help", j.help)
	handle("GET /me/out", j.out)
	mux.HandleFunc("POST /me/out", j.signOut)
	mux.HandleFunc("POST /me/exit", j.exit)
	mux.HandleFunc("GET /me/offline", j.offline)
	mux.HandleFunc("GET /me/manifest.webmanifest", j.manifest)
	mux.HandleFunc("GET /me/worker.js", j.worker)
	mux.HandleFunc("/me/", j.page(func(v *visit) { v.notFound() }))
}

// visit is one request of a participant who is signed in, with what there is of this person.
type visit struct {
	*language.Language
	j    *journal
	w    http.ResponseWriter
	r    *http.Request
	me   Participant
	past domain.Past
	who  *domain.Participant
	zone *time.Location
	now  time.Time
}

// page lets participants through who are signed in. All others are shown how to sign in.
func (j *journal) page(show func(*visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		v, ok := j.visit(w, r)
		switch {
		case v == nil:
		case ok:
			show(v)
		case r.Method == http.MethodGet:
			http.Redirect(w, r, "/in", http.StatusSeeOther)
		default:
			j.expired(v, "")
		}
	}
}

// maxBody bounds what is sent in one form: a long note in any script, and room for answers.
const maxBody = 512 << 10

// visit reads who is signed in. It returns false, with a visit of nobody, if it is nobody, and nil once it has answered with a failure.
func (j *journal) visit(w http.ResponseWriter, r *http.Request) (*visit, bool) {
	w.Header().Set("Cache-Control", "no-store")
	v := &visit{Language: j.languageOf(r, nil, nil), j: j, w: w, r: r, zone: time.UTC, now: j.Now()}
	me, ok, err := j.Visitors.Participant(r.Context())
	if err != nil {
		v.failed(err)
		return nil, false
	}
	if !ok {
		return v, false
	}
	if ok, err = v.load(me); err != nil {
		v.failed(err)
		return nil, false
	}
	return v, ok
}

// load reads what there is of a participant; false: there is none, such as after an erasure.
func (v *visit) load(me Participant) (bool, error) {
	past, err := v.j.Executor.Past(v.r.Context(), me.Study, me.Couple)
	if err != nil || past.Study == nil || past.Couple == nil {
		return false, err
	}
	who, ok := past.Couple.Participant(me.Role)
	if !ok {
		return false, nil
	}
	v.me, v.past, v.who = me, past, who
	v.Language = v.j.languageOf(v.r, who, past.Study.Protocol.AskedIn())
	if z, err := time.LoadLocation(who.Zone); err == nil {
		v.zone = z
	}
	v.now = v.now.In(v.zone)
	return true, nil
}

// languageOf returns the language for a person: the one chosen, else the one that the form was in, else what the browser asks for.
func (j *journal) languageOf(r *http.Request, who *domain.Participant, offered []string) *language.Language {
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
	return v.j.opaque(append([]string{v.me.Study, v.me.Couple, string(v.me.Role)}, parts...)...)
}

var lower32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func (j *journal) opaque(parts ...string) string {
	mac := hmac.New(sha256.New, j.Key)
	mac.Write([]byte(strings.Join(parts, "\x00")))
	return lower32.EncodeToString(mac.Sum(nil)[:15])
}

// page is what a template is given: the language with its texts, and what the frame of a page needs.
type page struct {
	*language.Language
	Nav       string // which of the pages below it is; empty: none is shown
	Module    string // the script of the page
	Assets    string // path of the assets
	Owner     string // whose things the browser keeps
	Elsewhere string
	Body      any
}

// render sends a page. It is made as a whole before anything is sent.
func (v *visit) render(status int, name, nav string, body any) {
	p := page{Language: v.Language, Nav: nav, Module: name, Assets: v.j.assets.path, Elsewhere: v.j.Elsewhere, Body: body}
	if v.who != nil {
		p.Owner = v.opaque("owner")
	}
	var b bytes.Buffer
	if err := v.j.pages.ExecuteTemplate(&b, name+".html", p); err != nil {
		v.j.Logger.Error("a page could not be made", "page", name, "error", err)
		http.Error(v.w, v.T("busy"), http.StatusInternalServerError)
		return
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	v.w.Write(b.Bytes()) // the client may be gone
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
	v.j.Logger.Error("a participant's page failed", "id", id, "code", string(domain.CodeOf(err)), "error", err)
	v.w.Header().Set("Retry-After", "10")
	if v.wantsJSON() {
		v.json(http.StatusServiceUnavailable, outcome{State: "busy"})
		return
	}
	v.render(http.StatusServiceUnavailable, "message", "", message{Title: v.T("busy"), Lines: []string{v.T("busy.text"), v.T("busy.id", id)}, Wrong: true})
}
