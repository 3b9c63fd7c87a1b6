package web

import (
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/boombuler/barcode/qr"

	"asem/cmd/asem/internal/access"
	"asem/domain"
)

// staffPage is what every page of staff is given.
type staffPage struct {
	Title string
	Name  string // who is signed in; empty: nobody
	Body  any
}

// staffPage renders a page of staff.
func (s *server) staffPage(w http.ResponseWriter, status int, name, title, user string, body any) {
	w.Header().Set("Cache-Control", "no-store")
	s.page(w, status, name, staffPage{title, user, body})
}

type staffSignInBody struct{ Problem, Status string }

func (s *server) showStaffSignIn(w http.ResponseWriter, code int, problem, status string) {
	s.staffPage(w, code, "staff-in.html", "Sign in", "", staffSignInBody{problem, status})
}

func (s *server) staffSignInForm(w http.ResponseWriter, r *http.Request) {
	status := ""
	if r.URL.RawQuery == "out" {
		status = "You are signed out."
	}
	s.showStaffSignIn(w, http.StatusOK, "", status)
}

func (s *server) staffSignIn(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) {
		return
	}
	name, password, once := r.PostForm.Get("name"), r.PostForm.Get("password"), r.PostForm.Get("once")
	if strings.TrimSpace(name) == "" || password == "" || once == "" {
		s.showStaffSignIn(w, http.StatusUnprocessableEntity, "Name, password and one-time password are all needed.", "")
		return
	}
	u, err := s.Access.SignInStaff(r.Context(), name, password, once, s.from(r))
	if err == nil {
		err = s.Sessions.StartStaff(r.Context(), u)
	}
	switch {
	case err == nil:
		http.Redirect(w, r, "/staff", http.StatusSeeOther)
	case access.Refused(err):
		s.showStaffSignIn(w, http.StatusUnauthorized, "Name, password and one-time password do not fit. A one-time password works once: wait for the next.", "")
	case access.Limited(err):
		s.showStaffSignIn(w, http.StatusTooManyRequests, "There were too many attempts. Wait a minute and try again.", "")
	default:
		s.failed(w, err)
	}
}

func (s *server) staffSignOut(w http.ResponseWriter, r *http.Request) {
	if err := s.Sessions.EndStaff(r.Context()); err != nil {
		s.failed(w, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	// Not "storage": a participant may have entries on this device that were not yet received.
	w.Header().Set("Clear-Site-Data", `"cache"`)
	http.Redirect(w, r, "/staff/in?out", http.StatusSeeOther)
}

// menuStudy is a study in the menu of staff.
type menuStudy struct {
	Code  string
	Roles string
	Pages []menuLink
}

type menuLink struct{ Title, Path string }

// staffHome lists what a user may open.
func (s *server) staffHome(w http.ResponseWriter, _ *http.Request, u access.Staff) {
	var body struct {
		Studies []menuStudy
		Pages   []menuLink // of no one study
	}
	table := s.table()
	for _, study := range u.Studies() {
		m := menuStudy{Code: study, Roles: strings.TrimPrefix(inWords(u.Roles[study]), ": ")}
		for _, p := range table {
			if p.title != "" && p.ofStudy && u.Has(study, p.roles...) {
				m.Pages = append(m.Pages, menuLink{p.title, strings.Replace(pathOf(p.pattern), "{study}", s.studyRef(study), 1)})
			}
		}
		body.Studies = append(body.Studies, m)
	}
	for _, p := range table {
		if p.title != "" && !p.ofStudy && (len(p.roles) == 0 || len(u.Studies(p.roles...)) > 0) {
			body.Pages = append(body.Pages, menuLink{p.title, pathOf(p.pattern)})
		}
	}
	s.staffPage(w, http.StatusOK, "staff.html", "Your studies", u.Name, body)
}

func pathOf(pattern string) string { return pattern[strings.IndexByte(pattern, '/'):] }

// noSuchStaffPage answers for what is not there, and in the same way for what is not for who asks.
func (s *server) noSuchStaffPage(w http.ResponseWriter, _ *http.Request, u access.Staff) {
	s.staffPage(w, http.StatusNotFound, "staff-missing.html", "Not found", u.Name, nil)
}

type setupBody struct {
	Problem string
	Setup   string // the code of the link
	access.Enrolment
	QR template.HTML
}

// setupForm asks for the set-up code. It stands behind # in the link, which browsers do not send: a script puts it into the form, or a person does.
func (s *server) setupForm(w http.ResponseWriter, _ *http.Request) {
	s.staffPage(w, http.StatusOK, "setup.html", "Set up your account", "", setupBody{})
}

// beginSetup shows what to put into the app for one-time passwords.
func (s *server) beginSetup(w http.ResponseWriter, r *http.Request) {
	if readForm(w, r) {
		s.showEnrolment(w, r, http.StatusOK, setupCode(r), "")
	}
}

// setupCode reads what was typed or pasted: the code, or the whole link.
func setupCode(r *http.Request) string {
	code := strings.TrimSpace(r.PostForm.Get("setup"))
	if i := strings.LastIndexByte(code, '#'); i >= 0 {
		code = code[i+1:]
	}
	return strings.TrimPrefix(code, "setup=")
}

func (s *server) showEnrolment(w http.ResponseWriter, r *http.Request, status int, setup, problem string) {
	e, err := s.Access.BeginSetup(r.Context(), setup, s.from(r))
	if err != nil {
		s.setupFailed(w, err)
		return
	}
	picture, err := qrCode(e.URI)
	if err != nil {
		s.failed(w, err)
		return
	}
	s.staffPage(w, status, "enrol.html", "Set up your account", "", setupBody{problem, setup, e, picture})
}

// setupFailed answers for a code that is good for nothing.
func (s *server) setupFailed(w http.ResponseWriter, err error) {
	switch {
	case access.Refused(err):
		s.staffPage(w, http.StatusUnauthorized, "setup.html", "Set up your account", "", setupBody{Problem: "This set-up code is not valid. It works once and for three days; whoever looks after the server makes a new one with asem user reset."})
	case access.Limited(err):
		s.staffPage(w, http.StatusTooManyRequests, "setup.html", "Set up your account", "", setupBody{Problem: "There were too many attempts. Wait a minute and try again."})
	default:
		s.failed(w, err)
	}
}

// finishSetup sets the password, and signs in.
func (s *server) finishSetup(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) {
		return
	}
	setup, password := setupCode(r), r.PostForm.Get("password")
	if password != r.PostForm.Get("again") {
		s.showEnrolment(w, r, http.StatusUnprocessableEntity, setup, "The two passwords differ.")
		return
	}
	u, err := s.Access.FinishSetup(r.Context(), setup, password, r.PostForm.Get("once"), s.from(r))
	var mend *domain.Error
	if domain.CodeOf(err) == domain.Invalid && errors.As(err, &mend) {
		s.showEnrolment(w, r, http.StatusUnprocessableEntity, setup, sentence(mend.Message))
		return
	}
	if err == nil {
		err = s.Sessions.StartStaff(r.Context(), u)
	}
	if err != nil {
		s.setupFailed(w, err)
		return
	}
	http.Redirect(w, r, "/staff", http.StatusSeeOther)
}

// sentence begins a message with a capital and ends it with a stop.
func sentence(message string) string {
	return strings.ToUpper(message[:1]) + message[1:] + "."
}

// qrCode draws a text as a QR code: one path of unit squares, with the quiet zone of four that readers need.
func qrCode(text string) (template.HTML, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", err
	}
	const quiet = 4
	size := code.Bounds().Dx()
	var b strings.Builder
	side := strconv.Itoa(size + 2*quiet)
	b.WriteString(`<svg class="qr" viewBox="0 0 ` + side + ` ` + side + `" role="img" aria-label="QR code for the app" shape-rendering="crispEdges"><rect width="` + side + `" height="` + side + `" fill="#fff"/><path fill="#000" d="`)
	for y := range size {
		for x := range size {
			if r, _, _, _ := code.At(x, y).RGBA(); r == 0 {
				b.WriteString("M" + strconv.Itoa(x+quiet) + " " + strconv.Itoa(y+quiet) + "h1v1h-1z")
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return template.HTML(b.String()), nil // numbers alone
}

// isMistyped reports whether an error says that a code cannot be one.
func isMistyped(err error) bool {
	var e *domain.Error
	return errors.As(err, &e) && e.Code == domain.Invalid && e.Path == "code"
}
