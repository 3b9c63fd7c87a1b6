package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Which tables belong to which version of which read model, and how far the log was handed to others. There is nothing personal in it, and it outlives a crash of PostgreSQL.
const layoutSchema = `
CREATE TABLE IF NOT EXISTS model_table (
	name       TEXT PRIMARY KEY,
	projection TEXT NOT NULL,
	version    BIGINT NOT NULL,
	slot       TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS bookmark (
	name     TEXT PRIMARY KEY,
	position BIGINT NOT NULL -- of the last event that was handed to others
)`

// create makes the tables of every read model that lacks them, in both slots. Tables of a program that knew no slots of their own for each read
// model are removed: they are built again.
func (s *Store) create(ctx context.Context) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if s.dialect == PostgreSQL {
		// Two processes that start together must not create the same table at once.
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(7021400)`); err != nil {
			return err
		}
	}
	if err := s.dropOldLayout(ctx, tx); err != nil {
		return fmt.Errorf("remove the tables of an earlier program: %w", err)
	}
	for _, schema := range []string{layoutSchema, s.disposable(slotSchema)} {
		if _, err := tx.ExecContext(ctx, schema); err != nil {
			return err
		}
	}
	for _, p := range s.projections {
		if err := s.createModel(ctx, tx, p); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if s.dialect == PostgreSQL {
		if err := sampleNothingPersonal(ctx, tx); err != nil {
			return fmt.Errorf("keep what is personal out of the statistics: %w", err)
		}
	}
	return tx.Commit()
}

func (s *Store) createModel(ctx context.Context, tx *sql.Tx, p *Projection) error {
	now := micros(s.now())
	for _, slot := range slots {
		if _, err := tx.ExecContext(ctx, s.disposable(s.expand(p.schema, slot))); err != nil {
			return err
		}
		for _, table := range s.tablesOf(p, slot) {
			if _, err := tx.ExecContext(ctx, `INSERT INTO model_table (name, projection, version, slot) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
				table, p.name, p.version, slot); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO checkpoint (projection, version, slot, filling, position, recorded_at, updated_at)
			VALUES ($1, $2, $3, $4, 0, 0, $4) ON CONFLICT DO NOTHING`, p.name, p.version, slot, now); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO active_slot (projection, version, slot, epoch, build, begun_at, beat_at, free_at)
		VALUES ($1, $2, $3, 0, '', 0, 0, 0) ON CONFLICT DO NOTHING`, p.name, p.version, slots[0])
	return err
}

// disposable makes PostgreSQL leave the tables out of its write-ahead log: there an erased person's rows would live on. The price is that a crash of PostgreSQL
// empties them, checkpoints included; they are then built again.
func (s *Store) disposable(schema string) string {
	if s.dialect != PostgreSQL {
		return schema
	}
	return strings.ReplaceAll(schema, "CREATE TABLE", "CREATE UNLOGGED TABLE")
}

// ANALYZE, which PostgreSQL also runs by itself, copies values that it found into a table of its own, which is logged. It may do so with these alone.
const impersonal = `'key', 'couple_key', 'study', 'role', 'construct', 'instrument', 'wave', 'from_position', 'to_position'`

func sampleNothingPersonal(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, `SELECT 'ALTER TABLE ' || quote_ident(c.relname) || string_agg(' ALTER COLUMN ' || quote_ident(a.attname) || ' SET STATISTICS 0', ',')
		FROM model_table m JOIN pg_class c ON c.relname = m.name AND c.relnamespace = current_schema()::regnamespace JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE a.attnum > 0 AND NOT a.attisdropped AND COALESCE(a.attstattarget, -1) <> 0 AND a.attname NOT IN (`+impersonal+`) GROUP BY c.relname`)
	if err != nil {
		return err
	}
	var texts []string
	err = each(rows, func(scan scanner) error {
		var text string
		err := scan(&text)
		texts = append(texts, text)
		return err
	})
	if err != nil || len(texts) == 0 {
		return err
	}
	_, err = tx.ExecContext(ctx, strings.Join(texts, ";"))
	return err
}

// dropOldLayout removes all tables where there are checkpoints, but no list of tables.
func (s *Store) dropOldLayout(ctx context.Context, tx *sql.Tx) error {
	names := `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'`
	if s.dialect == PostgreSQL {
		names = `SELECT table_name::TEXT FROM information_schema.tables WHERE table_schema = current_schema()`
	}
	rows, err := tx.QueryContext(ctx, names)
	if err != nil {
		return err
	}
	var tables []string
	err = each(rows, func(scan scanner) error {
		var name string
		err := scan(&name)
		tables = append(tables, name)
		return err
	})
	if err != nil || !slices.Contains(tables, "checkpoint") || slices.Contains(tables, "model_table") {
		return err
	}
	for _, table := range tables {
		if _, err := tx.ExecContext(ctx, `DROP TABLE "`+table+`"`); err != nil {
			return err
		}
	}
	return nil
}

// modelSlot is the tables of one slot of one version of a read model.
type modelSlot struct {
	projection string
	version    int
	slot       string
	tables     []string
}

// others lists what belongs to versions that this program does not build: of programs before or after it.
func (s *Store) others(ctx context.Context) ([]modelSlot, error) {
	rows, err := s.writer.QueryContext(ctx, `SELECT projection, version, slot, name FROM model_table ORDER BY projection, version, slot, name`)
	if err != nil {
		return nil, err
	}
	var list []modelSlot
	return list, each(rows, func(scan scanner) error {
		var m modelSlot
		var table string
		if err := scan(&m.projection, &m.version, &m.slot, &table); err != nil || s.index(m.projection, m.version) >= 0 {
			return err
		}
		if n := len(list); n == 0 || list[n-1].projection != m.projection || list[n-1].version != m.version || list[n-1].slot != m.slot {
			list = append(list, m)
		}
		last := &list[len(list)-1]
		last.tables = append(last.tables, table)
		return nil
	})
}

// index returns where a version of a read model stands among those that this program builds; -1 if it is not among them.
func (s *Store) index(projection string, version int) int {
	return slices.IndexFunc(s.projections, func(p *Projection) bool { return p.name == projection && p.version == version })
}

// Retire removes the tables of versions before those that this program builds, and returns what it removed, such as "couple 1". A program that
// builds such a version cannot go on.
func (s *Store) Retire(ctx context.Context) ([]string, error) {
	all, err := s.others(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for earlier versions: %w", err)
	}
	var gone []string
	for _, m := range all {
		if !slices.ContainsFunc(s.projections, func(p *Projection) bool { return p.name == m.projection && p.version > m.version }) {
			continue
		}
		err := s.alone(ctx, func(tx *sql.Tx) error {
			for _, table := range m.tables {
				if _, err := tx.ExecContext(ctx, `DROP TABLE IF EXISTS `+table); err != nil {
					return err
				}
			}
			for _, of := range []string{"model_table", "checkpoint"} {
				if _, err := tx.ExecContext(ctx, `DELETE FROM `+of+` WHERE projection = $1 AND version = $2 AND slot = $3`, m.projection, m.version, m.slot); err != nil {
					return err
				}
			}
			_, err := tx.ExecContext(ctx, `DELETE FROM active_slot WHERE projection = $1 AND version = $2`, m.projection, m.version)
			return err
		})
		if err != nil {
			return gone, fmt.Errorf("remove %s %d: %w", m.projection, m.version, err)
		}
		if name := fmt.Sprintf("%s %d", m.projection, m.version); !slices.Contains(gone, name) {
			gone = append(gone, name)
		}
	}
	return gone, nil
}

// Whoever waits for a table to be free keeps all others waiting behind him, those too whom the one waited for needs to come to an end. So nobody
// waits for long, and lets others go first before trying again.
const (
	lockWait  = `'300ms'`
	lockPause = 200 * time.Millisecond
)

// patiently does what needs a table for itself, until it gets it.
func patiently(ctx context.Context, do func() error) error {
	for {
		err := do()
		var state interface{ SQLState() string }
		if !errors.As(err, &state) || state.SQLState() != "55P03" { // lock_not_available
			return err
		}
		if err := pause(ctx, lockPause); err != nil {
			return err
		}
	}
}

// alone runs a transaction that needs tables for itself.
func (s *Store) alone(ctx context.Context, do func(*sql.Tx) error) error {
	return patiently(ctx, func() error {
		return s.change(ctx, func(tx *sql.Tx) error {
			if s.dialect == PostgreSQL {
				if _, err := tx.ExecContext(ctx, "SET LOCAL lock_timeout = "+lockWait); err != nil {
					return err
				}
			}
			return do(tx)
		})
	})
}
