package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"asem/domain"
	"asem/events"
)

// Every table of a read model's version exists twice, in two slots. One slot is active: live events go into it and views read from it. A
// rebuild fills the other from the first event on, while life goes on, and when it has caught up the slots change places in one
// transaction. Versions have slots of their own, for programs of both may run.
var slots = [2]string{"a", "b"}

func otherSlot(slot string) string {
	if slot == slots[0] {
		return slots[1]
	}
	return slots[0]
}

// Whoever writes to a slot reads the row of active_slot first and keeps it from being changed: so slots do not change places, claims
// do not pass to others and leaders do not follow each other in the middle of a batch.
const slotSchema = `
CREATE TABLE IF NOT EXISTS active_slot (
	projection TEXT NOT NULL,
	version    BIGINT NOT NULL,
	slot       TEXT NOT NULL,   -- that live events go into, and views read from
	epoch      BIGINT NOT NULL, -- of the replica that leads; rises with each that takes over
	build      TEXT NOT NULL,   -- names the rebuild that fills the other slot; empty: none does
	begun_at   BIGINT NOT NULL, -- when it began
	beat_at    BIGINT NOT NULL, -- when it last gave a sign of life
	free_at    BIGINT NOT NULL, -- until then the other slot is left to those who still read from it
	PRIMARY KEY (projection, version)
);
CREATE TABLE IF NOT EXISTS checkpoint (
	projection  TEXT NOT NULL,
	version     BIGINT NOT NULL,
	slot        TEXT NOT NULL,
	filling     BIGINT NOT NULL, -- rises whenever the slot is emptied
	position    BIGINT NOT NULL, -- of the last event applied
	recorded_at BIGINT NOT NULL, -- of that event
	updated_at  BIGINT NOT NULL, -- when it was applied
	PRIMARY KEY (projection, version, slot)
)`

// A rebuild gives signs of life, and when none has come for long is taken for dead.
const (
	beatEvery = 2 * time.Second
	deadAfter = 10 * time.Second
)

// Building tells how far a rebuild has come.
type Building struct {
	Position events.Position // every read model has come so far in it
	Since    time.Time
}

// Building returns the rebuild that is under way, and false if none is.
func (s *Store) Building(ctx context.Context) (b Building, running bool, _ error) {
	rows, err := s.query(ctx, "", `SELECT a.projection, a.version, c.position, a.begun_at FROM active_slot a
		JOIN checkpoint c ON c.projection = a.projection AND c.version = a.version AND c.slot <> a.slot
		WHERE a.build <> '' AND a.beat_at > $1`, micros(s.now().Add(-deadAfter)))
	if err == nil {
		b.Position = forever
		err = each(rows, func(scan scanner) error {
			var name string
			var version int
			var at, begun int64
			if err := scan(&name, &version, &at, &begun); err != nil || s.index(name, version) < 0 {
				return err
			}
			running, b.Since, b.Position = true, timeOf(begun), min(b.Position, events.Position(at))
			return nil
		})
	}
	if err != nil {
		return Building{}, false, fmt.Errorf("look for a rebuild: %w", err)
	}
	if !running {
		b = Building{}
	}
	return b, running, nil
}

// rebuild is a claim on the slots that are not active: of all rebuilds only the one that holds it writes to them.
type rebuild struct {
	store       *Store
	id          string
	projections []*Projection // handles on the slots to fill
	beating     sync.WaitGroup
	rest        func() // ends the signs of life
}

var errTakenOver = errors.New("it was taken for dead, and another rebuild has taken over")

// beginRebuild claims the slots that are not active, and empties them when nobody may read from them any more.
func (s *Store) beginRebuild(ctx context.Context) (*rebuild, error) {
	r, free, err := s.claim(ctx)
	if errors.Is(err, ErrRebuilding) { // PostgreSQL has crashed and emptied the tables
		if err = s.create(ctx); err == nil {
			r, free, err = s.claim(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	alive, rest := context.WithCancel(context.WithoutCancel(ctx))
	r.rest = rest
	r.beating.Go(func() { r.beat(alive) })
	if err = pause(ctx, free.Sub(s.now())); err == nil {
		err = r.empty(ctx)
	}
	if err != nil {
		r.giveUp()
		return nil, err
	}
	return r, nil
}

// claim takes the claim, and tells from when on the slots may be emptied.
func (s *Store) claim(ctx context.Context) (r *rebuild, free time.Time, _ error) {
	err := s.change(ctx, func(tx *sql.Tx) error {
		r = &rebuild{store: s, id: uuid.NewString()}
		now := s.now()
		for _, p := range s.projections {
			var active string
			var until int64
			err := tx.QueryRowContext(ctx, `UPDATE active_slot SET build = $3, begun_at = $4, beat_at = $4
				WHERE projection = $1 AND version = $2 AND (build = '' OR beat_at <= $5) RETURNING slot, free_at`,
				p.name, p.version, r.id, micros(now), micros(now.Add(-deadAfter))).Scan(&active, &until)
			if errors.Is(err, sql.ErrNoRows) {
				return underWay(ctx, tx, p)
			}
			if err != nil {
				return err
			}
			r.projections = append(r.projections, &Projection{definition: p.definition, store: s, turn: make(turns, 1), build: r.id, slot: otherSlot(active)})
			if t := timeOf(until); t.After(free) {
				free = t
			}
		}
		return nil
	})
	return r, free, err
}

// underWay says why there is nothing to claim.
func underWay(ctx context.Context, tx *sql.Tx, p *Projection) error {
	var begun int64
	err := tx.QueryRowContext(ctx, `SELECT begun_at FROM active_slot WHERE projection = $1 AND version = $2`, p.name, p.version).Scan(&begun)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ErrRebuilding
	case err != nil:
		return err
	}
	return &domain.Error{Code: domain.Conflict, Path: "rebuild", Message: fmt.Sprintf("a rebuild is under way since %s; wait for it", timeOf(begun).Format(time.RFC3339))}
}

// beat gives signs of life.
func (r *rebuild) beat(ctx context.Context) {
	for pause(ctx, beatEvery) == nil {
		_ = r.store.change(ctx, func(tx *sql.Tx) error { // the next one may succeed
			_, err := tx.ExecContext(ctx, `UPDATE active_slot SET beat_at = $2 WHERE build = $1`, r.id, micros(r.store.now()))
			return err
		})
	}
}

// empty removes everything from the slots that were claimed.
func (r *rebuild) empty(ctx context.Context) error {
	for _, p := range r.projections {
		if err := r.store.alone(ctx, func(tx *sql.Tx) error { return p.empty(ctx, tx) }); err != nil {
			return fmt.Errorf("empty %s: %w", p.name, err)
		}
	}
	return nil
}

// empty removes everything from the slot that the handle fills.
func (p *Projection) empty(ctx context.Context, tx *sql.Tx) error {
	if _, _, err := p.slotIn(ctx, &Tx{tx: tx, projection: p}); err != nil {
		return err
	}
	var at int64
	err := tx.QueryRowContext(ctx, `SELECT position FROM checkpoint WHERE projection = $1 AND version = $2 AND slot = $3`, p.name, p.version, p.slot).Scan(&at)
	if err != nil || at == 0 {
		return err // where nothing was applied, nothing is
	}
	return p.store.emptyTables(ctx, tx, modelSlot{p.name, p.version, p.slot, p.store.tablesOf(p, p.slot)})
}

// emptyTables removes all rows of the tables of a slot and puts its checkpoint before the first event.
func (s *Store) emptyTables(ctx context.Context, tx *sql.Tx, m modelSlot) error {
	for _, table := range m.tables {
		text := `DELETE FROM `
		if s.dialect == PostgreSQL { // where a DELETE would leave every row behind as dead weight
			text = `TRUNCATE `
		}
		if _, err := tx.ExecContext(ctx, text+table); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE checkpoint SET filling = filling + 1, position = 0, recorded_at = 0, updated_at = $4
		WHERE projection = $1 AND version = $2 AND slot = $3`, m.projection, m.version, m.slot, micros(s.now()))
	return err
}

// swap makes the slots that were filled the active ones, and reports false if live events are ahead of them. What was active is left to its readers
// for grace.
func (r *rebuild) swap(ctx context.Context, log Reader, grace time.Duration) (swapped bool, _ error) {
	err := r.store.change(ctx, func(tx *sql.Tx) error {
		for _, p := range r.projections { // from now on nobody applies events to them
			done, err := tx.ExecContext(ctx, `UPDATE active_slot SET slot = $3, build = '', free_at = $4 WHERE projection = $1 AND version = $2 AND build = $5`,
				p.name, p.version, p.slot, micros(r.store.now().Add(grace)), r.id)
			if err != nil {
				return err
			}
			if n, err := done.RowsAffected(); err != nil || n == 0 {
				return errors.Join(err, errTakenOver)
			}
		}
		// Nothing that anybody has read may disappear. Only read models that stand behind the end of the log are of another log, and are not waited for.
		head, err := log.Head(ctx)
		if err != nil {
			return fmt.Errorf("find the head of the log: %w", err)
		}
		for _, p := range r.projections {
			var mine, live int64
			err := tx.QueryRowContext(ctx, `SELECT mine.position, live.position FROM checkpoint mine
				JOIN checkpoint live ON live.projection = mine.projection AND live.version = mine.version AND live.slot <> mine.slot
				WHERE mine.projection = $1 AND mine.version = $2 AND mine.slot = $3`, p.name, p.version, p.slot).Scan(&mine, &live)
			if err != nil {
				return err
			}
			if mine < min(live, int64(head)) {
				return errBehind
			}
		}
		return nil
	})
	if errors.Is(err, errBehind) {
		return false, nil
	}
	return err == nil, err
}

var errBehind = errors.New("live events are ahead of the rebuild")

// giveUp leaves the slots to the next rebuild.
func (r *rebuild) giveUp() {
	r.end()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = r.store.change(ctx, func(tx *sql.Tx) error { // otherwise the next waits until it is taken for dead
		_, err := tx.ExecContext(ctx, `UPDATE active_slot SET build = '' WHERE build = $1`, r.id)
		return err
	})
}

// AbandonRebuild lets go of a rebuild whose process is known to be gone, and of what it has replaced, such as by whoever has the data folder to himself.
func (s *Store) AbandonRebuild(ctx context.Context) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE active_slot SET build = '', free_at = 0`)
		return err
	})
}

// end ends the signs of life.
func (r *rebuild) end() {
	r.rest()
	r.beating.Wait()
}

// change runs a short transaction in turn with those that apply events.
func (s *Store) change(ctx context.Context, do func(*sql.Tx) error) error {
	if err := s.writing.take(ctx); err != nil {
		return err
	}
	defer s.writing.give()
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback() // the first error tells more
		return err
	}
	return tx.Commit()
}

// pause waits, and returns ctx's error if that ends first.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
