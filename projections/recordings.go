package projections

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"asem/domain"
	"asem/events"
)

// Recordings knows where in the log recordings and their coding stand: which couples ever had a video, and whose clip an assignment is about. It says nothing of what
// became of them; the couple's past does.
//
// It is kept in memory, and asking for it brings it up to date with the log.
type Recordings struct {
	log interface {
		Read(ctx context.Context, after events.Position, limit int) ([]events.Envelope, error)
	}

	mu          sync.Mutex
	at          events.Position // up to which the log was looked through
	filmed      map[CoupleRef]bool
	assignments map[string]CoupleRef
}

// CoupleRef names a couple of a study.
type CoupleRef struct{ Study, Couple string }

// NewRecordings returns what is in a log.
func NewRecordings(log StreamReader) *Recordings {
	return &Recordings{log: log, filmed: map[CoupleRef]bool{}, assignments: map[string]CoupleRef{}}
}

// Filmed lists the couples of all studies that ever had a video, also those of which a partner was erased.
func (x *Recordings) Filmed(ctx context.Context) ([]CoupleRef, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.catchUp(ctx); err != nil {
		return nil, err
	}
	list := make([]CoupleRef, 0, len(x.filmed))
	for c := range x.filmed {
		list = append(list, c)
	}
	return list, nil
}

// Assignment returns whose clip an assignment is about; false: there is none with this id.
func (x *Recordings) Assignment(ctx context.Context, id string) (CoupleRef, bool, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.catchUp(ctx); err != nil {
		return CoupleRef{}, false, err
	}
	c, ok := x.assignments[id]
	return c, ok, nil
}

// Types of events by which couples are found.
var videoStored, assignmentMade = typeName[domain.VideoStored](), typeName[domain.AssignmentMade]()

func typeName[E domain.Event]() string {
	var e E
	t, _ := domain.EventTypeOf(e) // registered, as all events are
	return t.Name
}

// catchUp looks through what is new in the log.
func (x *Recordings) catchUp(ctx context.Context) error {
	for {
		page, err := x.log.Read(ctx, x.at, boardPage)
		if err != nil {
			return fmt.Errorf("look for recordings: %w", err)
		}
		for _, e := range page {
			if err := x.see(e); err != nil {
				return fmt.Errorf("look for recordings: %w", err)
			}
			x.at = e.Position
		}
		if len(page) < boardPage {
			return nil
		}
	}
}

func (x *Recordings) see(at events.Envelope) error {
	if at.Type != videoStored && at.Type != assignmentMade {
		return nil
	}
	couple, ok := strings.CutPrefix(string(at.Stream), string(events.CoupleStream(at.Study, "")))
	if !ok {
		return nil
	}
	c := CoupleRef{at.Study, couple}
	if at.Type == videoStored {
		x.filmed[c] = true
		return nil
	}
	e, err := events.Decode(at)
	if errors.Is(err, events.ErrErased) {
		return nil
	}
	if err != nil {
		return err
	}
	if made, ok := e.(domain.AssignmentMade); ok {
		x.assignments[made.Assignment] = c
	}
	return nil
}
