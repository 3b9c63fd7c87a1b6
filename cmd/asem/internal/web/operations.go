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
	Models   []Follower
	Outward  *Follower // publishes the log to another system; nil: nothing does
	Building *Building // nil: no rebuild is under way
	Built    *Built    // the last rebuild that this server was asked for; nil: none was
	Trees    []Tree
	Message  string // what became of what was asked for
}

// Follower is what follows the log: a read model, or what publishes it.
type Follower struct {
	Name      string
	Version   int
	Position  int64         // of the last event applied
	Behind    int64         // events that are still to be applied
	BehindFor time.Duration // since the first of them was recorded
	Leads     bool          // this server drives it; otherwise another does
	Failure   string        // why it stands still; empty while it goes on
	Poison    bool          // it stands before an event that cannot be read
	At        int64         // position of the event before which it stands; 0: not known
	Type      string        // of that event
	Since     time.Time     // it stands still; zero: not known
}

// Building is a rebuild under way.
type Building struct {
	Since time.Time
	Done  int64
	Rate  float64       // events a second
	Left  time.Duration // 0: not known yet
}

// Built is a rebuild that has ended.
type Built struct {
	At      time.Time
	Took    time.Duration
	Failure string // empty: the read models were replaced
}

// Tree is the last signed tree of a study.
type Tree struct {
	Study          string
	Size, Position int64
	SignedAt       time.Time
}

// Still lists the read models that stand still.
func (o Operations) Still() (list []Follower) {
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
	// TryNow tries at once what stands still, and tells in a sentence what came of it; false if nothing has that name.
	TryNow(ctx context.Context, name string) (string, bool)
}

// Challenge makes a browser ask for an operator's token.
const Challenge = `Basic realm="asem operations: the password is an operator's token", charset="UTF-8"`

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

// tryNow answers with the page itself: to load it again is to try again.
func (s *server) tryNow(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	message, ok := s.Operator.TryNow(r.Context(), r.PostFormValue("name"))
	if !ok {
		s.showOperations(w, r, http.StatusNotFound, "Nothing that follows the log has that name.")
		return
	}
	s.showOperations(w, r, http.StatusOK, message)
}
