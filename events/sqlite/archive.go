package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"asem/domain"
	"asem/events"
)

var _ events.Archive = (*Log)(nil)

// Extend implements [events.Archive].
func (l *Log) Extend(ctx context.Context, b events.Batch) error {
	if l.closed.Load() {
		return events.ErrClosed
	}
	return wrap(ctx, "restore", backend{l}.Extend(ctx, b))
}

// Records implements [events.Archive].
func (l *Log) Records(ctx context.Context, after events.Position, limit int) ([]events.Record, error) {
	return list(ctx, l, "read the records", func(scan func(...any) error) (r events.Record, err error) {
		err = scan(&r.Position, &r.Stream, &r.Version, &r.Data)
		return r, err
	}, "SELECT position, stream, version, record FROM event WHERE position > ? ORDER BY position LIMIT ?", int64(after), limit)
}

// StoredReceipts implements [events.Archive].
func (l *Log) StoredReceipts(ctx context.Context, after events.StoredReceipt, limit int) ([]events.StoredReceipt, error) {
	return list(ctx, l, "read the receipts", func(scan func(...any) error) (r events.StoredReceipt, err error) {
		var id []byte
		var at int64
		err = scan(&id, &r.First, &r.Last, &at)
		copy(r.Command[:], id)
		r.RecordedAt = time.UnixMicro(at).UTC()
		return r, err
	}, "SELECT id, first_position, last_position, recorded_at FROM command WHERE (first_position, id) > (?, ?) ORDER BY first_position, id LIMIT ?", int64(after.First), after.Command[:], limit)
}

// Tiles implements [events.TileStore].
func (l *Log) Tiles(ctx context.Context, ids []events.TileID) ([]events.Tile, error) {
	if l.closed.Load() {
		return nil, events.ErrClosed
	}
	tiles := make([]events.Tile, len(ids))
	for i, id := range ids {
		tiles[i].TileID = id
		err := l.statement.readTile.QueryRowContext(ctx, id.Study, id.Level, id.N).Scan(&tiles[i].Data)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("tile %d on level %d of study %s is missing: %w", id.N, id.Level, id.Study, events.ErrDamaged)
		}
		if err != nil {
			return nil, wrap(ctx, "read a tile", err)
		}
	}
	return tiles, nil
}

// LastTiles implements [events.TileStore].
func (l *Log) LastTiles(ctx context.Context, study string) ([]events.Tile, error) {
	if l.closed.Load() {
		return nil, events.ErrClosed
	}
	tiles, err := lastTiles(ctx, l.statement.readLastTile, study)
	return tiles, wrap(ctx, "read the tree", err)
}

// WrappedKeys implements [events.KeyStore].
func (l *Log) WrappedKeys(ctx context.Context, owners []string) ([]events.WrappedKey, error) {
	const text = "SELECT owner, master, wrapped, created_at, coalesce(destroyed_at, 0) FROM seal_key"
	scanKey := func(scan func(...any) error) (k events.WrappedKey, err error) {
		var created, destroyed int64
		err = scan(&k.Owner, &k.Master, &k.Wrapped, &created, &destroyed)
		k.CreatedAt = time.UnixMicro(created).UTC()
		if destroyed != 0 {
			k.Destroyed = time.UnixMicro(destroyed).UTC()
		}
		return k, err
	}
	if owners == nil {
		return list(ctx, l, "read the keys", scanKey, text+" ORDER BY owner")
	}
	var keys []events.WrappedKey
	for _, owner := range owners {
		some, err := list(ctx, l, "read a key", scanKey, text+" WHERE owner = ?", owner)
		if err != nil {
			return nil, err
		}
		keys = append(keys, some...)
	}
	return keys, nil
}

// AddKeys implements [events.KeyStore].
func (l *Log) AddKeys(ctx context.Context, keys []events.WrappedKey) error {
	return l.write(ctx, "store keys", func(tx *sql.Tx) error {
		for _, k := range keys {
			if err := exec(ctx, tx, "INSERT INTO seal_key (owner, master, wrapped, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
				k.Owner, k.Master, k.Wrapped, k.CreatedAt.UnixMicro()); err != nil {
				return err
			}
		}
		return nil
	})
}

// Rewrap implements [events.KeyStore].
func (l *Log) Rewrap(ctx context.Context, keys []events.WrappedKey) error {
	return l.write(ctx, "rewrap keys", func(tx *sql.Tx) error {
		for _, k := range keys {
			if err := exec(ctx, tx, "UPDATE seal_key SET master = ?, wrapped = ? WHERE owner = ? AND wrapped IS NOT NULL", k.Master, k.Wrapped, k.Owner); err != nil {
				return err
			}
		}
		return nil
	})
}

// DestroyKeys implements [events.KeyStore]. The file overwrites what it deletes (secure_delete), and the write-ahead log, which still holds
// the pages as they were, is emptied.
func (l *Log) DestroyKeys(ctx context.Context, owners []string, at time.Time) error {
	err := l.write(ctx, "destroy keys", func(tx *sql.Tx) error {
		for _, owner := range owners {
			if err := exec(ctx, tx, `INSERT INTO seal_key (owner, master, wrapped, created_at) VALUES (?1, '', NULL, ?2)
				ON CONFLICT DO UPDATE SET wrapped = NULL WHERE destroyed_at IS NULL`, owner, at.UnixMicro()); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = l.emptyWAL(ctx)
	}
	if err != nil {
		return err
	}
	return l.write(ctx, "destroy keys", func(tx *sql.Tx) error {
		for _, owner := range owners {
			if err := exec(ctx, tx, "UPDATE seal_key SET destroyed_at = ? WHERE owner = ? AND destroyed_at IS NULL", at.UnixMicro(), owner); err != nil {
				return err
			}
		}
		return nil
	})
}

// patience is how long readers that look at an old page of the write-ahead log are waited for.
const patience = 10 * time.Second

// emptyWAL writes everything from the write-ahead log into the file and truncates it.
func (l *Log) emptyWAL(ctx context.Context) error {
	for patient := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		busy, err := l.truncateWAL(ctx)
		if err == nil && !busy {
			return nil
		}
		if time.Now().After(patient) || ctx.Err() != nil {
			return wrap(ctx, "empty the write-ahead log", errors.Join(err, &domain.Error{Code: domain.Unavailable, Path: l.path,
				Message: "a backup or another program keeps reading; the next command goes on with it"}))
		}
	}
}

// truncateWAL tries it once. SQLite itself would wait for readers as long as for the lock of a writer.
func (l *Log) truncateWAL(ctx context.Context) (bool, error) {
	conn, err := l.keeper.Conn(ctx)
	if err != nil {
		return true, err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 500"); err != nil {
		return true, err
	}
	var busy, frames, done int
	err = conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &done)
	_, again := conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA busy_timeout = 30000")
	return busy != 0, errors.Join(err, again)
}

// AddSignedTree implements [events.SignedTrees].
func (l *Log) AddSignedTree(ctx context.Context, t events.SignedTree) error {
	return l.write(ctx, "store a signed tree", func(tx *sql.Tx) error {
		return exec(ctx, tx, "INSERT INTO signed_tree (study, size, position, note, signed_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
			t.Study, t.Size, int64(t.Position), t.Note, t.SignedAt.UnixMicro())
	})
}

// SignedTrees implements [events.SignedTrees].
func (l *Log) SignedTrees(ctx context.Context, study string) ([]events.SignedTree, error) {
	return list(ctx, l, "read the signed trees", scanSignedTree,
		`SELECT study, size, position, note, signed_at FROM signed_tree WHERE ?1 = '' OR study = ?1 ORDER BY study, size`, study)
}

// LastSignedTrees implements [events.SignedTrees].
func (l *Log) LastSignedTrees(ctx context.Context, study string) ([]events.SignedTree, error) {
	return list(ctx, l, "read the signed trees", scanSignedTree, `SELECT study, size, position, note, signed_at FROM signed_tree
		JOIN (SELECT study, max(size) AS size FROM signed_tree WHERE ?1 = '' OR study = ?1 GROUP BY study) AS last USING (study, size) ORDER BY study`, study)
}

func scanSignedTree(scan func(...any) error) (t events.SignedTree, err error) {
	var at int64
	err = scan(&t.Study, &t.Size, &t.Position, &t.Note, &at)
	t.SignedAt = time.UnixMicro(at).UTC()
	return t, err
}

// list reads rows of any kind.
func list[T any](ctx context.Context, l *Log, what string, row func(scan func(...any) error) (T, error), text string, args ...any) (all []T, err error) {
	if l.closed.Load() {
		return nil, events.ErrClosed
	}
	rows, err := l.reader.QueryContext(ctx, text, args...)
	if err != nil && l.closed.Load() {
		return nil, events.ErrClosed
	}
	if err != nil {
		return nil, wrap(ctx, what, err)
	}
	defer rows.Close()
	for rows.Next() {
		r, err := row(rows.Scan)
		if err != nil {
			return nil, wrap(ctx, what, err)
		}
		all = append(all, r)
	}
	return all, wrap(ctx, what, rows.Err())
}

// write runs a transaction that is not an append.
func (l *Log) write(ctx context.Context, what string, do func(*sql.Tx) error) error {
	if l.closed.Load() {
		return events.ErrClosed
	}
	l.turn.Lock() // waiting here is fairer than waiting for the file's lock
	defer l.turn.Unlock()
	tx, err := l.keeper.BeginTx(ctx, nil)
	if err == nil {
		if err = do(tx); err != nil {
			_ = tx.Rollback() // the first error tells more
		} else {
			err = tx.Commit()
		}
	}
	if err != nil && l.closed.Load() {
		return events.ErrClosed
	}
	return wrap(ctx, what, l.explain(err))
}

func exec(ctx context.Context, tx *sql.Tx, text string, args ...any) error {
	_, err := tx.ExecContext(ctx, text, args...)
	return err
}
