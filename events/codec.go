package events

import (
	"encoding/json"
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

// Decode returns the event in an envelope, brought up to the schema of this program. A type or
// schema that this program does not know is an error that wraps ErrUnknownType; it is never skipped.
func Decode(at Envelope) (domain.Event, error) {
	t, ok := domain.EventTypeNamed(at.Type)
	if !ok {
		return nil, fmt.Errorf("event %d of type %q: %w", at.Position, at.Type, ErrUnknownType)
	}
	payload, err := upcast(at.Type, at.Schema, t.Schema, at.Payload)
	if err != nil {
		return nil, fmt.Errorf("event %d: %w", at.Position, err)
	}
	e, err := t.Decode(payload)
	if err != nil {
		return nil, fmt.Errorf("event %d: %w", at.Position, err)
	}
	return e, nil
}
