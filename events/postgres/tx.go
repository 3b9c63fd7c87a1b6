package postgres

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/mod/sumdb/tlog"

	"asem/events"
)

// backend is the log as its committer sees it.
type backend struct{ *Log }

// tx is a write transaction: it holds the one row of head locked.
type tx struct {
	conn    *pgxpool.Conn
	channel string
}

// tryFor bounds one trip to the server, so that a network that swallows packets is noticed.
const tryFor = time.Minute

// maxLevels is more levels than a tree ever has: 32^9 leaves.
const maxLevels = 9

// Begin implements [events.Backend]: it opens the transaction, waits for its turn and reads what is known, in one round trip. Every statement
// after the lock sees what the transaction before it committed.
func (b backend) Begin(ctx context.Context, q events.Question) (_ events.Tx, known events.Known, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	conn, err := b.pool.Acquire(ctx)
	if err != nil {
		return nil, known, explain(err, false)
	}
	t := &tx{conn, b.channel}
	known = events.Known{Receipts: map[uuid.UUID]events.Receipt{}, Versions: make(map[events.Stream]events.Version, len(q.Streams)), Trees: map[string]*events.Tree{}}
	var last []byte
	tiles := map[string][]events.Tile{}
	var p pgx.Batch
	p.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	p.Queue("SELECT position FROM head FOR UPDATE").QueryRow(func(row pgx.Row) error { return row.Scan(&known.Head) })
	p.Queue("SELECT clock_timestamp(), (SELECT record FROM event ORDER BY position DESC LIMIT 1)").QueryRow(func(row pgx.Row) error {
		return row.Scan(&known.Now, &last)
	})
	p.Queue("SELECT id, first_position, last_position, recorded_at FROM command WHERE id = ANY($1)", q.Commands).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var r events.Receipt
		_, err := pgx.ForEachRow(rows, []any{&id, &r.First, &r.Last, &r.RecordedAt}, func() error {
			r.RecordedAt = r.RecordedAt.UTC()
			known.Receipts[id] = r
			return nil
		})
		return err
	})
	p.Queue("SELECT s, coalesce((SELECT version FROM event WHERE stream = s ORDER BY version DESC LIMIT 1), 0) FROM unnest($1::text[]) AS s", q.Streams).Query(func(rows pgx.Rows) error {
		var s events.Stream
		var v events.Version
		_, err := pgx.ForEachRow(rows, []any{&s, &v}, func() error {
			known.Versions[s] = v
			return nil
		})
		return err
	})
	p.Queue(lastTilesText, q.Studies, maxLevels).Query(func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, scanTile)
		for _, t := range list {
			tiles[t.Study] = append(tiles[t.Study], t)
		}
		return err
	})
	if err := conn.SendBatch(ctx, &p).Close(); err != nil {
		t.Rollback()
		return nil, known, explain(err, false)
	}
	if err := complete(&known, q, last, tiles); err != nil {
		t.Rollback()
		return nil, known, err
	}
	return t, known, nil
}

func complete(known *events.Known, q events.Question, last []byte, tiles map[string][]events.Tile) error {
	if last != nil {
		e, err := events.DecodeRecord(last)
		if err != nil {
			return err
		}
		known.RecordedAt = e.RecordedAt
	}
	for _, study := range q.Studies {
		var err error
		if known.Trees[study], err = events.NewTree(tiles[study]); err != nil {
			return err
		}
	}
	return nil
}

const lastTilesText = `SELECT s, l, t.n, t.hashes FROM unnest($1::text[]) AS s, generate_series(0, $2) AS l,
	LATERAL (SELECT n, hashes FROM tile WHERE study = s AND level = l ORDER BY n DESC LIMIT 1) AS t ORDER BY s, l`

func scanTile(row pgx.CollectableRow) (t events.Tile, err error) {
	err = row.Scan(&t.Study, &t.Level, &t.N, &t.Data)
	return t, err
}

// storeText stores a batch in one statement: each further one would cost a lone append a tenth of its time. Nothing is stored unless
// the log ends where the batch begins: whoever writes holds the row of head, and the condition is checked again
// when it is let go.
const storeText = `WITH
	h AS (UPDATE head SET position = $2 WHERE position = $1 RETURNING 1),
	e AS (INSERT INTO event (position, stream, version, record) SELECT $1 + i, stream, version, record
		FROM unnest($3::text[], $4::bigint[], $5::bytea[]) WITH ORDINALITY AS r (stream, version, record, i) WHERE EXISTS (SELECT FROM h)),
	c AS (INSERT INTO command (id, first_position, last_position, recorded_at) SELECT id, first, last, at
		FROM unnest($6::uuid[], $7::bigint[], $8::bigint[], $9::timestamptz[]) AS r (id, first, last, at) WHERE EXISTS (SELECT FROM h)),
	t AS (INSERT INTO tile (study, level, n, hashes) SELECT study, level, n, hashes
		FROM unnest($10::text[], $11::int[], $12::bigint[], $13::bytea[]) AS r (study, level, n, hashes) WHERE EXISTS (SELECT FROM h)
		ON CONFLICT (study, level, n) DO UPDATE SET hashes = excluded.hashes)
	SELECT pg_notify($14, $15) FROM h`

// storeArgs returns the parameters of storeText.
func storeArgs(channel string, b events.Batch) []any {
	n := len(b.Records)
	stream, version, record := make([]string, n), make([]int64, n), make([][]byte, n)
	for i := range b.Records {
		r := &b.Records[i]
		stream[i], version[i], record[i] = string(r.Stream), int64(r.Version), r.Data
	}
	m := len(b.Receipts)
	ids, first, last, at := make([]uuid.UUID, 0, m), make([]int64, 0, m), make([]int64, 0, m), make([]time.Time, 0, m)
	for id, r := range b.Receipts {
		ids, first, last, at = append(ids, id), append(first, int64(r.First)), append(last, int64(r.Last)), append(at, r.RecordedAt)
	}
	k := len(b.Tiles)
	study, level, number, hashes := make([]string, k), make([]int32, k), make([]int64, k), make([][]byte, k)
	for i := range b.Tiles {
		t := &b.Tiles[i]
		study[i], level[i], number[i], hashes[i] = t.Study, int32(t.Level), t.N, t.Data
	}
	before, head := int64(b.Records[0].Position)-1, int64(b.Records[n-1].Position)
	return []any{before, head, stream, version, record, ids, first, last, at, study, level, number, hashes, channel, strconv.FormatInt(head, 10)}
}

// storeOneText is storeText for the most frequent batch, one event whose tile is there already. PostgreSQL takes a third less time for it.
const storeOneText = `WITH
	h AS (UPDATE head SET position = $1 + 1 WHERE position = $1 RETURNING position),
	e AS (INSERT INTO event (position, stream, version, record) SELECT position, $2, $3, $4 FROM h),
	c AS (INSERT INTO command (id, first_position, last_position, recorded_at) SELECT $5, position, position, $6 FROM h),
	t AS (UPDATE tile SET hashes = $7 FROM h WHERE study = $8 AND level = 0 AND n = $9)
	SELECT pg_notify($10, position::text) FROM h`

// storeQuery returns the statement that stores a batch, and its parameters.
func storeQuery(channel string, b events.Batch) (string, []any) {
	if len(b.Records) != 1 || len(b.Receipts) != 1 || len(b.Tiles) != 1 || len(b.Tiles[0].Data) <= tlog.HashSize {
		return storeText, storeArgs(channel, b)
	}
	r, t := &b.Records[0], &b.Tiles[0]
	for id, receipt := range b.Receipts {
		return storeOneText, []any{int64(r.Position) - 1, string(r.Stream), int64(r.Version), r.Data, id, receipt.RecordedAt, t.Data, t.Study, t.N, channel}
	}
	panic("unreachable")
}

// Extend implements [events.Backend] in one round trip: the statement is a transaction of its own.
func (b backend) Extend(ctx context.Context, batch events.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	text, args := storeQuery(b.channel, batch)
	tag, err := b.pool.Exec(ctx, text, args...)
	var e *pgconn.PgError
	switch {
	case errors.As(err, &e) && e.Code == "23505": // unique_violation
		return events.ErrMoved
	case err != nil:
		return explain(err, true)
	case tag.RowsAffected() == 0:
		return events.ErrMoved
	}
	return nil
}

// Store implements [events.Tx]: everything and the commit in one round trip.
func (t *tx) Store(ctx context.Context, b events.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	stored, committed := false, false
	var p pgx.Batch
	text, args := storeQuery(t.channel, b)
	p.Queue(text, args...).Exec(func(tag pgconn.CommandTag) error {
		stored = tag.RowsAffected() == 1
		return nil
	})
	p.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		committed = tag.String() == "COMMIT"
		return nil
	})
	err := t.conn.SendBatch(ctx, &p).Close()
	t.Rollback() // or, after the commit, give the connection back
	if err == nil && !(stored && committed) {
		return errors.New("the transaction was rolled back at its commit")
	}
	return explain(err, true)
}

// Rollback implements [events.Tx].
func (t *tx) Rollback() {
	if c := t.conn.Conn(); !c.IsClosed() && c.PgConn().TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, _ = c.Exec(ctx, "ROLLBACK") // the server rolls back with the connection where even this fails
	}
	t.conn.Release()
}
