package web

import "net/http"

// out asks before signing out: what is saved on the phone is then removed.
func (v *visit) out() { v.render(http.StatusOK, "out", "", nil) }

// exit signs out and leaves at once for a page that says nothing. With a script the browser is there already when this arrives; without one, the answer takes
// it there and is replaced in its history.
func (s *server) exit(w http.ResponseWriter, r *http.Request) {
	v := s.visitor(w, r)
	if err := s.Sessions.EndParticipant(r.Context()); err != nil {
		s.Logger.Error("a session could not be ended", "error", err.Error()) // to leave is what matters now
	}
	v.render(http.StatusOK, "exit", "", nil)
}
