package web

import (
	"encoding/base32"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"asem/cmd/asem/internal/access"
	"asem/domain"
)

// page is a line of the table of pages.
type page struct {
	pattern string // as of http.ServeMux
	guarded
}

// guarded is a handler with who may open it. There is no other way to make one than the functions of this file.
type guarded struct {
	policy  string // in words
	open    func(*server) http.Handler
	title   string             // in the menu of staff; empty: not there
	roles   []domain.ActorRole // that have it in the menu; none: every user
	ofStudy bool               // one for each study
}

// menu puts a page into the menu of staff; roles are those of its policy where none are given.
func (g guarded) menu(title string, roles ...domain.ActorRole) guarded {
	g.title = title
	if len(roles) > 0 {
		g.roles = roles
	}
	return g
}

// public is for everybody.
func public(h http.HandlerFunc) guarded {
	return guarded{policy: "public", open: func(*server) http.Handler { return h }}
}

// participants is for participants who are signed in. Everybody else is sent to the sign-in; what they send is not lost by a redirect, but refused.
func participants(h func(http.ResponseWriter, *http.Request, access.Participant)) guarded {
	return participantsOr(h, nil)
}

// participantsOr is [participants] with an answer of its own to what is sent by whoever is not signed in any more: 401, and the way to go on.
func participantsOr(h func(http.ResponseWriter, *http.Request, access.Participant), expired http.HandlerFunc) guarded {
	return guarded{policy: "participant", open: func(s *server) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store") // for whoever sits here next
			p, ok, err := s.Sessions.Participant(r.Context())
			switch {
			case err != nil:
				s.failed(w, err)
			case ok:
				h(w, r, p)
			case r.Method == http.MethodGet || r.Method == http.MethodHead:
				http.Redirect(w, r, "/in", http.StatusSeeOther)
			case expired != nil:
				expired(w, r)
			default:
				s.showSignIn(w, r, http.StatusUnauthorized, signInPage{Problem: "signin.expired"})
			}
		})
	}}
}

// staff is for users who have one of some roles in any study; for every user if none is given. To everybody else who is signed in the page is not there.
func staff(h func(http.ResponseWriter, *http.Request, access.Staff), roles ...domain.ActorRole) guarded {
	return guarded{policy: "staff" + inWords(roles), roles: roles, open: func(s *server) http.Handler {
		return s.forStaff(func(w http.ResponseWriter, r *http.Request, u access.Staff) {
			if len(roles) > 0 && len(u.Studies(roles...)) == 0 {
				s.noSuchStaffPage(w, r, u)
				return
			}
			h(w, r, u)
		})
	}}
}

// ofStudy is for users who have one of some roles in the study that {study} in the pattern refers to; see [server.studyRef]. To everybody else who is
// signed in the page is not there.
func ofStudy(h func(w http.ResponseWriter, r *http.Request, u access.Staff, study string), roles ...domain.ActorRole) guarded {
	return guarded{policy: "staff of the study" + inWords(roles), roles: roles, ofStudy: true, open: func(s *server) http.Handler {
		return s.forStaff(func(w http.ResponseWriter, r *http.Request, u access.Staff) {
			for _, study := range u.Studies(roles...) {
				if s.studyRef(study) == r.PathValue("study") {
					h(w, r, u, study)
					return
				}
			}
			s.noSuchStaffPage(w, r, u)
		})
	}}
}

func (s *server) forStaff(h func(http.ResponseWriter, *http.Request, access.Staff)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		u, ok, err := s.Sessions.Staff(r.Context())
		switch {
		case err != nil:
			s.failed(w, err)
		case ok:
			h(w, r, u)
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			http.Redirect(w, r, "/staff/in", http.StatusSeeOther)
		default:
			s.showStaffSignIn(w, http.StatusUnauthorized, "You are signed out. Sign in and do it again: nothing was stored.", "")
		}
	})
}

func inWords(roles []domain.ActorRole) string {
	if len(roles) == 0 {
		return ""
	}
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	slices.Sort(words)
	return ": " + strings.Join(words, ", ")
}

// operators is for those who keep the server running; see [Config.IsOperator]. A browser asks for the token by itself.
func operators(h http.HandlerFunc) guarded {
	return guarded{policy: "operator", open: func(s *server) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			if !s.IsOperator(r) {
				w.Header().Set("WWW-Authenticate", Challenge)
				s.page(w, http.StatusUnauthorized, "locked.html", nil)
				return
			}
			h(w, r)
		})
	}}
}

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// studyRef stands for a study in the URLs of staff pages, which say no study's code to whoever sees a history or a proxy's log.
func (s *server) studyRef(study string) string { return StudyRef(s.Access, study) }

// StudyRef is what stands for a study in the URLs of staff pages.
func StudyRef(a *access.Store, study string) string {
	return lowerBase32.EncodeToString(a.Keyed("study in a URL", study)[:10])
}

// Page is a line of the table of pages, for tests.
type Page struct{ Pattern, Policy string }

// Pages lists every page with who may open it.
func Pages() (list []Page) {
	for _, p := range (&server{}).table() {
		list = append(list, Page{p.pattern, p.policy})
	}
	return list
}

// from is the network address that a request comes from. What proxies add counts as far as they are trusted, from the last on.
func (s *server) from(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	a := at.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && slices.ContainsFunc(s.Proxies, func(p netip.Prefix) bool { return p.Contains(a) }); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		a = hop.Unmap()
	}
	return a
}

// maxForm bounds what a form of these pages sends.
const maxForm = 16 << 10

// readForm reads the form of a request, or answers that it is too large or none.
func readForm(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "This form cannot be read. Go back and send it again.", http.StatusBadRequest)
		return false
	}
	return true
}
