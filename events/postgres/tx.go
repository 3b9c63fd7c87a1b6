package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"asem/events"
)

// tx is a write transaction: it holds the one row of head locked.
type tx struct {
	tx      pgx.Tx
	channel string
	head    events.Position
}

func (l *Log) begin(ctx context.Context) (events.Tx, error) {
	t, err := l.pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	w := &tx{tx: t, channel: l.channel}
	if err := t.QueryRow(ctx, "SELECT position FROM head FOR UPDATE").Scan(&w.head); err != nil {
		w.Rollback()
		return nil, err
	}
	return w, nil
}

func (t *tx) Head(context.Context) (events.Position, error) { return t.head, nil }

func (t *tx) Receipts(ctx context.Context, commands []uuid.UUID) (map[uuid.UUID]events.Receipt, error) {
	rows, err := t.tx.Query(ctx, "SELECT id, first_position, last_position, recorded_at FROM command WHERE id = ANY($1)", commands)
	if err != nil {
		return nil, err
	}
	found := map[uuid.UUID]events.Receipt{}
	var id uuid.UUID
	var r events.Receipt
	_, err = pgx.ForEachRow(rows, []any{&id, &r.First, &r.Last, &r.RecordedAt}, func() error {
		r.RecordedAt = r.RecordedAt.UTC()
		found[id] = r
		return nil
	})
	return found, err
}

func (t *tx) Versions(ctx context.Context, streams []events.Stream) (map[events.Stream]events.Version, error) {
	rows, err := t.tx.Query(ctx, `SELECT s, coalesce((SELECT version FROM event WHERE stream = s ORDER BY version DESC LIMIT 1), 0) FROM unnest($1::text[]) AS s`, streams)
	if err != nil {
		return nil, err
	}
	found := make(map[events.Stream]events.Version, len(streams))
	var s events.Stream
	var v events.Version
	_, err = pgx.ForEachRow(rows, []any{&s, &v}, func() error {
		found[s] = v
		return nil
	})
	return found, err
}

func (t *tx) Insert(ctx context.Context, list []events.Envelope, receipts map[uuid.UUID]events.Receipt) error {
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
	b.Queue(`INSERT INTO event (`+columns+`) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::uuid[], $5::text[], $6::int[], $7::text[],
		$8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[], $12::uuid[], $13::uuid[], $14::bytea[])`,
		position, stream, version, id, typ, schema, study, occurred, recorded, role, subj, command, causation, payload)
	b.Queue(`INSERT INTO command (id, first_position, last_position, recorded_at) SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[])`, ids, first, last, at)
	b.Queue(`UPDATE head SET position = $1`, head)
	b.Queue(`SELECT pg_notify($1, $2)`, t.channel, strconv.FormatInt(head, 10))
	return t.tx.SendBatch(ctx, &b).Close()
}

func (t *tx) Commit(ctx context.Context) error { return t.tx.Commit(ctx) }

func (t *tx) Rollback() { _ = t.tx.Rollback(context.Background()) } // the server ends it with the connection where even this fails
