package web

import "net/http"

// home says what this server is.
func (s *server) home(w http.ResponseWriter, _ *http.Request) {
	s.page(w, http.StatusOK, "home.html", s.Config)
}
