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

	"asem/events"
)

// tx is a write transaction: it holds the one row of head locked.
type tx struct {
	conn    *pgxpool.Conn
	channel string
}

// tryFor bounds one trip to the server, so that a network that swallows packets is noticed.
const tryFor = time.Minute

// begin opens the transaction, waits for its turn and reads what is known, in one round trip. Every statement
// after the lock sees what the transaction before it committed.
func (l *Log) begin(ctx context.Context, commands []uuid.UUID, streams []events.Stream) (_ events.Tx, known events.Known, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return nil, known, explain(err, false)
	}
	t := &tx{conn, l.channel}
	known = events.Known{Receipts: map[uuid.UUID]events.Receipt{}, Versions: make(map[events.Stream]events.Version, len(streams))}
	var b pgx.Batch
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	b.Queue("SELECT position FROM head FOR UPDATE").QueryRow(func(row pgx.Row) error { return row.Scan(&known.Head) })
	b.Queue("SELECT clock_timestamp(), coalesce((SELECT recorded_at FROM event ORDER BY position DESC LIMIT 1), 'epoch')").QueryRow(func(row pgx.Row) error {
		err := row.Scan(&known.Now, &known.RecordedAt)
		known.RecordedAt = known.RecordedAt.UTC()
		return err
	})
	b.Queue("SELECT id, first_position, last_position, recorded_at FROM command WHERE id = ANY($1)", commands).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var r events.Receipt
		_, err := pgx.ForEachRow(rows, []any{&id, &r.First, &r.Last, &r.RecordedAt}, func() error {
			r.RecordedAt = r.RecordedAt.UTC()
			known.Receipts[id] = r
			return nil
		})
		return err
	})
	b.Queue("SELECT s, coalesce((SELECT version FROM event WHERE stream = s ORDER BY version DESC LIMIT 1), 0) FROM unnest($1::text[]) AS s", streams).Query(func(rows pgx.Rows) error {
		var s events.Stream
		var v events.Version
		_, err := pgx.ForEachRow(rows, []any{&s, &v}, func() error {
			known.Versions[s] = v
			return nil
		})
		return err
	})
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		t.Rollback()
		return nil, known, explain(err, false)
	}
	return t, known, nil
}

// storeText does in one statement what would be four: each costs a lone append a tenth of its time.
const storeText = `WITH
	e AS (INSERT INTO event (` + columns + `) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::uuid[], $5::text[], $6::int[], $7::text[],
		$8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[], $12::uuid[], $13::uuid[], $14::bytea[])),
	c AS (INSERT INTO command (id, first_position, last_position, recorded_at) SELECT * FROM unnest($15::uuid[], $16::bigint[], $17::bigint[], $18::timestamptz[])),
	h AS (UPDATE head SET position = $19)
	SELECT pg_notify($20, $21)`

// Store implements [events.Tx]: everything and the commit in one round trip.
func (t *tx) Store(ctx context.Context, list []events.Envelope, receipts map[uuid.UUID]events.Receipt) error {
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	n := len(list)
	var (
		position, version              = make([]int64, n), make([]int64, n)
		stream, typ, study, role, subj = make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		id, command, causation         = make([]uuid.UUID, n), make([]uuid.UUID, n), make([]uuid.UUID, n)
		schema                         = make([]int32, n)
		occurred, recorded             = make([]time.Time, n), make([]time.Time, n)
		payload                        = make([][]byte, n)
	)
	for i := range list {
		e := &list[i]
		position[i], stream[i], version[i], id[i], typ[i], schema[i], study[i] = int64(e.Position), string(e.Stream), int64(e.Version), e.ID, e.Type, int32(e.Schema), e.Study
		occurred[i], recorded[i], role[i], subj[i], command[i], causation[i] = e.OccurredAt, e.RecordedAt, string(e.By.Role), e.By.Subject, e.Command, e.Causation
		if payload[i] = e.Payload; payload[i] == nil {
			payload[i] = []byte{} // NULL otherwise
		}
	}
	m := len(receipts)
	ids, first, last, at := make([]uuid.UUID, 0, m), make([]int64, 0, m), make([]int64, 0, m), make([]time.Time, 0, m)
	for id, r := range receipts {
		ids, first, last, at = append(ids, id), append(first, int64(r.First)), append(last, int64(r.Last)), append(at, r.RecordedAt)
	}
	head := position[n-1]
	var b pgx.Batch
	b.Queue(storeText, position, stream, version, id, typ, schema, study, occurred, recorded, role, subj, command, causation, payload,
		ids, first, last, at, head, t.channel, strconv.FormatInt(head, 10))
	committed := false
	b.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		committed = tag.String() == "COMMIT"
		return nil
	})
	err := t.conn.SendBatch(ctx, &b).Close()
	t.Rollback() // or, after the commit, give the connection back
	if err == nil && !committed {
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
