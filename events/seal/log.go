package seal

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"asem/events"
)

// Log is an event log whose events are sealed where they are kept. It keeps the contract of [events.Log].
type Log struct {
	events.Archive
	keys *keyring
}

var _ events.Log = (*Log)(nil)

// New returns a log that keeps its events, sealed, in another. Closing it closes the other.
func New(inner events.Archive, master Master) *Log {
	return &Log{inner, &keyring{store: inner, master: master}}
}

// Append implements [events.Log]. An event of an owner whose key was destroyed fails with [events.ErrConflict]: who decides anew
// finds the tombstone.
func (l *Log) Append(ctx context.Context, a events.Append) (events.Receipt, error) {
	if err := events.Check(a); err != nil {
		return events.Receipt{}, err
	}
	owners := map[string]bool{}
	for _, w := range a.Writes {
		for i := range w.Events {
			if o := w.Events[i].Owner; o != "" {
				owners[o] = true
			}
		}
	}
	if len(owners) == 0 {
		return l.Archive.Append(ctx, a)
	}
	// Making keys is pointless for an append that the log refuses, but harmless: they wait for the next.
	keys, err := l.keys.make(ctx, owners)
	if err != nil {
		if ctx.Err() != nil {
			return events.Receipt{}, fmt.Errorf("append: %w", ctx.Err())
		}
		return events.Receipt{}, fmt.Errorf("append: %w", err)
	}
	sealed := events.Append{Command: a.Command, Writes: make([]events.Write, len(a.Writes))}
	for i, w := range a.Writes {
		sealed.Writes[i] = events.Write{Stream: w.Stream, Expected: w.Expected, Events: make([]events.Envelope, len(w.Events))}
		for j, e := range w.Events {
			if e.Owner != "" {
				key := keys[e.Owner]
				if key == nil {
					return events.Receipt{}, fmt.Errorf("append to %s: %w: %w", w.Stream, events.ErrErased, events.ErrConflict)
				}
				e.Stream, e.Command = w.Stream, a.Command
				e.Payload, e.By.Subject, e.Sealed = seal(key, &e), "", true
			}
			sealed.Writes[i].Events[j] = e
		}
	}
	return l.Archive.Append(ctx, sealed)
}

// ReadStream implements [events.Log].
func (l *Log) ReadStream(ctx context.Context, s events.Stream, after events.Version, limit int) ([]events.Envelope, error) {
	list, err := l.Archive.ReadStream(ctx, s, after, limit)
	if err != nil {
		return nil, err
	}
	return list, l.Unseal(ctx, list)
}

// Read implements [events.Log].
func (l *Log) Read(ctx context.Context, after events.Position, limit int) ([]events.Envelope, error) {
	list, err := l.Archive.Read(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	return list, l.Unseal(ctx, list)
}

// Unseal opens events that were read from the log within. One that does not open stays sealed, and its reader finds out; the others are none the worse.
func (l *Log) Unseal(ctx context.Context, list []events.Envelope) error {
	owners := map[string]bool{}
	for i := range list {
		if list[i].Sealed {
			owners[list[i].Owner] = true
		}
	}
	if len(owners) == 0 {
		return nil
	}
	keys, _, err := l.keys.get(ctx, owners)
	if err != nil {
		return err
	}
	scratch := make([]byte, 0, 256)
	for i := range list {
		e := &list[i]
		if !e.Sealed {
			continue
		}
		switch key, known := keys[e.Owner]; {
		case !known:
		case key == nil:
			e.Payload, e.By.Subject, e.Erased, e.Sealed = nil, "", true, false
		default:
			var opened bool
			scratch, opened = unseal(key, e, scratch)
			e.Sealed = !opened
		}
	}
	return nil
}

// Erase destroys the keys of owners, everywhere but in copies of the database that were made before. What was sealed under them cannot be read
// again. The tombstones must be in the log before: whatever is appended for the owners afterwards is refused.
func (l *Log) Erase(ctx context.Context, owners ...string) error {
	if err := l.DestroyKeys(ctx, owners, time.Now().UTC().Truncate(time.Microsecond)); err != nil {
		return err
	}
	l.keys.forget(owners...)
	return nil
}

// Rewrap wraps all keys anew under the current master key, and returns how many were wrapped by another.
func (l *Log) Rewrap(ctx context.Context) (int, error) { return l.keys.rewrap(ctx, nil) }

// bound appends what a sealed payload is bound to.
func bound(b []byte, e *events.Envelope) []byte {
	b = append(b, e.ID[:]...)
	b = append(append(b, e.Command[:]...), e.Causation[:]...)
	b = binary.AppendVarint(b, e.OccurredAt.UnixMicro())
	for _, s := range []string{e.Owner, string(e.Stream), e.Type, e.Study, string(e.By.Role)} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return binary.AppendUvarint(b, uint64(e.Schema))
}

// seal returns nonce and sealed subject and payload.
func seal(key cipher.AEAD, e *events.Envelope) []byte {
	plain := make([]byte, 0, 4+len(e.By.Subject)+len(e.Payload))
	plain = binary.AppendUvarint(plain, uint64(len(e.By.Subject)))
	plain = append(append(plain, e.By.Subject...), e.Payload...)
	out := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	_, _ = rand.Read(out) // never fails
	return key.Seal(out, out, plain, bound(make([]byte, 0, 160), e))
}

// unseal opens a payload. It writes into scratch and returns what of it can be used again.
func unseal(key cipher.AEAD, e *events.Envelope, scratch []byte) (used []byte, opened bool) {
	scratch = bound(scratch[:0], e)
	if len(e.Payload) < chacha20poly1305.NonceSizeX {
		return scratch, false
	}
	nonce, sealed := e.Payload[:chacha20poly1305.NonceSizeX], e.Payload[chacha20poly1305.NonceSizeX:]
	plain, err := key.Open(sealed[:0], nonce, sealed, scratch)
	if err != nil {
		return scratch, false
	}
	n, size := binary.Uvarint(plain)
	if size <= 0 || n > uint64(len(plain)-size) {
		return scratch, false
	}
	plain = plain[size:]
	e.By.Subject, e.Payload = string(plain[:n]), plain[n:]
	return scratch, true
}
