package backup

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"asem/domain"
	"asem/events"
	"asem/events/proof"
	"asem/events/seal"
)

// page is how many records are read or stored at a time.
const page = 1000

// Progress is told how far a backup or restore has come. It may be nil.
type Progress func(done, head events.Position)

func (p Progress) tell(done, head events.Position) {
	if p != nil {
		p(done, head)
	}
}

// Write copies everything that a log holds at this moment. It fails, and what it wrote is no backup, when the events do not make
// the trees that the log keeps.
func Write(ctx context.Context, w io.Writer, log events.Archive, master seal.Master, signer string, progress Progress) (Summary, error) {
	out, err := newWriter(ctx, w, master)
	if err != nil {
		return Summary{}, err
	}
	s := Summary{CreatedAt: time.Now().UTC().Truncate(time.Second)}
	if s.Head, err = log.Head(ctx); err != nil {
		return s, err
	}
	trees := map[string]*events.Tree{}
	for after := events.Position(0); after < s.Head; progress.tell(after, s.Head) {
		list, err := log.Records(ctx, after, page)
		if err != nil {
			return s, err
		}
		for _, r := range list {
			if r.Position > s.Head {
				break
			}
			e, err := events.DecodeRecord(r.Data)
			if err != nil || r.Position != after+1 || e.Position != r.Position {
				return s, fmt.Errorf("back up event %d: %w; see asem verify", after+1, events.ErrDamaged)
			}
			grow(trees, e, r.Data)
			if err := out.record(r.Data); err != nil {
				return s, fmt.Errorf("write the backup: %w", err)
			}
			after = r.Position
			s.Events++
		}
		if len(list) == 0 {
			return s, fmt.Errorf("back up event %d: %w; see asem verify", after+1, events.ErrDamaged)
		}
	}
	for _, study := range slices.Sorted(maps.Keys(trees)) {
		t := trees[study]
		kept, err := proof.RootAt(ctx, log, study, t.Size)
		if err != nil || kept != t.Root() {
			return s, fmt.Errorf("back up study %s: its events are not those of its tree: %w; see asem verify", study, events.ErrDamaged)
		}
		note, err := proof.SignCheckpoint(proof.Checkpoint{Study: study, Size: t.Size, Root: t.Root(), Position: s.Head, SignedAt: s.CreatedAt}, signer)
		if err != nil {
			return s, err
		}
		s.Notes = append(s.Notes, note)
	}
	if err := out.end(s); err != nil {
		return s, fmt.Errorf("write the backup: %w", err)
	}
	return s, nil
}

func grow(trees map[string]*events.Tree, e events.Envelope, data []byte) {
	if trees[e.Study] == nil {
		trees[e.Study] = &events.Tree{}
	}
	trees[e.Study].Add(e.Study, data)
}

// Check reads a backup and compares its events with the signed trees in it.
func Check(ctx context.Context, r io.Reader, master seal.Master, verifiers ...string) (Summary, error) {
	trees := map[string]*events.Tree{}
	var last events.Position
	n := 0
	s, err := read(ctx, r, master, func(data []byte) error {
		e, err := events.DecodeRecord(data)
		if err != nil || e.Position != last+1 {
			return damaged(fmt.Sprintf("what follows position %d is not the next event", last), err)
		}
		last = e.Position
		n++
		grow(trees, e, data)
		return nil
	})
	if err != nil {
		return s, err
	}
	if s.Head != last || s.Events != n || len(s.Notes) != len(trees) {
		return s, damaged("it does not hold what it says", nil)
	}
	for _, note := range s.Notes {
		c, err := proof.Open(note, verifiers...)
		if err != nil {
			return s, err
		}
		if t := trees[c.Study]; t == nil || t.Size != c.Size || t.Root() != c.Root {
			return s, damaged(fmt.Sprintf("the events of study %s are not those that were signed", c.Study), nil)
		}
	}
	return s, nil
}

// Restore fills an empty log from a backup, up to a position; 0 means all of it. A command whose events lie on both sides of the position is left
// out. open is called twice: the whole backup is checked before anything is stored. Keys are the caller's affair, see
// [Keyring.Restore]. If it fails in the midst the log holds a part, and must be thrown away.
func Restore(ctx context.Context, open func() (io.ReadCloser, error), log events.Archive, master seal.Master, upTo events.Position, progress Progress, verifiers ...string) (Summary, error) {
	switch head, err := log.Head(ctx); {
	case err != nil:
		return Summary{}, err
	case head > 0:
		return Summary{}, &domain.Error{Code: domain.Conflict, Path: "restore", Message: fmt.Sprintf("there are %d events already; a backup is restored to an empty place", head)}
	}
	s, err := with(open, func(r io.Reader) (Summary, error) { return Check(ctx, r, master, verifiers...) })
	if err != nil {
		return s, err
	}
	if upTo < 0 || upTo > s.Head {
		return s, &domain.Error{Code: domain.Invalid, Path: "position", Message: fmt.Sprintf("the backup ends at position %d; expected 1 to %d", s.Head, s.Head)}
	}
	if upTo == 0 {
		upTo = s.Head
	}
	f := filler{ctx: ctx, log: log, upTo: upTo, progress: progress}
	if _, err := with(open, func(r io.Reader) (Summary, error) { return read(ctx, r, master, f.take) }); err != nil {
		return s, err
	}
	if err := f.finish(); err != nil {
		return s, err
	}
	if upTo == s.Head {
		for _, note := range s.Notes {
			c, err := proof.Open(note, verifiers...)
			if err != nil {
				return s, err
			}
			if err := log.AddSignedTree(ctx, events.SignedTree{Study: c.Study, Size: c.Size, Position: c.Position, Note: note, SignedAt: c.SignedAt}); err != nil {
				return s, err
			}
		}
	}
	s.Head = f.stored
	return s, nil
}

func with(open func() (io.ReadCloser, error), do func(io.Reader) (Summary, error)) (Summary, error) {
	r, err := open()
	if err != nil {
		return Summary{}, err
	}
	defer func() { _ = r.Close() }() // it was only read
	return do(r)
}

// filler stores events, a whole command at a time.
type filler struct {
	ctx      context.Context
	log      events.Archive
	upTo     events.Position
	progress Progress

	planter events.Planter
	command []events.Envelope // the events of the command that is being read
	batch   []events.Envelope // of complete commands
	stored  events.Position
}

func (f *filler) take(data []byte) error {
	e, err := events.DecodeRecord(data)
	if err != nil {
		return err
	}
	if len(f.command) > 0 && f.command[0].Command != e.Command {
		if err := f.complete(); err != nil {
			return err
		}
	}
	f.command = append(f.command, e)
	return nil
}

func (f *filler) complete() error {
	if n := len(f.command); n > 0 && f.command[n-1].Position <= f.upTo {
		f.batch = append(f.batch, f.command...)
	}
	f.command = f.command[:0]
	if len(f.batch) >= page {
		return f.store()
	}
	return nil
}

func (f *filler) finish() error {
	if err := f.complete(); err != nil {
		return err
	}
	return f.store()
}

func (f *filler) store() error {
	if len(f.batch) == 0 {
		return nil
	}
	b := events.Batch{Receipts: map[uuid.UUID]events.Receipt{}}
	for _, e := range f.batch {
		r, ok := b.Receipts[e.Command]
		if !ok {
			r = events.Receipt{First: e.Position, RecordedAt: e.RecordedAt}
		}
		r.Last = e.Position
		b.Receipts[e.Command] = r
	}
	b.Records, b.Tiles = f.planter.Plant(f.batch)
	if err := f.log.Extend(f.ctx, b); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	f.stored = f.batch[len(f.batch)-1].Position
	f.batch = f.batch[:0]
	f.progress.tell(f.stored, f.upTo)
	return nil
}
