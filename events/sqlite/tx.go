package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	lib "modernc.org/sqlite/lib"

	"asem/events"
)

// insertRows is how many events, or receipts, one statement inserts: more saves calls, too many costs memory.
const insertRows = 16

// statements are prepared once.
type statements struct {
	begin, commit, rollback                                             *sql.Stmt // on the writer, as the next
	lone                                                                *sql.Stmt
	receipt, version, last, lastTile, insert, insertMany, insertReceipt *sql.Stmt
	insertReceipts, putTile                                             *sql.Stmt
	readReceipt, readStream, readAll, readHead, readTile, readLastTile  *sql.Stmt // on the readers
	all                                                                 []*sql.Stmt
}

// loneText lets one statement, and with it one call and one transaction, store what a lone append makes: an event, a receipt and a tile.
const loneText = `
CREATE TEMP VIEW lone AS SELECT 0 AS position, '' AS stream, 0 AS version, x'' AS record, x'' AS id, 0 AS last, 0 AS recorded_at, '' AS study, 0 AS level, 0 AS n, x'' AS hashes;
CREATE TEMP TRIGGER lone_stored INSTEAD OF INSERT ON lone BEGIN
	INSERT INTO event (position, stream, version, record) VALUES (new.position, new.stream, new.version, new.record);
	INSERT INTO command (id, first_position, last_position, recorded_at) VALUES (new.id, new.position, new.last, new.recorded_at);
	INSERT INTO tile (study, level, n, hashes) VALUES (new.study, new.level, new.n, new.hashes) ON CONFLICT DO UPDATE SET hashes = excluded.hashes;
END`

// close frees the statements: a connection with statements that are not closed keeps its file open.
func (s *statements) close() (err error) {
	for _, stmt := range s.all {
		err = errors.Join(err, stmt.Close())
	}
	return err
}

func (s *statements) prepare(ctx context.Context, writer *sql.Conn, reader *sql.DB) error {
	const (
		insert   = "INSERT INTO event (position, stream, version, record) VALUES "
		note     = "INSERT INTO command (id, first_position, last_position, recorded_at) VALUES "
		row      = "(?, ?, ?, ?)"
		receipt  = "SELECT first_position, last_position, recorded_at FROM command WHERE id = ?"
		lastTile = "SELECT n, hashes FROM tile WHERE study = ? AND level = ? ORDER BY n DESC LIMIT 1"
	)
	if _, err := writer.ExecContext(ctx, loneText); err != nil {
		return err
	}
	rows := strings.TrimSuffix(strings.Repeat(row+",", insertRows), ",")
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
		{writer, &s.lone, "INSERT INTO lone VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
		{writer, &s.receipt, receipt},
		{writer, &s.version, "SELECT coalesce(max(version), 0) FROM event WHERE stream = ?"},
		{writer, &s.last, "SELECT position, record FROM event ORDER BY position DESC LIMIT 1"},
		{writer, &s.lastTile, lastTile},
		{writer, &s.insert, insert + row},
		{writer, &s.insertMany, insert + rows},
		{writer, &s.insertReceipt, note + row},
		{writer, &s.insertReceipts, note + rows},
		{writer, &s.putTile, "INSERT INTO tile (study, level, n, hashes) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET hashes = excluded.hashes"},
		{reader, &s.readReceipt, receipt},
		{reader, &s.readStream, "SELECT position, record FROM event WHERE stream = ? AND version > ? ORDER BY version LIMIT ?"},
		{reader, &s.readAll, "SELECT position, record FROM event WHERE position > ? ORDER BY position LIMIT ?"},
		{reader, &s.readHead, "SELECT coalesce(max(position), 0) FROM event"},
		{reader, &s.readTile, "SELECT hashes FROM tile WHERE study = ? AND level = ? AND n = ?"},
		{reader, &s.readLastTile, lastTile},
	} {
		stmt, err := p.db.PrepareContext(ctx, p.text) //nolint:sqlclosecheck // closed by close
		if err != nil {
			return err
		}
		*p.to, s.all = stmt, append(s.all, stmt)
	}
	return nil
}

// backend is the log as its committer sees it.
type backend struct{ *Log }

// tx is a write transaction.
type tx struct{ log *Log }

// Begin implements [events.Backend]. The transaction holds SQLite's write lock from the start.
func (b backend) Begin(ctx context.Context, q events.Question) (events.Tx, events.Known, error) {
	b.turn.Lock()
	if _, err := b.statement.begin.ExecContext(ctx); err != nil {
		b.turn.Unlock()
		return nil, events.Known{}, b.explain(err)
	}
	t := &tx{b.Log}
	known, err := t.known(ctx, q)
	if err != nil {
		t.Rollback()
		return nil, events.Known{}, b.explain(err)
	}
	return t, known, nil
}

func (t *tx) known(ctx context.Context, q events.Question) (events.Known, error) {
	known := events.Known{Receipts: map[uuid.UUID]events.Receipt{}, Versions: make(map[events.Stream]events.Version, len(q.Streams)), Trees: map[string]*events.Tree{}}
	var head int64
	var record []byte
	switch err := t.log.statement.last.QueryRowContext(ctx).Scan(&head, &record); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return known, err
	default:
		last, err := events.DecodeRecord(record)
		if err != nil {
			return known, err
		}
		known.Head, known.RecordedAt = events.Position(head), last.RecordedAt
	}
	for _, id := range q.Commands {
		switch r, err := scanReceipt(t.log.statement.receipt.QueryRowContext(ctx, id[:])); {
		case err == nil:
			known.Receipts[id] = r
		case !errors.Is(err, sql.ErrNoRows):
			return known, err
		}
	}
	for _, s := range q.Streams {
		if _, seen := known.Versions[s]; seen {
			continue
		}
		var v int64
		if err := t.log.statement.version.QueryRowContext(ctx, string(s)).Scan(&v); err != nil {
			return known, err
		}
		known.Versions[s] = events.Version(v)
	}
	for _, study := range q.Studies {
		last, err := lastTiles(ctx, t.log.statement.lastTile, study)
		if err != nil {
			return known, err
		}
		if known.Trees[study], err = events.NewTree(last); err != nil {
			return known, err
		}
	}
	return known, nil
}

func lastTiles(ctx context.Context, stmt *sql.Stmt, study string) (list []events.Tile, _ error) {
	for level := 0; ; level++ {
		tile := events.Tile{TileID: events.TileID{Study: study, Level: level}}
		switch err := stmt.QueryRowContext(ctx, study, level).Scan(&tile.N, &tile.Data); {
		case errors.Is(err, sql.ErrNoRows):
			return list, nil
		case err != nil:
			return nil, err
		}
		list = append(list, tile)
	}
}

// Extend implements [events.Backend]. That the log has moved on, or knows a command, shows when the row is taken.
func (b backend) Extend(ctx context.Context, batch events.Batch) error {
	b.turn.Lock()
	err := b.extend(ctx, batch)
	if code(err) == lib.SQLITE_CONSTRAINT {
		return events.ErrMoved
	}
	return err
}

// extend ends the turn.
func (b backend) extend(ctx context.Context, batch events.Batch) error {
	if len(batch.Records) == 1 && len(batch.Receipts) == 1 && len(batch.Tiles) == 1 {
		defer b.turn.Unlock()
		return b.storeLone(ctx, batch)
	}
	if _, err := b.statement.begin.ExecContext(ctx); err != nil {
		b.turn.Unlock()
		return b.explain(err)
	}
	return (&tx{b.Log}).Store(ctx, batch)
}

// storeLone stores one event, one receipt and one tile by one statement, which is a transaction of its own.
func (l *Log) storeLone(ctx context.Context, b events.Batch) error {
	r, tile := &b.Records[0], &b.Tiles[0]
	args := append(make([]any, 0, 11), int64(r.Position), string(r.Stream), int64(r.Version), r.Data)
	for id, receipt := range b.Receipts {
		args = append(args, id[:], int64(receipt.Last), receipt.RecordedAt.UnixMicro())
	}
	_, err := l.statement.lone.ExecContext(ctx, append(args, tile.Study, tile.Level, tile.N, tile.Data)...)
	return l.unsure(err)
}

// unsure explains an error of a commit: a sync that failed leaves open what is on the disk.
func (l *Log) unsure(err error) error {
	if code(err) == lib.SQLITE_IOERR {
		return &events.Interrupted{Err: l.explain(err), Unsure: true}
	}
	return l.explain(err)
}

// Store implements [events.Tx].
func (t *tx) Store(ctx context.Context, b events.Batch) error {
	if err := t.insert(ctx, b); err != nil {
		t.Rollback()
		return t.log.explain(err)
	}
	if _, err := t.log.statement.commit.ExecContext(ctx); err != nil {
		t.Rollback()
		return t.log.unsure(err)
	}
	t.log.turn.Unlock()
	return nil
}

func (t *tx) insert(ctx context.Context, b events.Batch) error {
	st := &t.log.statement
	err := insertAll(ctx, st.insert, st.insertMany, len(b.Records), func(args []any, i int) []any {
		r := &b.Records[i]
		return append(args, int64(r.Position), string(r.Stream), int64(r.Version), r.Data)
	})
	if err != nil {
		return err
	}
	ids := slices.SortedFunc(maps.Keys(b.Receipts), func(x, y uuid.UUID) int { return cmp.Compare(b.Receipts[x].First, b.Receipts[y].First) })
	err = insertAll(ctx, st.insertReceipt, st.insertReceipts, len(ids), func(args []any, i int) []any {
		r := b.Receipts[ids[i]]
		return append(args, ids[i][:], int64(r.First), int64(r.Last), r.RecordedAt.UnixMicro())
	})
	if err != nil {
		return err
	}
	for _, tile := range b.Tiles {
		if _, err := st.putTile.ExecContext(ctx, tile.Study, tile.Level, tile.N, tile.Data); err != nil {
			return err
		}
	}
	return nil
}

// insertAll inserts n rows, as many at a time as the larger statement takes.
func insertAll(ctx context.Context, one, many *sql.Stmt, n int, row func(args []any, i int) []any) error {
	var args []any
	for i := 0; i < n; {
		stmt, end := one, i+1
		if i+insertRows <= n {
			stmt, end = many, i+insertRows
		}
		for args = args[:0]; i < end; i++ {
			args = row(args, i)
		}
		if _, err := stmt.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// Rollback implements [events.Tx].
func (t *tx) Rollback() {
	_, _ = t.log.statement.rollback.ExecContext(context.Background()) // nothing can be done where even this fails
	t.log.turn.Unlock()
}

type scanner interface{ Scan(...any) error }

func scanReceipt(row scanner) (events.Receipt, error) {
	var first, last, at int64
	if err := row.Scan(&first, &last, &at); err != nil {
		return events.Receipt{}, err
	}
	return events.Receipt{First: events.Position(first), Last: events.Position(last), RecordedAt: time.UnixMicro(at).UTC()}, nil
}
