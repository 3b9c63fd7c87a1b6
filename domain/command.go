package domain

import "time"

// Target names the aggregate that a command is about: a study, or a couple in it.
type Target struct {
	Study  string
	Couple string // empty: the study itself
}

// Command asks for something to happen. Commands are imperatives; what then happened is
// told by events.
type Command interface {
	Target() Target
	decide(Past) ([]Event, error)
}

// Past is the state that a command is decided on. Couple is nil when the command is about the
// study.
type Past struct {
	Study  *Study
	Couple *Couple
}

// Order is a command as it is given: by whom, for when, and under which id.
type Order struct {
	ID      string    // UUID made by the client; a repeat has the first one's outcome
	By      Actor     //
	At      time.Time // when it happened in the world
	Command Command
}

// Receipt tells what became of an order.
type Receipt struct {
	Position  int64 // of the last event in the log; 0 if nothing had to change
	Events    int   // how many events were stored, now or by the first order with this id
	Duplicate bool  // an order with this id had been carried out before
}

// Decide returns the events that follow from a command on a past. It reads the past and changes
// nothing. No events and no error means that what was asked is already so.
// A refusal is an *[Error], or several of them joined.
func Decide(past Past, cmd Command) ([]Event, error) { return cmd.decide(past) }

func (p Past) needStudy() error {
	if p.Study == nil || !p.Study.Exists() {
		return refuse(NotFound, "study", "there is no such study")
	}
	return nil
}

func (p Past) needProtocol() error {
	if err := p.needStudy(); err != nil {
		return err
	}
	if p.Study.Protocol.Version == 0 {
		return refuse(Conflict, "study", "study %s has no published protocol yet", p.Study.Code)
	}
	return nil
}

func (p Past) needCouple() error {
	if err := p.needProtocol(); err != nil {
		return err
	}
	if p.Couple == nil || !p.Couple.Exists() {
		return refuse(NotFound, "couple", "there is no such couple in study %s", p.Study.Code)
	}
	return nil
}
