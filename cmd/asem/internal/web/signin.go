package web

import (
	"context"
	"net/http"
	"time"

	"asem/cmd/asem/internal/access"
)

// LinkSender sends a single-use sign-in link to an e-mail address that a participant has typed and that is known to be theirs.
type LinkSender interface {
	SendLink(ctx context.Context, who access.Participant, address, link string) error
}

// signInPage is what the sign-in of participants shows.
type signInPage struct {
	Problem string // key of a text; empty: none
	Status  string // key of a text
	Mail    bool   // links can be asked for
}

func (s *server) showSignIn(w http.ResponseWriter, r *http.Request, status int, p signInPage) {
	p.Mail = s.Links != nil
	s.visitor(w, r).render(status, "signin", "", p)
}

func (s *server) signInForm(w http.ResponseWriter, r *http.Request) {
	p := signInPage{}
	if r.URL.RawQuery == "out" {
		p.Status = "signin.out"
	}
	s.showSignIn(w, r, http.StatusOK, p)
}

// signIn lets in by code and PIN.
func (s *server) signIn(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) {
		return
	}
	_, err := s.SignInParticipant(r, r.PostForm.Get("code"), r.PostForm.Get("pin"))
	switch {
	case err == nil:
		http.Redirect(w, r, "/me", http.StatusSeeOther)
	case isMistyped(err):
		s.showSignIn(w, r, http.StatusUnprocessableEntity, signInPage{Problem: "signin.mistyped"})
	case access.Refused(err):
		s.showSignIn(w, r, http.StatusUnauthorized, signInPage{Problem: "signin.refused"})
	case access.Limited(err):
		s.showSignIn(w, r, http.StatusTooManyRequests, signInPage{Problem: "signin.limited"})
	default:
		s.failed(w, err)
	}
}

// SignInParticipant checks code and PIN as they were typed, and starts the session of the request. A code that cannot be one is an error
// with the path "code"; see also [access.Refused] and [access.Limited].
func (s *server) SignInParticipant(r *http.Request, code, pin string) (access.Participant, error) {
	c, err := access.ParseCode(code)
	if err != nil {
		return access.Participant{}, err
	}
	p, err := s.Access.SignInParticipant(r.Context(), c, pin, s.from(r))
	if err != nil {
		return access.Participant{}, err
	}
	return p, s.Sessions.StartParticipant(r.Context(), p)
}

// Requests for links are answered before they are looked into, so that the answer does not show, not even by its time, whether an address is known.
const (
	linksAtOnce = 32
	linkTimeout = time.Minute
)

func (s *server) askForLink(w http.ResponseWriter, r *http.Request) {
	if s.Links == nil {
		s.missing(w, r)
		return
	}
	if !readForm(w, r) {
		return
	}
	address, err := access.NormalEmail(r.PostForm.Get("email"))
	if err != nil {
		s.showSignIn(w, r, http.StatusUnprocessableEntity, signInPage{Problem: "signin.email.bad"})
		return
	}
	switch err := s.Access.AskForLinks(r.Context(), address, s.from(r)); {
	case access.Limited(err):
		s.showSignIn(w, r, http.StatusTooManyRequests, signInPage{Problem: "signin.limited"})
		return
	case err != nil:
		s.failed(w, err)
		return
	}
	select {
	case s.links <- struct{}{}:
		go func() {
			defer func() { <-s.links }()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), linkTimeout)
			defer cancel()
			s.sendLinks(ctx, address)
		}()
	default:
		s.Logger.Warn("a sign-in link was not sent: too many are asked for at once")
	}
	s.visitor(w, r).render(http.StatusOK, "mailed", "", nil)
}

func (s *server) sendLinks(ctx context.Context, address string) {
	list, err := s.Access.LinksFor(ctx, address)
	if err != nil {
		s.Logger.Error("sign-in links could not be made", "error", err.Error())
		return
	}
	for _, l := range list {
		if err := s.Links.SendLink(ctx, l.Participant, address, s.Base+"/in/link/"+l.Token); err != nil {
			s.Logger.Error("a sign-in link could not be sent") // what a mail server says may hold the address
		}
	}
}

// linkButton asks for nothing: programs that look into mail follow links, and must not use them up.
func (s *server) linkButton(w http.ResponseWriter, r *http.Request) {
	s.visitor(w, r).render(http.StatusOK, "link", "", r.PathValue("token"))
}

func (s *server) followLink(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) {
		return
	}
	p, err := s.Access.FollowLink(r.Context(), r.PostForm.Get("token"), s.from(r))
	if err == nil {
		err = s.Sessions.StartParticipant(r.Context(), p)
	}
	switch {
	case err == nil:
		http.Redirect(w, r, "/me", http.StatusSeeOther)
	case access.Refused(err):
		s.showSignIn(w, r, http.StatusUnauthorized, signInPage{Problem: "signin.link.old"})
	case access.Limited(err):
		s.showSignIn(w, r, http.StatusTooManyRequests, signInPage{Problem: "signin.limited"})
	default:
		s.failed(w, err)
	}
}

// signOut ends the session of a participant, and makes the browser forget what it kept.
func (s *server) signOut(w http.ResponseWriter, r *http.Request) {
	if err := s.Sessions.EndParticipant(r.Context()); err != nil {
		s.failed(w, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	// What the browser kept for this person the script has removed already. The storage as a whole stays: it may hold what the partner, on the same phone, has not sent yet.
	w.Header().Set("Clear-Site-Data", `"cache"`)
	http.Redirect(w, r, "/in?out", http.StatusSeeOther)
}
