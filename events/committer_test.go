package events

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"asem/domain"
)

// faulty is a log in memory whose transactions fail as a test wants them to.
type faulty struct {
	mu       sync.Mutex
	list     []Envelope
	receipts map[uuid.UUID]Receipt
	now      time.Time
	extended int                                        // transactions in one step
	batches  []int                                      // events of each transaction that was tried
	begin    func() error                               // before a transaction
	store    func(list []Envelope) (kept bool, _ error) // instead of a commit
}

func (f *faulty) open(t *testing.T) *Committer {
	f.receipts, f.now = map[uuid.UUID]Receipt{}, time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	c := NewCommitter(f, func(Position) {})
	c.patience, c.clock = 300*time.Millisecond, func() time.Time { return f.now }
	t.Cleanup(c.Close)
	return c
}

func (f *faulty) Begin(_ context.Context, q Question) (Tx, Known, error) {
	f.mu.Lock()
	if f.begin != nil {
		if err := f.begin(); err != nil {
			f.mu.Unlock()
			return nil, Known{}, err
		}
	}
	known := Known{Head: Position(len(f.list)), Now: f.now, Receipts: map[uuid.UUID]Receipt{}, Versions: map[Stream]Version{}}
	for _, id := range q.Commands {
		if r, ok := f.receipts[id]; ok {
			known.Receipts[id] = r
		}
	}
	for _, s := range q.Streams {
		known.Versions[s] = 0
	}
	for _, e := range f.list {
		known.Versions[e.Stream], known.RecordedAt = e.Version, e.RecordedAt
	}
	return f, known, nil
}

func (f *faulty) Extend(ctx context.Context, b Batch) error {
	f.mu.Lock()
	moved := b.Records[0].Position != Position(len(f.list))+1
	for id := range b.Receipts {
		_, known := f.receipts[id]
		moved = moved || known
	}
	if moved {
		f.mu.Unlock()
		return ErrMoved
	}
	f.extended++
	return f.Store(ctx, b)
}

func (f *faulty) Store(_ context.Context, b Batch) error {
	defer f.mu.Unlock()
	f.batches = append(f.batches, len(b.Records))
	list := make([]Envelope, len(b.Records))
	for i, r := range b.Records {
		var err error
		if list[i], err = DecodeRecord(r.Data); err != nil {
			return err
		}
	}
	kept, err := true, error(nil)
	if f.store != nil {
		kept, err = f.store(list)
	}
	if kept {
		f.list = append(f.list, list...)
		for id, r := range b.Receipts {
			f.receipts[id] = r
		}
	}
	return err
}

func (f *faulty) Rollback() { f.mu.Unlock() }

func one(s Stream, expected Version) Append {
	return Append{Command: uuid.New(), Writes: []Write{{Stream: s, Expected: expected, Events: []Envelope{{ID: uuid.New(), Type: "diary.submitted", Schema: 1, Study: "S", OccurredAt: time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)}}}}}
}

// together hands appends in while a transaction is held open, so that they share the next one.
func together(t *testing.T, f *faulty, c *Committer, appends ...Append) ([]Receipt, []error) {
	f.mu.Lock()
	receipts, errs := make([]Receipt, len(appends)), make([]error, len(appends))
	var g sync.WaitGroup
	plug := one("plug", Version(len(f.list)))
	plug.Writes[0].Stream = Stream("plug/" + plug.Command.String())
	plug.Writes[0].Expected = 0
	g.Go(func() {
		_, err := c.Append(context.Background(), plug)
		assert.NoError(t, err)
	})
	for len(c.queue) > 0 { // the plug is taken up before the others come
		time.Sleep(time.Millisecond)
	}
	time.Sleep(5 * time.Millisecond)
	for i, a := range appends {
		g.Go(func() { receipts[i], errs[i] = c.Append(context.Background(), a) })
		for len(c.queue) <= i {
			time.Sleep(time.Millisecond)
		}
	}
	f.mu.Unlock()
	g.Wait()
	return receipts, errs
}

var errBroken = errors.New("connection reset")

func TestAppendsThatComeTogetherShareATransaction(t *testing.T) {
	f := &faulty{}
	c := f.open(t)
	first, second := one("a", 0), one("a", 1)
	loser := one("a", 1)
	repeat := one("zzz", 9)
	repeat.Command = first.Command
	receipts, errs := together(t, f, c, first, second, loser, repeat, one("b", 0))
	assert.Equal(t, []int{1, 3}, f.batches)
	assert.ErrorIs(t, errs[2], ErrConflict, "the version was taken by the append before it in the batch")
	for _, i := range []int{0, 1, 3, 4} {
		assert.NoError(t, errs[i])
	}
	assert.Equal(t, []Position{2, 3, 0, 2, 4}, []Position{receipts[0].First, receipts[1].First, receipts[2].First, receipts[3].First, receipts[4].First})
	assert.Equal(t, []bool{false, false, false, true, false}, []bool{receipts[0].Duplicate, receipts[1].Duplicate, receipts[2].Duplicate, receipts[3].Duplicate, receipts[4].Duplicate})
}

// The answer to a commit is lost: whether or not it was carried out, each append is stored once and acknowledged as new.
func TestAnUnknownCommitIsLookedUp(t *testing.T) {
	for name, kept := range map[string]bool{"it was carried out": true, "it was not": false} {
		t.Run(name, func(t *testing.T) {
			f, failures := &faulty{}, 2
			f.store = func([]Envelope) (bool, error) {
				if failures == 0 {
					return true, nil
				}
				failures--
				return kept, &Interrupted{Err: errBroken, Unsure: true}
			}
			c := f.open(t)
			r, err := c.Append(context.Background(), one("a", 0))
			require.NoError(t, err)
			assert.Equal(t, Receipt{First: 1, Last: 1, RecordedAt: f.now}, r)
			assert.Len(t, f.list, 1)
		})
	}
}

func TestADatabaseThatStaysAway(t *testing.T) {
	f := &faulty{}
	c := f.open(t)
	f.begin = func() error { return &Interrupted{Err: errBroken} }
	_, err := c.Append(context.Background(), one("a", 0))
	assert.Equal(t, domain.Unavailable, domain.CodeOf(err))
	assert.ErrorContains(t, err, "nothing was stored")

	f.begin, f.store = nil, func([]Envelope) (bool, error) { return false, &Interrupted{Err: errBroken, Unsure: true} }
	_, err = c.Append(context.Background(), one("a", 0))
	assert.Equal(t, domain.Unavailable, domain.CodeOf(err))
	assert.ErrorContains(t, err, "not known")
	assert.ErrorIs(t, err, errBroken)
}

func TestAFullDiskIsNotTriedAgain(t *testing.T) {
	f := &faulty{store: func([]Envelope) (bool, error) { return false, ErrFull }}
	c := f.open(t)
	_, err := c.Append(context.Background(), one("a", 0))
	assert.ErrorIs(t, err, ErrFull)
	assert.Equal(t, []int{1}, f.batches)
	f.store = nil
	_, err = c.Append(context.Background(), one("a", 0))
	assert.NoError(t, err, "there is room again")
}

func TestWhatTheDatabaseRefusesHurtsNobodyElse(t *testing.T) {
	objection := errors.New("a row it will not have")
	f := &faulty{store: func(list []Envelope) (bool, error) {
		for _, e := range list {
			if e.Stream == "bad" {
				return false, objection
			}
		}
		return true, nil
	}}
	c := f.open(t)
	_, errs := together(t, f, c, one("a", 0), one("bad", 0), one("b", 0))
	assert.NoError(t, errs[0])
	assert.ErrorIs(t, errs[1], objection)
	assert.NoError(t, errs[2])
	assert.Len(t, f.list, 3)
}

func TestAPanicOfTheBackendIsAnError(t *testing.T) {
	f := &faulty{store: func([]Envelope) (bool, error) { panic("nil map") }}
	c := f.open(t)
	_, err := c.Append(context.Background(), one("a", 0))
	assert.ErrorContains(t, err, "not known")
	f.store = nil
	_, err = c.Append(context.Background(), one("a", 0))
	assert.NoError(t, err)
}

func TestRecordedTimesDoNotStepBack(t *testing.T) {
	f := &faulty{}
	c := f.open(t)
	first, err := c.Append(context.Background(), one("a", 0))
	require.NoError(t, err)
	f.now = f.now.Add(-time.Hour)
	second, err := c.Append(context.Background(), one("a", 1))
	require.NoError(t, err)
	assert.Equal(t, first.RecordedAt, second.RecordedAt)
}

func TestACancelledAppendLeavesTheQueue(t *testing.T) {
	f := &faulty{}
	c := f.open(t)
	f.mu.Lock()
	var g sync.WaitGroup
	g.Go(func() { _, _ = c.Append(context.Background(), one("a", 0)) })
	time.Sleep(10 * time.Millisecond) // the transaction is being opened
	ctx, cancel := context.WithCancel(context.Background())
	g.Go(func() {
		_, err := c.Append(ctx, one("b", 0))
		assert.ErrorIs(t, err, context.Canceled)
	})
	for len(c.queue) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	time.Sleep(5 * time.Millisecond)
	f.mu.Unlock()
	g.Wait()
	c.Close()
	require.Len(t, f.list, 1)
	assert.Equal(t, Stream("a"), f.list[0].Stream)
	_, err := c.Append(context.Background(), one("c", 0))
	assert.ErrorIs(t, err, ErrClosed)
}
