package projections

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"

	"asem/events"
)

var createTable = regexp.MustCompile(`CREATE TABLE IF NOT EXISTS \{([a-z_]+)\}`)

// Tx is the transaction in which a batch of events becomes rows. Inserts are gathered and sent many rows at a time;
// everything else sees them, for it is preceded by whatever is still held back.
type Tx struct {
	tx         *sql.Tx
	projection *Projection
	slot       string // of the tables
	pending    []*pendingRows
}

// insertion is an INSERT of whole rows into one table.
type insertion struct {
	table, columns string
	width          int
	onConflict     string
}

// insertInto names the columns of an insertion, in the order in which values will come.
func insertInto(table, columns string) *insertion {
	return &insertion{table: table, columns: columns, width: strings.Count(columns, ",") + 1}
}

// orIgnore lets a row stand that is there already under the same key.
func (in *insertion) orIgnore() *insertion {
	in.onConflict = " ON CONFLICT DO NOTHING"
	return in
}

// text is the statement for a number of rows. It is the one text that is written for each database:
// SQLite finds a numbered parameter by going through all of them, which takes longer than the insert.
func (in *insertion) text(rows int, d Dialect) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO {%s} (%s) VALUES ", in.table, in.columns)
	n := 0
	for r := range rows {
		if r > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('(')
		for c := range in.width {
			if c > 0 {
				b.WriteByte(',')
			}
			n++
			if d == SQLite {
				b.WriteByte('?')
			} else {
				fmt.Fprintf(&b, "$%d", n)
			}
		}
		b.WriteByte(')')
	}
	b.WriteString(in.onConflict)
	return b.String()
}

type pendingRows struct {
	in     *insertion
	values []any
}

// Rows are sent in runs of a power of two, so that a handful of prepared statements serve any number of
// them; and never with more values than a statement may have.
const (
	maxRun    = 64
	maxValues = 4096
)

// Insert adds a row.
func (t *Tx) Insert(ctx context.Context, in *insertion, values ...any) error {
	if len(values) != in.width {
		panic(fmt.Sprintf("projections: %d values for %d columns of %s", len(values), in.width, in.table))
	}
	var p *pendingRows
	for _, q := range t.pending {
		if q.in == in {
			p = q
		}
	}
	if p == nil {
		p = &pendingRows{in: in}
		t.pending = append(t.pending, p)
	}
	p.values = append(p.values, values...)
	if len(p.values) >= maxValues {
		return t.send(ctx, p)
	}
	return nil
}

func (t *Tx) send(ctx context.Context, p *pendingRows) error {
	rest := p.values
	for len(rest) > 0 {
		run := maxRun
		for run*p.in.width > min(len(rest), maxValues) {
			run /= 2
		}
		stmt, err := t.stmt(ctx, p.in.text(run, t.projection.store.dialect)) //nolint:sqlclosecheck // closed with the transaction
		if err != nil {
			return err
		}
		if _, err := stmt.ExecContext(ctx, rest[:run*p.in.width]...); err != nil {
			return fmt.Errorf("insert into %s: %w", p.in.table, err)
		}
		rest = rest[run*p.in.width:]
	}
	clear(p.values) // hold no answers longer than needed
	p.values = p.values[:0]
	return nil
}

func (t *Tx) flush(ctx context.Context) error {
	for _, p := range t.pending {
		if err := t.send(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	s := t.projection.store
	stmt, err := s.writeStmts.get(ctx, s, text, t.slot)
	if err != nil {
		return nil, err
	}
	return t.tx.StmtContext(ctx, stmt), nil
}

// Exec runs a statement.
func (t *Tx) Exec(ctx context.Context, text string, args ...any) error {
	if err := t.flush(ctx); err != nil {
		return err
	}
	stmt, err := t.stmt(ctx, text) //nolint:sqlclosecheck // closed with the transaction
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(ctx, args...)
	return err
}

// Query reads what the transaction sees, its own rows included.
func (t *Tx) Query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	stmt, err := t.stmt(ctx, text) //nolint:sqlclosecheck // closed with the transaction
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

func (t *Tx) queryRow(ctx context.Context, text string, args ...any) (*sql.Row, error) {
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	stmt, err := t.stmt(ctx, text) //nolint:sqlclosecheck // closed with the transaction
	if err != nil {
		return nil, err
	}
	return stmt.QueryRowContext(ctx, args...), nil
}

// coupleOf returns the code of the couple in whose stream an event stands.
func coupleOf(at events.Envelope) (string, error) {
	couple, ok := strings.CutPrefix(string(at.Stream), string(events.CoupleStream(at.Study, "")))
	if !ok || couple == "" {
		return "", fmt.Errorf("the event stands in stream %s; expected the stream of a couple of study %s", at.Stream, at.Study)
	}
	return couple, nil
}
