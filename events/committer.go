package events

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"asem/domain"
)

// Backend is what a [Committer] needs of a database.
type Backend interface {
	// Begin opens a write transaction and looks up, under its lock, what is known. While the transaction is open no
	// other, of this or another process, can append.
	Begin(ctx context.Context, q Question) (Tx, Known, error)
	// Extend stores a batch and commits, in as few steps as the database allows, provided that the log still ends right before the
	// batch and knows none of its commands. Otherwise it stores nothing and returns ErrMoved.
	Extend(ctx context.Context, b Batch) error
}

// ErrMoved says that the log does not end where a batch begins, or that it knows one of its commands.
var ErrMoved = errors.New("the log has moved on")

// Question lists what a batch of appends is about.
type Question struct {
	Commands []uuid.UUID
	Streams  []Stream // may repeat
	Studies  []string // none twice
}

// Known is what a write transaction found in the log.
type Known struct {
	Head       Position  // of the last event
	RecordedAt time.Time // of the last event
	Now        time.Time // by the clock that all writers of this log share; zero: each goes by its own
	Receipts   map[uuid.UUID]Receipt
	Versions   map[Stream]Version
	Trees      map[string]*Tree // of the studies that have events
}

// Batch is what a transaction stores.
type Batch struct {
	Records  []Record // at least one; their positions follow each other
	Receipts map[uuid.UUID]Receipt
	Tiles    []Tile // of the studies' trees, that changed
}

// Tx is a write transaction of a backend. Store or Rollback ends it.
type Tx interface {
	// Store stores a batch and commits.
	Store(ctx context.Context, b Batch) error
	// Rollback ends the transaction without a trace.
	Rollback()
}

// Interrupted is the error of a backend whose transaction failed for reasons that lie outside it, such as a
// lost connection, and that is worth another try. Any other error is final: nothing was stored.
type Interrupted struct {
	Err    error
	Unsure bool // the transaction may have been committed
}

func (e *Interrupted) Error() string { return e.Err.Error() }
func (e *Interrupted) Unwrap() error { return e.Err }

// Bounds of one transaction: enough to make a sync worth its while, small enough that nobody waits long.
const (
	maxBatch      = 512
	maxBatchBytes = 16 << 20
)

// patience is how long a batch is tried again while the database is away. A restart fits in.
const patience = 15 * time.Second

// Committer turns many concurrent appends into few transactions. One goroutine takes every append that
// has come in meanwhile, judges each by what is stored and by those before it in the batch, and stores all that
// stand in one transaction. A lone append does not wait for company.
type Committer struct {
	backend  Backend
	notify   func(Position) // told of each new head
	clock    func() time.Time
	memory   memory
	patience time.Duration
	queue    chan *pending
	quit     chan struct{} // closed by Close
	done     chan struct{} // closed when the goroutine has ended
	close    sync.Once
}

// pending is an append on its way.
type pending struct {
	append Append
	size   int
	ctx    context.Context
	tried  []Receipt    // with which it may have been stored by a try whose end is not known
	result chan outcome // holds one
}

type outcome struct {
	receipt Receipt
	err     error
}

// NewCommitter starts a committer. notify is called after each commit with the new head.
func NewCommitter(backend Backend, notify func(Position)) *Committer {
	c := &Committer{backend: backend, notify: notify, clock: time.Now, patience: patience, queue: make(chan *pending, maxBatch), quit: make(chan struct{}), done: make(chan struct{})}
	go c.run()
	return c
}

// SetClock makes a committer go by another clock than that of the machine: for tests of clocks that step. It must be called before the first append.
func (c *Committer) SetClock(clock func() time.Time) { c.clock = clock }

// Append implements the Append of a [Log].
func (c *Committer) Append(ctx context.Context, a Append) (Receipt, error) {
	size, err := check(a)
	if err != nil {
		return Receipt{}, err
	}
	if err := ctx.Err(); err != nil {
		return Receipt{}, fmt.Errorf("append: %w", err)
	}
	p := &pending{append: a, size: size, ctx: ctx, result: make(chan outcome, 1)}
	select {
	case <-c.quit:
		return Receipt{}, ErrClosed
	case <-ctx.Done():
		return Receipt{}, fmt.Errorf("append: %w", ctx.Err())
	case c.queue <- p:
	}
	select {
	case o := <-p.result:
		return o.receipt, o.err
	case <-ctx.Done():
		return Receipt{}, fmt.Errorf("append: %w", ctx.Err())
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
	for last := 1; ; {
		batch := c.collect(&held, last)
		if len(batch) == 0 {
			return
		}
		last = len(batch)
		c.serve(batch)
	}
}

// collect waits for an append and takes along what else is there. It returns nothing when the committer is
// closed and the queue is empty. last is the size of the batch before: if several were served, they are likely
// to be back at once, and are let in before the next transaction begins.
func (c *Committer) collect(held **pending, last int) []*pending {
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
	for n := -1; last > 1 && len(c.queue) > n; {
		n = len(c.queue)
		runtime.Gosched()
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

// serve answers every append of a batch. Nobody's cancellation touches the others: the transaction runs under
// a context of its own.
func (c *Committer) serve(batch []*pending) {
	live := batch[:0]
	for _, p := range batch {
		if err := p.ctx.Err(); err != nil {
			p.result <- outcome{err: fmt.Errorf("append: %w", err)}
			continue
		}
		live = append(live, p)
	}
	if len(live) == 0 {
		return
	}
	outcomes, head, err := c.persist(live)
	if err != nil && len(live) > 1 && !errors.Is(err, ErrFull) && domain.CodeOf(err) != domain.Unavailable {
		for _, p := range live { // one of them may be what the database objects to; the others shall not suffer
			c.serve([]*pending{p})
		}
		return
	}
	if head > 0 {
		c.notify(head)
	}
	for i, p := range live {
		if err != nil {
			p.result <- outcome{err: err}
		} else {
			p.result <- outcomes[i]
		}
	}
}

// persist stores a batch, and tries again while the database is away. Another try finds what an earlier one
// stored by its commands, so an append is stored once even when the answer to a commit was lost.
func (c *Committer) persist(batch []*pending) ([]outcome, Position, error) {
	unsure := false
	for began, pause := time.Now(), 10*time.Millisecond; ; pause = min(2*pause, time.Second) {
		outcomes, head, err := c.store(context.Background(), batch)
		var broken *Interrupted
		if !errors.As(err, &broken) {
			if err != nil && unsure && domain.CodeOf(err) != domain.Unavailable {
				err = &domain.Error{Code: domain.Unavailable, Message: notKnown, Err: err}
			}
			return outcomes, head, err
		}
		unsure = unsure || broken.Unsure
		if time.Since(began)+pause > c.patience {
			if unsure {
				return nil, 0, &domain.Error{Code: domain.Unavailable, Message: notKnown, Err: broken.Err}
			}
			return nil, 0, &domain.Error{Code: domain.Unavailable, Message: "the database does not answer; nothing was stored", Err: broken.Err}
		}
		time.Sleep(pause)
	}
}

const notKnown = "the database was lost while it stored events, and whether it did is not known; repeat the command with the same id"

// store runs one transaction. If it fails as a whole its error stands for every append.
func (c *Committer) store(ctx context.Context, batch []*pending) (outcomes []outcome, head Position, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &domain.Error{Code: domain.Unavailable, Message: notKnown, Err: fmt.Errorf("panic: %v", r)}
		}
		if err != nil {
			c.memory.forget()
		}
	}()
	if known, ok := c.memory.recall(batch, c.clock()); ok {
		if j := judge(known, batch); j.clear {
			err := c.backend.Extend(ctx, j.batch)
			if !errors.Is(err, ErrMoved) {
				return c.settle(j, batch, err)
			}
			c.memory.missed()
		}
	}
	q := question(batch)
	asked := c.clock()
	tx, known, err := c.backend.Begin(ctx, q)
	if err != nil {
		return nil, 0, fmt.Errorf("append: %w", err)
	}
	open := true
	defer func() {
		if open {
			tx.Rollback()
		}
	}()
	if known.Now.IsZero() {
		known.Now = asked
	}
	c.memory.learn(known, known.Now.Sub(asked))
	j := judge(known, batch)
	if len(j.batch.Records) == 0 {
		return j.outcomes, known.Head, nil
	}
	open = false
	return c.settle(j, batch, tx.Store(ctx, j.batch))
}

// settle takes note of what came of storing a judged batch.
func (c *Committer) settle(j judgement, batch []*pending, err error) ([]outcome, Position, error) {
	if err == nil {
		c.memory.keep(j)
		return j.outcomes, j.head, nil
	}
	var broken *Interrupted
	if errors.As(err, &broken) && broken.Unsure {
		for i, o := range j.outcomes {
			if o.err == nil && !o.receipt.Duplicate {
				batch[i].tried = append(batch[i].tried, o.receipt)
			}
		}
	}
	return nil, 0, fmt.Errorf("append: %w", err)
}

func question(batch []*pending) (q Question) {
	for _, p := range batch {
		q.Commands = append(q.Commands, p.append.Command)
		for _, w := range p.append.Writes {
			q.Streams = append(q.Streams, w.Stream)
			for _, e := range w.Events {
				if !slices.Contains(q.Studies, e.Study) {
					q.Studies = append(q.Studies, e.Study)
				}
			}
		}
	}
	return q
}
