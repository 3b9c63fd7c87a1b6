package events

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"

	"github.com/segmentio/encoding/json"

	"asem/domain"
)

// Encode returns an envelope that holds an event's wire name, schema and payload and nothing else.
func Encode(e domain.Event) (Envelope, error) {
	t, ok := domain.EventTypeOf(e)
	if !ok {
		return Envelope{}, fmt.Errorf("encode %T: %w", e, ErrUnknownType)
	}
	payload, err := stdjson.Marshal(e)
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
		return nil, fmt.Errorf("event %d: payload of %s: %w: %s", at.Position, at.Type, ErrDamaged, blemish(err))
	}
	return e, nil
}

// blemish says what is wrong with a payload and quotes nothing of it: these words end up in logs and on pages.
func blemish(err error) string {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field != "" && kind.Type != nil {
		return fmt.Sprintf("its field %s is not a %s", kind.Field, kind.Type)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return "it is not JSON"
	}
	return "it is not what the schema says"
}

// unmarshal reads JSON three times faster than encoding/json, and is held to its results by a fuzz test. Unknown fields are an error: a newer program
// wrote them, and dropping them silently would lose data. So is anything behind the value.
func unmarshal(payload []byte, to any) error {
	rest, err := json.Parse(payload, to, json.DisallowUnknownFields)
	if err == nil && len(bytes.TrimSpace(rest)) > 0 {
		err = errors.New("something follows its end")
	}
	return err
}
