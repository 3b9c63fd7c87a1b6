package web

import (
	"context"
	"net/http"
	"time"
)

// Operations is what those who keep the server running see: where things stand, and nothing that anybody answered.
type Operations struct {
	Now      time.Time
	Head     int64 // position of the last event in the log
	Models   []Model
	Building *Building // nil: no rebuild is under way
	Trees    []Tree
	Message  string // what became of what was asked for
}

// Model is a read model.
type Model struct {
	Name     string
	Version  int
	Position int64 // of the last event applied
	Behind   int64 // events that are still to be applied
	Leads    bool  // this server drives it; otherwise another does
	Failure  string
	Poison   bool // it stands before an event that cannot be read
	Since    time.Time
}

// Building is a rebuild under way.
type Building struct {
	Since time.Time
	Done  int64
	Left  time.Duration // 0: not known yet
}

// Tree is the last signed tree of a study.
type Tree struct {
	Study          string
	Size, Position int64
	SignedAt       time.Time
}

// Still lists the read models that stand still.
func (o Operations) Still() (list []Model) {
	for _, m := range o.Models {
		if m.Failure != "" {
			list = append(list, m)
		}
	}
	return list
}

// Behind returns how far the slowest read model is behind.
func (o Operations) Behind() (most int64) {
	for _, m := range o.Models {
		most = max(most, m.Behind)
	}
	return most
}

// Operator is what the operations page shows and does.
type Operator interface {
	Operations(ctx context.Context) (Operations, error)
	// Rebuild begins to rebuild the read models and does not wait.
	Rebuild(ctx context.Context) error
}

// operations is the page of those who keep the server running.
func (s *server) operations(w http.ResponseWriter, r *http.Request) {
	s.showOperations(w, r, http.StatusOK, "")
}

func (s *server) showOperations(w http.ResponseWriter, r *http.Request, status int, message string) {
	o, err := s.Operator.Operations(r.Context())
	if err != nil {
		http.Error(w, "the state of the server cannot be read; see its log", http.StatusServiceUnavailable)
		return
	}
	o.Message = message
	s.page(w, status, "operations.html", o)
}

func (s *server) rebuild(w http.ResponseWriter, r *http.Request) {
	if err := s.Operator.Rebuild(r.Context()); err != nil {
		s.showOperations(w, r, http.StatusConflict, "Not begun: "+err.Error()+".")
		return
	}
	http.Redirect(w, r, "/admin", http.StatusSeeOther) // so that loading the page again asks for nothing
}
