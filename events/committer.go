package events

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"asem/domain"
)

// Tx is what a backend offers the committer inside one write transaction. While it is open no
// other transaction, of this or another process, can append.
type Tx interface {
	// Head returns the position of the last event.
	Head(ctx context.Context) (Position, error)
	// Receipts returns the receipts of those of the commands that are stored.
	Receipts(ctx context.Context, commands []uuid.UUID) (map[uuid.UUID]Receipt, error)
	// Versions returns the versions of those of the streams that have events.
	Versions(ctx context.Context, streams []Stream) (map[Stream]Version, error)
	// Insert stores events that are complete, and the receipts of their commands.
	Insert(ctx context.Context, list []Envelope, receipts map[uuid.UUID]Receipt) error
	Commit(ctx context.Context) error
	Rollback()
}

// Begin opens a write transaction that excludes all others.
type Begin func(ctx context.Context) (Tx, error)

// Bounds of one transaction: enough to make a sync worth its while, small enough that nobody waits long.
const (
	maxBatch      = 512
	maxBatchBytes = 16 << 20
)

// Committer turns many concurrent appends into few transactions. One goroutine takes every append that
// has come in meanwhile, judges each by what is stored and by those before it in the batch, and stores all that
// stand in one transaction. A lone append does not wait for company.
type Committer struct {
	begin  Begin
	now    func() time.Time
	queue  chan *pending
	quit   chan struct{} // closed by Close
	done   chan struct{} // closed when the goroutine has ended
	close  sync.Once
	notify func(Position) // told of each new head
}

// pending is an append on its way.
type pending struct {
	append Append
	size   int
	ctx    context.Context
	result chan outcome // holds one
}

type outcome struct {
	receipt Receipt
	err     error
}

// NewCommitter starts a committer. notify is called after each commit with the new head.
func NewCommitter(begin Begin, now func() time.Time, notify func(Position)) *Committer {
	c := &Committer{begin: begin, now: now, notify: notify, queue: make(chan *pending, maxBatch), quit: make(chan struct{}), done: make(chan struct{})}
	go c.run()
	return c
}

// Append implements the Append of a [Log].
func (c *Committer) Append(ctx context.Context, a Append) (Receipt, error) {
	size, err := check(a)
	if err != nil {
		return Receipt{}, err
	}
	if err := ctx.Err(); err != nil {
		return Receipt{}, err
	}
	p := &pending{append: a, size: size, ctx: ctx, result: make(chan outcome, 1)}
	select {
	case <-c.quit:
		return Receipt{}, ErrClosed
	case <-ctx.Done():
		return Receipt{}, ctx.Err()
	case c.queue <- p:
	}
	select {
	case o := <-p.result:
		return o.receipt, o.err
	case <-ctx.Done():
		return Receipt{}, ctx.Err()
	case <-c.done: // closed: either it was served before that, or never will be
		select {
		case o := <-p.result:
			return o.receipt, o.err
		default:
			return Receipt{}, ErrClosed
		}
	}
}

// Close lets what is queued finish and ends the committer.
func (c *Committer) Close() {
	c.close.Do(func() { close(c.quit) })
	<-c.done
}

func (c *Committer) run() {
	defer close(c.done)
	var held *pending // did not fit the last batch
	for {
		batch := c.collect(&held)
		if len(batch) == 0 {
			return
		}
		c.serve(batch)
	}
}

// collect waits for an append and takes along what else is there. It returns nothing when the committer is
// closed and the queue is empty.
func (c *Committer) collect(held **pending) []*pending {
	first := *held
	*held = nil
	if first == nil {
		select {
		case first = <-c.queue:
		case <-c.quit:
			select {
			case first = <-c.queue:
			default:
				return nil
			}
		}
	}
	batch, size := []*pending{first}, first.size
	for len(batch) < maxBatch {
		select {
		case p := <-c.queue:
			if size+p.size > maxBatchBytes {
				*held = p
				return batch
			}
			batch, size = append(batch, p), size+p.size
			continue
		default:
		}
		break
	}
	return batch
}

// serve stores a batch. Nobody's cancellation touches the others: the transaction runs under a
// context of its own.
func (c *Committer) serve(batch []*pending) {
	live := batch[:0]
	for _, p := range batch {
		if err := p.ctx.Err(); err != nil {
			p.result <- outcome{err: err}
			continue
		}
		live = append(live, p)
	}
	if len(live) == 0 {
		return
	}
	outcomes, head, err := c.store(context.Background(), live)
	if err != nil {
		for _, p := range live {
			p.result <- outcome{err: err}
		}
		return
	}
	if head > 0 {
		c.notify(head)
	}
	for i, p := range live {
		p.result <- outcomes[i]
	}
}

// store runs one transaction. If it fails as a whole its error stands for every append.
func (c *Committer) store(ctx context.Context, batch []*pending) (outcomes []outcome, head Position, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("append: panic: %v", r)
		}
	}()
	tx, err := c.begin(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("append: %w", err)
	}
	committed := false
	defer func() {
		if !committed {
			tx.Rollback()
		}
	}()
	outcomes, list, receipts, err := c.judge(ctx, tx, batch)
	if err != nil {
		return nil, 0, fmt.Errorf("append: %w", err)
	}
	if len(list) == 0 {
		return outcomes, 0, nil
	}
	if err := tx.Insert(ctx, list, receipts); err != nil {
		return nil, 0, fmt.Errorf("append: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		committed = true // or not: the backend has ended it
		return c.verify(ctx, outcomes, receipts, err)
	}
	committed = true
	return outcomes, list[len(list)-1].Position, nil
}

// verify finds out what became of a commit that returned an error: a connection may break after the
// database has stored the transaction.
func (c *Committer) verify(ctx context.Context, outcomes []outcome, receipts map[uuid.UUID]Receipt, cause error) ([]outcome, Position, error) {
	if errors.Is(cause, ErrFull) {
		return nil, 0, fmt.Errorf("append: %w", cause)
	}
	commands := make([]uuid.UUID, 0, len(receipts))
	for id := range receipts {
		commands = append(commands, id)
	}
	var unknown error
	for try := range 5 {
		time.Sleep(time.Duration(try*try) * 50 * time.Millisecond)
		tx, err := c.begin(ctx)
		if err != nil {
			unknown = err
			continue
		}
		stored, err := tx.Receipts(ctx, commands)
		tx.Rollback()
		if err != nil {
			unknown = err
			continue
		}
		if len(stored) == 0 {
			return nil, 0, fmt.Errorf("append: %w", cause)
		}
		head := Position(0)
		for _, r := range stored {
			head = max(head, r.Last)
		}
		return outcomes, head, nil // one transaction: all are stored
	}
	return nil, 0, fmt.Errorf("append: whether the events were stored is not known; repeat the command: %w", errors.Join(cause, unknown))
}

// judge decides each append of a batch in order and completes the events of those that stand.
func (c *Committer) judge(ctx context.Context, tx Tx, batch []*pending) ([]outcome, []Envelope, map[uuid.UUID]Receipt, error) {
	var commands []uuid.UUID
	var streams []Stream
	for _, p := range batch {
		commands = append(commands, p.append.Command)
		for _, w := range p.append.Writes {
			streams = append(streams, w.Stream)
		}
	}
	known, err := tx.Receipts(ctx, commands)
	if err != nil {
		return nil, nil, nil, err
	}
	versions, err := tx.Versions(ctx, streams)
	if err != nil {
		return nil, nil, nil, err
	}
	head, err := tx.Head(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	now := c.now().UTC().Truncate(time.Microsecond)
	outcomes := make([]outcome, len(batch))
	fresh := map[uuid.UUID]Receipt{}
	var list []Envelope
	for i, p := range batch {
		r, stored := known[p.append.Command]
		if !stored {
			r, stored = fresh[p.append.Command]
		}
		if stored {
			r.Duplicate = true
			outcomes[i] = outcome{receipt: r}
			continue
		}
		if err := conflict(p.append, versions); err != nil {
			outcomes[i] = outcome{err: err}
			continue
		}
		r = Receipt{First: head + 1, RecordedAt: now}
		for _, w := range p.append.Writes {
			for _, e := range w.Events {
				head++
				versions[w.Stream]++
				e.Position, e.Stream, e.Version, e.Command, e.RecordedAt = head, w.Stream, versions[w.Stream], p.append.Command, now
				e.OccurredAt = e.OccurredAt.UTC().Truncate(time.Microsecond)
				list = append(list, e)
			}
		}
		r.Last = head
		fresh[p.append.Command] = r
		outcomes[i] = outcome{receipt: r}
	}
	return outcomes, list, fresh, nil
}

func conflict(a Append, versions map[Stream]Version) error {
	for _, w := range a.Writes {
		if v := versions[w.Stream]; v != w.Expected {
			return fmt.Errorf("append to %s: expected version %d, found %d: %w", w.Stream, w.Expected, v, ErrConflict)
		}
	}
	return nil
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
			case e.Type == "" || !clean(e.Type) || !clean(e.Study) || !clean(string(e.By.Role)) || !clean(e.By.Subject):
				return bad("type", "an event of %s has a type, study or actor that is empty, not UTF-8 or contains NUL", w.Stream)
			case e.Schema < 1:
				return bad("schema", "an event of %s has schema %d; expected 1 or more", w.Stream, e.Schema)
			case len(e.Payload) > MaxPayload:
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
