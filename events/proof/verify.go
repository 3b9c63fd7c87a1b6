package proof

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"

	"asem/events"
)

// Finding is something that is not as the log wrote it.
type Finding struct {
	Position events.Position // where it is, or the last place before it that is in order; 0 if that cannot be said
	Study    string          // empty if it is not about one study
	What     string          // in words, without anything that an event says
}

func (f Finding) String() string {
	switch {
	case f.Position > 0:
		return fmt.Sprintf("position %d: %s", f.Position, f.What)
	case f.Study != "":
		return fmt.Sprintf("study %s: %s", f.Study, f.What)
	}
	return f.What
}

// Report is what [Verify] found.
type Report struct {
	Events   int
	Head     events.Position
	Trees    []Checkpoint // of every study, as the events make it; not signed
	Signed   int          // signed trees that were compared
	Erased   int          // sealed events whose keys were destroyed
	Findings []Finding    // empty: the log is as it was written
}

// Options steer [Verify].
type Options struct {
	Verifiers []string                                       // keys whose signatures count
	Trusted   []string                                       // notes kept elsewhere, to hold the log against
	Open      func(context.Context, []events.Envelope) error // unseals events; nil: what is sealed is not looked into
	Tombstone func(events.Envelope) []string                 // owners whose keys are to be destroyed by an event; nil: that keys were destroyed is not questioned
	Progress  func(done, head events.Position)               // may be nil
}

// maxFindings bounds a report: a log with more is beyond description.
const maxFindings = 100

const page = 1000

// Verify reads everything that a log keeps and compares it with itself, with the signed trees beside it and with trusted notes. What it finds is in the report; the
// error says that the log could not be read.
//
// It finds every change of a stored event, every event that was removed, put in or moved, and changed or missing receipts, tiles and keys. Whoever can
// rewrite the whole database including the trees can be found out only by notes signed before: those beside the events, or, if these were removed, those kept elsewhere.
func Verify(ctx context.Context, log events.Archive, o Options) (Report, error) {
	v := &verifier{log: log, o: o, streams: map[events.Stream]events.Version{}, trees: map[string]*events.Tree{}, commands: map[uuid.UUID]events.Receipt{}, places: map[string][]events.Position{}, owners: map[string]bool{}, sealed: map[string]events.Position{}, erased: map[string]bool{}}
	if err := v.keys(ctx); err != nil {
		return v.Report, err
	}
	if err := v.notes(ctx); err != nil {
		return v.Report, err
	}
	if err := v.events(ctx); err != nil {
		return v.Report, err
	}
	if err := v.tiles(ctx); err != nil {
		return v.Report, err
	}
	v.unmet()
	v.tombstones()
	if err := v.receipts(ctx); err != nil {
		return v.Report, err
	}
	slices.SortStableFunc(v.Findings, func(a, b Finding) int { return cmp.Compare(a.Position, b.Position) })
	return v.Report, nil
}

type verifier struct {
	Report
	log      events.Archive
	o        Options
	recorded time.Time
	streams  map[events.Stream]events.Version
	trees    map[string]*events.Tree
	at       map[string]events.Position   // of the last event of a study
	places   map[string][]events.Position // of the leaves in the last tile of a study
	due      []dueTile                    // to be compared with what is stored
	commands map[uuid.UUID]events.Receipt
	owners   map[string]bool            // and whether the key exists
	sealed   map[string]events.Position // the first event of an owner
	erased   map[string]bool            // owners of whom a tombstone says so
	signed   map[string][]signedTree    // by size
	next     map[string]int             // the first of them that is not compared yet
}

const tileWidth = 1 << events.TileHeight

// dueTile is a tile as the events make it, with the positions of its leaves.
type dueTile struct {
	events.Tile
	places []events.Position
}

type signedTree struct {
	Checkpoint
	met bool
}

func (v *verifier) find(at events.Position, study, format string, args ...any) {
	if len(v.Findings) < maxFindings {
		v.Findings = append(v.Findings, Finding{at, study, fmt.Sprintf(format, args...)})
	}
}

func (v *verifier) keys(ctx context.Context) error {
	all, err := v.log.WrappedKeys(ctx, nil)
	for _, k := range all {
		v.owners[k.Owner] = k.Wrapped != nil
	}
	return err
}

// notes reads the signed trees beside the events and those kept elsewhere.
func (v *verifier) notes(ctx context.Context) error {
	v.signed, v.next, v.at = map[string][]signedTree{}, map[string]int{}, map[string]events.Position{}
	beside, err := v.log.SignedTrees(ctx, "")
	if err != nil {
		return err
	}
	for _, t := range beside {
		c, err := Open(t.Note, v.o.Verifiers...)
		switch {
		case err != nil:
			v.find(0, t.Study, "the signed tree of size %d does not bear a signature that is trusted here, or was changed", t.Size)
		case c.Study != t.Study || c.Size != t.Size:
			v.find(0, t.Study, "the signed tree of size %d is another one", t.Size)
		default:
			v.signed[c.Study] = append(v.signed[c.Study], signedTree{Checkpoint: c})
		}
	}
	for _, text := range v.o.Trusted {
		c, err := Open(text, v.o.Verifiers...)
		if err != nil {
			return err
		}
		v.signed[c.Study] = append(v.signed[c.Study], signedTree{Checkpoint: c})
	}
	for _, list := range v.signed {
		slices.SortFunc(list, func(a, b signedTree) int { return cmp.Compare(a.Size, b.Size) })
	}
	return nil
}

func (v *verifier) events(ctx context.Context) error {
	head, err := v.log.Head(ctx)
	if err != nil {
		return err
	}
	for v.Head < head {
		list, err := v.log.Records(ctx, v.Head, page)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return nil
		}
		var sealed []events.Envelope
		for i := range list {
			if list[i].Position > head {
				return nil // came in meanwhile
			}
			if e, ok := v.event(list[i]); ok && e.Sealed {
				sealed = append(sealed, e)
			}
		}
		if err := v.unseal(ctx, sealed); err != nil {
			return err
		}
		if err := v.compareDue(ctx); err != nil {
			return err
		}
		if v.o.Progress != nil {
			v.o.Progress(v.Head, head)
		}
	}
	return nil
}

// event takes in the next record.
func (v *verifier) event(r events.Record) (events.Envelope, bool) {
	before := v.Head
	v.Head = r.Position
	v.Events++
	if r.Position != before+1 {
		v.find(before, "", "the events from position %d to %d are missing", before+1, r.Position-1)
	}
	e, err := events.DecodeRecord(r.Data)
	if err != nil {
		v.find(r.Position, "", "the record is damaged")
		return e, false
	}
	if e.Position != r.Position || e.Stream != r.Stream || e.Version != r.Version {
		v.find(r.Position, e.Study, "the record says that it is event %d of the log and %d of its stream; it was moved, or the columns beside it were changed", e.Position, e.Version)
	}
	if want := v.streams[e.Stream] + 1; e.Version != want {
		v.find(r.Position, e.Study, "the event has version %d in its stream; expected %d", e.Version, want)
	}
	v.streams[e.Stream] = e.Version
	if e.RecordedAt.Before(v.recorded) {
		v.find(r.Position, e.Study, "the event was recorded before the one before it")
	}
	v.recorded = e.RecordedAt
	v.command(e)
	if _, ok := v.owners[e.Owner]; e.Sealed && !ok {
		v.find(r.Position, e.Study, "the event is sealed under a key that is missing, without having been destroyed")
	}
	if _, ok := v.sealed[e.Owner]; e.Sealed && !ok {
		v.sealed[e.Owner] = r.Position
	}
	if v.o.Tombstone != nil {
		for _, owner := range v.o.Tombstone(e) {
			v.erased[owner] = true
		}
	}
	v.leaf(e, r)
	return e, true
}

// leaf adds the record to its study's tree and compares the root with what was signed at this size.
func (v *verifier) leaf(e events.Envelope, r events.Record) {
	t := v.trees[e.Study]
	if t == nil {
		t = &events.Tree{}
		v.trees[e.Study] = t
	}
	if e.Leaf != t.Size {
		v.find(r.Position, e.Study, "the event is leaf %d of its study's tree; expected %d: an event before it was removed or put in", e.Leaf, t.Size)
	}
	if t.Size%tileWidth == 0 {
		v.places[e.Study] = v.places[e.Study][:0:0]
	}
	v.places[e.Study] = append(v.places[e.Study], r.Position)
	for _, tile := range t.Add(e.Study, r.Data) {
		v.due = append(v.due, dueTile{tile, v.places[e.Study]})
	}
	for ; v.next[e.Study] < len(v.signed[e.Study]); v.next[e.Study]++ {
		i := v.next[e.Study]
		s := &v.signed[e.Study][i]
		if s.Size > t.Size {
			break
		}
		s.met = true
		v.Signed++
		if s.Root != t.Root() {
			s.met = false // nothing after it can be said to be in order by it
			var good events.Position
			for _, b := range v.signed[e.Study][:i] {
				if b.met && b.Size < s.Size {
					good = max(good, b.Position)
				}
			}
			v.find(good, e.Study, "the tree of size %d is not the one signed on %s: what follows here, up to position %d, was changed", s.Size, s.SignedAt.Format(time.RFC3339), r.Position)
		}
	}
	v.at[e.Study] = r.Position
}

func (v *verifier) command(e events.Envelope) {
	c, known := v.commands[e.Command]
	switch {
	case !known:
		v.commands[e.Command] = events.Receipt{First: e.Position, Last: e.Position, RecordedAt: e.RecordedAt}
	case c.Last != e.Position-1 || !c.RecordedAt.Equal(e.RecordedAt):
		v.find(e.Position, e.Study, "the event belongs to a command whose other events stand elsewhere")
	default:
		c.Last = e.Position
		v.commands[e.Command] = c
	}
}

func (v *verifier) unseal(ctx context.Context, sealed []events.Envelope) error {
	if v.o.Open == nil || len(sealed) == 0 {
		for _, e := range sealed {
			if !v.owners[e.Owner] {
				v.Erased++
			}
		}
		return nil
	}
	if err := v.o.Open(ctx, sealed); err != nil {
		return err
	}
	for _, e := range sealed {
		switch {
		case e.Erased:
			v.Erased++
		case e.Sealed:
			v.find(e.Position, e.Study, "the payload does not open with its owner's key")
		}
	}
	return nil
}

// compareDue holds the stored tiles against those that the events make.
func (v *verifier) compareDue(ctx context.Context) error {
	ids := make([]events.TileID, len(v.due))
	for i, d := range v.due {
		ids[i] = d.TileID
	}
	stored, err := v.log.Tiles(ctx, ids)
	if errors.Is(err, events.ErrDamaged) { // one is missing; the others are compared all the same
		stored, err = make([]events.Tile, len(ids)), nil
		for i, id := range ids {
			one, err := v.log.Tiles(ctx, []events.TileID{id})
			if err != nil && !errors.Is(err, events.ErrDamaged) {
				return err
			}
			if err == nil {
				stored[i] = one[0]
			}
		}
	}
	if err != nil {
		return err
	}
	for i, d := range v.due {
		v.compare(d, stored[i].Data)
	}
	v.due = v.due[:0]
	return nil
}

// compare finds the leaves whose hashes in the tree are not those of the events.
func (v *verifier) compare(d dueTile, stored []byte) {
	if len(stored) >= len(d.Data) && bytes.Equal(stored[:len(d.Data)], d.Data) {
		return
	}
	if d.Level > 0 || len(stored) < len(d.Data) {
		v.find(0, d.Study, "tile %d on level %d of the stored tree is missing or not what the events make", d.N, d.Level)
		return
	}
	for i, at := range d.places {
		if !bytes.Equal(stored[i*tlog.HashSize:(i+1)*tlog.HashSize], d.Data[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			v.find(at, d.Study, "the event is not the one that was appended here: its hash is not the one in the study's tree")
		}
	}
}

// tiles compares the last tiles, and takes down what the trees are.
func (v *verifier) tiles(ctx context.Context) error {
	for _, study := range slices.Sorted(maps.Keys(v.trees)) {
		t := v.trees[study]
		v.Trees = append(v.Trees, Checkpoint{Study: study, Size: t.Size, Root: t.Root(), Position: v.at[study]})
		for _, tile := range t.Edge(study) {
			v.due = append(v.due, dueTile{tile, v.places[study]})
		}
		if err := v.compareDue(ctx); err != nil {
			return err
		}
		last, err := v.log.LastTiles(ctx, study)
		if err != nil {
			return err
		}
		stored, err := events.NewTree(last)
		if err == nil && stored.Size > t.Size && v.still(ctx) {
			v.find(v.at[study], study, "the stored tree has %d leaves and the log has %d events of the study: those behind this one were removed", stored.Size, t.Size)
		}
	}
	return nil
}

// still reports whether nothing was appended since the reading began.
func (v *verifier) still(ctx context.Context) bool {
	head, err := v.log.Head(ctx)
	return err == nil && head == v.Head
}

// tombstones looks for keys that were destroyed although nobody was erased.
func (v *verifier) tombstones() {
	if v.o.Tombstone == nil {
		return
	}
	for owner, at := range v.sealed {
		if exists, known := v.owners[owner]; known && !exists && !v.erased[owner] {
			v.find(at, "", "the key under which this and other events are sealed was destroyed, and no event says that somebody was erased")
		}
	}
}

// unmet lists signed trees that are larger than the trees now are.
func (v *verifier) unmet() {
	for study, list := range v.signed {
		for _, s := range list {
			size := int64(0)
			if t := v.trees[study]; t != nil {
				size = t.Size
			}
			if s.Size > size {
				v.find(v.at[study], study, "a tree of %d leaves was signed on %s and now it has %d: the events behind this one were removed", s.Size, s.SignedAt.Format(time.RFC3339), size)
			}
		}
	}
}

// receipts compares the stored receipts with what the events say of their commands.
func (v *verifier) receipts(ctx context.Context) error {
	var after events.StoredReceipt
	for {
		list, err := v.log.StoredReceipts(ctx, after, page)
		if err != nil {
			return err
		}
		for _, r := range list {
			if r.First > v.Head {
				continue // came in meanwhile
			}
			want, ok := v.commands[r.Command]
			if !ok || want.First != r.First || want.Last != r.Last || !want.RecordedAt.Equal(r.RecordedAt) {
				v.find(r.First, "", "the receipt of the command that begins here is not what its events say")
			}
			delete(v.commands, r.Command)
		}
		if len(list) < page {
			break
		}
		after = list[len(list)-1]
	}
	for _, r := range v.commands {
		v.find(r.First, "", "the command that begins here has no receipt: it could be carried out twice")
	}
	return nil
}
