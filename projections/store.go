package projections

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"asem/domain"
	"asem/events"
)

// Dialect names the kind of database behind a store. The statements are the same for both; only what
// surrounds them differs.
type Dialect string

// The databases.
const (
	SQLite     Dialect = "sqlite"
	PostgreSQL Dialect = "postgres"
)

// forever stands in to_position of a row that still holds.
const forever = math.MaxInt64

// Store is the database of the read models. It may be used from many goroutines, and several processes
// may have one open.
type Store struct {
	writer, reader *sql.DB
	dialect        Dialect
	schema         string // of PostgreSQL
	now            func() time.Time
	tables         map[string]modelTable // by logical name
	projections    []*Projection

	writeStmts, readStmts stmts
	reads                 atomic.Int64
	writing               turns // how many transactions may write at once

	mu      sync.Mutex
	applied chan struct{} // closed and replaced whenever a checkpoint moves
}

// modelTable is a table of a read model.
type modelTable struct {
	name  string // with the version of the read model, without the slot
	model int    // index of the read model in the order of All
}

// NewStore returns a store on databases that are open already, and creates what tables it lacks. writer
// must begin transactions that lock at once (SQLite: _txlock=immediate) and have at least two connections, for
// statements are prepared while a transaction runs; reader may be the same database. The store owns both from
// now on.
func NewStore(ctx context.Context, writer, reader *sql.DB, dialect Dialect) (*Store, error) {
	return newStore(ctx, writer, reader, dialect, definitions())
}

func newStore(ctx context.Context, writer, reader *sql.DB, dialect Dialect, definitions []definition) (*Store, error) {
	s := &Store{
		writer: writer, reader: reader, dialect: dialect, now: time.Now,
		tables:  map[string]modelTable{},
		applied: make(chan struct{}),
		writing: make(turns, 8),
	}
	if dialect == SQLite {
		s.writing = make(turns, 1) // waiting here is fairer and cheaper than waiting for the file's lock
	}
	s.writeStmts.db, s.readStmts.db = writer, reader
	for i, d := range definitions {
		for _, m := range placeholder.FindAllStringSubmatch(d.schema, -1) {
			s.tables[m[1]] = modelTable{fmt.Sprintf("%s_v%d", m[1], d.version), i}
		}
		s.projections = append(s.projections, &Projection{definition: d, store: s, turn: make(turns, 1)})
	}
	if err := s.create(ctx); err != nil {
		return nil, fmt.Errorf("create the read models: %w", err)
	}
	return s, nil
}

// Close frees the databases.
func (s *Store) Close() error { return errors.Join(s.reader.Close(), s.writer.Close()) }

// All lists the projections of a store, in the order in which their events begin.
func All(s *Store) []*Projection { return s.projections }

var placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)

// expand replaces {score} by the name that the table has in the version this program reads and writes, in a slot. slots is one letter for
// all read models, or one for each in the order of [All].
func (s *Store) expand(text, slots string) string {
	return placeholder.ReplaceAllStringFunc(text, func(m string) string {
		t, ok := s.tables[m[1:len(m)-1]]
		if !ok {
			panic("projections: no read model has a table " + m)
		}
		if len(slots) == 1 {
			return t.name + "_" + slots
		}
		return t.name + "_" + slots[t.model:t.model+1]
	})
}

// tablesOf lists the names in the database of a read model's tables in a slot.
func (s *Store) tablesOf(p *Projection, slot string) []string {
	var names []string
	for _, m := range createTable.FindAllString(p.schema, -1) {
		names = append(names, s.expand(m[strings.IndexByte(m, '{'):], slot))
	}
	return names
}

// turns lets as many in as it has room for.
type turns chan struct{}

func (t turns) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turns) give() { <-t }

// stmts keeps the prepared statements of one database by their text.
type stmts struct {
	db *sql.DB
	mu sync.RWMutex
	by map[slotText]*sql.Stmt
}

type slotText struct{ text, slots string }

func (c *stmts) get(ctx context.Context, s *Store, text, slots string) (*sql.Stmt, error) {
	k := slotText{text, slots}
	c.mu.RLock()
	stmt, ok := c.by[k]
	c.mu.RUnlock()
	if ok {
		return stmt, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if stmt, ok := c.by[k]; ok {
		return stmt, nil
	}
	stmt, err := c.db.PrepareContext(ctx, s.expand(text, slots)) //nolint:sqlclosecheck // lives as long as the database
	if err != nil {
		return nil, fmt.Errorf("prepare a statement: %w", err)
	}
	if c.by == nil {
		c.by = map[slotText]*sql.Stmt{}
	}
	c.by[k] = stmt
	return stmt, nil
}

// State is how far a projection has come.
type State struct {
	Projection string
	Version    int
	Position   events.Position // of the last event applied; 0 before the first
	RecordedAt time.Time       // of that event; zero before the first
	UpdatedAt  time.Time       // when it was applied
}

// States tells how far each projection has come, in the order of [All].
func (s *Store) States(ctx context.Context) ([]State, error) {
	now, err := s.standing(ctx)
	return now.states, err
}

// standing is where the read models stand.
type standing struct {
	slots  string // that are active, a letter for each read model in the order of All
	states []State
	sum    int64 // of the numbers of fillings of these slots: as long as it is the same, none of them was emptied
}

func (s *Store) standing(ctx context.Context) (standing, error) {
	rows, err := s.query(ctx, "", `SELECT c.projection, c.version, c.slot, c.filling, c.position, c.recorded_at, c.updated_at FROM checkpoint c
		JOIN active_slot a ON a.projection = c.projection AND a.version = c.version AND a.slot = c.slot`)
	if err != nil {
		return standing{}, fmt.Errorf("read the checkpoints: %w", err)
	}
	now := standing{states: make([]State, len(s.projections))}
	for i, p := range s.projections { // what a crash of PostgreSQL has emptied stands at 0
		now.states[i] = State{Projection: p.name, Version: p.version}
	}
	active := bytes.Repeat([]byte(slots[0]), len(s.projections))
	err = each(rows, func(scan scanner) error {
		var c State
		var slot string
		var filling, recorded, updated int64
		if err := scan(&c.Projection, &c.Version, &slot, &filling, &c.Position, &recorded, &updated); err != nil {
			return err
		}
		if i := s.index(c.Projection, c.Version); i >= 0 {
			c.RecordedAt, c.UpdatedAt = timeOf(recorded), timeOf(updated)
			now.states[i], active[i], now.sum = c, slot[0], now.sum+filling
		}
		return nil
	})
	if err != nil {
		return standing{}, fmt.Errorf("read the checkpoints: %w", err)
	}
	now.slots = string(active)
	return now, nil
}

// Position returns the position up to which every read model has seen the log.
func (s *Store) Position(ctx context.Context) (events.Position, error) {
	now, err := s.standing(ctx)
	if err != nil {
		return 0, err
	}
	return slowest(now.states), nil
}

func slowest(states []State) events.Position {
	at := events.Position(forever)
	for _, c := range states {
		at = min(at, c.Position)
	}
	return at
}

// waitStep bounds how long a wait relies on the notification of this process alone: another process
// may be the one that applies events.
const waitStep = 200 * time.Millisecond

// WaitFor returns once every read model has seen the log up to a position, or ctx's error if that ends first.
func (s *Store) WaitFor(ctx context.Context, position events.Position) error {
	for {
		moved := s.moved()
		at, err := s.Position(ctx)
		if err != nil {
			return err
		}
		if at >= position {
			return nil
		}
		step := time.NewTimer(waitStep)
		select {
		case <-ctx.Done():
			step.Stop()
			return ctx.Err()
		case <-moved:
		case <-step.C:
		}
		step.Stop()
	}
}

// moved returns a channel that is closed when a checkpoint moves next in this process.
func (s *Store) moved() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied
}

func (s *Store) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.applied)
	s.applied = make(chan struct{})
}

// Reads returns how many statements have read from the store so far: a page that asks one for each
// of its rows shows here.
func (s *Store) Reads() int64 { return s.reads.Load() }

// query reads from slots with a prepared statement.
func (s *Store) query(ctx context.Context, slots, text string, args ...any) (*sql.Rows, error) {
	s.reads.Add(1)
	stmt, err := s.readStmts.get(ctx, s, text, slots) //nolint:sqlclosecheck // shared
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// scanner copies the columns of the current row.
type scanner func(dest ...any) error

// each calls f for every row and closes rows.
func each(rows *sql.Rows, f func(scanner) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// timeOf reads what micros writes: 0 is no time.
func timeOf(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

func notFound(path, format string, args ...any) error {
	return &domain.Error{Code: domain.NotFound, Path: path, Message: fmt.Sprintf(format, args...)}
}

func invalid(path, format string, args ...any) error {
	return &domain.Error{Code: domain.Invalid, Path: path, Message: fmt.Sprintf(format, args...)}
}
