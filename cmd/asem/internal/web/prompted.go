package web

import (
	"net/http"

	"github.com/google/uuid"

	"asem/cmd/asem/internal/access"
	"asem/domain"
)

// PromptPath is the path of the link in a reminder. It tells nothing of whose it is and lets nobody in: it leads to the person's own pages, and lets the
// ledger know, once the person is signed in, that the reminder was followed. A program that only looks at links in mail is not taken for a person.
func PromptPath(a *access.Store, p access.Participant, prompt string) string {
	return "/m/" + promptRef(a, p, prompt)
}

func promptRef(a *access.Store, p access.Participant, prompt string) string {
	return lowerBase32.EncodeToString(a.Keyed("reminder in a URL", p.Study, p.Couple, string(p.Role), prompt)[:15])
}

// promptCookie holds the link by which somebody came until they are signed in.
func (s *server) promptCookie() string {
	if s.secure() {
		return "__Host-m"
	}
	return "m"
}

// prompted keeps in mind by which reminder somebody comes.
func (s *server) prompted(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if ref := r.PathValue("ref"); len(ref) == 24 {
		http.SetCookie(w, &http.Cookie{Name: s.promptCookie(), Value: ref, Path: "/", MaxAge: 3600, HttpOnly: true, Secure: s.secure(), SameSite: http.SameSiteLaxMode})
	}
	http.Redirect(w, r, "/me", http.StatusSeeOther)
}

// opened records that a person came by a reminder of their own. That it cannot be recorded keeps nobody from the page.
func (v *visit) opened() {
	c, err := v.r.Cookie(v.j.promptCookie())
	if err != nil {
		return
	}
	http.SetCookie(v.w, &http.Cookie{Name: c.Name, Path: "/", MaxAge: -1, HttpOnly: true, Secure: v.j.secure(), SameSite: http.SameSiteLaxMode})
	for _, p := range v.past.Couple.Prompts(v.me.Role) {
		if promptRef(v.j.Access, v.me, p.Code) != c.Value {
			continue
		}
		id := uuid.NewSHA1(uuid.NameSpaceURL, []byte("opened/"+c.Value))
		if _, err := v.execute(id, v.now, domain.OpenPrompt{Study: v.me.Study, Couple: v.me.Couple, Role: v.me.Role, Prompt: p.Code, At: v.now}); err != nil {
			v.j.Logger.Warn("that a reminder was followed could not be recorded", "code", string(domain.CodeOf(err)))
		}
	}
}
