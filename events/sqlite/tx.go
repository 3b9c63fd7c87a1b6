package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	lib "modernc.org/sqlite/lib"

	"asem/domain"
	"asem/events"
)

const columns = "position, stream, version, id, type, schema, study, occurred_at, recorded_at, actor_role, actor_subject, command, causation, payload"

// insertRows is how many events one statement inserts: more saves calls, too many costs memory.
const insertRows = 16

// statements are prepared once.
type statements struct {
	begin, commit, rollback                                   *sql.Stmt // on the writer, as the next
	receipt, version, last, insert, insertMany, insertReceipt *sql.Stmt
	readReceipt, readStream, readAll, readHead                *sql.Stmt // on the readers
	all                                                       []*sql.Stmt
}

// close frees the statements: a connection with statements that are not closed keeps its file open.
func (s *statements) close() (err error) {
	for _, stmt := range s.all {
		err = errors.Join(err, stmt.Close())
	}
	return err
}

func (s *statements) prepare(ctx context.Context, writer *sql.Conn, reader *sql.DB) error {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", 14), ",") + ")"
	insert := "INSERT INTO event (" + columns + ") VALUES "
	const receipt, head = "SELECT first_position, last_position, recorded_at FROM command WHERE id = ?", "SELECT coalesce(max(position), 0) FROM event"
	for _, p := range []struct {
		db interface {
			PrepareContext(context.Context, string) (*sql.Stmt, error)
		}
		to   **sql.Stmt
		text string
	}{
		{writer, &s.begin, "BEGIN IMMEDIATE"},
		{writer, &s.commit, "COMMIT"},
		{writer, &s.rollback, "ROLLBACK"},
		{writer, &s.receipt, receipt},
		{writer, &s.version, "SELECT coalesce(max(version), 0) FROM event WHERE stream = ?"},
		{writer, &s.last, "SELECT position, recorded_at FROM event ORDER BY position DESC LIMIT 1"},
		{writer, &s.insert, insert + row},
		{writer, &s.insertMany, insert + strings.TrimSuffix(strings.Repeat(row+",", insertRows), ",")},
		{writer, &s.insertReceipt, "INSERT INTO command (id, first_position, last_position, recorded_at) VALUES (?, ?, ?, ?)"},
		{reader, &s.readReceipt, receipt},
		{reader, &s.readStream, "SELECT " + columns + " FROM event WHERE stream = ? AND version > ? ORDER BY version LIMIT ?"},
		{reader, &s.readAll, "SELECT " + columns + " FROM event WHERE position > ? ORDER BY position LIMIT ?"},
		{reader, &s.readHead, head},
	} {
		stmt, err := p.db.PrepareContext(ctx, p.text) //nolint:sqlclosecheck // closed by close
		if err != nil {
			return err
		}
		*p.to, s.all = stmt, append(s.all, stmt)
	}
	return nil
}

// tx is a write transaction.
type tx struct{ log *Log }

// begin starts a transaction that holds SQLite's write lock from the start.
func (l *Log) begin(ctx context.Context, commands []uuid.UUID, streams []events.Stream) (events.Tx, events.Known, error) {
	if _, err := l.statement.begin.ExecContext(ctx); err != nil {
		return nil, events.Known{}, l.explain(err)
	}
	t := &tx{l}
	known, err := t.known(ctx, commands, streams)
	if err != nil {
		t.Rollback()
		return nil, events.Known{}, l.explain(err)
	}
	return t, known, nil
}

func (t *tx) known(ctx context.Context, commands []uuid.UUID, streams []events.Stream) (events.Known, error) {
	known := events.Known{Receipts: map[uuid.UUID]events.Receipt{}, Versions: make(map[events.Stream]events.Version, len(streams))}
	var head, recorded int64
	err := t.log.statement.last.QueryRowContext(ctx).Scan(&head, &recorded)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return known, err
	}
	known.Head, known.RecordedAt, known.Now = events.Position(head), time.UnixMicro(recorded).UTC(), time.Now()
	receipt, version := t.log.statement.receipt, t.log.statement.version
	for _, id := range commands {
		switch r, err := scanReceipt(receipt.QueryRowContext(ctx, id[:])); {
		case err == nil:
			known.Receipts[id] = r
		case !errors.Is(err, sql.ErrNoRows):
			return known, err
		}
	}
	for _, s := range streams {
		if _, seen := known.Versions[s]; seen {
			continue
		}
		var v int64
		if err := version.QueryRowContext(ctx, string(s)).Scan(&v); err != nil {
			return known, err
		}
		known.Versions[s] = events.Version(v)
	}
	return known, nil
}

// Store implements [events.Tx].
func (t *tx) Store(ctx context.Context, list []events.Envelope, receipts map[uuid.UUID]events.Receipt) error {
	if err := t.insert(ctx, list, receipts); err != nil {
		t.Rollback()
		return t.log.explain(err)
	}
	if _, err := t.log.statement.commit.ExecContext(ctx); err != nil {
		t.Rollback()
		if code(err) == lib.SQLITE_IOERR { // a sync that failed leaves open what is on the disk
			return &events.Interrupted{Err: t.log.explain(err), Unsure: true}
		}
		return t.log.explain(err)
	}
	return nil
}

func (t *tx) insert(ctx context.Context, list []events.Envelope, receipts map[uuid.UUID]events.Receipt) error {
	one, many := t.log.statement.insert, t.log.statement.insertMany
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
	stmt := t.log.statement.insertReceipt
	for id, r := range receipts {
		if _, err := stmt.ExecContext(ctx, id[:], int64(r.First), int64(r.Last), r.RecordedAt.UnixMicro()); err != nil {
			return err
		}
	}
	return nil
}

// Rollback implements [events.Tx].
func (t *tx) Rollback() { _, _ = t.log.statement.rollback.ExecContext(context.Background()) } // nothing can be done where even this fails

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
	if e.Payload == nil { // so the driver hands out what has no bytes
		e.Payload = []byte{}
	}
	return e, nil
}
