package proof

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"asem/domain"
	"asem/events"
)

// hashes reads the hashes of a study's tree from its tiles.
func hashes(ctx context.Context, store events.TileStore, study string) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		at, ids := map[events.TileID]int{}, []events.TileID{}
		tiles := make([]tlog.Tile, len(indexes))
		for i, x := range indexes {
			tiles[i] = tlog.TileForIndex(events.TileHeight, x)
			id := events.TileID{Study: study, Level: tiles[i].L, N: tiles[i].N}
			if _, ok := at[id]; !ok {
				at[id] = len(ids)
				ids = append(ids, id)
			}
		}
		stored, err := store.Tiles(ctx, ids)
		if err != nil {
			return nil, err
		}
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			t := tiles[i]
			data := stored[at[events.TileID{Study: study, Level: t.L, N: t.N}]].Data
			if len(data) < t.W*tlog.HashSize {
				return nil, fmt.Errorf("tile %d on level %d of study %s is too short: %w", t.N, t.L, study, events.ErrDamaged)
			}
			if out[i], err = tlog.HashFromTile(t, data[:t.W*tlog.HashSize], x); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

// Root returns the size of a study's tree and its root. A study without events is an error with code not_found.
func Root(ctx context.Context, store events.TileStore, study string) (int64, tlog.Hash, error) {
	last, err := store.LastTiles(ctx, study)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	t, err := events.NewTree(last)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	if t.Size == 0 {
		return 0, tlog.Hash{}, &domain.Error{Code: domain.NotFound, Path: "study", Message: fmt.Sprintf("there are no events of a study %q", study)}
	}
	root, err := RootAt(ctx, store, study, t.Size)
	return t.Size, root, err
}

// RootAt returns the root that the tree had when it had size leaves.
func RootAt(ctx context.Context, store events.TileStore, study string, size int64) (tlog.Hash, error) {
	root, err := tlog.TreeHash(size, hashes(ctx, store, study))
	if err != nil {
		return root, fmt.Errorf("read the tree of study %s: %w", study, err)
	}
	return root, nil
}

// Inclusion proves that the leaf is in the tree with size leaves: the hashes with which [tlog.CheckRecord] gets from the leaf's hash to
// the root. 0 <= leaf < size, or the error has code invalid.
func Inclusion(ctx context.Context, store events.TileStore, study string, leaf, size int64) (tlog.RecordProof, error) {
	if err := within(ctx, store, study, size); err != nil {
		return nil, err
	}
	if leaf < 0 || leaf >= size {
		return nil, &domain.Error{Code: domain.Invalid, Path: "leaf", Message: fmt.Sprintf("leaf %d is not in a tree of %d; expected 0 to %d", leaf, size, size-1)}
	}
	return tlog.ProveRecord(size, leaf, hashes(ctx, store, study))
}

// Consistency proves that the tree with size leaves begins with the tree that it was with old leaves, for [tlog.CheckTree].
// 1 <= old <= size, or the error has code invalid.
func Consistency(ctx context.Context, store events.TileStore, study string, old, size int64) (tlog.TreeProof, error) {
	if err := within(ctx, store, study, size); err != nil {
		return nil, err
	}
	if old < 1 || old > size {
		return nil, &domain.Error{Code: domain.Invalid, Path: "oldSize", Message: fmt.Sprintf("a tree of %d does not begin with one of %d; expected 1 to %d", size, old, size)}
	}
	return tlog.ProveTree(size, old, hashes(ctx, store, study))
}

func within(ctx context.Context, store events.TileStore, study string, size int64) error {
	now, _, err := Root(ctx, store, study)
	if err == nil && (size < 1 || size > now) {
		err = &domain.Error{Code: domain.Invalid, Path: "size", Message: fmt.Sprintf("the tree of study %s never had %d leaves; expected 1 to %d", study, size, now)}
	}
	return err
}
