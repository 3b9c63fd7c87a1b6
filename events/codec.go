package events

import (
	"encoding/json"
	"errors"
	"fmt"

	"asem/domain"
)

// Encode returns an envelope that holds an event's wire name, schema and payload and nothing else.
func Encode(e domain.Event) (Envelope, error) {
	t, ok := domain.EventTypeOf(e)
	if !ok {
		return Envelope{}, fmt.Errorf("encode %T: %w", e, ErrUnknownType)
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return Envelope{}, fmt.Errorf("encode %s: %w", t.Name, err)
	}
	return Envelope{Type: t.Name, Schema: t.Schema, Payload: payload}, nil
}

// The reasons why an event that is whole cannot be read; test with errors.Is.
var (
	// ErrErased: the person it concerns demanded erasure. Readers leave such events out.
	ErrErased = errors.New("the event was erased")
	// ErrSealed: it could not be unsealed. Its key is not at hand, or is not the one it was sealed with, or the payload was changed.
	ErrSealed = errors.New("the event is sealed, and the keys at hand do not open it")
)

// Decode returns the event in an envelope, brought up to the schema of this program. A type or
// schema that this program does not know is an error that wraps ErrUnknownType; it is never skipped.
func Decode(at Envelope) (domain.Event, error) {
	t, ok := domain.EventTypeNamed(at.Type)
	if !ok {
		return nil, fmt.Errorf("event %d of type %q: %w", at.Position, at.Type, ErrUnknownType)
	}
	switch {
	case at.Erased:
		return nil, fmt.Errorf("event %d: %w", at.Position, ErrErased)
	case at.Sealed:
		return nil, fmt.Errorf("event %d: %w", at.Position, ErrSealed)
	}
	payload, err := upcast(at.Type, at.Schema, t.Schema, at.Payload)
	if err != nil {
		return nil, fmt.Errorf("event %d: %w", at.Position, err)
	}
	e, err := t.Decode(func(to any) error { return unmarshal(payload, to) })
	if err != nil {
		return nil, fmt.Errorf("event %d: payload of %s: %w: %s", at.Position, at.Type, ErrDamaged, err.Error())
	}
	return e, nil
}
