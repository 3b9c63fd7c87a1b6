package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"asem/domain"
	"asem/events"
)

// Every table of the read models exists twice, in two slots. One slot is active: live events go into it and views read from it. A rebuild
// fills the other from the first event on, while life goes on, and when it has caught up the slots change places in one transaction.
var slots = [2]string{"a", "b"}

func otherSlot(slot string) string {
	if slot == slots[0] {
		return slots[1]
	}
	return slots[0]
}

const slotSchema = `
CREATE TABLE IF NOT EXISTS checkpoint (
	projection  TEXT NOT NULL,
	version     BIGINT NOT NULL,
	slot        TEXT NOT NULL,
	position    BIGINT NOT NULL, -- of the last event applied
	recorded_at BIGINT NOT NULL, -- of that event
	updated_at  BIGINT NOT NULL, -- when it was applied
	epoch       BIGINT NOT NULL, -- of the replica that leads; rises with each that takes over
	PRIMARY KEY (projection, version, slot)
);
CREATE TABLE IF NOT EXISTS active_slot (
	one        BIGINT PRIMARY KEY, -- there is one row
	slot       TEXT NOT NULL,
	build      TEXT NOT NULL,   -- names the rebuild that fills the other slot; empty: none does
	begun_at   BIGINT NOT NULL, -- when it began
	beat_at    BIGINT NOT NULL  -- when it last gave a sign of life
);
CREATE TABLE IF NOT EXISTS bookmark (
	name     TEXT PRIMARY KEY,
	position BIGINT NOT NULL -- of the last event that was handed to others
);
INSERT INTO active_slot (one, slot, build, begun_at, beat_at) VALUES (1, 'a', '', 0, 0) ON CONFLICT DO NOTHING`

// A rebuild that has given no sign of life for so long is taken for dead.
const deadAfter = 15 * time.Second

// Building tells how far a rebuild has come.
type Building struct {
	Position events.Position // every read model has come so far in it
	Since    time.Time
}

// Building returns the rebuild that is under way, and false if none is.
func (s *Store) Building(ctx context.Context) (b Building, _ bool, _ error) {
	running := false
	rows, err := s.query(ctx, "", `SELECT c.projection, c.version, c.position, a.begun_at FROM active_slot a JOIN checkpoint c ON c.slot <> a.slot
		WHERE a.build <> '' AND a.beat_at > $1`, micros(s.now().Add(-deadAfter)))
	if err != nil {
		return b, false, fmt.Errorf("look for a rebuild: %w", err)
	}
	known := map[string]bool{}
	for _, p := range s.projections {
		known[fmt.Sprintf("%s %d", p.name, p.version)] = true
	}
	b.Position = forever
	err = each(rows, func(scan scanner) error {
		var name string
		var version, at, begun int64
		if err := scan(&name, &version, &at, &begun); err != nil {
			return err
		}
		if known[fmt.Sprintf("%s %d", name, version)] {
			running, b.Since, b.Position = true, timeOf(begun), min(b.Position, events.Position(at))
		}
		return nil
	})
	return b, running, err
}

// rebuild is a rebuild under way.
type rebuild struct {
	store       *Store
	id          string
	slot        string // that it fills
	projections []*Projection
}

// beginRebuild claims the slot that is not active, and empties it.
func (s *Store) beginRebuild(ctx context.Context) (*rebuild, error) {
	r := &rebuild{store: s, id: uuid.NewString()}
	now := s.now()
	err := s.change(ctx, func(tx *sql.Tx) error {
		var active string
		var begun int64
		err := tx.QueryRowContext(ctx, `UPDATE active_slot SET build = $1, begun_at = $2, beat_at = $2 WHERE build = '' OR beat_at <= $3 RETURNING slot`,
			r.id, micros(now), micros(now.Add(-deadAfter))).Scan(&active)
		if errors.Is(err, sql.ErrNoRows) {
			if err := tx.QueryRowContext(ctx, `SELECT begun_at FROM active_slot`).Scan(&begun); err != nil {
				return err
			}
			return &domain.Error{Code: domain.Conflict, Path: "rebuild", Message: fmt.Sprintf("a rebuild is under way since %s; wait for it", timeOf(begun).Format(time.RFC3339))}
		}
		r.slot = otherSlot(active)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, p := range s.projections {
		r.projections = append(r.projections, &Projection{definition: p.definition, store: s, turn: make(turns, 1), build: r.id, slot: r.slot})
	}
	if err := s.emptySlot(ctx, r.slot); err != nil {
		r.giveUp()
		return nil, err
	}
	return r, nil
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

// emptySlot removes everything from a slot.
func (s *Store) emptySlot(ctx context.Context, slot string) error {
	for _, p := range s.projections {
		err := s.change(ctx, func(tx *sql.Tx) error {
			if err := s.empty(ctx, tx, s.tablesOf(p, slot)); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, `UPDATE checkpoint SET position = 0, recorded_at = 0, updated_at = $4 WHERE projection = $1 AND version = $2 AND slot = $3`,
				p.name, p.version, slot, micros(s.now()))
			return err
		})
		if err != nil {
			return fmt.Errorf("empty %s: %w", p.name, err)
		}
	}
	return nil
}

func (s *Store) tablesOf(p *Projection, slot string) []string {
	var names []string
	for _, m := range createTable.FindAllStringSubmatch(p.schema, -1) {
		names = append(names, s.tables[m[1]]+"_"+slot)
	}
	return names
}

// beat gives a sign of life.
func (r *rebuild) beat(ctx context.Context) error {
	return r.store.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE active_slot SET beat_at = $2 WHERE build = $1`, r.id, micros(r.store.now()))
		return err
	})
}

// swap makes the slot that was filled the active one, and reports false if live events are ahead of it. Read models that stand behind the head of the log
// are another log's, and are not waited for. Writing the row of active_slot keeps everybody from
// applying events meanwhile.
func (r *rebuild) swap(ctx context.Context, head events.Position) (swapped bool, _ error) {
	err := r.store.change(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, `UPDATE active_slot SET slot = $2, build = '' WHERE build = $1`, r.id, r.slot)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errors.New("another rebuild has taken over"))
		}
		for _, p := range r.projections {
			var behind bool
			err := tx.QueryRowContext(ctx, `SELECT mine.position < live.position AND mine.position < $4 FROM checkpoint mine JOIN checkpoint live ON live.projection = mine.projection AND live.version = mine.version
				WHERE mine.projection = $1 AND mine.version = $2 AND mine.slot = $3 AND live.slot <> $3`, p.name, p.version, r.slot, int64(head)).Scan(&behind)
			if err != nil {
				return err
			}
			if behind {
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

// AbandonRebuild lets go of a rebuild whose process is known to be gone, such as by whoever has the data folder to himself.
func (s *Store) AbandonRebuild(ctx context.Context) error {
	return s.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE active_slot SET build = ''`)
		return err
	})
}

// giveUp leaves the slot to the next rebuild.
func (r *rebuild) giveUp() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = r.store.change(ctx, func(tx *sql.Tx) error { // otherwise the next waits until it is taken for dead
		_, err := tx.ExecContext(ctx, `UPDATE active_slot SET build = '' WHERE build = $1`, r.id)
		return err
	})
}

// dropOldLayout removes read models of a program that knew no slots. They are built again.
func (s *Store) dropOldLayout(ctx context.Context) error {
	names := `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'`
	hasSlot := `SELECT count(*) FROM pragma_table_info('checkpoint') WHERE name = 'slot'`
	if s.dialect == PostgreSQL {
		names = `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()`
		hasSlot = `SELECT count(*) FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = 'checkpoint' AND column_name = 'slot'`
	}
	rows, err := s.writer.QueryContext(ctx, names)
	if err != nil {
		return err
	}
	var tables []string
	err = each(rows, func(scan scanner) error {
		var name string
		err := scan(&name)
		tables = append(tables, `"`+name+`"`)
		return err
	})
	if err != nil || !strings.Contains(strings.Join(tables, " "), `"checkpoint"`) {
		return err
	}
	var n int
	if err := s.writer.QueryRowContext(ctx, hasSlot).Scan(&n); err != nil || n > 0 {
		return err
	}
	for _, table := range tables {
		if _, err := s.writer.ExecContext(ctx, "DROP TABLE IF EXISTS "+table); err != nil {
			return err
		}
	}
	return nil
}
