package feed

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	client "github.com/nats-io/nats.go"

	"asem/domain"
	"asem/events"
)

// Bookmarks keeps how far the log was handed to others, by name.
type Bookmarks interface {
	Bookmark(ctx context.Context, name string) (events.Position, error)
	SetBookmark(ctx context.Context, name string, at events.Position) error
}

// Outward is a consumer that hands the log to another system: an event a message, in order, each at least once. It moves its bookmark when the other system
// has acknowledged a batch, so what was under way in a crash is sent again; messages carry the event's id, by which a
// receiver, or NATS itself, knows them again.
//
// Give it the log as it is kept: what is sealed there goes out sealed, for a copy that an erasure does not reach must not be readable.
type Outward struct {
	name    string
	to      message.Publisher
	subject string
	at      Bookmarks
}

var _ Consumer = (*Outward)(nil)

// NewOutward returns a consumer that publishes under subjects that begin with subject: subject, study and type, as asem.events.DEMO.diary.submitted.
func NewOutward(name string, to message.Publisher, subject string, at Bookmarks) *Outward {
	return &Outward{name, to, subject, at}
}

// Name implements [Consumer].
func (o *Outward) Name() string { return o.name }

// Checkpoint implements [Consumer].
func (o *Outward) Checkpoint(ctx context.Context) (events.Position, error) {
	return o.at.Bookmark(ctx, o.name)
}

// Apply implements [Consumer].
func (o *Outward) Apply(ctx context.Context, batch []events.Envelope) error {
	for i, e := range batch {
		err := ctx.Err()
		if err == nil {
			err = o.to.Publish(o.subjectOf(e), outwardMessage(e))
		}
		if err != nil {
			if i > 0 { // so much has arrived
				err = errors.Join(err, o.at.SetBookmark(context.WithoutCancel(ctx), o.name, batch[i-1].Position))
			}
			return fmt.Errorf("publish event %d: %w", e.Position, err)
		}
	}
	return o.at.SetBookmark(ctx, o.name, batch[len(batch)-1].Position)
}

// Keys of the metadata of outward messages besides those of all messages.
const (
	KeyPosition = "asem_position" // in the log
	KeyVersion  = "asem_version"  // in the stream
	KeySchema   = "asem_schema"   // of the payload
	KeyRecorded = "asem_recorded" // RFC 3339
	KeySealed   = "asem_sealed"   // "true": the payload is sealed under the key of the owner
	KeyOwner    = "asem_owner"
)

func outwardMessage(e events.Envelope) *message.Message {
	m := message.NewMessage(e.ID.String(), e.Payload)
	for k, v := range map[string]string{
		KeyType: e.Type, KeyStudy: e.Study, KeyStream: string(e.Stream), KeyOccurred: e.OccurredAt.Format(time.RFC3339Nano), KeyRecorded: e.RecordedAt.Format(time.RFC3339Nano),
		KeyPosition: strconv.FormatInt(int64(e.Position), 10), KeyVersion: strconv.FormatInt(int64(e.Version), 10), KeySchema: strconv.Itoa(e.Schema),
		KeySealed: strconv.FormatBool(e.Sealed), KeyOwner: e.Owner,
	} {
		m.Metadata.Set(k, v)
	}
	middleware.SetCorrelationID(e.Command.String(), m)
	return m
}

// subjectOf returns the subject of an event. Codes may hold dots, which separate the words of a subject.
func (o *Outward) subjectOf(e events.Envelope) string {
	study := strings.ReplaceAll(e.Study, ".", "_")
	if study == "" {
		study = "_"
	}
	return o.subject + "." + study + "." + e.Type
}

// duplicates is how long JetStream remembers the ids of messages: longer than a restart takes.
const duplicates = 10 * time.Minute

// ConnectNATS returns a publisher to NATS JetStream. The stream is made if it is not there; one that is there must
// take the subjects. A connection that breaks is made again; until then publishing fails and is tried again by whoever publishes.
func ConnectNATS(address, stream, subject string) (*nats.Publisher, error) {
	conn, err := client.Connect(address, client.Name("asem"), client.MaxReconnects(-1), client.ReconnectWait(500*time.Millisecond))
	if unparsed := (*url.Error)(nil); errors.As(err, &unparsed) { // repeats the address, and in it the password
		return nil, &domain.Error{Code: domain.Invalid, Path: "NATS", Message: "the address cannot be parsed; expected nats://USER:PASSWORD@HOST:PORT, with special characters of user and password as %XX"}
	}
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	p, err := publisher(conn, stream, subject)
	if err != nil {
		conn.Close()
	}
	return p, err
}

func publisher(conn *client.Conn, stream, subject string) (*nats.Publisher, error) {
	js, err := conn.JetStream()
	if err != nil {
		return nil, fmt.Errorf("connect to JetStream: %w", err)
	}
	info, err := js.StreamInfo(stream)
	switch {
	case err == client.ErrStreamNotFound: //nolint:errorlint // the client returns it bare
		_, err = js.AddStream(&client.StreamConfig{Name: stream, Subjects: []string{subject + ".>"}, Storage: client.FileStorage, Duplicates: duplicates})
		if err != nil {
			return nil, fmt.Errorf("make the stream %s: %w", stream, err)
		}
	case err != nil:
		return nil, fmt.Errorf("look for the stream %s: %w", stream, err)
	case !takes(info.Config.Subjects, subject+".>"):
		return nil, fmt.Errorf("the stream %s takes %s; expected it to take %s.>", stream, strings.Join(info.Config.Subjects, ", "), subject)
	}
	return nats.NewPublisherWithNatsConn(conn, nats.PublisherPublishConfig{Marshaler: &nats.NATSMarshaler{}, SubjectCalculator: nats.DefaultSubjectCalculator,
		JetStream: nats.JetStreamConfig{TrackMsgId: true, PublishOptions: []client.PubOpt{client.AckWait(5 * time.Second)}}}, watermill.NopLogger{})
}

func takes(subjects []string, want string) bool {
	for _, s := range subjects {
		if s == want || s == ">" || strings.HasSuffix(s, ".>") && strings.HasPrefix(want, strings.TrimSuffix(s, ">")) {
			return true
		}
	}
	return false
}
