package events

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"asem/domain"
)

// judgement is what becomes of a batch of appends.
type judgement struct {
	outcomes   []outcome
	batch      Batch // what is to be stored
	clear      bool  // every append is stored: none is a repeat and none in conflict
	head       Position
	recordedAt time.Time
	versions   map[Stream]Version // as they then are
	trees      map[string]*Tree   // of the studies whose trees grow
}

// judge decides each append of a batch in order, by what is known and by those before it, and completes the
// events of those that stand. No event is recorded earlier than the one before it, even when the clock steps back.
func judge(known Known, batch []*pending) judgement {
	j := judgement{outcomes: make([]outcome, len(batch)), clear: true, head: known.Head, versions: make(map[Stream]Version, len(batch))}
	j.recordedAt = known.Now.UTC().Truncate(time.Microsecond)
	if j.recordedAt.Before(known.RecordedAt) {
		j.recordedAt = known.RecordedAt
	}
	j.batch.Receipts = make(map[uuid.UUID]Receipt, len(batch))
	list := make([]Envelope, 0, len(batch))
	for i, p := range batch {
		if r, ok := known.Receipts[p.append.Command]; ok {
			r.Duplicate = !slices.Contains(p.tried, r)
			j.outcomes[i], j.clear = outcome{receipt: r}, false
			continue
		}
		if r, ok := j.batch.Receipts[p.append.Command]; ok {
			r.Duplicate = true
			j.outcomes[i], j.clear = outcome{receipt: r}, false
			continue
		}
		if err := j.conflict(p.append, known); err != nil {
			j.outcomes[i], j.clear = outcome{err: err}, false
			continue
		}
		r := Receipt{First: j.head + 1, RecordedAt: j.recordedAt}
		for _, w := range p.append.Writes {
			v := w.Expected
			for _, e := range w.Events {
				j.head++
				v++
				e.Position, e.Stream, e.Version, e.Command, e.RecordedAt = j.head, w.Stream, v, p.append.Command, j.recordedAt
				e.OccurredAt = e.OccurredAt.UTC().Truncate(time.Microsecond)
				list = append(list, e)
			}
			j.versions[w.Stream] = v
		}
		r.Last = j.head
		j.batch.Receipts[p.append.Command] = r
		j.outcomes[i] = outcome{receipt: r}
	}
	j.batch.Records, j.trees, j.batch.Tiles = plant(known.Trees, list)
	return j
}

func (j *judgement) conflict(a Append, known Known) error {
	for _, w := range a.Writes {
		v, ok := j.versions[w.Stream]
		if !ok {
			v = known.Versions[w.Stream]
		}
		if v != w.Expected {
			return fmt.Errorf("append to %s: expected version %d, found %d: %w", w.Stream, w.Expected, v, ErrConflict)
		}
	}
	return nil
}

// sealRoom is how much sealing may add to a payload.
const sealRoom = 1 << 10

// Check refuses what no log takes, as [Log] says.
func Check(a Append) error {
	_, err := check(a)
	return err
}

// check refuses bad input and returns the size of all payloads.
func check(a Append) (size int, err error) {
	bad := func(path, format string, args ...any) (int, error) {
		return 0, &domain.Error{Code: domain.Invalid, Path: path, Message: fmt.Sprintf(format, args...)}
	}
	if a.Command == uuid.Nil {
		return bad("command", "an append needs the id of its command")
	}
	if len(a.Writes) == 0 {
		return bad("writes", "an append without events")
	}
	seen := make(map[Stream]bool, len(a.Writes))
	for _, w := range a.Writes {
		switch {
		case w.Stream == "" || len(w.Stream) > 512 || !clean(string(w.Stream)):
			return bad("stream", "%q is not a stream name; expected 1 to 512 bytes of UTF-8 without NUL", w.Stream)
		case seen[w.Stream]:
			return bad("stream", "%s stands twice in one append", w.Stream)
		case w.Expected < 0:
			return bad("expected", "version %d is expected of %s; versions are not negative", w.Expected, w.Stream)
		case len(w.Events) == 0:
			return bad("events", "nothing is to be appended to %s", w.Stream)
		}
		seen[w.Stream] = true
		for _, e := range w.Events {
			switch {
			case e.ID == uuid.Nil:
				return bad("id", "an event of %s has no id", w.Stream)
			case e.Study == "":
				return bad("study", "an event of %s is of no study, and would stand in no tree", w.Stream)
			case e.Type == "" || !clean(e.Type) || !clean(e.Study) || !clean(e.Owner) || !clean(string(e.By.Role)) || !clean(e.By.Subject):
				return bad("type", "an event of %s has a type, study, owner or actor that is empty, not UTF-8 or contains NUL", w.Stream)
			case e.Schema < 1:
				return bad("schema", "an event of %s has schema %d; expected 1 or more", w.Stream, e.Schema)
			case e.OccurredAt.Year() < 1 || e.OccurredAt.Year() > 9999:
				return bad("occurredAt", "an event of %s happened in the year %d; expected 1 to 9999", w.Stream, e.OccurredAt.Year())
			case len(e.Payload) > MaxPayload && !(e.Sealed && len(e.Payload) <= MaxPayload+sealRoom):
				return bad("payload", "a payload for %s has %d bytes; at most %d are taken", w.Stream, len(e.Payload), MaxPayload)
			}
			size += len(e.Payload)
		}
	}
	if size > MaxAppend {
		return bad("payload", "the payloads of one append have %d bytes; at most %d are taken", size, MaxAppend)
	}
	return size, nil
}

func clean(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return false
		}
	}
	return utf8.ValidString(s)
}
