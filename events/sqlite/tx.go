package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"asem/domain"
	"asem/events"
)

const columns = "position, stream, version, id, type, schema, study, occurred_at, recorded_at, actor_role, actor_subject, command, causation, payload"

// insertRows is how many events one statement inserts: more saves calls, too many costs memory.
const insertRows = 16

// statements are prepared once.
type statements struct {
	receipt, version, head, insert, insertMany, insertReceipt *sql.Stmt // on the writer
	readReceipt, readStream, readAll, readHead                *sql.Stmt // on the readers
}

func (s *statements) prepare(ctx context.Context, writer, reader *sql.DB) error {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", 14), ",") + ")"
	insert := "INSERT INTO event (" + columns + ") VALUES "
	const receipt, head = "SELECT first_position, last_position, recorded_at FROM command WHERE id = ?", "SELECT coalesce(max(position), 0) FROM event"
	for _, p := range []struct {
		db   *sql.DB
		to   **sql.Stmt
		text string
	}{
		{writer, &s.receipt, receipt},
		{writer, &s.version, "SELECT coalesce(max(version), 0) FROM event WHERE stream = ?"},
		{writer, &s.head, head},
		{writer, &s.insert, insert + row},
		{writer, &s.insertMany, insert + strings.TrimSuffix(strings.Repeat(row+",", insertRows), ",")},
		{writer, &s.insertReceipt, "INSERT INTO command (id, first_position, last_position, recorded_at) VALUES (?, ?, ?, ?)"},
		{reader, &s.readReceipt, receipt},
		{reader, &s.readStream, "SELECT " + columns + " FROM event WHERE stream = ? AND version > ? ORDER BY version LIMIT ?"},
		{reader, &s.readAll, "SELECT " + columns + " FROM event WHERE position > ? ORDER BY position LIMIT ?"},
		{reader, &s.readHead, head},
	} {
		stmt, err := p.db.PrepareContext(ctx, p.text)
		if err != nil {
			return err
		}
		*p.to = stmt
	}
	return nil
}

// tx is a write transaction.
type tx struct {
	tx *sql.Tx
	s  *statements
}

// begin starts a transaction that holds SQLite's write lock from the start.
func (l *Log) begin(ctx context.Context) (events.Tx, error) {
	t, err := l.writer.BeginTx(ctx, nil)
	if err != nil {
		return nil, l.explain(err)
	}
	return &tx{t, &l.statement}, nil
}

func (t *tx) Head(ctx context.Context) (events.Position, error) {
	var head int64
	err := t.tx.StmtContext(ctx, t.s.head).QueryRowContext(ctx).Scan(&head)
	return events.Position(head), err
}

func (t *tx) Receipts(ctx context.Context, commands []uuid.UUID) (map[uuid.UUID]events.Receipt, error) {
	stmt := t.tx.StmtContext(ctx, t.s.receipt)
	found := map[uuid.UUID]events.Receipt{}
	for _, id := range commands {
		r, err := scanReceipt(stmt.QueryRowContext(ctx, id[:]))
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found[id] = r
	}
	return found, nil
}

func (t *tx) Versions(ctx context.Context, streams []events.Stream) (map[events.Stream]events.Version, error) {
	stmt := t.tx.StmtContext(ctx, t.s.version)
	found := make(map[events.Stream]events.Version, len(streams))
	for _, s := range streams {
		if _, known := found[s]; known {
			continue
		}
		var v int64
		if err := stmt.QueryRowContext(ctx, string(s)).Scan(&v); err != nil {
			return nil, err
		}
		found[s] = events.Version(v)
	}
	return found, nil
}

func (t *tx) Insert(ctx context.Context, list []events.Envelope, receipts map[uuid.UUID]events.Receipt) error {
	one, many := t.tx.StmtContext(ctx, t.s.insert), t.tx.StmtContext(ctx, t.s.insertMany)
	args := make([]any, 0, 14*insertRows)
	for len(list) > 0 {
		n, stmt := 1, one
		if len(list) >= insertRows {
			n, stmt = insertRows, many
		}
		args = args[:0]
		for i := range list[:n] {
			e := &list[i]
			payload := e.Payload
			if payload == nil {
				payload = []byte{} // NULL otherwise
			}
			args = append(args, int64(e.Position), string(e.Stream), int64(e.Version), e.ID[:], e.Type, e.Schema, e.Study,
				e.OccurredAt.UnixMicro(), e.RecordedAt.UnixMicro(), string(e.By.Role), e.By.Subject, e.Command[:], e.Causation[:], payload)
		}
		if _, err := stmt.ExecContext(ctx, args...); err != nil {
			return err
		}
		list = list[n:]
	}
	stmt := t.tx.StmtContext(ctx, t.s.insertReceipt)
	for id, r := range receipts {
		if _, err := stmt.ExecContext(ctx, id[:], int64(r.First), int64(r.Last), r.RecordedAt.UnixMicro()); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) Commit(context.Context) error { return t.tx.Commit() }

func (t *tx) Rollback() { _ = t.tx.Rollback() } // nothing can be done where even this fails

type scanner interface{ Scan(...any) error }

func scanReceipt(row scanner) (events.Receipt, error) {
	var first, last, at int64
	if err := row.Scan(&first, &last, &at); err != nil {
		return events.Receipt{}, err
	}
	return events.Receipt{First: events.Position(first), Last: events.Position(last), RecordedAt: time.UnixMicro(at).UTC()}, nil
}

func scanEnvelope(row scanner) (events.Envelope, error) {
	var (
		e                      events.Envelope
		position, version      int64
		stream, role           string
		id, command, causation []byte
		occurred, recorded     int64
	)
	err := row.Scan(&position, &stream, &version, &id, &e.Type, &e.Schema, &e.Study, &occurred, &recorded, &role, &e.By.Subject, &command, &causation, &e.Payload)
	if err != nil {
		return e, err
	}
	e.Position, e.Stream, e.Version = events.Position(position), events.Stream(stream), events.Version(version)
	e.OccurredAt, e.RecordedAt, e.By.Role = time.UnixMicro(occurred).UTC(), time.UnixMicro(recorded).UTC(), domain.ActorRole(role)
	copy(e.ID[:], id)
	copy(e.Command[:], command)
	copy(e.Causation[:], causation)
	return e, nil
}
