package events

import (
	"fmt"
	"slices"
)

// Page gathers events as a backend reads them. The zero Page is empty.
type Page struct {
	Foreseen int // events that it may come to hold; 0: not known
	List     []Envelope
	room     []byte
}

const (
	recordRoom = 8 << 10 // bytes of the records that share memory: what keeps one of them keeps so much
	pageRoom   = 1000    // events for which there is room before they are read
)

// Add adds the event in a record, of which it keeps a copy. What is not the record of the event at a position is an error that wraps [ErrDamaged].
func (p *Page) Add(position Position, record []byte) error {
	if len(record) > cap(p.room)-len(p.room) { // records lie side by side: that takes a third of the memory and time of one copy for each
		p.room = make([]byte, 0, max(len(record), min(2*cap(p.room), recordRoom)))
	}
	begin := len(p.room)
	p.room = append(p.room, record...)
	e, err := DecodeRecord(p.room[begin:len(p.room):len(p.room)])
	if err == nil && e.Position != position {
		err = ErrDamaged
	}
	if err != nil {
		return fmt.Errorf("at position %d: %w", position, err)
	}
	if n := len(p.List); n == cap(p.List) && n > 8 { // mostly it is a few or all
		p.List = slices.Grow(p.List, max(min(p.Foreseen, pageRoom)-n, n))
	}
	p.List = append(p.List, e)
	return nil
}
