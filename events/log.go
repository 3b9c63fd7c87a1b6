package events

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"asem/domain"
)

// Position is the place of an event in the one global order of a log. The first
// event has position 1; 0 is the place before it. Positions grow with every
// event and are never reused. They may have gaps only where an append failed
// after it was given its place; a reader never has to know.
type Position int64

// Version is the place of an event in its stream. The first event of a stream
// has version 1, the next 2, without gaps; 0 is a stream without events.
type Version int64

// Stream names the stream of one aggregate: "study/DEMO", "couple/DEMO/017".
type Stream string

// Limits of one append. They bound memory on both sides; a larger data set is
// imported as one append of many events, so they are generous.
const (
	MaxPayload = 1 << 20  // bytes of one payload
	MaxAppend  = 64 << 20 // bytes of all payloads of one append
)

// Envelope is one event as the log keeps it: what happened, where it stands, when,
// and who said so. In an [Append], Position, Version, Leaf and RecordedAt are zero: the log
// sets them.
type Envelope struct {
	Position   Position
	Stream     Stream
	Version    Version
	ID         uuid.UUID    // UUIDv7, made by who appends
	Type       string       // wire name: "diary.submitted"
	Schema     int          // schema version of the payload, from 1
	Study      string       // code of the study
	OccurredAt time.Time    // in the world, in the years 1 to 9999; UTC, kept to the microsecond
	RecordedAt time.Time    // in the log; UTC, kept to the microsecond; never before that of the event before
	By         domain.Actor // who caused it
	Command    uuid.UUID    // the command that caused it
	Causation  uuid.UUID    // the event that caused the command; zero if a person did
	Payload    []byte       // kept byte for byte

	// Owner names whose the payload is, and so under whose key it is to be sealed: a person "DEMO/017/a", a couple "DEMO/017", or
	// nobody. See package seal.
	Owner string
	// Erased is set where an event is read whose owner's key was destroyed: it has no payload and no subject any more. It is not stored.
	Erased bool
	// Sealed says that payload and subject are sealed. Package seal sets it, and takes it away from what it opens.
	Sealed bool
	// Leaf is the place of the event in its study's Merkle tree, from 0.
	Leaf int64
}

// Write is what one stream gets in an append.
type Write struct {
	Stream   Stream
	Expected Version    // the version the stream must have; 0 for a new stream
	Events   []Envelope // at least one
}

// Append is one command's outcome: all its writes are stored together or not at all.
// No stream may appear twice.
type Append struct {
	Command uuid.UUID // makes it idempotent; must not be zero
	Writes  []Write   // at least one
}

// Receipt tells where an append ended up.
type Receipt struct {
	First, Last Position  // of the events of this append
	RecordedAt  time.Time // when the log took them
	Duplicate   bool      // the command had been stored before: this is its first receipt, and nothing was added
}

// The refusals of a log that a caller branches on; test with errors.Is.
var (
	// ErrConflict: a stream was not at the expected version. Load again and decide again.
	ErrConflict = errors.New("the stream has moved on")
	// ErrClosed: the log was closed before or while it was used. An append that fails with
	// it was not stored.
	ErrClosed = errors.New("the log is closed")
	// ErrUnknownType: a stored event has a type or schema that this program does not know.
	ErrUnknownType = errors.New("unknown event type")
	// ErrFenced: another replica has taken over what this one drove along the log.
	ErrFenced = errors.New("another replica leads")
	// ErrFull: the disk or the database has no room. Nothing of the append was stored.
	ErrFull = errors.New("no room left to store events")
)

// Log is an append-only log of events in one global order. All methods may be called from
// many goroutines, and many handles, in one or several processes, may be open on one log.
type Log interface {
	// Append stores all writes or none. It returns only after the events are durable.
	//
	// Optimistic concurrency: if any stream is not at its expected version, the append fails
	// with an error that wraps ErrConflict. Idempotence: if Command was stored before, nothing
	// is stored again and the first receipt is returned with Duplicate set, whatever the writes
	// and expected versions say now. This is checked before the versions.
	//
	// When ctx ends before the append was handed to the database the append is not stored; when
	// it ends later, Append returns ctx's error and the outcome is unknown to the caller, who may
	// repeat the command: idempotence makes that safe. A cancelled append never disturbs others
	// that share its transaction.
	//
	// While the database is away Append waits, some 15 seconds, for its return. After that it fails with a
	// *domain.Error with code Unavailable, which says whether nothing was stored or whether that is not known. The caller
	// must not change payloads before Append returns, nor after it returned ctx's error.
	//
	// Bad input (no events, oversized payload, zero command, a stream twice, no event id, type or
	// schema, a name that is not UTF-8 or contains NUL) is a *domain.Error with code Invalid.
	Append(ctx context.Context, a Append) (Receipt, error)

	// Lookup returns the receipt of a command that was stored, with Duplicate set, and false when
	// no append with that command is in the log. It lets a caller answer a repeated command without
	// deciding it anew on a past that already holds its outcome.
	Lookup(ctx context.Context, command uuid.UUID) (Receipt, bool, error)

	// ReadStream returns up to limit events of one stream with versions above after, in order.
	// A stream that does not exist is empty. limit <= 0 means no limit.
	ReadStream(ctx context.Context, s Stream, after Version, limit int) ([]Envelope, error)

	// Read returns up to limit events with positions above after, in order. Having seen
	// position n, no reader will ever see a position below n appear that was not there before.
	// limit must be above 0.
	Read(ctx context.Context, after Position, limit int) ([]Envelope, error)

	// Head returns the position of the last event that readers can see; 0 when there is none.
	Head(ctx context.Context) (Position, error)

	// Wait returns nil once Head is above after, ctx's error if that ends first, and ErrClosed
	// when the log is closed. It wakes on commit, also on a commit by another process, within
	// a second at worst.
	Wait(ctx context.Context, after Position) error

	// Close lets running appends finish, refuses new ones and frees what the log holds.
	Close() error
}
