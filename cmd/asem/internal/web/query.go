package web

import (
	"encoding/json"
	"net/http"
)

// Example is a query that the query page offers.
type Example struct {
	Title     string `json:"title"`
	Query     string `json:"query"`
	Variables string `json:"variables,omitempty"` // JSON text
}

// query is the page on which researchers write GraphQL queries.
func (s *server) query(w http.ResponseWriter, _ *http.Request) {
	s.page(w, http.StatusOK, "query.html", s.Config)
}

func (s *server) examples(w http.ResponseWriter, _ *http.Request) {
	list := s.Examples
	if list == nil {
		list = []Example{}
	}
	body, err := json.Marshal(list)
	if err != nil {
		http.Error(w, "the examples could not be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body) // the client may be gone
}
