package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

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
	return list(ctx, l, "read the records", func(row pgx.CollectableRow) (r events.Record, err error) {
		err = row.Scan(&r.Position, &r.Stream, &r.Version, &r.Data)
		return r, err
	}, "SELECT position, stream, version, record FROM event WHERE position > $1 ORDER BY position LIMIT $2", int64(after), limit)
}

// StoredReceipts implements [events.Archive].
func (l *Log) StoredReceipts(ctx context.Context, after events.StoredReceipt, limit int) ([]events.StoredReceipt, error) {
	return list(ctx, l, "read the receipts", func(row pgx.CollectableRow) (r events.StoredReceipt, err error) {
		err = row.Scan(&r.Command, &r.First, &r.Last, &r.RecordedAt)
		r.RecordedAt = r.RecordedAt.UTC()
		return r, err
	}, "SELECT id, first_position, last_position, recorded_at FROM command WHERE (first_position, id) > ($1, $2) ORDER BY first_position, id LIMIT $3", int64(after.First), after.Command, limit)
}

// Tiles implements [events.TileStore].
func (l *Log) Tiles(ctx context.Context, ids []events.TileID) ([]events.Tile, error) {
	study, level, n := make([]string, len(ids)), make([]int32, len(ids)), make([]int64, len(ids))
	for i, id := range ids {
		study[i], level[i], n[i] = id.Study, int32(id.Level), id.N
	}
	tiles, err := list(ctx, l, "read the tree", scanTile, `SELECT study, level, n, coalesce(hashes, '') FROM unnest($1::text[], $2::int[], $3::bigint[]) WITH ORDINALITY AS q (study, level, n, i)
		LEFT JOIN tile USING (study, level, n) ORDER BY i`, study, level, n)
	for _, t := range tiles {
		if len(t.Data) == 0 {
			return nil, fmt.Errorf("tile %d on level %d of study %s is missing: %w", t.N, t.Level, t.Study, events.ErrDamaged)
		}
	}
	return tiles, err
}

// LastTiles implements [events.TileStore].
func (l *Log) LastTiles(ctx context.Context, study string) ([]events.Tile, error) {
	return list(ctx, l, "read the tree", scanTile, lastTilesText, []string{study}, maxLevels)
}

// WrappedKeys implements [events.KeyStore].
func (l *Log) WrappedKeys(ctx context.Context, owners []string) ([]events.WrappedKey, error) {
	return list(ctx, l, "read the keys", func(row pgx.CollectableRow) (k events.WrappedKey, err error) {
		var destroyed *time.Time
		err = row.Scan(&k.Owner, &k.Master, &k.Wrapped, &k.CreatedAt, &destroyed)
		k.CreatedAt = k.CreatedAt.UTC()
		if destroyed != nil {
			k.Destroyed = destroyed.UTC()
		}
		return k, err
	}, `SELECT owner, master, wrapped, created_at, destroyed_at FROM seal_key WHERE $1::text[] IS NULL OR owner = ANY($1) ORDER BY owner COLLATE "C"`, owners)
}

// AddKeys implements [events.KeyStore].
func (l *Log) AddKeys(ctx context.Context, keys []events.WrappedKey) error {
	return l.write(ctx, "store keys", func(tx pgx.Tx) error {
		for _, k := range inOrder(keys) {
			if _, err := tx.Exec(ctx, "INSERT INTO seal_key (owner, master, wrapped, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", k.Owner, k.Master, k.Wrapped, k.CreatedAt); err != nil {
				return err
			}
		}
		return nil
	})
}

// inOrder sorts keys by owner. Whoever writes keys takes their rows in this order, so that no two wait for each other.
func inOrder(keys []events.WrappedKey) []events.WrappedKey {
	return slices.SortedFunc(slices.Values(keys), func(a, b events.WrappedKey) int { return strings.Compare(a.Owner, b.Owner) })
}

// Rewrap implements [events.KeyStore].
func (l *Log) Rewrap(ctx context.Context, keys []events.WrappedKey) error {
	return l.write(ctx, "rewrap keys", func(tx pgx.Tx) error {
		for _, k := range inOrder(keys) {
			if _, err := tx.Exec(ctx, "UPDATE seal_key SET master = $2, wrapped = $3 WHERE owner = $1 AND wrapped IS NOT NULL", k.Owner, k.Master, k.Wrapped); err != nil {
				return err
			}
		}
		return nil
	})
}

// DestroyKeys implements [events.KeyStore]. The table is written anew without what was deleted. PostgreSQL's write-ahead log
// keeps the wrapped key until its segments are used again, and so do archives of it; a new master key makes those worthless.
func (l *Log) DestroyKeys(ctx context.Context, owners []string, at time.Time) error {
	owners = slices.Sorted(slices.Values(owners)) // see inOrder
	err := l.write(ctx, "destroy keys", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO seal_key (owner, master, wrapped, created_at) SELECT owner, '', NULL, $2 FROM unnest($1::text[]) AS owner
			ON CONFLICT (owner) DO UPDATE SET wrapped = NULL WHERE seal_key.destroyed_at IS NULL`, owners, at)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := l.pool.Exec(ctx, "VACUUM FULL seal_key"); err != nil {
		return wrap(ctx, "destroy keys", err)
	}
	return l.write(ctx, "destroy keys", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE seal_key SET destroyed_at = $2 WHERE owner = ANY($1) AND destroyed_at IS NULL", owners, at)
		return err
	})
}

// AddSignedTree implements [events.SignedTrees].
func (l *Log) AddSignedTree(ctx context.Context, t events.SignedTree) error {
	return l.write(ctx, "store a signed tree", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO signed_tree (study, size, position, note, signed_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, t.Study, t.Size, int64(t.Position), t.Note, t.SignedAt)
		return err
	})
}

// SignedTrees implements [events.SignedTrees].
func (l *Log) SignedTrees(ctx context.Context, study string) ([]events.SignedTree, error) {
	return list(ctx, l, "read the signed trees", scanSignedTree,
		`SELECT study, size, position, note, signed_at FROM signed_tree WHERE $1 = '' OR study = $1 ORDER BY study COLLATE "C", size`, study)
}

// LastSignedTrees implements [events.SignedTrees].
func (l *Log) LastSignedTrees(ctx context.Context, study string) ([]events.SignedTree, error) {
	return list(ctx, l, "read the signed trees", scanSignedTree, `SELECT study, size, position, note, signed_at FROM signed_tree
		JOIN (SELECT study, max(size) AS size FROM signed_tree WHERE $1 = '' OR study = $1 GROUP BY study) AS last USING (study, size) ORDER BY study COLLATE "C"`, study)
}

func scanSignedTree(row pgx.CollectableRow) (t events.SignedTree, err error) {
	err = row.Scan(&t.Study, &t.Size, &t.Position, &t.Note, &t.SignedAt)
	t.SignedAt = t.SignedAt.UTC()
	return t, err
}

// list reads rows of any kind.
func list[T any](ctx context.Context, l *Log, what string, row pgx.RowToFunc[T], text string, args ...any) ([]T, error) {
	if l.closed.Load() {
		return nil, events.ErrClosed
	}
	rows, err := l.pool.Query(ctx, text, args...)
	if err != nil && l.closed.Load() {
		return nil, events.ErrClosed
	}
	if err != nil {
		return nil, wrap(ctx, what, err)
	}
	all, err := pgx.CollectRows(rows, row)
	if err != nil || len(all) == 0 {
		return nil, wrap(ctx, what, err)
	}
	return all, nil
}

// write runs a transaction that is not an append.
func (l *Log) write(ctx context.Context, what string, do func(pgx.Tx) error) error {
	if l.closed.Load() {
		return events.ErrClosed
	}
	err := pgx.BeginFunc(ctx, l.pool, do)
	if err != nil && l.closed.Load() {
		return events.ErrClosed
	}
	return wrap(ctx, what, err)
}
