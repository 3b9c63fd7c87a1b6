package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"asem/domain"
	"asem/events"
)

// definition is what a read model's file says about it.
type definition struct {
	name     string
	version  int
	schema   string
	handlers map[string]handler                                  // by the wire name of the event
	every    func(context.Context, *Tx, []events.Envelope) error // sees all envelopes of a batch; nil for most
}

// handler applies one decoded event.
type handler struct {
	event string
	apply func(ctx context.Context, tx *Tx, at events.Envelope, e domain.Event) error
}

// project defines a read model. Its tables carry the version in their names, so that a higher version
// is built beside the old one; raise it whenever a handler or the schema changes what rows look like.
func project(name string, version int, schema string, handlers ...handler) definition {
	d := definition{name: name, version: version, schema: schema, handlers: map[string]handler{}}
	for _, h := range handlers {
		if _, twice := d.handlers[h.event]; twice {
			panic("projections: " + name + " handles " + h.event + " twice")
		}
		d.handlers[h.event] = h
	}
	return d
}

// on makes the handler of one type of event.
func on[E domain.Event](apply func(ctx context.Context, tx *Tx, at events.Envelope, e E) error) handler {
	var none E
	t, ok := domain.EventTypeOf(none)
	if !ok {
		panic(fmt.Sprintf("projections: %T is not in the event registry", none))
	}
	return handler{t.Name, func(ctx context.Context, tx *Tx, at events.Envelope, e domain.Event) error {
		return apply(ctx, tx, at, e.(E))
	}}
}

// Projection keeps one read model up to date. Its methods may be called from many goroutines; batches are
// applied one after the other.
type Projection struct {
	definition
	store *Store
	build string // names the rebuild that this handle serves; empty: the handle applies live events
	slot  string // that the rebuild fills

	epoch       atomic.Int64                        // under which this process leads; 0: it never did, and applies beside whoever leads
	reached     atomic.Int64                        // the furthest checkpoint that whoever uses this handle was told
	turn        turns                               // held while a batch is applied; guards what follows
	instruments map[instrumentKey]domain.Instrument // read before; a version of an instrument never changes
}

// Name returns the name under which the projection keeps its checkpoint.
func (p *Projection) Name() string { return p.name }

// Version returns the version of the read model that this program builds.
func (p *Projection) Version() int { return p.version }

// ErrRebuilding says that a read model was emptied and has not come again to where it was. What comes after may
// not be applied before it has; try again.
var ErrRebuilding = errors.New("the read model is being rebuilt")

// Checkpoint returns the position of the last event applied; 0 before the first. Whoever applies events reads the log
// from there, and asks again after an [ErrRebuilding]. To watch a read model, see [Store.States].
func (p *Projection) Checkpoint(ctx context.Context) (events.Position, error) {
	at, err := p.checkpoint(ctx)
	if errors.Is(err, sql.ErrNoRows) { // PostgreSQL has crashed and emptied the tables
		if err = p.store.create(ctx); err == nil {
			at, err = p.checkpoint(ctx)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("read the checkpoint of %s: %w", p.name, err)
	}
	p.reached.Store(int64(at))
	return at, nil
}

func (p *Projection) checkpoint(ctx context.Context) (events.Position, error) {
	at := events.Position(-1)
	text, args := `SELECT c.position FROM checkpoint c JOIN active_slot a ON a.projection = c.projection AND a.version = c.version AND a.slot = c.slot WHERE c.projection = $1 AND c.version = $2`, []any{p.name, p.version}
	if p.build != "" {
		text, args = `SELECT position FROM checkpoint WHERE projection = $1 AND version = $2 AND slot = $3`, append(args, p.slot)
	}
	rows, err := p.store.query(ctx, "", text, args...)
	if err == nil {
		err = each(rows, func(scan scanner) error { return scan(&at) })
	}
	if err == nil && at < 0 {
		err = sql.ErrNoRows
	}
	return at, err
}

func (p *Projection) remember(at events.Position) {
	for {
		old := p.reached.Load()
		if int64(at) <= old || p.reached.CompareAndSwap(old, int64(at)) {
			return
		}
	}
}

// ApplyError tells at which event a projection stopped. The event itself is not shown: it may hold answers.
type ApplyError struct {
	Projection string
	Position   events.Position
	Type       string
	Err        error
}

func (e *ApplyError) Error() string {
	return fmt.Sprintf("read model %s stopped at event %d (%s): %v", e.Projection, e.Position, e.Type, e.Err)
}

func (e *ApplyError) Unwrap() error { return e.Err }

// StoppedAt names the event before which the projection stands.
func (e *ApplyError) StoppedAt() (at events.Position, eventType string) { return e.Position, e.Type }

// Apply brings the read model up to the end of a batch: rows and checkpoint change in one transaction.
// The positions of a batch must grow; gaps are fine. Events at or below the checkpoint were applied
// before and are left out, so a batch can be given again, also in other pieces.
//
// A gap must not be one that a rebuild has torn: if the checkpoint has gone back behind what this handle
// had reached, the error wraps [ErrRebuilding].
//
// An event that this program cannot read stops the projection with an *[ApplyError]; it wraps
// [events.ErrUnknownType] if the type or schema is unknown. Events before it are applied, so
// the checkpoint stands right before the event in question, however the log was cut into batches. Any other
// error leaves the read model as it was.
func (p *Projection) Apply(ctx context.Context, batch []events.Envelope) error {
	return p.apply(ctx, decodeFor(batch, p.handles))
}

// handles reports whether events of a type change this read model.
func (p *Projection) handles(eventType string) bool {
	_, ok := p.handlers[eventType]
	return ok
}

// decoded is a stored event and what it says; event is nil if nobody asked for it, or if it was erased.
type decoded struct {
	at    events.Envelope
	event domain.Event
	err   error
}

// decodeFor decodes the events that somebody wants. A type that no program of this version
// writes is an error whoever wants it.
func decodeFor(batch []events.Envelope, wanted func(eventType string) bool) []decoded {
	out := make([]decoded, len(batch))
	for i, at := range batch {
		out[i].at = at
		if at.Erased {
			continue
		}
		if wanted(at.Type) {
			out[i].event, out[i].err = events.Decode(at)
		} else if _, ok := domain.EventTypeNamed(at.Type); !ok {
			out[i].err = events.ErrUnknownType
		}
	}
	return out
}

func (p *Projection) apply(ctx context.Context, batch []decoded) error {
	for i := 1; i < len(batch); i++ {
		if batch[i].at.Position <= batch[i-1].at.Position {
			return fmt.Errorf("apply to %s: event %d comes after %d; a batch must be in the order of the log", p.name, batch[i].at.Position, batch[i-1].at.Position)
		}
	}
	readable := len(batch)
	for i, d := range batch {
		// A payload that cannot be read is somebody else's matter unless this model needs it; an
		// unknown type may be anybody's.
		if d.err != nil && (p.handles(d.at.Type) || errors.Is(d.err, events.ErrUnknownType) && !known(d.at.Type)) {
			readable = i
			break
		}
	}
	if readable > 0 {
		if err := p.commit(ctx, batch[:readable]); err != nil {
			return err
		}
	}
	if readable < len(batch) {
		bad := batch[readable]
		return &ApplyError{p.name, bad.at.Position, bad.at.Type, bad.err}
	}
	return nil
}

func known(eventType string) bool {
	_, ok := domain.EventTypeNamed(eventType)
	return ok
}

// commit applies readable events in one transaction.
func (p *Projection) commit(ctx context.Context, batch []decoded) error {
	sqlTx, done, err := p.begin(ctx)
	if err != nil {
		return fmt.Errorf("apply to %s: %w", p.name, err)
	}
	defer done()
	tx := &Tx{tx: sqlTx, projection: p}
	var epoch int64
	if tx.slot, epoch, err = p.slotIn(ctx, tx); err != nil {
		return fmt.Errorf("apply to %s: %w", p.name, err)
	}
	if mine := p.epoch.Load(); mine != 0 && mine != epoch {
		return fmt.Errorf("apply to %s: %w", p.name, events.ErrFenced)
	}

	// Writing the row locks it: of two processes with the same batch the second waits here, and
	// then finds the work done.
	var before events.Position
	row, err := tx.queryRow(ctx, `UPDATE checkpoint SET position = position WHERE projection = $1 AND version = $2 AND slot = $3 RETURNING position`, p.name, p.version, tx.slot)
	if err == nil {
		err = row.Scan(&before)
	}
	if errors.Is(err, sql.ErrNoRows) { // PostgreSQL has crashed and emptied the tables
		return fmt.Errorf("apply to %s: %w", p.name, ErrRebuilding)
	}
	if err != nil {
		return fmt.Errorf("lock the checkpoint of %s: %w", p.name, err)
	}
	if reached := p.reached.Load(); int64(before) < reached {
		return fmt.Errorf("apply to %s, which stands at %d and had reached %d: %w", p.name, before, reached, ErrRebuilding)
	}
	for len(batch) > 0 && batch[0].at.Position <= before {
		batch = batch[1:]
	}
	if len(batch) == 0 {
		return nil
	}
	if err := p.handle(ctx, tx, batch); err != nil {
		return err
	}
	last := batch[len(batch)-1].at
	if err := tx.Exec(ctx, `UPDATE checkpoint SET position = $4, recorded_at = $5, updated_at = $6 WHERE projection = $1 AND version = $2 AND slot = $3`,
		p.name, p.version, tx.slot, int64(last.Position), micros(last.RecordedAt), micros(p.store.now())); err != nil {
		return fmt.Errorf("apply to %s: %w", p.name, err)
	}
	if err := sqlTx.Commit(); err != nil {
		return fmt.Errorf("apply to %s: %w", p.name, err)
	}
	p.remember(last.Position)
	p.store.notify()
	return nil
}

// slotIn returns the slot that the transaction writes to and the epoch of the leader, and keeps both as they are until its end.
func (p *Projection) slotIn(ctx context.Context, tx *Tx) (slot string, epoch int64, err error) {
	text := `SELECT slot, epoch, build FROM active_slot WHERE projection = $1 AND version = $2`
	if p.store.dialect == PostgreSQL {
		text += ` FOR SHARE`
	}
	var build string
	row, err := tx.queryRow(ctx, text, p.name, p.version)
	if err == nil {
		err = row.Scan(&slot, &epoch, &build)
	}
	switch {
	case errors.Is(err, sql.ErrNoRows): // PostgreSQL has crashed and emptied the tables
		return "", 0, ErrRebuilding
	case err != nil:
		return "", 0, err
	case p.build == "":
		return slot, epoch, nil
	case p.build != build:
		return "", 0, errTakenOver
	}
	return p.slot, epoch, nil
}

// begin starts a transaction when it is this projection's turn. done rolls back whatever was not
// committed.
func (p *Projection) begin(ctx context.Context) (tx *sql.Tx, done func(), err error) {
	if err := p.turn.take(ctx); err != nil {
		return nil, nil, err
	}
	if err := p.store.writing.take(ctx); err != nil {
		p.turn.give()
		return nil, nil, err
	}
	tx, err = p.store.writer.BeginTx(ctx, nil)
	if err != nil {
		p.store.writing.give()
		p.turn.give()
		return nil, nil, err
	}
	return tx, func() {
		_ = tx.Rollback() // says only that it was committed
		p.store.writing.give()
		p.turn.give()
	}, nil
}

func (p *Projection) handle(ctx context.Context, tx *Tx, batch []decoded) error {
	for _, d := range batch {
		h, ok := p.handlers[d.at.Type]
		if !ok || d.event == nil {
			continue
		}
		if err := h.apply(ctx, tx, d.at, d.event); err != nil {
			return &ApplyError{p.name, d.at.Position, d.at.Type, err}
		}
	}
	if p.every == nil {
		return nil
	}
	envelopes := make([]events.Envelope, len(batch))
	for i, d := range batch {
		envelopes[i] = d.at
	}
	if err := p.every(ctx, tx, envelopes); err != nil {
		return fmt.Errorf("apply to %s: %w", p.name, err)
	}
	return nil
}
