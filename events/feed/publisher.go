package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"asem/events"
)

// MessageType is the type of the events that a [Publisher] appends.
const MessageType = "watermill.message"

// wrapped is the payload of such an event.
type wrapped struct {
	UUID     string            `json:"uuid"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Payload  []byte            `json:"payload"`
}

// Publisher appends Watermill messages to the log, as events of a stream for each topic. It serves to bring messages of other
// systems into the order of the log; the events of a study are appended by the executor alone.
type Publisher struct {
	log    events.Log
	study  string
	closed atomic.Bool
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher returns a publisher to a log, whose messages are events of a study.
func NewPublisher(log events.Log, study string) *Publisher { return &Publisher{log: log, study: study} }

// TopicStream names the stream of a topic.
func TopicStream(topic string) events.Stream { return events.Stream("topic/" + topic) }

// Publish appends messages in one append: all or none.
func (p *Publisher) Publish(topic string, list ...*message.Message) error {
	if p.closed.Load() {
		return errors.New("the publisher is closed")
	}
	if len(list) == 0 {
		return nil
	}
	w := events.Write{Stream: TopicStream(topic)}
	ctx := context.Background()
	for _, m := range list {
		payload, err := json.Marshal(wrapped{m.UUID, m.Metadata, m.Payload})
		if err != nil {
			return fmt.Errorf("publish to %s: %w", topic, err)
		}
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("publish to %s: %w", topic, err)
		}
		e := events.Envelope{ID: id, Type: MessageType, Schema: 1, Study: p.study, OccurredAt: time.Now(), Payload: payload}
		e.By.Role, e.By.Subject = "system", "watermill"
		w.Events = append(w.Events, e)
	}
	command := uuid.New()
	for { // the stream has many writers, and none of them cares for its version
		past, err := p.version(ctx, w.Stream)
		if err != nil {
			return err
		}
		w.Expected = past
		if _, err = p.log.Append(ctx, events.Append{Command: command, Writes: []events.Write{w}}); !errors.Is(err, events.ErrConflict) {
			return err
		}
	}
}

func (p *Publisher) version(ctx context.Context, s events.Stream) (events.Version, error) {
	v := events.Version(0)
	for {
		list, err := p.log.ReadStream(ctx, s, v, 1000)
		if err != nil || len(list) == 0 {
			return v, err
		}
		v = list[len(list)-1].Version
	}
}

// Close refuses further messages.
func (p *Publisher) Close() error {
	p.closed.Store(true)
	return nil
}

// unwrap returns the message that a publisher put into an event.
func unwrap(e events.Envelope) (*message.Message, bool) {
	var w wrapped
	if e.Type != MessageType || json.Unmarshal(e.Payload, &w) != nil {
		return nil, false
	}
	m := message.NewMessage(w.UUID, w.Payload)
	for k, v := range w.Metadata {
		m.Metadata.Set(k, v)
	}
	return m, true
}
