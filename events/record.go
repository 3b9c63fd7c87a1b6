package events

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"asem/domain"
)

// Record is an event as a backend keeps it: the columns by which it is found, and all of it in the one canonical encoding
// that is also its leaf in the study's Merkle tree.
type Record struct {
	Position Position
	Stream   Stream
	Version  Version
	Data     []byte
}

// recordFormat is the first byte of a record. Another layout gets another number; this one stays readable.
const recordFormat = 1

// encodeRecord returns the canonical encoding of a complete envelope: every envelope has exactly one, and two that
// differ have different ones. Numbers are varints, times microseconds since 1970, texts and payload follow their length.
func encodeRecord(e *Envelope) []byte {
	b := make([]byte, 0, 128+len(e.Stream)+len(e.Type)+len(e.Study)+len(e.By.Role)+len(e.By.Subject)+len(e.Owner)+len(e.Payload))
	b = append(b, recordFormat, 0)
	if e.Sealed {
		b[1] = 1
	}
	for _, n := range []uint64{uint64(e.Position), uint64(e.Version), uint64(e.Leaf), uint64(e.Schema)} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendVarint(b, e.OccurredAt.UnixMicro())
	b = binary.AppendVarint(b, e.RecordedAt.UnixMicro())
	b = append(b, e.ID[:]...)
	b = append(b, e.Command[:]...)
	b = append(b, e.Causation[:]...)
	for _, s := range []string{string(e.Stream), e.Type, e.Study, string(e.By.Role), e.By.Subject, e.Owner} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.AppendUvarint(b, uint64(len(e.Payload)))
	return append(b, e.Payload...)
}

// ErrDamaged says that a stored record is not one that this log wrote.
var ErrDamaged = errors.New("the stored record is damaged")

// DecodeRecord reads a record. What is not the canonical encoding of an envelope is an error that wraps [ErrDamaged].
// The payload shares memory with data.
func DecodeRecord(data []byte) (Envelope, error) {
	r := recordReader{rest: data}
	var e Envelope
	if f := r.bytes(1); !r.bad && f[0] != recordFormat {
		return e, fmt.Errorf("format %d of a record is not known: %w", f[0], ErrDamaged)
	}
	flags := r.bytes(1)[0]
	e.Sealed, r.bad = flags == 1, r.bad || flags > 1
	e.Position, e.Version, e.Leaf, e.Schema = Position(r.number()), Version(r.number()), int64(r.number()), int(r.number())
	e.OccurredAt, e.RecordedAt = r.time(), r.time()
	for _, id := range []*uuid.UUID{&e.ID, &e.Command, &e.Causation} {
		copy(id[:], r.bytes(16))
	}
	e.Stream, e.Type, e.Study = Stream(r.text()), names.get(r.bytesWithLength()), names.get(r.bytesWithLength())
	e.By.Role, e.By.Subject, e.Owner = domain.ActorRole(names.get(r.bytesWithLength())), r.text(), r.text()
	e.Payload = r.bytesWithLength()
	if r.bad || len(r.rest) > 0 || e.Position < 0 || e.Version < 0 || e.Leaf < 0 || e.Schema < 0 {
		return Envelope{}, ErrDamaged
	}
	return e, nil
}

// recordReader reads what encodeRecord wrote, and nothing else.
type recordReader struct {
	rest []byte
	bad  bool
}

func (r *recordReader) bytes(n uint64) []byte {
	if r.bad || n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return make([]byte, min(n, 16))
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *recordReader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || size > 1 && r.rest[size-1] == 0 { // the second: longer than it needs to be
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *recordReader) time() time.Time {
	n := r.number()
	micros := int64(n >> 1)
	if n&1 != 0 {
		micros = ^micros
	}
	return time.UnixMicro(micros).UTC()
}

func (r *recordReader) bytesWithLength() []byte { return r.bytes(r.number()) }
func (r *recordReader) text() string            { return string(r.bytesWithLength()) }
