package events

import "fmt"

// upcaster turns a payload of one schema into a payload of the next. It is pure.
type upcaster func(payload []byte) ([]byte, error)

// upcasters holds, for every event type whose payload ever changed, the step from each old schema
// to the next: upcasters["diary.submitted"][1] leads from schema 1 to 2.
var upcasters = map[string]map[int]upcaster{
	// A later schema can say more; what was said before is still said so.
	"protocol.published": {1: asItWas, 2: asItWas},
	"couple.enrolled":    {1: asItWas},
	"participant.moved":  {1: asItWas},
	"consent.given":      {1: asItWas},
	"diary.submitted":    {1: asItWas},
	"rating.recorded":    {1: asItWas},
	"model.registered":   {1: asItWas},
}

// asItWas is the step to a schema that only added fields which may be absent. The schema was raised so that a program which does not know
// them stops before such an event and says so.
func asItWas(payload []byte) ([]byte, error) { return payload, nil }

// upcast brings a payload from the schema it was stored under to the one this program reads.
func upcast(name string, from, to int, payload []byte) ([]byte, error) {
	if from < 1 || from > to {
		return nil, fmt.Errorf("%s has schema %d and this program knows 1 to %d: %w", name, from, to, ErrUnknownType)
	}
	for s := from; s < to; s++ {
		step, ok := upcasters[name][s]
		if !ok {
			return nil, fmt.Errorf("%s has schema %d and nothing leads to %d: %w", name, s, s+1, ErrUnknownType)
		}
		next, err := step(payload)
		if err != nil {
			return nil, fmt.Errorf("%s from schema %d to %d: %w", name, s, s+1, err)
		}
		payload = next
	}
	return payload, nil
}
